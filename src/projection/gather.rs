//! Owns: what a stretch of the journal comes to, gathered by session before any of it is written.
//! Never: writes; decides. A kind of record that nothing here is asked about is listed, so that a new one is thought of.

use crate::kind::{
    At,
    chunk::{By, Done, Item, Writer},
};
use hashbrown::HashMap;
use std::{collections::BTreeMap, hash::BuildHasherDefault};
use tallystick_core::{
    Amount, PayeeId, Record, SessionId, Stamp, Time,
    hash::Seed,
    partition::IdHasher,
    record::{Debited, StoredIntent},
};

/// Is what was gathered of one session.
#[derive(Debug)]
pub(crate) struct Touched {
    pub(crate) id: SessionId,
    /// Where it was opened, if that was gathered too: then nothing of it is stored yet.
    pub(crate) opened_seq: Option<u64>,
    pub(crate) settled: Option<(u64, Time)>,
    /// Full chunks, in order; `open` comes after them.
    pub(crate) done: Vec<Done>,
    pub(crate) open: Writer,
}

impl Touched {
    fn new(id: SessionId) -> Self {
        Self { id, opened_seq: None, settled: None, done: Vec::new(), open: Writer::default() }
    }

    fn push(&mut self, item: &Item<'_>) {
        if !self.open.fits(item) {
            self.done.extend(self.open.finish(self.id));
        }
        self.open.push(item);
    }

    /// Returns all chunks, in order.
    pub(crate) fn chunks(&mut self) -> Vec<Done> {
        self.done.extend(self.open.finish(self.id));
        std::mem::take(&mut self.done)
    }
}

/// Gathers records.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    touched: Vec<Touched>,
    /// Where a session is in `touched`. Never walked.
    places: HashMap<u128, usize, BuildHasherDefault<IdHasher>>,
    pub(crate) payees: BTreeMap<(u16, u32), PayeeId>,
    pub(crate) reversed: BTreeMap<(At, u64), Amount>,
    pub(crate) seed: Option<Seed>,
    pub(crate) latest: Time,
    pub(crate) records: u64,
    pub(crate) bytes: usize,
}

impl Gathered {
    /// Begins after the decision at `latest`.
    pub(crate) fn after(latest: Time) -> Self {
        Self { latest, ..Self::default() }
    }

    /// Takes one record. *Ordering*: in the order of seqs.
    pub(crate) fn take(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>) {
        self.records += 1;
        self.latest = self.latest.max(stamp.at);
        match record {
            Record::Debited(debit) => self.debited(seq, stamp, debit),
            Record::SessionOpened(opened) => self.touch(opened.id).opened_seq = Some(seq),
            Record::SessionSettled(settled) => {
                self.touch(settled.session).settled = Some((seq, stamp.at));
            }
            Record::PayeeNoticed(noticed) => {
                self.payees.insert((stamp.partition, noticed.slot), noticed.id);
            }
            Record::Genesis(genesis) => self.seed = Some(genesis.seed),
            Record::Reversed(back) => self.reversed(back.session, back.debit_seq, back.amount),
            Record::AccountCreated(_)
            | Record::Deposited(_)
            | Record::DepositMoved(_)
            | Record::Withdrawn(_)
            | Record::Repaid(_)
            | Record::DepositMade(_)
            | Record::CreditLimitSet(_)
            | Record::ToppedUp(_)
            | Record::SessionClosing(_)
            | Record::CommandDeclined(_)
            | Record::PayeeCreated(_)
            | Record::PayeeStatusSet(_)
            | Record::PayeeShared(_)
            | Record::OpenDeclined(_)
            | Record::WriterOpened(_)
            | Record::WriterPositioned(_)
            | Record::SettlementPosted(_)
            | Record::OutboxDelivered(_) => {}
        }
    }

    fn debited(&mut self, seq: u64, stamp: &Stamp, debit: &Debited<'_>) {
        let by = match debit.intent {
            StoredIntent::Key(hash) => By::Key(hash),
            StoredIntent::Number(at) => By::Number { writer: at.writer, number: at.number },
        };
        self.touch(debit.session).push(&Item {
            seq,
            at: stamp.at,
            payee: debit.payee,
            asked: debit.amount,
            taken: debit.taken,
            verdict: debit.verdict,
            by,
            reference: debit.reference,
            evidence: debit.evidence,
        });
    }

    /// Adds to what was taken back of a debit.
    fn reversed(&mut self, session: SessionId, debit_seq: u64, amount: Amount) {
        let sum = self.reversed.entry((At::of(session), debit_seq)).or_default();
        // A journal whose sums pass 2^64 does not exist: core bounds what is taken back by what was taken.
        *sum = sum.checked_add(amount).unwrap_or(Amount::MAX);
    }

    fn touch(&mut self, id: SessionId) -> &mut Touched {
        let at = *self.places.entry(id.bits()).or_insert_with(|| {
            self.touched.push(Touched::new(id));
            self.touched.len() - 1
        });
        &mut self.touched[at]
    }

    /// Hands out the sessions, in order of place and then of first touch.
    pub(crate) fn sessions(&mut self) -> impl Iterator<Item = Touched> + use<> {
        self.places.clear();
        let mut all = std::mem::take(&mut self.touched);
        // They are large: their places are sorted in their stead.
        let mut order: Vec<(At, usize)> = all.iter().map(|t| At::of(t.id)).zip(0..).collect();
        order.sort_unstable();
        order.into_iter().filter_map(move |(_, at)| {
            all.get_mut(at).map(|touched| std::mem::replace(touched, Touched::new(touched.id)))
        })
    }
}

#[cfg(test)]
mod tests;
