//! Owns: every change to a session's counters, bounds and lists, each with the assertion that it fits. Never: decides; changes
//! anything above or below the session, which is `apply`'s.

use super::{Authority, Guards, PayeePart, Session, payees::Payees, token};
use crate::{
    Amount, Time, WriterId, apply::sure, hash::KeyHash, keys::Remembered, record::Amended, writer::Window,
};
use alloc::vec::Vec;

impl Session {
    pub(crate) fn remember(&mut self, key: KeyHash, debit: Remembered) {
        self.rest_mut().keys.remember(key, debit);
    }

    /// Returns a writer's window, which is a new one if it had none.
    #[inline]
    pub(crate) fn window_mut(&mut self, writer: WriterId, epoch: u32) -> Option<&mut Window> {
        let first = self.window.get_or_insert_with(|| Window::new(writer, epoch));
        if first.writer() == writer {
            return Some(first);
        }
        let writers = &mut self.rest.get_or_insert_default().writers;
        let at = writers.iter().position(|window| window.writer() == writer).unwrap_or(writers.len());
        if at == writers.len() {
            writers.push(Window::new(writer, epoch));
        }
        writers.get_mut(at)
    }

    /// Takes what an amendment makes of it. *Panics*: if it were left over its cap (I1).
    pub(crate) fn amend(&mut self, amended: &Amended, at: Time) {
        let used = self.cap.minus_or_zero(self.remaining());
        assert!(used <= amended.bounds.cap, "bug: {} would be over its cap", self.id);
        let (default_before, mut parts) = (self.default_payee_cap, self.payees().collect::<Vec<_>>());
        let bounds = &amended.bounds;
        (self.cap, self.ends_at, self.debit_max) = (bounds.cap, bounds.ends_at, bounds.debit_max);
        self.default_payee_cap = bounds.default_payee_cap;
        self.rare_mut().debit_min = bounds.debit_min;
        self.rare_mut().not_before = bounds.not_before;
        for part in parts.iter_mut().filter(|part| part.cap == default_before) {
            part.cap = self.default_payee_cap;
        }
        for (payee, cap) in &amended.payees {
            match parts.binary_search_by_key(payee, |part| part.payee) {
                Ok(at) => parts.iter_mut().skip(at).take(1).for_each(|part| part.cap = *cap),
                Err(at) => parts.insert(at, PayeePart::new(*payee, *cap)),
            }
        }
        let id = self.id;
        parts.iter().for_each(|part| part.assert_within_cap(id));
        self.counts_payees |=
            !bounds.default_payee_cap.is_none() || parts.iter().any(|part| !part.cap.is_none());
        self.payees = Payees::new(parts, self.default_payee_cap);
        self.guard_mut().approval_above = amended.approval_above;
        let approval = Guards::APPROVAL.if_so(!amended.approval_above.is_none());
        self.guards = self.guards.without(Guards::APPROVAL).and(approval);
        if let Some(token) = self.token_mut() {
            (token.barred, token.narrowed) = (amended.barred.clone(), amended.narrowed);
            (token.amended_at, token.amended_count) = (at, token.amended_count + 1);
        }
    }

    /// Takes new authority for a token, and remembers the evidence behind the old.
    pub(crate) fn set_authority(&mut self, authority: Authority, agreement: &str) {
        let before = core::mem::replace(&mut self.rest_mut().about.authority, authority);
        if let Some(token) = self.token_mut() {
            before.evidence_hash.iter().for_each(|hash| token::remember(&mut token.evidence_used, hash));
            token.agreement = agreement.into();
        }
    }

    /// Moves it under the session at `parent`, at the same depth.
    pub(crate) fn set_parent(&mut self, parent: u32) {
        self.rare_mut().parent = Some(parent);
    }

    /// Puts a token's settlement off until `at`, for one that goes on after its period.
    pub(crate) fn wait_until(&mut self, at: Time) {
        if let Some(token) = self.token_mut() {
            token.due_at = token.due_at.max(at);
        }
    }

    /// Raises its cap, and moves its end later.
    pub(crate) fn raise(&mut self, add: Amount, ends_at: Time) {
        self.cap = sure(self.cap.checked_add(add));
        assert!(ends_at >= self.ends_at, "bug: {} would end earlier", self.id);
        self.ends_at = ends_at;
    }

    /// Begins to close, with sessions still open below it.
    pub(crate) fn begin_closing(&mut self, at: Time) {
        assert_eq!(self.closing_at(), Time::ZERO, "bug: {} is closing already", self.id);
        self.rare_mut().closing_at = at;
    }

