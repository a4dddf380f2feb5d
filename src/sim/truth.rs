//! Owns: what durable records say of debits, sessions and settlements, as plain maps: what look-ups and readers must agree
//! with. Never: a rule.

use std::collections::BTreeMap;
use tallystick_core::{
    AccountId, Amount, Partition, PayeeId, Record, SessionId, Stamp, Time, WriterId,
    hash::{KeyHash, Seed},
    keys::Verdict,
    record::{Debited, StoredIntent},
};
use tallystick_projection::{By, DebitInfo, What};

/// Is a debit as its record says it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the record")]
pub struct Decided {
    pub payee: PayeeId,
    pub at: Time,
    pub asked: Amount,
    pub taken: Amount,
    pub verdict: Verdict,
    pub by: By,
    pub reference: Box<str>,
    pub evidence: Option<[u8; 32]>,
    pub what: What,
    /// What reversals came to, and at which seq each was made.
    pub reversed: Vec<(u64, Amount)>,
}

/// Is a settlement as its record says it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the record")]
pub struct Settled {
    pub session: SessionId,
    pub total: Amount,
    pub lines: Vec<(PayeeId, Amount)>,
}

/// Remembers what records say.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is named by what it maps")]
pub struct Truth {
    pub seed: Option<Seed>,
    pub debits: BTreeMap<(SessionId, u64), Decided>,
    pub by_key: BTreeMap<(SessionId, KeyHash), u64>,
    pub by_number: BTreeMap<(SessionId, WriterId, u64), u64>,
    pub settlements: BTreeMap<u64, Settled>,
    pub open: BTreeMap<SessionId, (AccountId, Option<SessionId>)>,
    /// Every session that ever was, in the order of opening.
    pub sessions: Vec<SessionId>,
}

impl Truth {
    /// Takes note of a record that was just applied to `partition`.
    pub fn record(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>, partition: &Partition) {
        match record {
            Record::SessionOpened(opened) => {
                self.open.insert(opened.id, (opened.account, opened.parent));
                self.sessions.push(opened.id);
            }
            Record::SessionSettled(settled) => {
                self.open.remove(&settled.session);
                let lines = settled.lines.iter().map(|line| (line.payee, line.amount)).collect();
                let (session, total) = (settled.session, settled.total);
                self.settlements.insert(seq, Settled { session, total, lines });
            }
            Record::Debited(debited) => self.debited(seq, stamp, debited, partition),
            Record::Reversed(reversed) => {
                if let Some(debit) = self.debits.get_mut(&(reversed.session, reversed.debit_seq)) {
                    debit.reversed.push((seq, reversed.reversed_after));
                }
            }
            _ => {}
        }
    }

    fn debited(&mut self, seq: u64, stamp: &Stamp, debited: &Debited<'_>, partition: &Partition) {
        let Some(payee) = partition.payee_at(debited.payee) else { return };
        let session = debited.session;
        let by = match debited.intent {
            StoredIntent::Key(key) => {
                self.by_key.insert((session, key), seq);
                By::Key(key)
            }
            StoredIntent::Number(at) => {
                self.by_number.insert((session, at.writer, at.number), seq);
                By::Number { writer: at.writer, number: at.number }
            }
        };
        let decided = Decided {
            payee,
            at: stamp.at,
            asked: debited.amount,
            taken: debited.taken,
            verdict: debited.verdict,
            by,
            reference: debited.reference.into(),
            evidence: debited.evidence,
            what: What::of(debited),
            reversed: Vec::new(),
        };
        self.debits.insert((session, seq), decided);
    }

    /// Returns a debit as it must be shown by whoever has followed to `as_of`.
    pub fn info(&self, session: SessionId, seq: u64, as_of: u64) -> Option<DebitInfo> {
        let decided = self.debits.get(&(session, seq)).filter(|_| seq <= as_of)?;
        let reversed = decided.reversed.iter().rev().find(|(at, _)| *at <= as_of);
        Some(DebitInfo {
            session,
            payee: decided.payee,
            seq,
            at: decided.at,
            asked: decided.asked,
            taken: decided.taken,
            reversed: reversed.map_or(Amount::ZERO, |(_, sum)| *sum),
            verdict: decided.verdict,
            by: decided.by,
            reference: decided.reference.clone(),
            evidence: decided.evidence,
            what: decided.what,
        })
    }
}

impl Truth {
    /// Draws a debit.
    pub fn some_debit(&self, rng: &mut crate::rng::Rng) -> Option<(SessionId, u64)> {
        self.debits.keys().nth(rng.index(self.debits.len())).copied()
    }

    /// Draws a numbered debit's name.
    pub fn some_number(&self, rng: &mut crate::rng::Rng) -> Option<(SessionId, WriterId, u64)> {
        self.by_number.keys().nth(rng.index(self.by_number.len())).copied()
    }
}
