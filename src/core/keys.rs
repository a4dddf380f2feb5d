//! Owns: what was said and answered under a debit's key or number, and whether a repetition says the same (I3).
//! Never: decides anything new.

use crate::{
    Amount, Currency, DeclineCode, Level,
    hash::{FieldHash, KeyHash},
};
use alloc::{collections::BTreeMap, vec::Vec};
use serde::{Deserialize, Serialize, Serializer};

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

/// How many debits are kept in a list before they get a tree, whose smallest piece has room for about as many.
const FEW: usize = 8;

/// Is where keys are kept. The greater part of all sessions has few.
#[derive(Debug, Clone)]
enum Kept {
    /// In order of key.
    Few(Vec<(KeyHash, Remembered)>),
    Many(BTreeMap<KeyHash, Remembered>),
}

/// Keeps the debits of one session that came with free-form keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "BTreeMap<KeyHash, Remembered>")]
pub struct Keys(Kept);

impl Default for Keys {
    fn default() -> Self {
        Self(Kept::Few(Vec::new()))
    }
}

impl From<BTreeMap<KeyHash, Remembered>> for Keys {
    fn from(debits: BTreeMap<KeyHash, Remembered>) -> Self {
        if debits.len() > FEW {
            return Self(Kept::Many(debits));
        }
        Self(Kept::Few(debits.into_iter().collect()))
    }
}

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Kept::Few(debits) => serializer.collect_map(debits.iter().map(|(key, debit)| (key, debit))),
            Kept::Many(debits) => serializer.collect_map(debits),
        }
    }
}

/// Keys are equal when they are stored alike.
impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Keys {}

impl Keys {
    /// Takes what an older checkpoint kept.
    pub fn from_parts(debits: BTreeMap<KeyHash, Remembered>) -> Self {
        debits.into()
    }

    /// Returns how many keys are kept.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Few(debits) => debits.len(),
            Kept::Many(debits) => debits.len(),
        }
    }

    /// Returns true when none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns every key with its debit, in order of key.
    fn iter(&self) -> impl Iterator<Item = (&KeyHash, &Remembered)> {
        let (few, many) = match &self.0 {
            Kept::Few(debits) => (Some(debits.iter().map(|(key, debit)| (key, debit))), None),
            Kept::Many(debits) => (None, Some(debits.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }

    /// Finds a key.
    pub fn get(&self, key: KeyHash) -> Option<&Remembered> {
        match &self.0 {
            Kept::Few(debits) => {
                let at = debits.binary_search_by_key(&key, |(key, _)| *key).ok()?;
                debits.get(at).map(|(_, debit)| debit)
            }
            Kept::Many(debits) => debits.get(&key),
        }
    }

    pub(crate) fn remember(&mut self, key: KeyHash, debit: Remembered) {
        let is_new = match &mut self.0 {
            Kept::Few(debits) if debits.len() >= FEW => {
                let mut many: BTreeMap<_, _> = debits.iter().copied().collect();
                let before = many.insert(key, debit);
                self.0 = Kept::Many(many);
                before.is_none()
            }
            Kept::Few(debits) => match debits.binary_search_by_key(&key, |(key, _)| *key) {
                Ok(_) => false,
                Err(at) => {
                    // Twice as much each time, from one on: a list of its own accord would begin with four.
                    debits.reserve_exact(if debits.len() == debits.capacity() {
                        debits.len().max(1)
                    } else {
                        0
                    });
                    debits.insert(at, (key, debit));
                    true
                }
            },
            Kept::Many(debits) => debits.insert(key, debit).is_none(),
        };
        assert!(is_new, "bug: one key was decided twice, at seq {} again", debit.seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debit(seq: u64) -> Remembered {
        let (reference, evidence) = (FieldHash(0), FieldHash(0));
        let (amount, currency) = (Amount::from_nanos(seq), Currency::UNSTATED);
        let said = Said { amount, payee: 0, currency, reference, evidence, partial: false };
        Remembered { seq, said, verdict: None, taken: amount }
    }

    #[test]
    fn few_keys_and_many_are_kept_alike() {
        let (mut keys, mut all) = (Keys::default(), BTreeMap::new());
        for seq in 1..40 {
            let key = KeyHash(u128::from(seq * 7 % 40) << 100);
            assert_eq!(keys.get(key), None);
            keys.remember(key, debit(seq));
            all.insert(key, debit(seq));
            assert_eq!((keys.len(), &keys), (all.len(), &Keys::from_parts(all.clone())));
            assert!(all.iter().all(|(key, debit)| keys.get(*key) == Some(debit)), "after {seq}");
        }
    }

    #[test]
    #[should_panic(expected = "one key was decided twice")]
    fn a_key_is_decided_once() {
        let mut keys = Keys::default();
        keys.remember(KeyHash(1), debit(1));
        keys.remember(KeyHash(1), debit(2));
    }
}
