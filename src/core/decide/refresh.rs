//! Owns: the decision whether a refresh secret yields the next period's token, the same one again, or the end of its family.
//! Never: writes; works out a calendar's periods: that is handed in, and checked as far as it can be.

use crate::{
    Amount, Decline, DeclineCode, Level, Next, Partition, Record, Refusal, SessionId, Time,
    command::RefreshToken,
    id::Place,
    limits,
    period::{Period, Rule},
    record::{FamilyRevoked, PeriodBegun, RefreshSeen},
    seal::{Purpose, Seal, SecretName, keep},
    session::{Bounds, Family, Kept, Prefix, SecretHash, Session},
    tree::At,
};
use alloc::{collections::BTreeMap, vec::Vec};

/// Is what a refresh comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// A period begins: write this.
    Begun(Record<'static>),
    /// The answer that was given before.
    Same,
    /// It was declined, and nothing is remembered but that the secret arrived.
    Declined(Decline, Option<Record<'static>>),
    /// A spent secret was used again: write this, and refuse.
    Reused(Record<'static>),
    /// The period that was handed in is not the one that it is now: work it out again.
    Elsewhen,
}

/// Says which of a family's secrets was presented.
enum Presented {
    Newest,
    Last,
    Spent,
}

impl Partition {
    /// Finds the standing mandate that a token is, or is a period of. *Errors*: `UnknownToken`.
    pub fn standing_of(&self, id: SessionId) -> Result<(&Session, &Family), Refusal> {
        let session = self.session(id).map_err(|_| Refusal::UnknownToken)?;
        let above = session.parent().and_then(|slot| self.sessions.get(slot));
        let family = |session: &'_ Session| session.token().is_some_and(|token| token.family().is_some());
        let standing = if family(session) { Some(session) } else { above.filter(|_| session.is_period()) };
        let standing = standing.ok_or(Refusal::UnknownToken)?;
        let family = standing.token().and_then(|token| token.family()).ok_or(Refusal::UnknownToken)?;
        Ok((standing, family))
    }
}

/// Decides on a refresh: `draw` is the unguessable part of the new token's id, `seal` derives the secrets that are not given.
///
/// *Declines*: `Revoked`, `Paused`, `SessionEnded`, `NotYetValid` (until the mandate or its next period begins).
/// *Errors*: `UnknownToken`, `FamilyRevoked`, `SecretWrong` (a secret that never was the mandate's, or too long ago).
pub fn refresh_token(
    partition: &Partition,
    command: &RefreshToken,
    (now, draw): (Time, u64),
    seal: &dyn Seal,
) -> Result<Refreshed, Refusal> {
    let (standing, family) = partition.standing_of(command.token)?;
    if family.revoked_at != Time::ZERO {
        return Err(Refusal::FamilyRevoked);
    }
    match presented(family, &command.presented)? {
        Presented::Newest => {}
        Presented::Last if is_retry(partition, family, command, now) => return Ok(Refreshed::Same),
        Presented::Last | Presented::Spent => {
            let revoked = FamilyRevoked { standing: standing.id };
            return Ok(Refreshed::Reused(Record::FamilyRevoked(revoked)));
        }
    }
    if let Err(decline) = is_time(partition, standing, family, command.period, now) {
        let seen = RefreshSeen { standing: standing.id };
        let is_first = family.generation > 0 && !family.seen;
        return Ok(Refreshed::Declined(decline, is_first.then_some(Record::RefreshSeen(seen))));
    }
    let Some(period) = command.period.filter(|period| period.contains(now)) else {
        return Ok(Refreshed::Elsewhen);
    };
    if let Rule::Rolling(rolling) = &family.rule
        && rolling.period(now) != Some(period)
    {
        return Ok(Refreshed::Elsewhen);
    }
    // From here on the period must begin.
    begin(partition, (standing, family), command, (now, draw, period), seal)
}

fn presented(family: &Family, secret: &SecretHash) -> Result<Presented, Refusal> {
    // Both are compared whichever it is, each in constant time.
    let (newest, last) = (family.refresh.hash == *secret, family.previous == Some(*secret));
    match (newest, last) {
        (true, _) => Ok(Presented::Newest),
        (false, true) => Ok(Presented::Last),
        (false, false) if family.is_spent(secret) => Ok(Presented::Spent),
        (false, false) => Err(Refusal::SecretWrong),
    }
}

/// Returns whether this is the last refresh asked again, whose answer may not have arrived: soon, with the same hashes, and
/// before anything was done with what it yielded.
fn is_retry(partition: &Partition, family: &Family, command: &RefreshToken, now: Time) -> bool {
    let current = family.current.and_then(|id| partition.session(id).ok());
    let Some((session, token)) = current.and_then(|session| Some((session, session.token()?))) else {
        return false;
    };
    let Some(hash) = session.guard().and_then(|guard| guard.secret) else { return false };
    let secret = Kept { hash, prefix: token.prefix, derived: token.derived };
    now.since(family.rotated_at) <= limits::REFRESH_RETRY
        && !family.seen
        && !token.used
        && asks_for(command.refresh, &family.refresh)
        && asks_for(command.secret, &secret)
}

fn asks_for(given: Option<SecretHash>, kept: &Kept) -> bool {
    match given {
        None => kept.derived,
        Some(hash) => !kept.derived && hash == kept.hash,
    }
}

fn is_time(
    partition: &Partition,
    standing: &Session,
    family: &Family,
    period: Option<Period>,
    now: Time,
) -> Result<(), Decline> {
    let not_yet = |at| Err(Decline::new(DeclineCode::NotYetValid, Level::Token, Next::WaitUntil(at)));
    partition.goes_on(At::Session(standing.id.slot())).map_err(|hit| hit.decline)?;
    if partition.has_ended(standing, now) {
        return Err(Decline::new(DeclineCode::SessionEnded, Level::Token, Next::Nothing));
    }
    let not_before = standing.bounds().not_before;
    if now < not_before {
        return not_yet(not_before);
    }
    if now < family.last.ends_at {
        return not_yet(family.last.ends_at);
    }
    match (&family.rule, period) {
        (Rule::Rolling(rolling), None) if now < rolling.anchor => not_yet(rolling.anchor),
        (Rule::Rolling(_) | Rule::Calendar(_), _) => Ok(()),
    }
}

fn begin(
    partition: &Partition,
    (standing, family): (&Session, &Family),
    command: &RefreshToken,
    (now, draw, period): (Time, u64, Period),
    seal: &dyn Seal,
) -> Result<Refreshed, Refusal> {
    let (slot, slot_generation) = partition.sessions.next_place();
    if slot >= limits::ROWS_PER_TABLE {
        return Err(Refusal::TableFull);
    }
    let id =
        SessionId::new_token(Place { partition: partition.number, slot, generation: slot_generation }, draw);
    // A zone's rules may have changed since: no instant is in two periods all the same.
    let period = Period { begins_at: period.begins_at.max(family.last.ends_at), ..period };
    let old = family.current.and_then(|id| partition.session(id).ok());
    let carrying = old.map_or_else(Vec::new, |old| partition.carried_of(old, now));
    let cap = cap_of_period(family, old, &carrying);
    let own = standing.bounds();
    let bounds = Bounds {
        cap,
        not_before: period.begins_at.max(own.not_before),
        ends_at: period.ends_at.min(own.ends_at),
        default_payee_cap: family.each.default_payee_cap,
        ..own
    };
    let generation = family.generation + 1;
    let name = |token, purpose| SecretName { token, generation, purpose };
    let given = |hash: Option<SecretHash>| hash.map(|hash| (hash, Prefix::default()));
    let approval_above = standing.guard().map(|guard| guard.approval_above).unwrap_or_default();
    Ok(Refreshed::Begun(Record::PeriodBegun(PeriodBegun {
        standing: standing.id,
        id,
        period,
        bounds,
        approval_above,
        payees: family.each.payees.clone(),
        secret: keep(seal, given(command.secret), &name(id, Purpose::Token)),
        refresh: keep(seal, given(command.refresh), &name(standing.id, Purpose::Refresh)),
        generation,
        closed: old.map(|old| old.id),
        carried: fitting(partition, family, cap, &carrying),
    })))
}

/// Returns a period's cap: what was left of the last one on top of its own, if that was asked, and at most as much again.
fn cap_of_period(family: &Family, old: Option<&Session>, carrying: &[&Session]) -> Amount {
    if !family.rollover || family.generation == 0 {
        return family.each.cap;
    }
    let left = match old {
        None => family.left,
        // What is carried is set aside anew, out of the new period.
        Some(old) => carrying
            .iter()
            .fold(old.remaining(), |left, session| left.checked_add(session.cap()).unwrap_or(Amount::MAX)),
    };
    let cap = family.each.cap.checked_add(left.min(family.each.cap)).unwrap_or(Amount::MAX);
    cap.min(Amount::MAX)
}

/// Returns which sessions go on in the new period, those that were opened first before the others: as long as their whole caps fit,
/// and what they paid is within the new token's caps for payees.
fn fitting(partition: &Partition, family: &Family, cap: Amount, carrying: &[&Session]) -> Vec<SessionId> {
    let mut left = cap;
    let mut paid: BTreeMap<u32, Amount> = BTreeMap::new();
    let mut fits = |session: &&&Session| {
        let Some(after) = left.checked_sub(session.cap()) else { return false };
        let mut with = paid.clone();
        for (payee, amount) in partition.paid_below(session) {
            let sum = with.entry(payee).or_default();
            *sum = sum.checked_add(amount).unwrap_or(Amount::MAX);
        }
        let cap_of = |payee: u32| {
            let listed = family.each.payees.iter().find(|(slot, _)| *slot == payee);
            listed.map_or(family.each.default_payee_cap, |(_, cap)| *cap)
        };
        if with.iter().any(|(payee, sum)| cap_of(*payee).get().is_some_and(|most| *sum > most)) {
            return false;
        }
        (left, paid) = (after, with);
        true
    };
    let fitting = carrying.iter().filter(|session| fits(session));
    fitting.take(limits::CARRIED_PER_PERIOD).map(|session| session.id).collect()
}

impl Partition {
    /// Returns the open sessions under a period's token that were opened to go on after it, the first opened first.
    pub(crate) fn carried_of(&self, token: &Session, now: Time) -> Vec<&Session> {
        let mut carried: Vec<&Session> = self
            .children_of(token.id.slot())
            .filter(|session| session.is_carried() && !session.has_ended(now))
            .collect();
        carried.sort_by_key(|session| (session.opened_at, session.id.slot()));
        carried
    }

    /// Returns how many sessions of a mandate's last period were opened to go on after it, and have not ended.
    pub fn carried_in_period(&self, standing: SessionId, now: Time) -> usize {
        let old = self.standing_of(standing).ok().and_then(|(_, family)| self.session(family.current?).ok());
        old.map_or(0, |old| self.carried_of(old, now).len())
    }

    /// Returns the open sessions directly under the one at `slot`.
    pub(crate) fn children_of(&self, slot: u32) -> impl Iterator<Item = &Session> {
        let children = self.children.range((slot, 0)..=(slot, u32::MAX));
        children.filter_map(|(_, child)| self.sessions.get(*child))
    }

    /// Returns what a session and those open below it paid and hold for each payee: what can still be taken back.
    /// *Cost*: walks what is open below it.
    pub(crate) fn paid_below(&self, session: &Session) -> BTreeMap<u32, Amount> {
        let (mut paid, mut waiting) = (BTreeMap::new(), Vec::from([session.id.slot()]));
        while let Some(slot) = waiting.pop() {
            let Some(session) = self.sessions.get(slot) else { continue };
            waiting.extend(self.children_of(slot).map(|child| child.id.slot()));
            for part in session.payees() {
                let got = part.spent.checked_add(session.held_for(part.payee)).unwrap_or(Amount::MAX);
                if !got.is_zero() {
                    let sum: &mut Amount = paid.entry(part.payee).or_default();
                    *sum = sum.checked_add(got).unwrap_or(Amount::MAX);
                }
            }
        }
        paid
    }

    /// Returns a session below the last period's token whose end has come, and which is not settled: what it gives back counts in
    /// what was left of the period.
    pub fn ended_in_period(&self, standing: SessionId, now: Time) -> Option<SessionId> {
        let (_, family) = self.standing_of(standing).ok()?;
        let old = family.current.and_then(|id| self.session(id).ok())?;
        let mut ended = self.children_of(old.id.slot()).filter(|session| session.has_ended(now));
        ended.find(|session| self.next_step(session.id, now).is_some()).map(|session| session.id)
    }
}
