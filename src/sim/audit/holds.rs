//! Owns: what answers say of holds: captures are never more than was held, nothing is held after its end, a void gives back
//! once, and a session settles when its last hold has ended: I1, I4, I5, I9.
//! Never: what a hold still holds, but for bounds: others may have captured, and nobody heard.

use super::{
    facts::{Facts, HeardDebit},
    wrong,
};
use crate::{asked::NewDebit, model::Wrong};
use tallystick_core::{
    DeclineCode as Code, Next, Time, command::Act, partition::SessionView, settlement::Settlement,
};
use tallystick_engine::DebitAnswer;

/// Returns until when a hold lasts, if it said so.
fn until(hold: &NewDebit) -> Option<Time> {
    match hold.act {
        Act::Hold { until, .. } if until != Time::ZERO => Some(until),
        _ => None,
    }
}

impl Facts {
    /// Returns the holds that were heard of.
    pub(super) fn holds(&self) -> impl Iterator<Item = (&u64, &HeardDebit)> {
        let is_hold = |debit: &HeardDebit| debit.code.is_none() && matches!(debit.ask.act, Act::Hold { .. });
        self.debits.iter().filter(move |(_, debit)| is_hold(debit))
    }

    fn asked_of(&self, hold: u64) -> impl Iterator<Item = &NewDebit> {
        self.of_holds.get(&hold).into_iter().flatten()
    }

    /// Returns what was captured of a hold, by those who said that it was not too late.
    fn captured(&self, hold: u64) -> u128 {
        let of = self.debits.values().filter(|debit| {
            let is_capture = matches!(debit.ask.act, Act::Capture { hold: of, .. } if of == hold);
            is_capture && debit.code.is_none() && debit.fresh.is_some_and(|(_, late)| !late)
        });
        of.map(|debit| u128::from(debit.taken)).sum()
    }

    /// Returns whether somebody may have ended a hold, other than by `but`.
    fn may_have_ended(&self, hold: u64, whole: u64, but: Option<&NewDebit>) -> bool {
        let others = || self.asked_of(hold).filter(|ask| but.is_none_or(|but| ask.named != but.named));
        let ends = |ask: &NewDebit| matches!(ask.act, Act::Void { .. } | Act::Capture { last: true, .. });
        let most: u128 = others().map(|ask| u128::from(ask.amount.nanos())).sum();
        let session = self.debits.get(&hold).map(|debit| debit.ask.session);
        let voided = session.is_some_and(|session| self.may_be_voided(session));
        voided || others().any(ends) || most >= u128::from(whole)
    }

    /// Returns the holds of a partition that were surely open when something was decided there, each with the least that was
    /// set aside for it, or captured and not heard of.
    pub(super) fn surely_open(&self, partition: u16, seq: u64) -> Vec<(&NewDebit, u64)> {
        // Not later than the next decision whose time is known.
        let next = self.times.get(&partition).and_then(|times| times.range(seq..).next());
        let Some((_, latest)) = next else { return Vec::new() };
        let is_open = |(placed, hold): &(&u64, &HeardDebit)| {
            **placed <= seq
                && hold.ask.session.partition() == partition
                && until(&hold.ask).is_some_and(|until| *latest < until)
                && !self.may_have_ended(**placed, hold.ask.whole(), None)
        };
        let least = |placed: u64, hold: &HeardDebit| {
            let of = self.debits.values().filter(|debit| debit.ask.act.hold() == Some(placed));
            hold.ask.whole().saturating_sub(of.map(|debit| debit.taken).sum())
        };
        let open = self.holds().filter(is_open);
        open.map(|(placed, hold)| (&hold.ask, least(*placed, hold))).collect()
    }

