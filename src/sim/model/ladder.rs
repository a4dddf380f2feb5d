//! Owns: the order in which a debit is tested, and what a decline says can be done. Never: writes.
//!
//! NOTE: what is offered (`next`) is what fits as things stand: it does not count on sessions that have expired and are not
//! settled yet, other than those that had to be released before this decline. 65 payees in a session, 10,000 children, 65,536
//! keys or answers are not modelled: no simulated world comes near.

use super::{
    state::{Session, State},
    tree::Due,
    velocity::Count,
};
use crate::asked::NewDebit;
use tallystick_core::{
    Amount, Currency, Decline, DeclineCode as Code, EnvelopeId, Level, Next, SessionId, Time, command::Act,
    payee::PayeeStatus, velocity::Pace,
};

/// Is a decline with the envelope whose limit said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct No {
    pub(super) decline: Decline,
    pub(super) limit_of: EnvelopeId,
}

pub(super) fn no(code: Code, level: Level, next: Next, limit_of: EnvelopeId) -> No {
    No { decline: Decline { code, level, next }, limit_of }
}

pub(super) fn level(envelope: EnvelopeId) -> Level {
    match envelope {
        EnvelopeId::Account(_) => Level::Account,
        EnvelopeId::Session(_) => Level::Session,
    }
}

