//! Owns: a shard's records that are decided and not yet in a group, encoded, in the order of their seqs.
//! Never: another shard's; the committer merges lanes.

use crate::{Tally, tally};
use std::collections::VecDeque;
use tallystick_core::{Record, Stamp};
use tallystick_journal::{GroupWriter, codec};

/// Is a stretch of records with consecutive seqs.
#[derive(Debug, Clone, Copy)]
struct Run {
    first_seq: u64,
    count: u32,
    bytes: usize,
}

/// Holds encoded records with ascending seqs.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    bytes: Vec<u8>,
    runs: VecDeque<Run>,
    taken: usize,
    /// One byte a record: how it was decided.
    marks: Vec<u8>,
    counted: usize,
}

impl Lane {
    pub(crate) fn push(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>) {
        let before = self.bytes.len();
        codec::encode(stamp, record, &mut self.bytes);
        let bytes = self.bytes.len() - before;
        self.marks.push(tally::mark(record));
        match self.runs.back_mut() {
            Some(run) if run.first_seq + u64::from(run.count) == seq => {
                run.count += 1;
                run.bytes += bytes;
            }
            last => {
                assert!(last.is_none_or(|run| run.first_seq < seq), "bug: a lane went back to seq {seq}");
                self.runs.push_back(Run { first_seq: seq, count: 1, bytes });
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Takes over another lane's records, which follow these, and leaves it empty with memory to use again.
    pub(crate) fn take_over(&mut self, other: &mut Self) {
        if self.is_empty() {
            self.bytes.clear();
            self.marks.clear();
            (self.taken, self.counted) = (0, 0);
            std::mem::swap(self, other);
            return;
        }
        // What was moved into groups goes first: under load a lane may never be found empty, and must not grow for ever.
        self.bytes.drain(..self.taken);
        self.marks.drain(..self.counted);
        self.bytes.extend_from_slice(&other.bytes[other.taken..]);
        self.marks.extend_from_slice(&other.marks[other.counted..]);
        self.runs.append(&mut other.runs);
        (self.taken, self.counted) = (0, 0);
        other.bytes.clear();
        other.marks.clear();
        (other.taken, other.counted) = (0, 0);
    }

    /// Moves the first run into the group if it begins at `seq`, and counts its decisions; returns the seq that follows it.
    pub(crate) fn move_run(
        &mut self,
        seq: u64,
        group: &mut GroupWriter,
        decisions: &mut Tally,
    ) -> Option<u64> {
        let run = *self.runs.front().filter(|run| run.first_seq == seq)?;
        self.runs.pop_front();
        let end = self.taken + run.bytes;
        group.push(&self.bytes[self.taken..end], run.count);
        let counted = self.counted + run.count as usize;
        decisions.count(&self.marks[self.counted..counted]);
        (self.taken, self.counted) = (end, counted);
        Some(seq + u64::from(run.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_core::{Time, record::OutboxDelivered};

    #[test]
    fn a_lane_that_is_never_empty_does_not_grow() {
        let (mut pending, mut live, mut group) = (Lane::default(), Lane::default(), GroupWriter::default());
        let mut decisions = Tally::default();
        let stamp = Stamp { partition: 0, at: Time::ZERO, actor: 0 };
        let record = Record::OutboxDelivered(OutboxDelivered { through: 1 });
        // Every second seq is another lane's, so that each record is a run; one run always stays behind.
        live.push(1, &stamp, &record);
        for round in 1..10_000 {
            live.push(2 * round + 1, &stamp, &record);
            pending.take_over(&mut live);
            group.begin(2 * round - 1);
            assert_eq!(pending.move_run(2 * round - 1, &mut group, &mut decisions), Some(2 * round));
        }
        assert!(pending.bytes.len() < 1_000, "{} bytes for one record", pending.bytes.len());
        assert!(pending.marks.len() < 10, "{} marks for one record", pending.marks.len());
    }
}
