//! Owns: limits in time, by brute force: lists of all that was ever approved, and when. A rate is a bucket that drains evenly,
//! and is exact. A window may count what was approved for at most a sub-bucket too long, and never too short: what lies
//! between is the engine's to say.
//! Never: forgets; what was reversed, voided or has settled counts like all else.

use super::state::{Debit, State};
use crate::asked::NewDebit;
use tallystick_core::{
    EnvelopeId, PayeeId, SessionId, Time,
    command::Act,
    velocity::{Measure, Pace, VelocityLimit, VelocityView},
};

/// Says how windows count: exactly, or for as long as they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Exact,
    Longest,
}

/// Is a limit that says no.
#[derive(Debug, Clone, Copy)]
pub(super) struct Short {
    pub(super) of: EnvelopeId,
    pub(super) limit: VelocityLimit,
    /// From when on it lets this through, if nothing else is taken; `None` for never.
    pub(super) until: Option<Time>,
}

/// A window is cut into at least so many sub-buckets.
const PARTS: u64 = 64;

impl State {
    /// Returns the envelopes over a session, itself first, each with its limits in the order in which they are tested.
    fn limited(&self, id: SessionId) -> Vec<(EnvelopeId, Vec<VelocityLimit>)> {
        let path = self.path(id);
        let account = path.first().map(|(_, row)| row.account);
        let sessions = path.into_iter().map(|(id, row)| (EnvelopeId::Session(id), row.velocity.clone()));
        let account =
            account.and_then(|id| Some((EnvelopeId::Account(id), self.accounts.get(&id)?.velocity.clone())));
        let mut all: Vec<_> = sessions.chain(account).collect();
        all.iter_mut().for_each(|(_, limits)| limits.sort_by_key(|limit| limit.pace));
        all
    }

    pub(super) fn has_windows(&self, id: SessionId) -> bool {
        self.limited(id).iter().any(|(_, limits)| limits.iter().any(|limit| limit.pace == Pace::Window))
    }

    /// Returns what counted in an envelope's limits, by all payees or one: when, how much, in order.
    fn counted(&self, of: EnvelopeId, limit: &VelocityLimit, payee: Option<PayeeId>) -> Vec<(Time, u128)> {
        let is_inside = |debit: &Debit| match of {
            EnvelopeId::Account(id) => {
                self.sessions.get(&debit.asked.session).is_some_and(|row| row.account == id)
            }
            EnvelopeId::Session(id) => self.path(debit.asked.session).iter().any(|(at, _)| *at == id),
        };
        let counts = |debit: &&Debit| {
            let is_new = match debit.asked.act {
                Act::Debit | Act::Hold { .. } => true,
                Act::Capture { .. } => debit.late,
                Act::Void { .. } => false,
            };
            debit.decline.is_none()
                && is_new
                && (!limit.each_payee || Some(debit.asked.payee) == payee)
                && is_inside(debit)
        };
        let units = |debit: &Debit| match limit.measure {
            Measure::Count => 1,
            Measure::Amount if matches!(debit.asked.act, Act::Hold { .. }) => debit.asked.whole().into(),
            Measure::Amount => debit.taken.into(),
        };
        self.debits.values().filter(counts).map(|debit| (debit.at, units(debit))).collect()
    }

    /// Says whether a limit lets an amount through, or from when on it would.
    fn fits(
        &self,
        (of, limit): (EnvelopeId, &VelocityLimit),
        (payee, amount): (PayeeId, u64),
        (now, count): (Time, Count),
    ) -> Result<(), Option<Time>> {
        let units = if limit.measure == Measure::Count { 1 } else { u128::from(amount) };
        let taken = self.counted(of, limit, Some(payee));
        let most = u128::from(limit.at_once());
        match limit.pace {
            Pace::Rate => {
                let need = (level(limit, &taken, now) + units * per(limit)).saturating_sub(most * per(limit));
                if need == 0 {
                    return Ok(());
                }
                if units > most {
                    return Err(None);
                }
                let wait = need.div_ceil(limit.most.into());
                Err(u64::try_from(u128::from(now.ns()) + wait).ok().map(Time::from_ns))
            }
            Pace::Window => {
                let in_force = |at: Time| in_force(limit, &taken, at, count);
                if in_force(now) + units <= most {
                    return Ok(());
                }
                let ends = taken.iter().map(|(at, _)| Time::from_ns(at.ns() + lasts(limit, count)));
                Err(ends.filter(|at| *at > now).find(|at| in_force(*at) + units <= most))
            }
        }
    }