    /// What was heard of a hold and what became of it goes together.
    pub(super) fn hold_keeps(&self, ask: &NewDebit, seq: u64) -> Result<(), Wrong> {
        let named = ask.act.hold().unwrap_or(seq);
        let Some(hold) = self.debits.get(&named).filter(|hold| matches!(hold.ask.act, Act::Hold { .. }))
        else {
            return Ok(());
        };
        let (whole, until) = (u128::from(hold.ask.whole()), until(&hold.ask));
        let captured = self.captured(named);
        if captured > whole {
            return wrong("I1", format!("{captured} was captured of {:?}", hold.ask));
        }
        let of = |debit: &&HeardDebit| debit.ask.act.hold() == Some(named) && debit.code.is_none();
        for (debit, (at, late)) in self.debits.values().filter(of).filter_map(|d| Some((d, d.fresh?))) {
            if until.is_some_and(|until| late != (at >= until)) {
                return wrong("I9", format!("{debit:?} was decided beside the end of {:?}", hold.ask));
            }
        }
        let is_void = |debit: &HeardDebit| matches!(debit.ask.act, Act::Void { hold } if hold == named);
        let mut voids = self.debits.iter().filter(|(_, debit)| is_void(debit) && debit.code.is_none());
        if let (Some((at, void)), more) = (voids.next(), voids.next()) {
            let after = self.debits.range(at + 1..).any(|(_, debit)| {
                of(&debit) && !is_void(debit) && debit.fresh.is_some_and(|(_, late)| !late)
            });
            if more.is_some() || after || captured + u128::from(void.taken) > whole {
                return wrong(
                    "I1",
                    format!("{:?} was given back at {at}, and {captured} captured", hold.ask),
                );
            }
        }
        Ok(())
    }

    /// A hold that is said to have ended was ended by somebody, and what is said to be left of it is.
    pub(super) fn ended_by_somebody(&self, ask: &NewDebit, answer: &DebitAnswer) -> Result<(), Wrong> {
        let Some(named) = ask.act.hold().filter(|_| !answer.replayed) else { return Ok(()) };
        let Some(hold) = self.debits.get(&named) else { return Ok(()) };
        let code = answer.decline.map(|no| no.code);
        let whole = hold.ask.whole();
        let is_over = until(&hold.ask).is_none_or(|until| answer.at >= until);
        let is_voiding = matches!(ask.act, Act::Void { .. });
        if code == Some(Code::HoldEnded)
            && !self.may_have_ended(named, whole, Some(ask))
            && !(is_voiding && is_over)
        {
            return wrong("I9", format!("{ask:?} heard {answer:?}, and nobody ended {:?}", hold.ask));
        }
        let others = self.asked_of(named).filter(|other| other.named != ask.named);
        let most: u128 = others.map(|other| u128::from(other.amount.nanos())).sum();
        let told = match answer.decline.map(|no| no.next) {
            Some(Next::SmallerAmount(left)) if code == Some(Code::AboveHold) => left.nanos(),
            None if is_voiding => answer.taken.nanos(),
            _ => return Ok(()),
        };
        if u128::from(told) + most < u128::from(whole) || told > whole {
            return wrong(
                "I1",
                format!("{told} is left of {:?}, though {most} at most was captured", hold.ask),
            );
        }
        Ok(())
    }

    /// A session that is being closed waits for something, and takes nothing new.
    pub(super) fn waits(&mut self, view: &SessionView, seq: u64) -> Result<(), Wrong> {
        let holds = view.guard.as_ref().map_or(0, |guard| guard.holds.open_count());
        if !view.closing || (holds == 0 && view.open_children == 0) {
            return wrong("I5", format!("it was to be settled, and waits for nothing: {view:?}"));
        }
        let from = self.ended.entry(view.id).or_insert(seq);
        *from = seq.min(*from);
        self.nothing_after()
    }

    /// What is held is what the holds that are shown hold, and what is held below.
    pub(super) fn holds_add_up(view: &SessionView) -> Result<(), Wrong> {
        let holds = view.guard.as_ref().map(|guard| &guard.holds);
        let own: u128 =
            holds.map_or(0, |holds| holds.open().map(|(_, hold)| u128::from(hold.left.nanos())).sum());
        let held = u128::from(view.held.nanos());
        if held < own || (view.open_children == 0 && held != own) {
            return wrong("I1", format!("{own} is held by the holds of {view:?}"));
        }
        Ok(())
    }

    /// Nothing was held any more when a session was settled.
    pub(super) fn held_nothing(&self, settlement: &Settlement) -> Result<(), Wrong> {
        let open = self.holds().find(|(placed, hold)| {
            hold.ask.session == settlement.session
                && until(&hold.ask).is_some_and(|until| settlement.settled_at < until)
                && !self.may_have_ended(**placed, hold.ask.whole(), None)
        });
        match open {
            Some((placed, hold)) => {
                wrong("I9", format!("{settlement:?} leaves the hold at {placed}: {:?}", hold.ask))
            }
            None => Ok(()),
        }
    }
}
