//! Owns: the two rungs of limits in time: what a debit or a hold counts in, on its session and on everything above it, and when
//! it could pass. Never: takes.

use super::debit::{Ask, smaller};
use crate::{
    Amount, Decline, DeclineCode, EnvelopeId, Hit, Level, Next, Partition, Time,
    session::Session,
    velocity::{Pace, Velocity, Wait},
};

/// Tests every limit in time with what is asked, though less may be taken: a debit is made smaller to fit a cap, never to fit
/// these.
///
/// *Declines*: `VelocityRate`, then `VelocityWindow`; on each rung the nearest envelope first.
pub(super) fn within_velocity(
    partition: &Partition,
    session: &Session,
    ask: &Ask,
    now: Time,
) -> Result<(), Hit> {
    let all_fit =
        |limits: &[Velocity]| limits.iter().all(|velocity| velocity.test(ask.payee, ask.amount, now).is_ok());
    let of_account =
        || partition.accounts.get(session.account).is_none_or(|account| all_fit(&account.velocity));
    let of_above = || partition.sessions_above(session).all(|above| all_fit(above.velocity()));
    if all_fit(session.velocity()) && of_above() && of_account() {
        return Ok(());
    }
    Err(hit(partition, session, ask, now))
}

/// Names the first limit that says no, and what would help against all that do.
#[cold]
fn hit(partition: &Partition, session: &Session, ask: &Ask, now: Time) -> Hit {
    let short = || {
        let all = partition.velocities(session).flat_map(|(id, limits)| limits.iter().map(move |v| (id, v)));
        all.filter_map(|(id, v)| Some((id, v.limit(), v.test(ask.payee, ask.amount, now).err()?)))
    };
    let rate = short().find(|(_, limit, _)| limit.pace == Pace::Rate);
    let (limit_of, limit, _) = rate
        .or_else(|| short().next())
        .unwrap_or_else(|| crate::apply::bug("a limit said no, and none does"));
    let code = match limit.pace {
        Pace::Rate => DeclineCode::VelocityRate,
        Pace::Window => DeclineCode::VelocityWindow,
    };
    let level = if limit.each_payee { Level::Payee } else { limit_of.level() };
    // Each wait is exact by itself, and what fits goes on fitting: the longest is when all of them let it through.
    let wait = short().map(|(_, _, wait)| wait).max();
    let next = match wait {
        Some(Wait::Until(at)) if at < session.ends_at() => Next::WaitUntil(at),
        Some(Wait::Until(_) | Wait::Never) | None => {
            let most =
                partition.payee_spendable(session, ask.payee).map_or(ask.amount, |left| left.min(ask.amount));
            smaller(partition, session, most.min(velocity_left(partition, session, ask, now)))
        }
    };
    Hit { decline: Decline::new(code, level, next), limit_of }
}

/// Returns the most that every limit in time would let through at once of what is asked.
pub(super) fn velocity_left(partition: &Partition, session: &Session, ask: &Ask, now: Time) -> Amount {
    let limits = partition.velocities(session).flat_map(|(_, limits)| limits);
    let left = limits.filter_map(|velocity| velocity.amount_left(ask.payee, now));
    left.fold(ask.amount, Amount::min)
}

impl Partition {
    /// Returns the limits in time of a session and of everything above it, the nearest first.
    fn velocities<'a>(&'a self, session: &'a Session) -> impl Iterator<Item = (EnvelopeId, &'a [Velocity])> {
        let account = self.accounts.get(session.account);
        let account = account.map(|account| (EnvelopeId::Account(account.id), &*account.velocity));
        let sessions = core::iter::once(session).chain(self.sessions_above(session));
        sessions.map(|session| (EnvelopeId::Session(session.id), session.velocity())).chain(account)
    }
}
