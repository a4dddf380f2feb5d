//! Owns: checkpoints: each partition as of one moment, copied a few rows a lock hold while it goes on deciding, stored in
//! small pieces; then the durable floor. Never: a full stop; never undurable state; haste, while there is time.

use crate::{
    Engine,
    shard::Shard,
    sync::{MutexGuard, atomic::Ordering},
};
use std::{mem, time::Duration};
use tallystick_core::{PARTITIONS, partition::CommandKey, settlement::Settlement};
use tallystick_journal::{Checkpoint, Floor, JournalFailed, Row, StorageFault, Watermark, rows};

/// Bounds the rows copied in one lock hold, which whoever decides may have to wait for.
const ROWS_PER_HOLD: usize = 64;
/// Bounds what is gathered before it is stored, unless one partition alone has more: it is one synced write, and the
/// journal's syncs beside it wait for the same disk. *Units*: encoded bytes.
const SAVE_BYTES: usize = 512 << 10;
/// How long others have the lock, and the processor, to themselves after each `ROWS_PER_HOLD` rows.
const ROWS_PAUSE: Duration = Duration::from_micros(150);
/// How fast a checkpoint writes, while it has time. *Units*: bytes a second.
const BYTES_PER_SECOND: u64 = 128 << 20;
/// A checkpoint pauses no more once so many records have come since it began: recovery would have to read them all.
const RECORDS_BESIDE_MAX: u64 = 8_000_000;

/// Says what a checkpoint did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckpointSummary {
    /// The journal is not needed up to here any more.
    pub covered_seq: u64,
    /// Where the durable floor is now: its group must stay in the journal, recovery looks for it.
    pub floor_seq: u64,
    /// Rows stored.
    pub rows: u64,
    /// Settlements filed.
    pub settlements: u64,
    /// Keys of commands filed.
    pub command_keys: u64,
    /// Bytes stored.
    pub bytes: u64,
    /// The longest that one lock was held. *Units*: nanoseconds, by the stopwatch of `Events`.
    pub hold_ns_max: u64,
}

/// Is what a checkpoint calls when it lets others go on.
pub trait Aside {
    /// Waits for a span, or until there is no time.
    fn pause(&self, span: Duration);

    /// Waits until `seq` is durable. *Errors*: the journal has failed.
    fn wait(&self, watermark: &Watermark, seq: u64) -> Result<(), JournalFailed> {
        watermark.wait(seq)
    }
}

/// Is a checkpoint under way.
struct Making<'a> {
    engine: &'a Engine,
    aside: &'a dyn Aside,
    /// The last seq when it began.
    began_seq: u64,
    /// Rows copied since it last paused.
    rows: usize,
    gathered: Vec<(u64, Checkpoint)>,
    bytes: usize,
    summary: CheckpointSummary,
}

impl Engine {
    /// Checkpoints every partition, one after another, and moves the durable floor to `floor()`. It gives way to those who
    /// decide by what `aside` does.
    /// *Errors*: the disk's, or that the journal failed; what was stored before is whole, and nothing is lost.
    ///
    /// LOCK: one checkpoint at a time, whoever asks for it; taken before any shard's lock.
    pub(crate) fn checkpoint(
        &self,
        floor: impl Fn() -> Floor,
        aside: &dyn Aside,
    ) -> Result<CheckpointSummary, StorageFault> {
        let _alone = self.checkpointing();
        let mut making = Making::new(self, aside);
        for number in 0..PARTITIONS {
            making.copy(number);
            if making.bytes >= SAVE_BYTES || number == PARTITIONS - 1 {
                making.save()?;
            }
        }
        let mut summary = making.summary;
        let floor = floor();
        self.checkpoints.set_floor(floor)?;
        summary.floor_seq = floor.seq;
        self.events.checkpointed(&summary);
        Ok(summary)
    }

    /// Moves the durable floor to the last group, without a checkpoint: its loss would then be noticed. *Errors*: the disk's.
    pub(crate) fn move_floor(&self) -> Result<(), StorageFault> {
        // A checkpoint moves the floor, too, and it never goes back.
        let _alone = self.checkpointing();
        self.checkpoints.set_floor(self.committer.floor())
    }
}

impl<'a> Making<'a> {
    fn new(engine: &'a Engine, aside: &'a dyn Aside) -> Self {
        let summary = CheckpointSummary { covered_seq: u64::MAX, ..CheckpointSummary::default() };
        let began_seq = engine.last_seq.load(Ordering::Acquire);
        Self { engine, aside, began_seq, rows: 0, gathered: Vec::new(), bytes: 0, summary }
    }