    /// Counts the sessions open directly under it.
    pub(crate) fn count_children(&mut self, change: impl FnOnce(u32) -> Option<u32>) {
        self.rare_mut().open_children = sure(change(self.open_children()));
    }

    /// Takes an approved amount. *Panics*: if it fits neither the cap nor the payee's (I1).
    pub(crate) fn take(&mut self, payee: u32, amount: Amount) {
        assert!(amount <= self.remaining(), "bug: {amount} overspends session {}", self.id);
        let id = self.id;
        self.payees.change(payee, self.default_payee_cap, |part| {
            part.spent = sure(part.spent.checked_add(amount));
            part.debit_count += 1;
            part.assert_within_cap(id);
        });
        self.spent_own = sure(self.spent_own.checked_add(amount));
        self.debit_count += 1;
    }

    /// Takes back `amount` of the debit with this seq.
    pub(crate) fn take_back(&mut self, seq: u64, payee: u32, amount: Amount) -> Amount {
        self.payees.change(payee, self.default_payee_cap, |part| {
            part.spent = sure(part.spent.checked_sub(amount));
        });
        self.spent_own = sure(self.spent_own.checked_sub(amount));
        let reversed = self.rest_mut().about.reversed.entry(seq).or_default();
        *reversed = sure(reversed.checked_add(amount));
        *reversed
    }

    /// Counts what a payee got below. *Panics*: if that passes its cap here (I1).
    pub(crate) fn count_below(&mut self, payee: u32, amount: Amount) {
        let id = self.id;
        self.payees.change(payee, self.default_payee_cap, |part| {
            part.spent_below = sure(part.spent_below.checked_add(amount));
            part.assert_within_cap(id);
        });
    }

    /// Takes back what `count_below` counted.
    pub(crate) fn uncount_below(&mut self, payee: u32, amount: Amount) {
        self.payees.change(payee, self.default_payee_cap, |part| {
            part.spent_below = sure(part.spent_below.checked_sub(amount));
        });
    }

    /// Takes a debit of a shared session below. *Panics*: if it does not fit (I1).
    pub(crate) fn spend_below(&mut self, amount: Amount) {
        assert!(amount <= self.remaining(), "bug: {amount} from below overspends session {}", self.id);
        self.rare_mut().spent_below = sure(self.spent_below().checked_add(amount));
    }

    /// Takes back what `spend_below` took.
    pub(crate) fn unspend_below(&mut self, amount: Amount) {
        self.rare_mut().spent_below = sure(self.spent_below().checked_sub(amount));
    }

    /// Sets an amount aside, for a hold on it or on a shared session below. *Panics*: if it does not fit (I1).
    pub(crate) fn hold(&mut self, amount: Amount) {
        assert!(amount <= self.remaining(), "bug: a hold of {amount} overspends session {}", self.id);
        self.rare_mut().held = sure(self.held().checked_add(amount));
    }

    /// Gives back what `hold` set aside, or some of it, to be spent or held again.
    pub(crate) fn unhold(&mut self, amount: Amount) {
        self.rare_mut().held = sure(self.held().checked_sub(amount));
    }

    /// Moves an amount of a shared session below out of what is held into what is spent.
    pub(crate) fn capture_below(&mut self, amount: Amount) {
        self.unhold(amount);
        self.rare_mut().spent_below = sure(self.spent_below().checked_add(amount));
    }

    /// Keeps a place for a payee, so that what was promised to it can be taken.
    pub(crate) fn keep_place(&mut self, payee: u32) {
        self.payees.change(payee, self.default_payee_cap, |_| {});
    }

    /// Sets a cap aside for a session below. *Panics*: if it does not fit (I1).
    pub(crate) fn reserve(&mut self, cap: Amount) {
        assert!(cap <= self.remaining(), "bug: session {} cannot reserve {cap}", self.id);
        self.rare_mut().reserved_by_children = sure(self.reserved_by_children().checked_add(cap));
    }

    /// Ends a reservation: what was spent of it stays spent, the rest can be spent again.
    pub(crate) fn release(&mut self, cap: Amount, spent: Amount) {
        assert!(spent <= cap, "bug: a child of {} spent {spent} of {cap}", self.id);
        let rare = self.rare_mut();
        rare.reserved_by_children = sure(rare.reserved_by_children.checked_sub(cap));
        rare.spent_below = sure(rare.spent_below.checked_add(spent));
    }
}
