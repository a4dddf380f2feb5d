//! Owns: a session, the envelope that is streamed into and settled, and its counters.
//! Never: the order in which limits are tested; that is the ladder's, in `decide`.

use crate::{Amount, Cap, Currency, SessionId, Time, WriterId, keys::Keys, limits, writer::Window};
use alloc::{boxed::Box, vec::Vec};
use serde::{Deserialize, Serialize};

/// Is what a session holds for one payee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayeePart {
    /// The payee: its notice's slot.
    pub payee: u32,
    /// What it got.
    pub spent: Amount,
    /// In how many debits.
    pub debit_count: u64,
    /// The most it may get.
    pub cap: Cap,
}

/// Is who approved the ceiling, how, and what proves it. Kept, never interpreted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Who.
    pub principal: Box<str>,
    /// How.
    pub method: Box<str>,
    /// What proves it.
    pub evidence_hash: Option<[u8; 32]>,
    /// When; zero if it was not said.
    pub approved_at: Time,
}

/// Is the part of a session that no debit reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The facts behind the mandate.
    pub authority: Authority,
    /// The caller's own name for it.
    pub reference: Box<str>,
}

/// Is the part of a mandate that bounds debits. Places in the record: velocity, approval threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The session's cap.
    pub cap: Amount,
    /// No debit before; zero for none.
    pub not_before: Time,
    /// No debit from here on.
    pub ends_at: Time,
    /// The cap of a payee that has none of its own.
    pub default_payee_cap: Cap,
    /// The least debit.
    pub debit_min: Amount,
    /// The greatest debit.
    pub debit_max: Cap,
    /// Only the payees listed at opening can be paid.
    pub payees_restricted: bool,
}

/// Is one open session. A settled one leaves the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Its account's slot, in the same partition.
    pub account: u32,
    /// Its account's currency.
    pub currency: Currency,
    /// What bounds its debits.
    pub bounds: Bounds,
    /// What was debited on it.
    pub spent_own: Amount,
    /// What its closed children spent. A place: always zero until sessions have children.
    pub spent_below: Amount,
    /// Set aside by holds. A place: always zero until there are holds.
    pub held: Amount,
    /// Set aside for open children. A place, likewise.
    pub reserved_by_children: Amount,
    /// Approved debits.
    pub debit_count: u64,
    /// When it was opened.
    pub opened_at: Time,
    /// One part a payee, in order of `payee`.
    pub payees: Vec<PayeePart>,
    /// One window a writer.
    pub writers: Vec<Window>,
    /// Debits with free-form keys.
    pub keys: Box<Keys>,
    /// The rest.
    pub about: Box<About>,
}

impl Session {
    /// Returns what is left of the cap: cap - (spent_own + spent_below + held + reserved_by_children), or zero.
    pub fn remaining(&self) -> Amount {
        self.bounds
            .cap
            .minus_or_zero(self.spent_own)
            .minus_or_zero(self.spent_below)
            .minus_or_zero(self.held)
            .minus_or_zero(self.reserved_by_children)
    }

    /// Finds a payee's part.
    pub fn part(&self, payee: u32) -> Option<&PayeePart> {
        self.payees.binary_search_by_key(&payee, |part| part.payee).ok().and_then(|at| self.payees.get(at))
    }

    /// Returns what a payee may still get; `None` without a cap.
    pub fn payee_remaining(&self, payee: u32) -> Option<Amount> {
        match self.part(payee) {
            Some(part) => part.cap.remaining(part.spent),
            None => self.bounds.default_payee_cap.get(),
        }
    }

    /// Returns whether the session has no place for one payee more.
    pub fn is_full_of_payees(&self) -> bool {
        self.payees.len() >= limits::PAYEES_PER_SESSION
    }

    /// Finds a writer's window.
    pub fn window(&self, writer: WriterId) -> Option<&Window> {
        self.writers.iter().find(|window| window.writer() == writer)
    }

    pub(crate) fn window_mut(&mut self, writer: WriterId, epoch: u32) -> Option<&mut Window> {
        let at = match self.writers.iter().position(|window| window.writer() == writer) {
            Some(at) => at,
            None => {
                self.writers.push(Window::new(writer, epoch));
                self.writers.len() - 1
            }
        };
        self.writers.get_mut(at)
    }

    /// Takes an approved amount. *Panics*: if it fits neither the cap nor the payee's (I1).
    pub(crate) fn take(&mut self, payee: u32, amount: Amount) {
        assert!(amount <= self.remaining(), "bug: {amount} overspends session {}", self.id);
        let default_cap = self.bounds.default_payee_cap;
        let at = match self.payees.binary_search_by_key(&payee, |part| part.payee) {
            Ok(at) => at,
            Err(at) => {
                let part = PayeePart { payee, spent: Amount::ZERO, debit_count: 0, cap: default_cap };
                self.payees.insert(at, part);
                at
            }
        };
        let Some(part) = self.payees.get_mut(at) else { return };
        part.spent = crate::apply::sure(part.spent.checked_add(amount));
        part.debit_count += 1;
        assert!(
            part.cap.get().is_none_or(|cap| part.spent <= cap),
            "bug: {amount} overspends a payee in {}",
            self.id
        );
        self.spent_own = crate::apply::sure(self.spent_own.checked_add(amount));
        self.debit_count += 1;
    }
}
