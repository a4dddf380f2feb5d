//! Owns: what one answer to a debit must be in itself, and beside what was heard of its session and payee: I2, I4, I9, I10.
//! Never: sums.

use super::{
    facts::{Facts, HeardDebit},
    is_approved, taken, wrong,
};
use crate::{asked::NewDebit, model::Wrong};
use tallystick_core::{DeclineCode as Code, EnvelopeId, Level, Next, command::Act};
use tallystick_engine::{DebitAnswer, DebitOutcome};

impl Facts {
    pub(super) fn debit_heard(&mut self, ask: &NewDebit, answer: &DebitAnswer) -> Result<(), Wrong> {
        self.decided(ask, answer.seq, answer.replayed)?;
        self.says_enough(ask, answer)?;
        let decline = answer.decline;
        let heard = HeardDebit {
            ask: ask.clone(),
            taken: answer.taken.nanos(),
            code: decline.map(|no| no.code),
            level: decline.map(|no| no.level),
            fresh: (!answer.replayed).then_some((answer.at, answer.late)),
        };
        self.add(answer.seq, &heard)?;
        if !answer.replayed {
            self.time_runs_on(ask, answer)?;
        }
        self.hold_keeps(ask, answer.seq)?;
        self.ended_by_somebody(ask, answer)
    }

    pub(super) fn outcome_heard(&mut self, ask: &NewDebit, outcome: &DebitOutcome) -> Result<(), Wrong> {
        self.decided(ask, outcome.seq, outcome.replayed)?;
        let taken = taken(ask, outcome);
        if outcome.declined.is_none() && !fits(ask, taken) {
            return wrong("I1", format!("{taken} was taken for {ask:?}"));
        }
        let code = outcome.declined;
        let heard = HeardDebit { ask: ask.clone(), taken, code, level: None, fresh: None };
        self.add(outcome.seq, &heard)?;
        self.hold_keeps(ask, outcome.seq)
    }

    /// Adds a debit to what was heard, or finds it said again.
    fn add(&mut self, seq: u64, heard: &HeardDebit) -> Result<(), Wrong> {
        self.last_seq = self.last_seq.max(seq);
        let session = heard.ask.session;
        match self.debits.get_mut(&seq) {
            Some(before) => {
                let same_level =
                    before.level.is_none() || heard.level.is_none() || before.level == heard.level;
                if (before.taken, before.code) != (heard.taken, heard.code) || !same_level {
                    return wrong("I3", format!("the debit at {seq} was {before:?} and is {heard:?}"));
                }
                before.level = before.level.or(heard.level);
                before.fresh = before.fresh.or(heard.fresh);
                return Ok(());
            }
            None => drop(self.debits.insert(seq, heard.clone())),
        }
        if heard.code == Some(Code::SessionEnded) {
            let from = self.ended.entry(session).or_insert(seq);
            *from = seq.min(*from);
        }
        self.nothing_after()?;
        self.stopped()?;
        if heard.code.is_some() {
            return Ok(());
        }
        self.limits_of(session)?;
        self.limits_then(session, seq)
    }

    /// Nothing is approved after a session ended, was settled, or a payee was blocked (I9, I10).
    pub(super) fn nothing_after(&self) -> Result<(), Wrong> {
        for (seq, debit) in self.debits.iter().filter(|(_, debit)| debit.is_new()) {
            let ended = self.path(debit.ask.session).iter().filter_map(|id| self.ended.get(id)).min();
            if ended.is_some_and(|ended| seq > ended) {
                return wrong("I9", format!("seq {seq} approves after {ended:?} said that it had ended"));
            }
            let settled = self.settlements.get(&debit.ask.session);
            if let Some(settled) = settled.filter(|settled| settled.seq < *seq) {
                return wrong("I5", format!("seq {seq} approves after the settlement at {}", settled.seq));
            }
            let blocked = self.blocked.get(&debit.ask.payee);
            if blocked.is_some_and(|blocked| seq > blocked) {
                return wrong("I10", format!("seq {seq} approves after the block at {blocked:?}"));
            }
        }
        Ok(())
    }

