//! Owns: payees at home (name, status, ledger) and what other partitions know of them.
//!
//! A payee lives in one partition. A partition that pays it keeps a *notice*: a short row with its status, so that a debit
//! reads only its own partition. The home remembers who has one. Blocking writes the home first, then every notice.
//! Never: pays out; a position only grows here.

use crate::{Amount, Currency, PayeeId, Time, Total};
use alloc::{boxed::Box, vec::Vec};
use serde::{Deserialize, Serialize};

/// Says whether a payee may be paid. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum PayeeStatus {
    /// Registered, not yet verified. A place; not given yet.
    Pending = 1,
    /// May be paid.
    Active = 2,
    /// May not be paid, until unblocked.
    Blocked = 3,
    /// May not be paid any more. A place; not given yet.
    Closed = 4,
}

impl PayeeStatus {
    /// Reads a stored number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Pending),
            2 => Some(Self::Active),
            3 => Some(Self::Blocked),
            4 => Some(Self::Closed),
            _ => None,
        }
    }
}

/// Is a payee's ledger in one currency. Places: in transit, frozen, in batch, paid out, fees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Which currency.
    pub currency: Currency,
    /// Settled to it and not yet paid out.
    pub payable: Total,
    /// Settlement lines that came.
    pub lines: u64,
}

/// Is a payee in its home partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payee {
    /// Its id.
    pub id: PayeeId,
    /// Its status.
    pub status: PayeeStatus,
    /// Counts changes of status, so that notices can never go back.
    pub version: u32,
    /// Which partitions have a notice, a bit each.
    pub known_in: [u64; 4],
    /// One ledger a currency, in order of currency.
    pub ledgers: Vec<Ledger>,
    /// When it was created.
    pub created_at: Time,
    /// Its name.
    pub name: Box<str>,
}

impl Payee {
    /// Returns whether `partition` has a notice.
    pub fn is_known_in(&self, partition: u16) -> bool {
        self.known_in.get(usize::from(partition / 64)).is_some_and(|word| word & (1 << (partition % 64)) != 0)
    }

    /// Returns the partitions that have a notice, in order.
    pub fn knowing_partitions(&self) -> impl Iterator<Item = u16> + '_ {
        (0..crate::PARTITIONS).filter(|partition| self.is_known_in(*partition))
    }

    pub(crate) fn share_with(&mut self, partition: u16) {
        if let Some(word) = self.known_in.get_mut(usize::from(partition / 64)) {
            *word |= 1 << (partition % 64);
        }
    }

    /// Adds a settlement line to the ledger of its currency.
    pub(crate) fn post(&mut self, currency: Currency, amount: Amount) {
        let at = match self.ledgers.binary_search_by_key(&currency, |ledger| ledger.currency) {
            Ok(at) => at,
            Err(at) => {
                self.ledgers.insert(at, Ledger { currency, payable: Total::ZERO, lines: 0 });
                at
            }
        };
        if let Some(ledger) = self.ledgers.get_mut(at) {
            ledger.payable = crate::apply::sure(ledger.payable.checked_add(amount.into()));
            ledger.lines += 1;
        }
    }
}

/// Is what a partition that is not its home knows of a payee (its home keeps one for itself too).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The payee.
    pub id: PayeeId,
    /// Its status, as of `version`.
    pub status: PayeeStatus,
    /// Which change of status this is.
    pub version: u32,
}
