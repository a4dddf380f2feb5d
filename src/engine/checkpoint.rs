//! Owns: checkpoints: each partition as of one moment, copied a few hundred rows a lock hold while it goes on deciding;
//! then the durable floor, and the journal's old groups in small steps. Never: a full stop; never undurable state.

use crate::Engine;
use std::sync::atomic::Ordering;
use tallystick_core::{PARTITIONS, partition::CommandKey, settlement::Settlement};
use tallystick_journal::{Checkpoint, Floor, Row, StorageFault, rows};

/// Bounds the rows copied in one lock hold.
const ROWS_PER_HOLD: usize = 256;
/// Bounds what is gathered before it is stored. *Units*: encoded bytes.
const SAVE_BYTES: usize = 4 << 20;

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
}

impl Engine {
    /// Checkpoints every partition, one after another, and moves the durable floor to `floor()`.
    /// *Errors*: the disk's, or that the journal failed; what was stored before is whole, and nothing is lost.
    ///
    /// LOCK: one checkpoint at a time, whoever asks for it; taken before any shard's lock.
    pub(crate) fn checkpoint(&self, floor: impl Fn() -> Floor) -> Result<CheckpointSummary, StorageFault> {
        let _alone = self.checkpointing();
        let mut summary = CheckpointSummary { covered_seq: u64::MAX, ..CheckpointSummary::default() };
        let (mut gathered, mut bytes) = (Vec::new(), 0);
        for number in 0..PARTITIONS {
            let (covered, checkpoint) = self.copy(number);
            summary.covered_seq = summary.covered_seq.min(covered);
            summary.rows += checkpoint.rows.len() as u64;
            summary.settlements += checkpoint.settlements.len() as u64;
            summary.command_keys += checkpoint.command_keys.len() as u64;
            bytes += size(&checkpoint);
            gathered.push((covered, checkpoint));
            if bytes >= SAVE_BYTES || number == PARTITIONS - 1 {
                summary.bytes += bytes as u64;
                self.save(std::mem::take(&mut gathered))?;
                bytes = 0;
            }
        }
        let floor = floor();
        self.checkpoints.set_floor(floor)?;
        summary.floor_seq = floor.seq;
        self.events.checkpointed(&summary);
        Ok(summary)
    }

    /// Copies one partition as of one moment.
    fn copy(&self, number: u16) -> (u64, Checkpoint) {
        let mut shard = self.lock(number);
        // ORDER: read under the lock: every later record of this partition will have a greater seq.
        let covered = self.last_seq.load(Ordering::Acquire);
        let (head, filing) = shard.partition_mut(number).cut(covered);
        drop(shard);
        let mut encoded = Vec::new();
        loop {
            let copied = self.lock(number).partition_mut(number).copy(ROWS_PER_HOLD);
            if copied.is_empty() {
                break;
            }
            let encode =
                |(slot, row)| Row { table: rows::table(&row), slot, value: Some(rows::encode_row(&row)) };
            encoded.extend(copied.into_iter().map(encode));
        }
        let filed = |s: &Settlement| (s.id().bits().to_be_bytes(), s.seq, rows::encode_settlement(s));
        let settlements = filing.settlements.iter().map(filed).collect();
        let key = |row: &CommandKey| (row.key.0.to_be_bytes(), rows::encode_command_key(row));
        let command_keys = filing.command_keys.iter().map(key).collect();
        let head = rows::encode_head(&head);
        (covered, Checkpoint { partition: number, head, rows: encoded, settlements, command_keys })
    }

    /// Stores copies once all they contain is durable, and lets memory go of what is filed.
    fn save(&self, gathered: Vec<(u64, Checkpoint)>) -> Result<(), StorageFault> {
        let covered = gathered.iter().map(|(covered, _)| *covered).max().unwrap_or(0);
        self.watermark.wait(covered).map_err(|failed| StorageFault::Io(failed.to_string()))?;
        let (seqs, checkpoints): (Vec<u64>, Vec<Checkpoint>) = gathered.into_iter().unzip();
        if let Err(fault) = self.checkpoints.save(&checkpoints) {
            // The copies are lost, and with them the marks that said what changed: the next time, everything is copied.
            for checkpoint in &checkpoints {
                self.lock(checkpoint.partition).partition_mut(checkpoint.partition).copy_all_again();
            }
            return Err(fault);
        }
        for (covered, checkpoint) in seqs.iter().zip(&checkpoints) {
            let mut shard = self.lock(checkpoint.partition);
            shard.partition_mut(checkpoint.partition).filed_through(*covered);
            // ORDER: under the lock, after the keys are filed: who looked before that must look again. See `keyed`.
            if !checkpoint.command_keys.is_empty() {
                self.filings[usize::from(checkpoint.partition)].fetch_add(1, Ordering::AcqRel);
            }
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
