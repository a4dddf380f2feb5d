//! Owns: the decision to narrow a token, or to widen it on new authority. Never: writes; takes back what is spent or promised.

use super::{Decided, declined, open::room_for};
use crate::{
    Amount, Cap, Decline, DeclineCode, EnvelopeId, Level, Next, Partition, PayeeId, Record, Refusal, Time,
    command::{AmendToken, Command as _, Scope},
    limits,
    partition::CommandKey,
    record::{Amended, TokenAmended},
    session::{Each, Mode, Role, Session, Token, fingerprint},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// Decides on an amendment.
///
/// *Declines*: `Revoked` (a paused one can be amended), `SessionEnded`, `Cap` (what is above a reserved token cannot give that much).
/// *Errors*: `Malformed` (wider than its parent, or wider without new evidence, too), `UnknownToken`, `FamilyRevoked`,
/// `KeyReused`, `PayeeNotHere`.
pub fn amend_token<'a>(
    partition: &Partition,
    command: &AmendToken<'a>,
    filed: Option<&CommandKey>,
    now: Time,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    let keyed = match partition.recognise(command, filed)? {
        Ok(keyed) => keyed,
        Err(before) => return Ok(Decided::Replay(before)),
    };
    let session = partition.session(command.token).map_err(|_| Refusal::UnknownToken)?;
    let token = session.token().ok_or(Refusal::UnknownToken)?;
    if token.role == Role::Period {
        return Err(Refusal::malformed("token_id", "must be the standing mandate of this period's token"));
    }
    if token.is_revoked() {
        return Err(Refusal::FamilyRevoked);
    }
    let on = EnvelopeId::Session(command.token);
    if let Some(hit) =
        partition.goes_on(session.above()).err().filter(|hit| hit.decline.code == DeclineCode::Revoked)
    {
        return Ok(declined(Scope::AmendToken, on, hit.decline, keyed));
    }
    if partition.has_ended(session, now) {
        let decline = Decline::new(DeclineCode::SessionEnded, Level::Token, Next::Nothing);
        return Ok(declined(Scope::AmendToken, on, decline, keyed));
    }
    let mut draft = Draft { partition, command, now, widens: false, narrows: false };
    let (own, each, current) = draft.all(session, token)?;
    if draft.widens && !has_new_evidence(session, command) {
        let rule = "must be given, with an evidence_hash that the token never had, to widen it";
        return Err(Refusal::malformed("authority.evidence_hash", rule));
    }
    if let Some(more) = own.bounds.cap.checked_sub(session.cap())
        && session.mode == Mode::Reserved
        && let Err(decline) = room_for(partition, session.above(), more)
    {
        return Ok(declined(Scope::AmendToken, on, decline, keyed));
    }
    let (token, authority) = (command.token, command.authority);
    Ok(Decided::Record(Record::TokenAmended(TokenAmended { token, own, each, current, authority, keyed })))
}

fn has_new_evidence(session: &Session, command: &AmendToken<'_>) -> bool {
    let Some(evidence) = command.authority.and_then(|authority| authority.evidence_hash) else {
        return false;
    };
    let was_used = session.token().is_some_and(|token| token.evidence_used.contains(&fingerprint(&evidence)));
    !was_used && Some(evidence) != session.about().authority.evidence_hash
}

/// Is an amendment on its way, and what it has come to do so far.
struct Draft<'p, 'a> {
    partition: &'p Partition,
    command: &'p AmendToken<'a>,
    now: Time,
    widens: bool,
    narrows: bool,
}

type All = (Amended, Option<Each>, Option<(crate::SessionId, Amended)>);

impl Draft<'_, '_> {
    fn all(&mut self, session: &Session, token: &Token) -> Result<All, Refusal> {
        let Some(family) = token.family() else {
            if !self.command.total_cap.is_zero() {
                return Err(Refusal::malformed(
                    "total_cap_nanos",
                    "must be given for standing mandates only",
                ));
            }
            let mut own = self.bounds(session, token)?;
            own.bounds.cap = self.cap(session, self.command.cap);
            self.payee_caps(session, &mut own)?;
            self.finish(session, token, &mut own);
            return Ok((own, None, None));
        };
        let mut own = self.bounds(session, token)?;
        own.bounds.cap = self.cap(session, self.command.total_cap);
        let each = self.each(&family.each)?;
        let current = family.current.and_then(|id| self.partition.session(id).ok());
        let current = current.filter(|current| !self.partition.has_ended(current, self.now));
        let current = match current {
            None => None,
            Some(current) => {
                let cap = current.cap().checked_add(each.cap).unwrap_or(Amount::MAX);
                let cap = cap.minus_or_zero(family.each.cap).max(Amount::from_nanos(1));
                let mut next = Amended {
                    bounds: current.bounds(),
                    approval_above: own.approval_above,
                    payees: Vec::new(),
                    barred: Vec::new(),
                    narrowed: false,
                };
                next.bounds.debit_min = own.bounds.debit_min;
                next.bounds.debit_max = own.bounds.debit_max;
                next.bounds.ends_at = family.last.ends_at.min(own.bounds.ends_at);
                next.bounds.cap = self.cap(current, cap);
                // What was opened under it may end later than a mandate that now ends before its period does.
                next.narrowed = next.bounds.ends_at < family.last.ends_at;
                self.payee_caps(current, &mut next)?;
                self.added(current, &mut next)?;
                Some((current.id, next))
            }
        };
        self.finish(session, token, &mut own);
        Ok((own, Some(each), current))
    }

