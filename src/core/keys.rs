//! Owns: what was said and answered under a debit's key or number, and whether a repetition says the same (I3).
//! Never: decides anything new.

use crate::{
    Amount, Currency, DeclineCode, Level, Time,
    command::{Act, ActKind},
    hash::{FieldHash, KeyHash, Seed},
    record::Debited,
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
    /// What was to be done, and whether less would do.
    pub how: How,
}

/// Says in one byte what was to be done with an amount, and whether less would do; and of a capture, whether it came late.
/// Stored: before there were holds, the byte said only whether less would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct How(u8);

impl How {
    /// What nobody says: it is found out, and remembered with what was said.
    const LATE: u8 = 1 << 7;

    /// Puts all together.
    pub const fn new(act: Act, partial: bool, late: bool) -> Self {
        Self(((act.kind() as u8) << 1) | partial as u8 | if late { Self::LATE } else { 0 })
    }

    /// Returns what was to be done.
    pub const fn kind(self) -> ActKind {
        match (self.0 & !Self::LATE) >> 1 {
            0 => ActKind::Debit,
            1 => ActKind::Hold,
            2 => ActKind::Capture,
            _ => ActKind::Void,
        }
    }

    /// Returns whether it captured a hold that had ended.
    pub const fn is_late(self) -> bool {
        self.0 & Self::LATE != 0
    }

    /// Returns what the caller said.
    const fn said(self) -> u8 {
        self.0 & !Self::LATE
    }
}

const _: () = assert!(size_of::<Said>() == 24);

impl Said {
    /// Returns what a command says, in short.
    pub(crate) fn of(command: &Debited<'_>, seed: Seed) -> Self {
        let evidence = command.evidence.as_ref().map_or(&[][..], |hash| hash.as_slice());
        Self {
            amount: command.amount,
            payee: command.payee,
            currency: command.currency,
            reference: seed.field(command.reference.as_bytes()),
            evidence: match command.act {
                Act::Debit => seed.field(evidence),
                act => Self::terms(act, command.asked_until, evidence, seed),
            },
            how: How::new(command.act, command.partial, command.late),
        }
    }

    /// Hashes what only holds, captures and voids say, together with the evidence.
    #[cold]
    fn terms(act: Act, asked_until: Time, evidence: &[u8], seed: Seed) -> FieldHash {
        let (first, second) = match act {
            Act::Debit => (0, 0),
            Act::Hold { tolerance, .. } => (tolerance.nanos(), asked_until.ns()),
            Act::Capture { hold, last } => (hold, u64::from(last)),
            Act::Void { hold } => (hold, 0),
        };
        let mut bytes = [0; 48];
        let (numbers, rest) = bytes.split_at_mut(16);
        numbers.copy_from_slice(&((u128::from(first) << 64) | u128::from(second)).to_le_bytes());
        let length = evidence.len().min(rest.len());
        if let (Some(to), Some(from)) = (rest.get_mut(..length), evidence.get(..length)) {
            to.copy_from_slice(from);
        }
        seed.field(bytes.get(..16 + length).unwrap_or_default())
    }

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
        } else if self.how.said() != other.how.said() {
            Some(if self.how.kind() == other.how.kind() { "accept_partial" } else { "act" })
        } else if self.evidence != other.evidence {
            // One hash holds the evidence and what only holds, captures and voids say.
            Some(match self.how.kind() {
                ActKind::Debit => "evidence_hash",
                ActKind::Hold => "tolerance_nanos, capture_until or evidence_hash",
                ActKind::Capture => "hold_id, last or evidence_hash",
                ActKind::Void => "hold_id or evidence_hash",
            })
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
        let said =
            Said { amount, payee: 0, currency, reference, evidence, how: How::new(Act::Debit, false, false) };
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
