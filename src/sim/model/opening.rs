//! Owns: sessions opened, topped up, and debits of them taken back. Never: what is left; that is summed in `tree`.

use super::{
    ladder::{No, level, no},
    shown::{bounds, nanos},
    state::{Made, Session, State},
    tree::Due,
    words::{THIRTY_DAYS, malformed},
    written::{Off, Written, other, same, wrong},
};
use crate::asked::{Asked, NewSession};
use std::collections::{BTreeMap, BTreeSet};
use tallystick_core::{
    Amount, Cap, Currency, Decline, DeclineCode as Code, EnvelopeId, Level, Next, PayeeId, Record, Refusal,
    SessionId, Span, Time,
    command::Scope,
    record::{CommandDeclined, Keyed, Reversed, SessionOpened, ToppedUp},
    session::{Mode, SecretHash},
};

/// Is what bounds a new session, once it is narrowed by what is above it.
struct Narrowed {
    begins: Time,
    ends: Time,
    min: u64,
    max: u64,
    approval: u64,
    allowed: Option<BTreeSet<PayeeId>>,
}

/// Is what is above a new session.
#[derive(Clone, Copy)]
struct Above {
    account: tallystick_core::AccountId,
    parent: Option<SessionId>,
    currency: Currency,
    depth: u8,
}

