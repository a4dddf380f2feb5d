//! Owns: the counts that grow while the server runs. The engine and the face tell them through their own small traits.
//! Never: names or formats; `scrape` has those. Never a decision that is not durable: see `Events::committed`.

use super::histogram::Histogram;
use crate::{AnchoredClock, LoggedEvents, transport::Counts};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tallystick_core::{Clock as _, SessionId};
use tallystick_engine::{CheckpointSummary, Committed, Decision, Events, RecoverySummary};
use tallystick_journal::StorageFault;
use tallystick_proto::v1;
use tallystick_rpc::Meter;

/// Bounds the numbers of reasons, with room for those to come.
const REASONS: usize = 64;

/// Is everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    clock: Arc<AnchoredClock>,
    /// In the order of `Decision::all`.
    pub(super) decisions: [AtomicU64; Decision::COUNT],
    pub(super) replays: AtomicU64,
    /// By the reason's number.
    pub(super) refusals: [AtomicU64; REASONS],
    pub(super) decide: Histogram,
    pub(super) wait: Histogram,
    pub(super) sync: Histogram,
    pub(super) deliver: Histogram,
    pub(super) group_records: Histogram,
    pub(super) group_bytes: Histogram,
    pub(super) streams_opened: AtomicU64,
    pub(super) streams_ended: AtomicU64,
    pub(super) checkpoints: AtomicU64,
    pub(super) checkpoint_covered_seq: AtomicU64,
    pub(super) background_failures: AtomicU64,
    pub(crate) connections: Arc<Counts>,
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Metrics {
    /// Begins at zero. The clock is what times are taken with.
    pub(crate) fn new(clock: Arc<AnchoredClock>) -> Self {
        Self {
            clock,
            decisions: std::array::from_fn(|_| AtomicU64::new(0)),
            replays: AtomicU64::new(0),
            refusals: std::array::from_fn(|_| AtomicU64::new(0)),
            decide: Histogram::times(),
            wait: Histogram::times(),
            sync: Histogram::times(),
            deliver: Histogram::times(),
            group_records: Histogram::counts(),
            group_bytes: Histogram::sizes(),
            streams_opened: AtomicU64::new(0),
            streams_ended: AtomicU64::new(0),
            checkpoints: AtomicU64::new(0),
            checkpoint_covered_seq: AtomicU64::new(0),
            background_failures: AtomicU64::new(0),
            connections: Arc::default(),
        }
    }

    /// Returns how many streams are open now.
    pub(super) fn streams_open(&self) -> u64 {
        let ended = self.streams_ended.load(Ordering::Acquire);
        self.streams_opened.load(Ordering::Acquire).saturating_sub(ended)
    }

    /// Returns how many calls were refused because there was no room, or because they were too slow.
    pub(crate) fn turned_away(&self) -> u64 {
        let count = |reason: v1::Refusal| {
            usize::try_from(i32::from(reason)).ok().and_then(|at| self.refusals.get(at))
        };
        [v1::Refusal::Overloaded, v1::Refusal::DeadlinePassed]
            .into_iter()
            .filter_map(count)
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }

    fn committed(&self, group: &Committed) {
        for (count, more) in self.decisions.iter().zip(group.decisions.counts()) {
            if *more > 0 {
                add(count, u64::from(*more));
            }
        }
        self.sync.observe(group.sync_ns);
        self.group_records.observe(u64::from(group.records));
        self.group_bytes.observe(group.bytes as u64);
    }
}

impl Meter for Metrics {
    fn stopwatch_ns(&self) -> u64 {
        // What is decided uses this clock too; it is read from the monotonic one.
        self.clock.now().ns()
    }

    fn waited(&self, took_ns: u64) {
        self.wait.observe(took_ns);
    }

    fn delivered(&self, took_ns: u64) {
        self.deliver.observe(took_ns);
    }

    fn refused(&self, reason: v1::Refusal) {
        let number = usize::try_from(i32::from(reason)).unwrap_or(0);
        // One that is not listed yet is counted as unspecified rather than not at all.
        add(self.refusals.get(number).unwrap_or(&self.refusals[0]), 1);
    }

    fn replayed(&self, debits: u64) {
        add(&self.replays, debits);
    }

    fn stream_opened(&self) {
        add(&self.streams_opened, 1);
    }

    fn stream_ended(&self) {
        add(&self.streams_ended, 1);
    }
}

/// Counts what the engine tells, and hands it on to the log.
#[derive(Debug)]
pub(crate) struct MeteredEvents {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) logged: LoggedEvents,
}

impl Events for MeteredEvents {
    fn stopwatch_ns(&self) -> u64 {
        self.metrics.stopwatch_ns()
    }

    fn background_begins(&self) {
        self.logged.background_begins();
    }

    fn decided(&self, took_ns: u64) {
        self.metrics.decide.observe(took_ns);
    }

    fn committed(&self, group: &Committed) {
        self.metrics.committed(group);
        self.logged.committed(group);
    }

    fn journal_failed(&self, fault: &StorageFault) {
        self.logged.journal_failed(fault);
    }

    fn checkpointed(&self, summary: &CheckpointSummary) {
        add(&self.metrics.checkpoints, 1);
        self.metrics.checkpoint_covered_seq.store(summary.covered_seq, Ordering::Relaxed);
        self.logged.checkpointed(summary);
    }

    fn family_revoked(&self, standing: SessionId) {
        self.logged.family_revoked(standing);
    }

    fn background_failed(&self, what: &str, fault: &StorageFault) {
        add(&self.metrics.background_failures, 1);
        self.logged.background_failed(what, fault);
    }

    fn recovered(&self, summary: &RecoverySummary) {
        self.logged.recovered(summary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_wire_contract_has_its_own_place() {
        let metrics = Metrics::new(Arc::new(AnchoredClock::start()));
        let reasons: Vec<v1::Refusal> =
            (0..1_000).filter_map(|number| v1::Refusal::try_from(number).ok()).collect();
        assert!(reasons.len() > 15 && reasons.len() <= REASONS, "{}", reasons.len());
        for reason in &reasons {
            metrics.refused(*reason);
        }
        let counts = metrics.refusals.iter().map(|count| count.load(Ordering::Relaxed));
        assert!(counts.take(reasons.len()).all(|count| count == 1));
    }
}
