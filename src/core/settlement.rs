//! Owns: what a session's close says each payee is owed, and how it travels to the payees' partitions exactly once.
//! Never: rounds; lines are exact and gross (I5).

use crate::{AccountId, Amount, Currency, PayeeId, SessionId, SettlementId, Time};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Says why a session was settled. The numbers are stored; rows store the place, so that a new one comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Reason {
    /// Somebody asked.
    Closed = 1,
    /// Its end came.
    Expired = 2,
    /// A session above it was settled.
    Cascade = 4,
    /// It, or something above it, was revoked.
    Revoked = 3,
    /// A token for one use was used.
    Consumed = 5,
}

impl Reason {
    /// Reads a stored number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Closed),
            2 => Some(Self::Expired),
            3 => Some(Self::Revoked),
            4 => Some(Self::Cascade),
            5 => Some(Self::Consumed),
            _ => None,
        }
    }
}

/// Is what one payee is owed by one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Who.
    pub payee: PayeeId,
    /// How much.
    pub amount: Amount,
    /// For how many debits.
    pub debit_count: u64,
}

/// Is a settlement as it is kept for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The session it settles; its own id is made of it.
    pub session: SessionId,
    /// Who paid.
    pub account: AccountId,
    /// In which currency.
    pub currency: Currency,
    /// Why now.
    pub reason: Reason,
    /// One a payee that was paid, in id order.
    pub lines: Vec<Line>,
    /// The sum of the lines.
    pub total: Amount,
    /// What went back to the parent.
    pub released: Amount,
    /// Approved debits.
    pub debit_count: u64,
    /// When the session was opened.
    pub opened_at: Time,
    /// When it was settled.
    pub settled_at: Time,
    /// The journal position.
    pub seq: u64,
    /// The session it stood under, if it was not the account.
    pub parent: Option<SessionId>,
    /// What sessions below it spent.
    pub spent_below: Amount,
}

impl Settlement {
    /// Returns its id.
    pub const fn id(&self) -> SettlementId {
        self.session.settlement()
    }
}

/// Is a line on its way from the session's partition to the payee's: out of `unsettled`, in transit.
///
/// Lines leave a partition in the order of `no`, and a payee's partition takes each `no` of a source once, in ascending
/// order: that is all the memory that exactly-once needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Its place in the source partition's outbox: 1, 2, 3 …
    pub no: u64,
    /// The settlement it belongs to.
    pub settlement: SettlementId,
    /// In which currency.
    pub currency: Currency,
    /// What it says.
    pub line: Line,
}
