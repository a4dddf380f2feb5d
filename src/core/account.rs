//! Owns: an account, the envelope at the root of a payer's tree. Never: what a session spends inside its own cap.

use crate::{AccountId, Amount, Currency, Time, Total};
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// Says where an account's money comes from. The numbers are stored. Places: 2 credit line, 3 external authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Funding {
    /// Deposits, made before they are spent.
    Prepaid = 1,
}

/// Is one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The only currency of everything below it.
    pub currency: Currency,
    /// Where its money comes from.
    pub funding: Funding,
    /// Deposits that are available: the envelope's cap.
    pub deposited: Total,
    /// Set aside for open sessions: the sum of their caps.
    pub reserved_by_children: Total,
    /// What settled sessions spent.
    pub spent_below: Total,
    /// Sessions open directly on it.
    pub open_children: u32,
    /// When it was created.
    pub created_at: Time,
    /// The caller's own name for it.
    pub reference: Box<str>,
}

impl Account {
    /// Returns what a new child may reserve. Zero in deficit.
    pub fn available(&self) -> Total {
        let used = self.reserved_by_children.checked_add(self.spent_below).unwrap_or(Total::MAX);
        self.deposited.minus_or_zero(used)
    }

    /// Sets a child's cap aside. *Panics*: if it does not fit (I1); deciding has made sure that it does.
    pub(crate) fn reserve(&mut self, cap: Amount) {
        assert!(self.available() >= Total::from(cap), "bug: account {} cannot reserve {cap}", self.id);
        self.reserved_by_children = crate::apply::sure(self.reserved_by_children.checked_add(cap.into()));
        self.open_children += 1;
    }

    /// Ends a child's reservation: what it spent stays spent, the rest is available again.
    pub(crate) fn release(&mut self, cap: Amount, spent: Amount) {
        assert!(spent <= cap, "bug: a child of {} spent {spent} of {cap}", self.id);
        let before = self.available();
        self.reserved_by_children = crate::apply::sure(self.reserved_by_children.checked_sub(cap.into()));
        self.spent_below = crate::apply::sure(self.spent_below.checked_add(spent.into()));
        self.open_children -= 1;
        assert!(self.available() >= before, "bug: closing a child took money from account {}", self.id);
    }
}