    /// Says what bounds a token itself: all but its cap and its caps for payees.
    fn bounds(&mut self, session: &Session, token: &Token) -> Result<Amended, Refusal> {
        let command = self.command;
        let parent = session.parent().and_then(|slot| self.partition.sessions.get(slot));
        let mut bounds = session.bounds();
        let approval = session.guard().map(|guard| guard.approval_above).unwrap_or_default();
        bounds.ends_at = self.ends_at(session, parent)?;
        if let Some(least) = command.debit_min {
            let floor = parent.map_or(Amount::ZERO, |parent| parent.bounds().debit_min);
            if least < floor {
                return Err(Refusal::malformed("debit_min_nanos", "must be at least the parent's"));
            }
            self.widens |= least < bounds.debit_min;
            self.narrows |= least > bounds.debit_min;
            bounds.debit_min = least;
        }
        let above = parent.map(|parent| parent.bounds().debit_max);
        bounds.debit_max = self.upper(command.debit_max, bounds.debit_max, above, "debit_max_nanos")?;
        if bounds.debit_max.get().is_some_and(|most| most < bounds.debit_min) {
            return Err(Refusal::malformed("debit_max_nanos", "must be at least debit_min_nanos"));
        }
        let above = parent.and_then(Session::guard).map(|guard| guard.approval_above);
        let approval_above = self.upper(command.approval_above, approval, above, "approval_above_nanos")?;
        let mut next = Amended {
            bounds,
            approval_above,
            payees: Vec::new(),
            barred: token.barred.clone(),
            narrowed: token.narrowed,
        };
        self.removed(session, &mut next)?;
        self.added(session, &mut next)?;
        Ok(next)
    }

    fn ends_at(&mut self, session: &Session, parent: Option<&Session>) -> Result<Time, Refusal> {
        let (asked, before) = (self.command.ends_at, session.ends_at());
        if asked == Time::ZERO || asked == before {
            return Ok(before);
        }
        if asked < before {
            self.narrows = true;
            return Ok(asked.max(self.now));
        }
        self.widens = true;
        if asked.since(self.now) > limits::TOKEN_LIFE {
            return Err(Refusal::malformed("ends_at", "must be at most 5 years from now"));
        }
        if parent.is_some_and(|parent| asked > parent.ends_at()) {
            return Err(Refusal::malformed("ends_at", "must not be later than the parent's"));
        }
        let account = self.partition.accounts.get(session.account);
        let authority = account.and_then(|account| account.terms.external.as_ref());
        if authority.is_some_and(|external| asked > external.sessions_end_by()) {
            let rule = "must be the authority's margin before it can no longer be used";
            return Err(Refusal::malformed("ends_at", rule));
        }
        Ok(asked)
    }

    /// Returns a cap: the one asked for, or what is used of it if that is more.
    fn cap(&mut self, session: &Session, asked: Amount) -> Amount {
        let before = session.cap();
        if asked.is_zero() {
            return before;
        }
        self.widens |= asked > before;
        asked.max(before.minus_or_zero(session.remaining()))
    }

    /// Returns an upper bound, where none is the widest.
    fn upper(
        &mut self,
        asked: Option<Amount>,
        before: Cap,
        parent: Option<Cap>,
        field: &'static str,
    ) -> Result<Cap, Refusal> {
        let Some(asked) = asked else { return Ok(before) };
        let asked = Cap::from_nanos_or_none(asked.nanos());
        if parent.is_some_and(|most| is_wider(asked, most)) {
            return Err(Refusal::malformed(field, "must be at most the parent's"));
        }
        self.compare(asked, before);
        Ok(asked)
    }

    fn compare(&mut self, asked: Cap, before: Cap) {
        self.widens |= is_wider(asked, before);
        self.narrows |= is_wider(before, asked);
    }

    fn slot(&self, payee: PayeeId) -> Result<u32, Refusal> {
        self.partition.notice(payee).map(|(slot, _)| slot)
    }

    fn each(&mut self, before: &Each) -> Result<Each, Refusal> {
        let mut each = before.clone();
        if !self.command.cap.is_zero() {
            self.widens |= self.command.cap > before.cap;
            each.cap = self.command.cap;
        }
        if let Some(cap) = self.command.default_payee_cap {
            each.default_payee_cap = Cap::from_nanos_or_none(cap.nanos());
            self.compare(each.default_payee_cap, before.default_payee_cap);
        }
        let mut payees: BTreeMap<u32, Cap> = before.payees.iter().copied().collect();
        for cap in payees.values_mut().filter(|cap| **cap == before.default_payee_cap) {
            *cap = each.default_payee_cap;
        }
        for (payee, cap) in &self.command.payee_caps {
            let (slot, cap) = (self.slot(*payee)?, Cap::from_nanos_or_none(cap.nanos()));
            self.compare(cap, payees.get(&slot).copied().unwrap_or(before.default_payee_cap));
            payees.insert(slot, cap);
        }
        for payee in &self.command.add {
            payees.entry(self.slot(*payee)?).or_insert(each.default_payee_cap);
        }
        each.payees = payees.into_iter().collect();
        Ok(each)
    }