    /// Does something under a partition's lock, and takes note of how long that took.
    fn hold<T>(&mut self, number: u16, work: impl FnOnce(&mut MutexGuard<'a, Shard>) -> T) -> T {
        let mut shard = self.engine.lock(number);
        let began_ns = self.engine.events.stopwatch_ns();
        let done = work(&mut shard);
        drop(shard);
        let held_ns = self.engine.events.stopwatch_ns().saturating_sub(began_ns);
        self.summary.hold_ns_max = self.summary.hold_ns_max.max(held_ns);
        done
    }

    fn pause(&self, span: Duration) {
        let since = self.engine.last_seq.load(Ordering::Acquire) - self.began_seq;
        if since < RECORDS_BESIDE_MAX {
            self.aside.pause(span);
        }
    }

    /// Copies one partition as of one moment.
    fn copy(&mut self, number: u16) {
        let engine = self.engine;
        let (covered, (head, filing)) = self.hold(number, |shard| {
            // ORDER: read under the lock: every later record of this partition will have a greater seq.
            let covered = engine.last_seq.load(Ordering::Acquire);
            (covered, shard.partition_mut(number).cut(covered))
        });
        let mut encoded = Vec::new();
        loop {
            let copied = self.hold(number, |shard| shard.partition_mut(number).copy(ROWS_PER_HOLD));
            if copied.is_empty() {
                break;
            }
            self.rows += copied.len();
            let encode =
                |(slot, row)| Row { table: rows::table(&row), slot, value: Some(rows::encode_row(&row)) };
            encoded.extend(copied.into_iter().map(encode));
            if self.rows >= ROWS_PER_HOLD {
                self.rows = 0;
                self.pause(ROWS_PAUSE);
            }
        }
        let filed = |s: &Settlement| (s.id().bits().to_be_bytes(), s.seq, rows::encode_settlement(s));
        let settlements = filing.settlements.iter().map(filed).collect();
        let key = |row: &CommandKey| (row.key.0.to_be_bytes(), rows::encode_command_key(row));
        let command_keys = filing.command_keys.iter().map(key).collect();
        let head = rows::encode_head(&head);
        self.gather(
            covered,
            Checkpoint { partition: number, head, rows: encoded, settlements, command_keys },
        );
    }

    fn gather(&mut self, covered: u64, checkpoint: Checkpoint) {
        self.summary.covered_seq = self.summary.covered_seq.min(covered);
        self.summary.rows += checkpoint.rows.len() as u64;
        self.summary.settlements += checkpoint.settlements.len() as u64;
        self.summary.command_keys += checkpoint.command_keys.len() as u64;
        self.bytes += size(&checkpoint);
        self.gathered.push((covered, checkpoint));
    }

    /// Stores copies once all they contain is durable, and lets memory go of what is filed.
    fn save(&mut self) -> Result<(), StorageFault> {
        let (engine, bytes) = (self.engine, mem::take(&mut self.bytes) as u64);
        let (seqs, checkpoints): (Vec<u64>, Vec<Checkpoint>) =
            mem::take(&mut self.gathered).into_iter().unzip();
        let covered = seqs.iter().max().copied().unwrap_or(0);
        let durable = self.aside.wait(&engine.watermark, covered);
        durable.map_err(|failed| StorageFault::Io(failed.to_string()))?;
        if let Err(fault) = engine.checkpoints.save(&checkpoints) {
            // The copies are lost, and with them the marks that said what changed: the next time, everything is copied.
            for checkpoint in &checkpoints {
                engine.lock(checkpoint.partition).partition_mut(checkpoint.partition).copy_all_again();
            }
            return Err(fault);
        }
        for (covered, checkpoint) in seqs.iter().zip(&checkpoints) {
            let (number, has_keys) = (checkpoint.partition, !checkpoint.command_keys.is_empty());
            self.hold(number, |shard| {
                shard.partition_mut(number).filed_through(*covered);
                // ORDER: under the lock, after the keys are filed: who looked before that must look again. See `keyed`.
                if has_keys {
                    engine.filings[usize::from(number)].fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        self.summary.bytes += bytes;
        if bytes >= SAVE_BYTES as u64 {
            self.pause(Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / BYTES_PER_SECOND));
        }
        Ok(())
    }
}

fn size(checkpoint: &Checkpoint) -> usize {
    let rows = checkpoint.rows.iter().filter_map(|row| row.value.as_ref()).map(Vec::len);
    let settlements = checkpoint.settlements.iter().map(|(_, _, bytes)| bytes.len());
    let keys = checkpoint.command_keys.iter().map(|(hash, bytes)| hash.len() + bytes.len());
    checkpoint.head.len() + rows.sum::<usize>() + settlements.sum::<usize>() + keys.sum::<usize>()
}
