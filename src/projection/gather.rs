//! Owns: what a stretch of the journal comes to, gathered by session before any of it is written.
//! Never: writes; decides. A kind of record that nothing here is asked about is listed, so that a new one is thought of.

use crate::kind::{
    At,
    chunk::{By, Done, Item, What, Writer},
};
use hashbrown::HashMap;
use std::{collections::BTreeMap, hash::BuildHasherDefault};
use tallystick_core::{
    Amount, PayeeId, Record, SessionId, Stamp, Time,
    hash::Seed,
    partition::IdHasher,
    record::{Debited, StoredIntent},
};

/// Bounds the sessions whose memory is kept from one step for the next.
const KEPT_MOST: usize = 16_384;

/// Is what was gathered of one session.
#[derive(Debug)]
pub(crate) struct Touched {
    pub(crate) id: SessionId,
    /// Where it was opened, if that was gathered too: then nothing of it is stored yet.
    pub(crate) opened_seq: Option<u64>,
    pub(crate) settled: Option<(u64, Time)>,
    /// Full chunks, in order; `open` comes after them.
    done: Vec<Done>,
    open: Writer,
}

impl Touched {
    fn new(id: SessionId) -> Self {
        Self { id, opened_seq: None, settled: None, done: Vec::new(), open: Writer::default() }
    }

    /// Becomes another session; its memory is used again.
    fn begin(&mut self, id: SessionId) {
        (self.id, self.opened_seq, self.settled) = (id, None, None);
        self.done.clear();
        self.open.clear();
    }

    fn push(&mut self, item: &Item<'_>) {
        if !self.open.fits(item) {
            self.done.extend(self.open.finish(self.id));
        }
        self.open.push(item);
    }

    /// Takes all chunks, in order.
    pub(crate) fn chunks(&mut self) -> impl Iterator<Item = Done> + use<'_> {
        let last = self.open.finish(self.id);
        self.done.drain(..).chain(last)
    }
}

/// Gathers records.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Those of this step, and beyond `count` those of earlier ones, whose memory is used again.
    touched: Vec<Touched>,
    count: usize,
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
    /// Begins after the decision at `latest`. What was gathered before is gone.
    pub(crate) fn begin(&mut self, latest: Time) {
        self.touched.truncate(KEPT_MOST);
        self.places.clear();
        self.payees.clear();
        self.reversed.clear();
        (self.count, self.seed, self.latest, self.records, self.bytes) = (0, None, latest, 0, 0);
    }

    /// Takes one record. *Ordering*: in the order of seqs.
    pub(crate) fn take(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>) {
        self.records += 1;
        self.latest = self.latest.max(stamp.at);
        match record {
            Record::Debited(debit) => self.debited(seq, stamp, debit),
            Record::SessionOpened(opened) => self.touch(opened.id).opened_seq = Some(seq),
            Record::PeriodBegun(begun) => self.touch(begun.id).opened_seq = Some(seq),
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
            | Record::TokenAmended(_)
            | Record::FamilyRevoked(_)
            | Record::RefreshSeen(_)
            | Record::SessionClosing(_)
            | Record::ControlSet(_)
            | Record::HoldLapsed(_)
            | Record::CommandDeclined(_)
            | Record::PayeeCreated(_)
            | Record::PayeeStatusSet(_)
            | Record::PayeeShared(_)
            | Record::OpenDeclined(_)
            | Record::WriterOpened(_)
            | Record::WriterPositioned(_)
            | Record::SettlementPosted(_)
            | Record::OutboxDelivered(_)
            | Record::CredentialMade(_)
            | Record::CredentialRevoked(_) => {}
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
            what: What::of(debit),
        });
    }

    /// Adds to what was taken back of a debit.
    fn reversed(&mut self, session: SessionId, debit_seq: u64, amount: Amount) {
        let sum = self.reversed.entry((At::of(session), debit_seq)).or_default();
        // A journal whose sums pass 2^64 does not exist: core bounds what is taken back by what was taken.
        *sum = sum.checked_add(amount).unwrap_or(Amount::MAX);
    }

    fn touch(&mut self, id: SessionId) -> &mut Touched {
        let at = *self.places.entry(id.bits()).or_insert(self.count);
        if at == self.count {
            self.count += 1;
            match self.touched.get_mut(at) {
                Some(touched) => touched.begin(id),
                None => self.touched.push(Touched::new(id)),
            }
        }
        &mut self.touched[at]
    }

    /// Visits the sessions, in order of place and then of first touch.
    pub(crate) fn sessions<E>(
        &mut self,
        mut visit: impl FnMut(&mut Touched) -> Result<(), E>,
    ) -> Result<(), E> {
        // They are large: their places are sorted in their stead.
        let mut order: Vec<(At, usize)> =
            self.touched[..self.count].iter().map(|t| At::of(t.id)).zip(0..).collect();
        order.sort_unstable();
        order.into_iter().try_for_each(|(_, at)| visit(&mut self.touched[at]))
    }
}

#[cfg(test)]
mod tests;