    fn payee_caps(&mut self, session: &Session, next: &mut Amended) -> Result<(), Refusal> {
        let (command, bounds) = (self.command, session.bounds());
        let mut payees: BTreeMap<u32, Cap> = next.payees.iter().copied().collect();
        if let Some(cap) = command.default_payee_cap {
            let (cap, before) = (Cap::from_nanos_or_none(cap.nanos()), bounds.default_payee_cap);
            self.check_counted(session, before, cap)?;
            self.compare(cap, before);
            next.bounds.default_payee_cap = cap;
            for part in session.payees().filter(|part| part.cap == before) {
                payees.insert(part.payee, at_least(cap, session.got_by(part.payee)));
            }
        }
        for (payee, cap) in &command.payee_caps {
            let (slot, cap) = (self.slot(*payee)?, Cap::from_nanos_or_none(cap.nanos()));
            let part = session.part(slot);
            if bounds.payees_restricted && part.is_none() && !payees.contains_key(&slot) {
                return Err(Refusal::malformed("payee_caps.payee_id", "must be on the token's allow-list"));
            }
            let before = part.map_or(bounds.default_payee_cap, |part| part.cap);
            self.check_counted(session, before, cap)?;
            self.compare(cap, before);
            payees.insert(slot, at_least(cap, session.got_by(slot)));
        }
        next.payees = payees.into_iter().collect();
        Ok(())
    }

    /// Refuses a cap on what was not counted so far, though something below may have got some.
    fn check_counted(&self, session: &Session, before: Cap, after: Cap) -> Result<(), Refusal> {
        if before.is_none()
            && !after.is_none()
            && (session.open_children() > 0 || !session.spent_below().is_zero())
        {
            let rule = "must not be given to what had none, once something was opened under the token";
            return Err(Refusal::malformed("payee_caps", rule));
        }
        Ok(())
    }

    fn removed(&mut self, session: &Session, next: &mut Amended) -> Result<(), Refusal> {
        for payee in &self.command.remove {
            let slot = self.slot(*payee)?;
            if !session.bounds().payees_restricted || session.part(slot).is_none() {
                return Err(Refusal::malformed("remove_payee_ids", "must be on the token's allow-list"));
            }
            if let Err(at) = next.barred.binary_search(&slot) {
                next.barred.insert(at, slot);
                self.narrows = true;
            }
        }
        Ok(())
    }

    fn added(&mut self, session: &Session, next: &mut Amended) -> Result<(), Refusal> {
        let parent = session.parent().and_then(|slot| self.partition.sessions.get(slot));
        for payee in &self.command.add {
            let slot = self.slot(*payee)?;
            if !session.bounds().payees_restricted {
                return Err(Refusal::malformed(
                    "add_payee_ids",
                    "must be left out: the token has no allow-list",
                ));
            }
            let is_period = session.is_period();
            let parent = parent.filter(|parent| !is_period && parent.bounds().payees_restricted);
            if parent.is_some_and(|parent| parent.part(slot).is_none()) {
                return Err(Refusal::malformed("add_payee_ids", "must be on the parent's allow-list"));
            }
            if let Ok(at) = next.barred.binary_search(&slot) {
                next.barred.remove(at);
            }
            if session.part(slot).is_none() {
                next.payees.push((slot, next.bounds.default_payee_cap));
            }
            self.widens = true;
        }
        next.payees.sort_unstable_by_key(|(slot, _)| *slot);
        next.payees.dedup_by_key(|(slot, _)| *slot);
        let new = next.payees.iter().filter(|(slot, _)| session.part(*slot).is_none());
        if session.payees().count() + new.count() > limits::PAYEES_LISTED {
            return Err(Refusal::malformed("add_payee_ids", "must leave at most 1,024 payees on the list"));
        }
        Ok(())
    }

    /// Marks a token for those that debit below it, if it became narrower than what was opened there.
    fn finish(&self, session: &Session, token: &Token, next: &mut Amended) {
        let below = session.open_children() > 0 && self.narrows;
        next.narrowed = token.narrowed || below || !next.barred.is_empty();
    }
}

/// Returns whether an upper bound is wider than another.
fn is_wider(asked: Cap, before: Cap) -> bool {
    match (asked.get(), before.get()) {
        (None, Some(_)) => true,
        (Some(asked), Some(before)) => asked > before,
        (_, None) => false,
    }
}

/// Returns a cap that what was got is within.
fn at_least(cap: Cap, got: Amount) -> Cap {
    cap.get().map_or(Cap::NONE, |cap| Cap::of(cap.max(got)))
}
