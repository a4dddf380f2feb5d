//! Owns: what a session is opened with, and what it holds for one payee: the pieces that records and stored rows name, too.
//! Never: how they lie in memory; that is the session's.

use crate::{Amount, Cap, SessionId, Time, apply::sure, velocity::VelocityLimit};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use serde::{Deserialize, Serialize};

/// Says how a session stands to its parent. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum Mode {
    /// Its cap is set aside in its parent.
    #[default]
    Reserved = 1,
    /// Its cap is only a ceiling; its debits count in its parent at once.
    Shared = 2,
}

impl Mode {
    /// Reads a stored number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Reserved),
            2 => Some(Self::Shared),
            _ => None,
        }
    }
}

/// Is what a session holds for one payee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayeePart {
    /// The payee: its notice's slot.
    pub payee: u32,
    /// What it got out of this session itself.
    pub spent: Amount,
    /// What it got out of sessions below, open or settled; kept where this session has a cap for the payee.
    pub spent_below: Amount,
    /// In how many debits on this session itself.
    pub debit_count: u64,
    /// The most it may get, below included.
    pub cap: Cap,
}

impl PayeePart {
    /// Makes the part of a payee that has got nothing.
    pub const fn new(payee: u32, cap: Cap) -> Self {
        Self { payee, spent: Amount::ZERO, spent_below: Amount::ZERO, debit_count: 0, cap }
    }

    /// Returns what it may still get; `None` without a cap.
    pub fn remaining(&self) -> Option<Amount> {
        Some(self.cap.get()?.minus_or_zero(self.spent).minus_or_zero(self.spent_below))
    }

    pub(super) fn assert_within_cap(&self, session: SessionId) {
        let got = sure(self.spent.checked_add(self.spent_below));
        assert!(self.cap.get().is_none_or(|cap| got <= cap), "bug: a payee is over its cap in {session}");
    }
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
    /// What was taken back of debits, by their seqs.
    pub reversed: BTreeMap<u64, Amount>,
}

/// Is the hash of a secret that whoever debits must know: SHA-256. Compared in constant time, never shown.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct SecretHash(pub [u8; 32]);

impl PartialEq for SecretHash {
    /// Compares every byte, wherever the first difference is.
    fn eq(&self, other: &Self) -> bool {
        let differ = self.0.iter().zip(&other.0).fold(0, |differ, (a, b)| differ | (a ^ b));
        core::hint::black_box(differ) == 0
    }
}

impl Eq for SecretHash {}

impl core::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SecretHash(hidden)")
    }
}

/// Is what most mandates do not say: asked at opening, written in the record, and kept in the session's guard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clauses {
    /// What whoever debits it must know.
    pub secret: Option<SecretHash>,
    /// Debits above it need somebody's approval.
    pub approval_above: Cap,
    /// It may outlive its token's period, and is then reserved whole in the next.
    pub carry: bool,
    /// How many debits, or how much, in how long.
    pub velocity: Vec<VelocityLimit>,
}

/// Is the part of a mandate that bounds every debit.
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