fn amount(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

/// Returns whether nothing can be approved out of what is left.
pub(super) fn is_final(session: &Session, left: u64) -> bool {
    left == 0 || left < session.min
}

impl State {
    /// Says how much a debit takes, or why it takes nothing.
    ///
    /// A hold climbs with its tolerance.
    pub(super) fn rule(&self, ask: &NewDebit, (now, count): (Time, Count), due: Due) -> Result<u64, No> {
        let (id, asked) = (ask.session, ask.whole());
        let own = EnvelopeId::Session(id);
        let Some(session) = self.sessions.get(&id) else {
            return Err(no(Code::SessionEnded, Level::Session, Next::Nothing, own));
        };
        self.stop(own)?;
        let blocked = self.payees.get(&ask.payee).is_none_or(|payee| payee.status != PayeeStatus::Active);
        let unlisted = session.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&ask.payee));
        let other = ask.currency != Currency::UNSTATED && ask.currency != session.currency;
        let above_max = session.max > 0 && asked > session.max;
        let first = [
            (self.has_ended(id, now), Code::SessionEnded, Level::Session),
            (now < session.begins, Code::NotYetValid, Level::Session),
            (other, Code::CurrencyMismatch, Level::Session),
            (blocked, Code::PayeeBlocked, Level::Payee),
            (unlisted, Code::PayeeNotAllowed, Level::Session),
            (asked < session.min, Code::BelowDebitMin, Level::Session),
            (above_max, Code::AboveDebitMax, Level::Session),
        ];
        if let Some((_, code, level)) = first.into_iter().find(|(hit, _, _)| *hit) {
            let next = match code {
                Code::NotYetValid => Next::WaitUntil(session.begins),
                Code::AboveDebitMax => self.smaller(ask, (now, count), due),
                _ => Next::Nothing,
            };
            return Err(no(code, level, next, own));
        }
        self.within_velocity(ask, session, (now, count), due)?;
        let wanted = self.within_payee_caps(ask, session, (now, count), due)?;
        let taken = self.within_caps(ask, session, (wanted, (now, count)), due)?;
        if session.approval > 0 && taken > session.approval {
            return Err(no(Code::ApprovalRequired, Level::Session, Next::AskApproval, own));
        }
        Ok(taken)
    }

    /// Tests every limit in time with what is asked: rates first, then windows; of each, the nearest.
    fn within_velocity(
        &self,
        ask: &NewDebit,
        session: &Session,
        at: (Time, Count),
        due: Due,
    ) -> Result<(), No> {
        let short = self.short(ask, at.0, at.1);
        let first = short.iter().find(|short| short.limit.pace == Pace::Rate).or(short.first());
        let Some(first) = first else { return Ok(()) };
        let code = if first.limit.pace == Pace::Rate { Code::VelocityRate } else { Code::VelocityWindow };
        let level = if first.limit.each_payee { Level::Payee } else { level(first.of) };
        // The longest wait is when all of them let it through.
        let until = short
            .iter()
            .map(|short| short.until)
            .try_fold(Time::ZERO, |latest, until| until.map(|until| latest.max(until)));
        let next = match until.filter(|until| *until < session.ends) {
            Some(until) => Next::WaitUntil(until),
            None => self.smaller(ask, at, due),
        };
        Err(no(code, level, next, first.of))
    }

    fn within_payee_caps(
        &self,
        ask: &NewDebit,
        session: &Session,
        at: (Time, Count),
        due: Due,
    ) -> Result<u64, No> {
        let asked = ask.whole();
        let lefts = self.payee_lefts(ask.session, ask.payee, due);
        let Some((_, short)) = lefts.iter().find(|(left, _)| *left < asked) else { return Ok(asked) };
        let least = lefts.iter().map(|(left, _)| *left).min().unwrap_or(0);
        if ask.partial && !is_final(session, least) {
            return Ok(least);
        }
        Err(no(Code::PayeeCap, Level::Payee, self.smaller(ask, at, due), EnvelopeId::Session(*short)))
    }

    fn within_caps(
        &self,
        ask: &NewDebit,
        session: &Session,
        (wanted, at): (u64, (Time, Count)),
        due: Due,
    ) -> Result<u64, No> {
        let own = EnvelopeId::Session(ask.session);
        let Some(short) = self.counting(own).into_iter().find(|of| self.left(*of, due) < wanted) else {
            return Ok(wanted);
        };
        let room = self.room(own, due);
        if ask.partial && !is_final(session, room) {
            return Ok(room);
        }
        let addable = match short {
            EnvelopeId::Account(_) => 0,
            EnvelopeId::Session(id) => self.addable(id, due),
        };
        let next = if addable > 0 { Next::TopUp(amount(addable)) } else { self.smaller(ask, at, due) };
        Err(no(Code::Cap, level(short), next, short))
    }

    /// Returns what everything above a session can give for its cap, so far as it could be spent.
    pub(super) fn addable(&self, id: SessionId, due: Due) -> u64 {
        let Some(session) = self.sessions.get(&id) else { return 0 };
        let above = self.room(Self::above(session), due);
        let has = if session.shared { self.left(EnvelopeId::Session(id), due) } else { 0 };
        above.saturating_sub(has).min(Amount::MAX.nanos().saturating_sub(session.cap))
    }

    /// Offers the greatest amount that would pass every rung, if there is one.
    fn smaller(&self, ask: &NewDebit, (now, count): (Time, Count), due: Due) -> Next {
        let Some(session) = self.sessions.get(&ask.session) else { return Next::Nothing };
        let or_none = |most: u64| if most > 0 { most } else { u64::MAX };
        let payee = self.payee_left(ask.session, ask.payee, due).unwrap_or(u64::MAX);
        let room = self.room(EnvelopeId::Session(ask.session), due).min(payee);
        let most = room.min(or_none(session.max)).min(or_none(session.approval));
        let most = most.min(self.velocity_left(ask, now, count));
        if is_final(session, most) { Next::Nothing } else { Next::SmallerAmount(amount(most)) }
    }

    /// Says what is untrue of what a decline offers.
    pub(super) fn untrue_offer(&self, ask: &NewDebit, decline: &Decline, now: Time) -> Option<String> {
        let with = |nanos: u64, at: Time| {
            let ask = NewDebit { amount: amount(nanos), act: Act::Debit, partial: false, ..ask.clone() };
            self.rule(&ask, (at, Count::Exact), Due::Held)
        };
        if self.has_windows(ask.session) {
            return None;
        }
        match decline.next {
            Next::SmallerAmount(_) if decline.code == Code::AboveHold => None,
            Next::SmallerAmount(most) => {
                let fits = with(most.nanos(), now) == Ok(most.nanos());
                let more = with(most.nanos() + 1, now);
                let is_greatest = most.nanos() >= ask.whole() || more.is_err();
                (!fits || !is_greatest).then(|| format!("{most} is offered, which is not the most that fits"))
            }
            Next::WaitUntil(at) => {
                let then = with(ask.whole(), at).err().is_none_or(|no| no.decline.code > decline.code);
                let before = Time::from_ns(at.ns() - 1);
                let waits = at > now && then && with(ask.whole(), before).is_err();
                (!waits).then(|| format!("waiting until {at} is of no use"))
            }
            Next::TopUp(_) | Next::Nothing | Next::NewKey | Next::AskApproval => None,
        }
    }

    /// Says whether a cap can be set aside at an envelope and all that it counts in.
    pub(super) fn set_aside(&self, envelope: EnvelopeId, cap: u64, due: Due) -> Result<(), No> {
        let Some(short) = self.counting(envelope).into_iter().find(|at| self.left(*at, due) < cap) else {
            return Ok(());
        };
        let room = self.room(envelope, due);
        let next = if room == 0 { Next::Nothing } else { Next::SmallerAmount(amount(room)) };
        Err(no(Code::Cap, level(short), next, short))
    }
}
