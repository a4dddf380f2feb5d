//! Owns: what an engine is made of and what it may be told. Never: reads a file or the environment.

use crate::{CheckpointSummary, Committed, RecoverySummary};
use std::{sync::Arc, time::Duration};
use tallystick_core::{Clock, IdSource, SessionId};
use tallystick_journal::{Checkpoints, Journal, NeededFrom, StorageFault, Tables};

/// Tells somebody what happens inside; for logs and metrics. Every method may do nothing.
pub trait Events: Send + Sync {
    /// Reads a stopwatch, for what is told here and for nothing else. *Units*: nanoseconds since any beginning. One that
    /// stands still measures nothing.
    fn stopwatch_ns(&self) -> u64 {
        0
    }
    /// A thread begins that nobody waits for, and calls this: it may be told to give way to the others.
    fn background_begins(&self) {}
    /// One call decided its debit or its batch, and its answer begins to wait. Nothing of it is durable yet.
    fn decided(&self, took_ns: u64) {
        let _ = took_ns;
    }
    /// A group is durable. Told before any answer that depends on it is let out: whoever heard one finds it counted.
    fn committed(&self, group: &Committed) {
        let _ = group;
    }
    /// The journal failed. Nothing is approved from here on; the process should stop.
    fn journal_failed(&self, fault: &StorageFault) {
        let _ = fault;
    }
    /// A spent refresh secret was used again, and the family of this standing mandate is revoked: somebody should look. Told as it is
    /// decided, a moment before it is durable; the count among decisions comes after.
    fn family_revoked(&self, standing: SessionId) {
        let _ = standing;
    }
    /// A checkpoint is stored.
    fn checkpointed(&self, summary: &CheckpointSummary) {
        let _ = summary;
    }
    /// Something in the background failed and will be tried again; nothing is lost.
    fn background_failed(&self, what: &str, fault: &StorageFault) {
        let _ = (what, fault);
    }
    /// The past is read.
    fn recovered(&self, summary: &RecoverySummary) {
        let _ = summary;
    }
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Events for Silent {}

/// Is what an engine stands on, all of it handed in.
#[expect(missing_debug_implementations, reason = "traits without it")]
pub struct Parts {
    /// The write-ahead log.
    pub journal: Arc<dyn Journal>,
    /// Checkpoints and the durable floor.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// What has left memory.
    pub tables: Arc<dyn Tables>,
    /// From where on a follower still needs the journal: nothing from there on is trimmed.
    pub journal_needed_from: Arc<NeededFrom>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The unguessable part of ids.
    pub ids: Arc<dyn IdSource>,
    /// Who is told.
    pub events: Arc<dyn Events>,
}

/// Is what an operator may choose.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many locks the partitions are spread over; 1 to 256.
    pub shards: usize,
    /// After how many records a checkpoint is made: bounds the time of recovery. At most 16 million.
    pub checkpoint_records: u64,
    /// How often the sweeper looks for sessions whose end has come.
    pub sweep_every: Duration,
    /// How many bytes of records one group may hold, about.
    pub group_bytes: usize,
    /// How many threads bring partitions back at the start; 1 to 256. What comes back does not depend on it.
    pub recovery_threads: usize,
    /// After how long without a group the durable floor is moved to the last one, about: until then nothing but the journal
    /// says that it was there.
    pub floor_idle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            // Several locks a core, so that two cores seldom want the same one.
            shards: (cores * 8).next_power_of_two().min(256),
            checkpoint_records: 1_000_000,
            sweep_every: Duration::from_millis(100),
            group_bytes: 1 << 20,
            recovery_threads: cores.min(256),
            floor_idle: Duration::from_millis(400),
        }
    }
}
