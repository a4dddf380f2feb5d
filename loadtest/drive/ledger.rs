//! Owns: every answer of a run, added up where it belongs: approved nanos and debits by session and payee, declines,
//! replays. Never: what was asked and not answered.

use super::share::Debit;
use crate::stage::Stage;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};
use tallystick_client::{Notch, Tally, v1::Durability};

/// Adds up answers from all loops at once.
///
/// *Cost*: two atomic additions an answer; a session's lines are one loop's alone, mostly.
#[derive(Debug)]
pub(crate) struct Ledger {
    payee_count: usize,
    lines: Vec<Line>,
    declined: AtomicU64,
    replayed: AtomicU64,
    durability: AtomicI32,
}

#[derive(Debug, Default)]
struct Line {
    approved_nanos: AtomicU64,
    debit_count: AtomicU64,
}

/// Counts the answers of a run by what they said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) approved: u64,
    pub(crate) declined: u64,
    /// Approved or declined, and decided earlier: a retry after an answer that was lost or late.
    pub(crate) replayed: u64,
}

impl Ledger {
    pub(crate) fn new(stage: &Stage) -> Self {
        let places = stage.sessions.len() * stage.payees.len();
        Self {
            payee_count: stage.payees.len(),
            lines: std::iter::repeat_with(Line::default).take(places).collect(),
            declined: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
            durability: AtomicI32::new(Durability::Unspecified.into()),
        }
    }

    pub(super) fn approve(&self, debit: &Debit, replayed: bool) {
        self.add(debit.session, debit.payee, debit.amount_nanos, 1);
        self.add_replayed(replayed.into());
    }

    pub(super) fn decline(&self, replayed: bool) {
        self.add_declined(1);
        self.add_replayed(replayed.into());
    }

    /// Adds approvals that were added up before; session and payee are places in the stage.
    pub(super) fn add(&self, session: usize, payee: usize, approved_nanos: u64, debit_count: u64) {
        let line = &self.lines[session * self.payee_count + payee];
        line.approved_nanos.fetch_add(approved_nanos, Relaxed);
        line.debit_count.fetch_add(debit_count, Relaxed);
    }

    pub(super) fn add_declined(&self, count: u64) {
        self.declined.fetch_add(count, Relaxed);
    }

    pub(super) fn add_replayed(&self, count: u64) {
        self.replayed.fetch_add(count, Relaxed);
    }

    /// Notes how durable the server says its answers are; all say the same.
    pub(super) fn learn_durability(&self, durability: Durability) {
        self.durability.store(durability.into(), Relaxed);
    }

    pub(crate) fn durability(&self) -> Durability {
        Durability::try_from(self.durability.load(Relaxed)).unwrap_or_default()
    }

    pub(crate) fn answers(&self) -> Answers {
        Answers {
            approved: self.lines.iter().map(|line| line.debit_count.load(Relaxed)).sum(),
            declined: self.declined.load(Relaxed),
            replayed: self.replayed.load(Relaxed),
        }
    }

    /// Returns this side's half of the tally.
    pub(crate) fn tally(&self, stage: &Stage) -> Tally {
        let mut tally = Tally::default();
        for (place, line) in self.lines.iter().enumerate() {
            let debit_count = line.debit_count.load(Relaxed);
            if debit_count > 0 {
                let (session, payee) = (place / self.payee_count, place % self.payee_count);
                let approved_nanos = line.approved_nanos.load(Relaxed).into();
                tally.add(
                    &stage.sessions[session],
                    &stage.payees[payee],
                    Notch { approved_nanos, debit_count },
                );
            }
        }
        tally
    }
}

#[cfg(test)]
impl Ledger {
    /// Adds one nano to what was heard, as a false answer would.
    pub(crate) fn falsify(&self) {
        self.lines[0].approved_nanos.fetch_add(1, Relaxed);
    }

    /// Hears one approval of the first session and payee.
    pub(crate) fn approve_first(&self, amount_nanos: u64) {
        self.approve(&Debit { session: 0, payee: 0, amount_nanos }, false);
    }
}