    /// Times within a partition never run back, and nothing is approved before a session begins or from its end on (I9).
    fn time_runs_on(&mut self, ask: &NewDebit, answer: &DebitAnswer) -> Result<(), Wrong> {
        let session = ask.session;
        let times = self.times.entry(session.partition()).or_default();
        times.insert(answer.seq, answer.at);
        let before = times.range(..answer.seq).next_back();
        let after = times.range(answer.seq + 1..).next();
        if before.is_some_and(|(_, at)| *at > answer.at) || after.is_some_and(|(_, at)| *at < answer.at) {
            return wrong("I9", format!("time runs back at seq {}: {before:?}, {after:?}", answer.seq));
        }
        let is_new = is_approved(answer) && (ask.act.hold().is_none() || answer.late);
        let Some(seen) = self.sessions.get(&session).filter(|_| is_new) else { return Ok(()) };
        let maybe = self.top_ups.iter().filter(|((id, _), _)| *id == session);
        let later = maybe.fold(0_u64, |sum, (_, maybe)| sum.saturating_add(maybe.longest_ns));
        if answer.at.ns() >= seen.ends_at.ns().saturating_add(later) || answer.at < seen.begins {
            return wrong("I9", format!("seq {} approves at {}, outside of {seen:?}", answer.seq, answer.at));
        }
        Ok(())
    }

    /// A decline names a level and whose limit it is, and offers what a client can check to be of use (I4).
    fn says_enough(&self, ask: &NewDebit, answer: &DebitAnswer) -> Result<(), Wrong> {
        let told = |text: &str| wrong("I4", format!("{text}: {ask:?} heard {answer:?}"));
        if answer.amount != ask.amount || answer.session != ask.session {
            return told("another debit is answered");
        }
        let Some(decline) = answer.decline else {
            let takes = fits(ask, answer.taken.nanos()) && answer.act == ask.act;
            return if takes { Ok(()) } else { told("another amount is taken") };
        };
        if !answer.taken.is_zero() {
            return told("it is declined and taken");
        }
        if answer.replayed {
            let again = decline.next == Next::NewKey && answer.limit_of.is_none();
            return if again { Ok(()) } else { told("a replay offers more than a new key") };
        }
        let stops = matches!(decline.code, Code::Revoked | Code::Paused);
        let in_time = matches!(decline.code, Code::VelocityRate | Code::VelocityWindow);
        let fits = match (decline.level, answer.limit_of) {
            (Level::Account, Some(EnvelopeId::Account(_))) => decline.code == Code::Cap || stops || in_time,
            (Level::Payee, Some(EnvelopeId::Account(_))) => in_time,
            (Level::Session | Level::Payee, Some(EnvelopeId::Session(id))) => {
                !self.sessions.contains_key(&id)
                    || !self.sessions.contains_key(&ask.session)
                    || self.path(ask.session).contains(&id)
            }
            _ => false,
        };
        if !fits {
            return told("the level is not that of the limit");
        }
        let least = self.sessions.get(&ask.session).map_or(0, |seen| seen.debit_min);
        let useful = match decline.next {
            Next::SmallerAmount(most) if decline.code == Code::AboveHold => {
                !most.is_zero() && most < ask.amount && most <= answer.held
            }
            Next::SmallerAmount(most) => {
                !most.is_zero()
                    && most.nanos() < ask.whole()
                    && most.nanos() >= least
                    && most <= answer.remaining
                    && answer.payee_remaining.is_none_or(|left| most <= left)
            }
            Next::WaitUntil(at) => at > answer.at && (decline.code == Code::NotYetValid || in_time),
            Next::TopUp(most) => !most.is_zero() && decline.code == Code::Cap,
            Next::Nothing => decline.code != Code::NotYetValid,
            Next::NewKey => decline.code == Code::Paused,
            Next::AskApproval => decline.code == tallystick_core::DeclineCode::ApprovalRequired,
        };
        if !useful {
            return told("what is offered is of no use");
        }
        let shows = match decline.code {
            Code::PayeeCap => answer.payee_remaining.is_some_and(|left| left.nanos() < ask.whole()),
            Code::Cap => {
                answer.remaining.nanos() < ask.whole() || ask.partial || answer.payee_remaining.is_some()
            }
            _ => true,
        };
        if shows { Ok(()) } else { told("the limit has room") }
    }
}

/// Says whether what was taken is what was asked for: all of it, less where that would do, and of a void whatever was left.
fn fits(ask: &NewDebit, taken: u64) -> bool {
    match ask.act {
        Act::Void { .. } => taken > 0,
        Act::Debit if ask.partial => taken > 0 && taken <= ask.amount.nanos(),
        Act::Debit | Act::Hold { .. } | Act::Capture { .. } => taken == ask.amount.nanos(),
    }
}