    /// Returns every limit over a session that says no.
    pub(super) fn short(&self, ask: &NewDebit, now: Time, count: Count) -> Vec<Short> {
        let mut short = Vec::new();
        for (of, limits) in self.limited(ask.session) {
            for limit in limits {
                if let Err(until) = self.fits((of, &limit), (ask.payee, ask.whole()), (now, count)) {
                    short.push(Short { of, limit, until });
                }
            }
        }
        short
    }

    /// Returns the most that all limits let through at once, up to what is asked.
    pub(super) fn velocity_left(&self, ask: &NewDebit, now: Time, count: Count) -> u64 {
        let mut most = ask.whole();
        for (of, limits) in self.limited(ask.session) {
            for limit in limits {
                let left = self.left_of((of, &limit), Some(ask.payee), (now, count));
                most = match limit.measure {
                    Measure::Count if left > 0 => most,
                    Measure::Count => 0,
                    Measure::Amount => most.min(left),
                };
            }
        }
        most
    }

    fn left_of(
        &self,
        (of, limit): (EnvelopeId, &VelocityLimit),
        payee: Option<PayeeId>,
        (now, count): (Time, Count),
    ) -> u64 {
        let taken = self.counted(of, limit, payee);
        let used = match limit.pace {
            Pace::Rate => level(limit, &taken, now).div_ceil(per(limit)),
            Pace::Window => in_force(limit, &taken, now, count),
        };
        u64::try_from(u128::from(limit.at_once()).saturating_sub(used)).unwrap_or(u64::MAX)
    }

    /// Shows a session's own limits, counted one way or the other.
    pub(super) fn velocity_views(&self, id: SessionId, now: Time, count: Count) -> Vec<VelocityView> {
        let of = EnvelopeId::Session(id);
        let own = self.limited(id).into_iter().next().map(|(_, limits)| limits).unwrap_or_default();
        let view = |limit: VelocityLimit| {
            let payees: std::collections::BTreeSet<PayeeId> = self
                .debits
                .values()
                .filter(|debit| self.path(debit.asked.session).iter().any(|(at, _)| *at == id))
                .map(|debit| debit.asked.payee)
                .filter(|payee| !self.counted(of, &limit, Some(*payee)).is_empty())
                .collect();
            let each = payees.iter().map(|payee| self.left_of((of, &limit), Some(*payee), (now, count)));
            let (left, payee_count) = if limit.each_payee {
                (each.min().unwrap_or(limit.at_once()), payees.len())
            } else {
                (self.left_of((of, &limit), None, (now, count)), 0)
            };
            VelocityView { limit, left, payee_count: u32::try_from(payee_count).unwrap_or(u32::MAX) }
        };
        own.into_iter().map(view).collect()
    }
}

fn per(limit: &VelocityLimit) -> u128 {
    limit.per.ns().into()
}

/// Returns how full a bucket is. *Units*: a unit is as many as its limit's span has nanoseconds.
fn level(limit: &VelocityLimit, taken: &[(Time, u128)], now: Time) -> u128 {
    let mut level = 0_u128;
    let mut last = Time::ZERO;
    for (at, units) in taken.iter().copied().chain([(now, 0)]) {
        let drained = u128::from(at.since(last).ns()) * u128::from(limit.most);
        level = level.saturating_sub(drained) + units * per(limit);
        last = at;
    }
    level
}

/// Returns how long a window counts what was taken. *Units*: nanoseconds.
fn lasts(limit: &VelocityLimit, count: Count) -> u64 {
    let slack = if count == Count::Longest { limit.per.ns() / PARTS } else { 0 };
    limit.per.ns() + slack
}

fn in_force(limit: &VelocityLimit, taken: &[(Time, u128)], now: Time, count: Count) -> u128 {
    let counts = |(at, _): &&(Time, u128)| at.ns() + lasts(limit, count) > now.ns();
    taken.iter().filter(counts).map(|(_, units)| units).sum()
}