impl State {
    /// Predicts what comes of a request to open a session.
    pub(super) fn open_session(
        &mut self,
        asked: &Asked,
        new: &NewSession,
        w: &mut Written<'_>,
    ) -> Result<Result<Made, Refusal>, Off> {
        let partition = new.parent.partition();
        let above = match self.above_new(new.parent) {
            Ok(above) => above,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(Err(refusal)) = above.parent.map(|parent| self.check_secret(parent, new.parent_proof)) {
            return Ok(Err(refusal));
        }
        if let Err(stop) = self.stop(new.parent) {
            return self.declined(asked, (Scope::OpenSession, new.parent), &stop, w).map(Ok);
        }
        let at = self.at(partition, w.now);
        if above.parent.is_some_and(|parent| self.has_ended(parent, at)) {
            let ended = no(Code::SessionEnded, Level::Session, Next::Nothing, new.parent);
            return self.declined(asked, (Scope::OpenSession, new.parent), &ended, w).map(Ok);
        }
        let mut narrowed = match self.narrow(new, above, at) {
            Ok(narrowed) => narrowed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match self.know_payees(new, above, w)? {
            Ok(allowed) => narrowed.allowed = allowed,
            Err(refusal) => return Ok(Err(refusal)),
        }
        if let Some(no) = self.hits(new, above, w)? {
            return self.declined(asked, (Scope::OpenSession, new.parent), &no, w).map(Ok);
        }
        self.opened(asked, new, (above, narrowed), w).map(Ok)
    }

    fn above_new(&self, parent: EnvelopeId) -> Result<Above, Refusal> {
        match parent {
            EnvelopeId::Account(account) => {
                let row = self.accounts.get(&account).ok_or(Refusal::UnknownAccount)?;
                Ok(Above { account, parent: None, currency: row.currency, depth: 0 })
            }
            EnvelopeId::Session(id) => {
                self.check_open(id)?;
                let row = self.sessions.get(&id).ok_or(Refusal::UnknownSession)?;
                let (account, currency, depth) = (row.account, row.currency, row.depth);
                Ok(Above { account, parent: Some(id), currency, depth })
            }
        }
    }

    /// A child is never wider than its parent, and the refusal names the field; what it does not say is its parent's.
    fn narrow(&self, new: &NewSession, above: Above, now: Time) -> Result<Narrowed, Refusal> {
        let parent = above.parent.and_then(|id| self.sessions.get(&id));
        if new.not_before.since(now) > THIRTY_DAYS {
            return Err(malformed("not_before"));
        }
        let inherited = parent.map_or(Time::ZERO, |parent| parent.begins);
        if new.not_before != Time::ZERO && new.not_before < inherited {
            return Err(malformed("not_before"));
        }
        let begins = new.not_before.max(inherited);
        let ends = match parent {
            Some(parent) if new.ttl.ns() == 0 => Some(parent.ends),
            // Counted from not_before when that is given, otherwise from the decision, or from the parent's beginning when
            // that lies ahead: it could not be used before.
            _ if new.not_before != Time::ZERO => new.not_before.checked_add(new.ttl),
            _ => now.max(inherited).checked_add(new.ttl),
        };
        let latest = self.latest_end(above.account, parent);
        let ends = ends.filter(|ends| *ends > now.max(begins) && *ends <= latest).ok_or(malformed("ttl"))?;
        let (least, most) = parent.map_or((0, 0), |parent| (parent.min, parent.max));
        let (min, max) = (new.debit_min.nanos(), new.debit_max.nanos());
        if min > 0 && min < least {
            return Err(malformed("debit_min_nanos"));
        }
        if max > 0 && ((most > 0 && max > most) || max < least) {
            return Err(malformed("debit_max_nanos"));
        }
        let (min, max) = (min.max(least), if max == 0 { most } else { max });
        if max > 0 && max < min {
            return Err(malformed("debit_min_nanos"));
        }
        let (approval, parents) = (new.approval_above.nanos(), parent.map_or(0, |parent| parent.approval));
        if parents > 0 && approval > parents {
            return Err(malformed("approval_above_nanos"));
        }
        let approval = if approval == 0 { parents } else { approval };
        Ok(Narrowed { begins, ends, min, max, approval, allowed: None })
    }

    /// No session ends after its parent, or later than the margin before its account's authority can no longer be used.
    fn latest_end(&self, account: tallystick_core::AccountId, parent: Option<&Session>) -> Time {
        let external = self.accounts.get(&account).and_then(|account| account.external.as_ref());
        let usable = external.map_or(u64::MAX, |e| e.usable_until.ns().saturating_sub(e.margin.ns()));
        let parent = parent.map_or(u64::MAX, |parent| parent.ends.ns());
        Time::from_ns(usable.min(parent))
    }

    /// Makes the partition know every payee that is named, if it does not know one of them; and tests them against the list
    /// above. Returns the list of those that can be paid.
    fn know_payees(
        &mut self,
        new: &NewSession,
        above: Above,
        w: &mut Written<'_>,
    ) -> Result<Result<Option<BTreeSet<PayeeId>>, Refusal>, Off> {
        let partition = new.parent.partition();
        let listed = new.payees.iter().map(|payee| (*payee, "payee_ids"));
        let capped = new.payee_caps.iter().map(|(payee, _)| (*payee, "payee_caps.payee_id"));
        let named: Vec<(PayeeId, &str)> = listed.chain(capped).collect();
        let allowed = above.parent.and_then(|id| self.sessions.get(&id)).and_then(|row| row.allowed.clone());
        for (payee, field) in &named {
            if !self.notices.contains_key(&(partition, *payee)) {
                for (payee, _) in &named {
                    if let Err(refusal) = self.tell(partition, *payee, w)? {
                        return Ok(Err(refusal));
                    }
                }
            }
            if allowed.as_ref().is_some_and(|allowed| !allowed.contains(payee)) {
                return Ok(Err(malformed(field)));
            }
        }
        let own: BTreeSet<PayeeId> = new.payees.iter().copied().collect();
        Ok(Ok(if own.is_empty() { allowed } else { Some(own) }))
    }

    /// Says which limit of an opening is hit, once what has expired is released.
    fn hits(&mut self, new: &NewSession, above: Above, w: &mut Written<'_>) -> Result<Option<No>, Off> {
        let at = level(new.parent);
        if new.currency != above.currency {
            return Ok(Some(no(Code::CurrencyMismatch, at, Next::Nothing, new.parent)));
        }
        if new.mode == Mode::Reserved
            && let Err(no) = self.set_aside_after_release(new.parent, new.cap.nanos(), w)?
        {
            return Ok(Some(no));
        }
        let deep = above.depth >= 8;
        Ok(deep.then(|| no(Code::TooDeep, at, Next::Nothing, new.parent)))
    }

    /// Says whether a cap can be set aside. What has expired is released before it is declined for lack of room.
    pub(super) fn set_aside_after_release(
        &mut self,
        envelope: EnvelopeId,
        cap: u64,
        w: &mut Written<'_>,
    ) -> Result<Result<(), No>, Off> {
        let at = self.at(envelope.partition(), w.now);
        let mut fits = self.set_aside(envelope, cap, Due::Held);
        if fits.is_err() && self.released(w)? {
            fits = self.set_aside(envelope, cap, Due::Held);
        }
        let freed = [Due::Released(at), Due::Unwound(at)].map(|due| self.set_aside(envelope, cap, due));
        if w.peek().is_some() && !freed.contains(&fits) {
            return wrong(format!("what has expired under {envelope} was not released"));
        }
        Ok(fits)
    }

    /// Follows the record of a command that the rules declined.
    pub(super) fn declined(
        &mut self,
        asked: &Asked,
        (command, on): (Scope, EnvelopeId),
        no: &No,
        w: &mut Written<'_>,
    ) -> Result<Made, Off> {
        let took = self.take(w, on.partition(), "a decline")?;
        let Record::CommandDeclined(is) = took.record else {
            return other("a decline", took.seq, took.record);
        };
        let decline: Decline = no.decline;
        same(took.seq, &CommandDeclined { command, on, decline, keyed: is.keyed.clone() }, is)?;
        let made = Made::Declined(decline);
        self.remember(took.seq, asked, &is.keyed, made.clone())?;
        Ok(made)
    }

    fn opened(
        &mut self,
        asked: &Asked,
        new: &NewSession,
        (above, narrowed): (Above, Narrowed),
        w: &mut Written<'_>,
    ) -> Result<Made, Off> {
        let took = self.take(w, new.parent.partition(), "the session")?;
        let Record::SessionOpened(is) = took.record else {
            return other("the session", took.seq, took.record);
        };
        let id = is.id;
        let twins = self.sessions.iter().any(|(other, row)| {
            (other.partition(), other.slot()) == (id.partition(), id.slot()) && row.settled.is_none()
        });
        if twins || self.sessions.contains_key(&id) || id.partition() != new.parent.partition() {
            return wrong(format!("record {} opens {id}, which is another's", took.seq));
        }
        let row = Session {
            account: above.account,
            parent: above.parent,
            currency: above.currency,
            shared: new.mode == Mode::Shared,
            depth: above.depth + 1,
            cap: new.cap.nanos(),
            begins: narrowed.begins,
            ends: narrowed.ends,
            allowed: narrowed.allowed,
            caps: new.payee_caps.iter().map(|(payee, cap)| (*payee, cap.nanos())).collect(),
            default_cap: new.default_payee_cap.nanos(),
            min: narrowed.min,
            max: narrowed.max,
            approval: narrowed.approval,
            secret: new.secret,
            velocity: new.velocity.clone(),
            asked: Box::new(new.clone()),
            opened_at: took.at,
            closing: false,
            asked_to_close: false,
            settled: None,
            debits: Vec::new(),
            holds: Vec::new(),
            children: Vec::new(),
            epochs: BTreeMap::new(),
        };
        let should = SessionOpened {
            clauses: new.clauses(Amount::from_nanos(row.approval)),
            token: None,
            id,
            account: above.account,
            parent: above.parent,
            mode: new.mode,
            bounds: bounds(&row),
            payees: self.listed(id, &row),
            principal: &new.principal,
            method: &new.method,
            evidence_hash: new.evidence_hash,
            approved_at: new.approved_at,
            reference: &new.reference,
            keyed: is.keyed.clone(),
        };
        same(took.seq, &should, is)?;
        match above.parent.map(|parent| self.sessions.get_mut(&parent)) {
            Some(Some(parent)) => parent.children.push(id),
            Some(None) => return wrong(format!("record {} opens {id} under nothing", took.seq)),
            None => self.accounts.get_mut(&above.account).into_iter().for_each(|a| a.children.push(id)),
        }
        self.sessions.insert(id, row);
        let made = Made::Session(id);
        self.remember(took.seq, asked, &is.keyed, made.clone())?;
        match self.overspent(id) {
            Some(where_) => wrong(format!("record {}: {where_}", took.seq)),
            None => Ok(made),
        }
    }

    /// Returns the payees that a session begins with: those on its list and those with caps, by their notices' slots.
    fn listed(&self, id: SessionId, row: &Session) -> Vec<(u32, Cap)> {
        let payees: BTreeSet<PayeeId> =
            row.allowed.iter().flatten().chain(row.caps.keys()).copied().collect();
        let part = |payee: PayeeId| {
            let cap = Self::payee_cap(row, payee).map_or(Cap::NONE, |cap| Cap::of(Amount::from_nanos(cap)));
            Some((self.notices.get(&(id.partition(), payee))?.slot, cap))
        };
        let mut parts: Vec<(u32, Cap)> = payees.into_iter().filter_map(part).collect();
        parts.sort_by_key(|(slot, _)| *slot);
        parts
    }

    /// Predicts what comes of a top-up.
    pub(super) fn top_up(
        &mut self,
        asked: &Asked,
        id: SessionId,
        (add, extend_by, proof): (Amount, Span, Option<SecretHash>),
        w: &mut Written<'_>,
    ) -> Result<Result<Made, Refusal>, Off> {
        let Some(row) = self.open(id) else {
            return Ok(Err(self.check_open(id).err().unwrap_or(Refusal::UnknownSession)));
        };
        if let Some(Err(refusal)) = row.parent.map(|parent| self.check_secret(parent, proof)) {
            return Ok(Err(refusal));
        }
        let (own, now) = (EnvelopeId::Session(id), self.at(id.partition(), w.now));
        if let Err(stop) = self.stop(own) {
            return self.declined(asked, (Scope::TopUp, own), &stop, w).map(Ok);
        }
        if self.has_ended(id, now) {
            let ended = no(Code::SessionEnded, Level::Session, Next::Nothing, own);
            return self.declined(asked, (Scope::TopUp, own), &ended, w).map(Ok);
        }
        let mut ends_at = row.ends;
        if extend_by.ns() > 0 {
            let parent = row.parent.and_then(|parent| self.sessions.get(&parent));
            let latest = self.latest_end(row.account, parent);
            let later = row.ends.checked_add(extend_by).filter(|at| at.since(now) <= THIRTY_DAYS);
            match later.filter(|at| *at <= latest) {
                Some(later) => ends_at = later,
                None => return Ok(Err(malformed("extend_by"))),
            }
        }
        if u128::from(row.cap) + u128::from(add.nanos()) > u128::from(Amount::MAX.nanos()) {
            return Ok(Err(malformed("add_nanos")));
        }
        let above = Self::above(row);
        if !row.shared
            && let Err(no) = self.set_aside_after_release(above, add.nanos(), w)?
        {
            return self.declined(asked, (Scope::TopUp, own), &no, w).map(Ok);
        }
        let took = self.take(w, id.partition(), "the top-up")?;
        let Record::ToppedUp(is) = took.record else { return other("the top-up", took.seq, took.record) };
        same(took.seq, &ToppedUp { session: id, add, ends_at, keyed: is.keyed.clone() }, is)?;
        if let Some(row) = self.sessions.get_mut(&id) {
            (row.cap, row.ends) = (row.cap + add.nanos(), ends_at);
        }
        let made = Made::Session(id);
        self.remember(took.seq, asked, &is.keyed, made.clone())?;
        match self.overspent(id) {
            Some(where_) => wrong(format!("record {}: {where_}", took.seq)),
            None => Ok(Ok(made)),
        }
    }

    /// Predicts what comes of a reversal.
    ///
    /// NOTE: whom the debit paid and what it took is given by whoever looked it up. A call that says what is not so is the
    /// world's own fault, and is told as such.
    pub(super) fn reverse(
        &mut self,
        asked: &Asked,
        id: SessionId,
        (debit_seq, payee, taken, amount): (u64, PayeeId, Amount, Amount),
        w: &mut Written<'_>,
    ) -> Result<Result<Made, Refusal>, Off> {
        if let Err(refusal) = self.check_open(id) {
            return Ok(Err(refusal));
        }
        let found = self.debits.get(&debit_seq).filter(|d| d.asked.session == id && d.decline.is_none());
        let found = found.filter(|d| d.asked.payee == payee && d.taken == taken.nanos());
        let Some(debit) = found else { return wrong(format!("{asked:?} was not looked up")) };
        let left = debit.taken - debit.reversed();
        let amount = if amount.is_zero() { left } else { amount.nanos() };
        if amount == 0 || amount > left {
            return Ok(Err(malformed("amount_nanos")));
        }
        let reversed_after = nanos((debit.reversed() + amount).into());
        let took = self.take(w, id.partition(), "the reversal")?;
        let Record::Reversed(is) = took.record else { return other("the reversal", took.seq, took.record) };
        let should = Reversed {
            session: id,
            debit_seq,
            payee: self.notices.get(&(id.partition(), payee)).map_or(u32::MAX, |notice| notice.slot),
            amount: nanos(amount.into()),
            reversed_after,
            keyed: is.keyed.clone(),
        };
        same(took.seq, &should, is)?;
        if let Some(debit) = self.debits.get_mut(&debit_seq) {
            debit.back.push(amount);
        }
        let made = Made::Reversal(amount);
        self.remember(took.seq, asked, &is.keyed, made.clone())?;
        Ok(Ok(made))
    }

    /// Remembers an intent for good.
    pub(super) fn remember(&mut self, seq: u64, asked: &Asked, keyed: &Keyed, made: Made) -> Result<(), Off> {
        let Some(name) = super::intents::name(asked) else { return wrong(format!("{asked:?} has no key")) };
        self.bind(seq, keyed.key, name.clone())?;
        self.done.insert(name, super::state::Done { asked: asked.clone(), made, seq });
        Ok(())
    }
}
