//! Owns: what was said and answered under a debit's key or number, and whether a repetition says the same (I3).
//! Never: decides anything new.

use crate::{
    Amount, Currency, DeclineCode, Level,
    hash::{FieldHash, KeyHash},
};
use alloc::collections::BTreeMap;
use serde::{Deserialize, Serialize};

/// Is the content of a debit, short enough to be kept for each one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// How much.
    pub amount: Amount,
    /// To whom: the notice's slot.
    pub payee: u32,
    /// In which currency, as stated.
    pub currency: Currency,
    /// The payee's reference, hashed.
    pub reference: FieldHash,
    /// The evidence, hashed.
    pub evidence: FieldHash,
    /// Whether less would do.
    pub partial: bool,
}

impl Said {
    /// Returns the name of the first field in which `other` differs.
    pub fn differs_from(&self, other: &Self) -> Option<&'static str> {
        if self.amount != other.amount {
            Some("amount_nanos")
        } else if self.payee != other.payee {
            Some("payee_id")
        } else if self.currency != other.currency {
            Some("currency")
        } else if self.reference != other.reference {
            Some("reference")
        } else if self.evidence != other.evidence {
            Some("evidence_hash")
        } else if self.partial != other.partial {
            Some("accept_partial")
        } else {
            None
        }
    }
}

/// Is what was answered: approved without a verdict, declined with one.
pub type Verdict = Option<(DeclineCode, Level)>;

/// Is one remembered debit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The journal position of the decision.
    pub seq: u64,
    /// What was asked.
    pub said: Said,
    /// What was answered.
    pub verdict: Verdict,
    /// What was taken: all that was asked, or less if less would do; nothing when declined.
    pub taken: Amount,
}

/// Keeps the debits of one session that came with free-form keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys(BTreeMap<KeyHash, Remembered>);

impl Keys {
    /// Takes what an older checkpoint kept.
    pub fn from_parts(debits: BTreeMap<KeyHash, Remembered>) -> Self {
        Self(debits)
    }

    /// Returns how many keys are kept.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true when none is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Finds a key.
    pub fn get(&self, key: KeyHash) -> Option<&Remembered> {
        self.0.get(&key)
    }

    pub(crate) fn remember(&mut self, key: KeyHash, debit: Remembered) {
        let before = self.0.insert(key, debit);
        assert!(before.is_none(), "bug: one key was decided twice, at seq {} again", debit.seq);
    }
}
