//! Owns: a shard's records that are decided and not yet in a group, encoded, in the order of their seqs.
//! Never: another shard's; the committer merges lanes.

use crate::{Decision, Tally};
use std::collections::VecDeque;
use tallystick_core::{Record, Stamp};
use tallystick_journal::{GroupWriter, codec};

/// Is a stretch of records with consecutive seqs.
#[derive(Debug, Clone, Copy)]
struct Run {
    first_seq: u64,
    count: u32,
    bytes: usize,
    /// How many of them are approved debits.
    approved: u32,
}

/// Holds encoded records with ascending seqs.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    bytes: Vec<u8>,
    runs: VecDeque<Run>,
    taken: usize,
    /// What was decided otherwise, by seq.
    others: VecDeque<(u64, Decision)>,
}

impl Lane {
    pub(crate) fn push(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>) {
        let before = self.bytes.len();
        codec::encode(stamp, record, &mut self.bytes);
        let bytes = self.bytes.len() - before;
        let decision = Decision::of(record);
        let approved = u32::from(decision == Some(Decision::DEBIT_APPROVED));
        match self.runs.back_mut() {
            Some(run) if run.first_seq + u64::from(run.count) == seq => {
                run.count += 1;
                run.bytes += bytes;
                run.approved += approved;
            }
            last => {
                assert!(last.is_none_or(|run| run.first_seq < seq), "bug: a lane went back to seq {seq}");
                self.runs.push_back(Run { first_seq: seq, count: 1, bytes, approved });
            }
        }
        if let Some(decision) = decision.filter(|_| approved == 0) {
            self.others.push_back((seq, decision));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Takes over another lane's records, which follow these, and leaves it empty with memory to use again.
    pub(crate) fn take_over(&mut self, other: &mut Self) {
        if self.is_empty() {
            self.bytes.clear();
            self.taken = 0;
            std::mem::swap(self, other);
            return;
        }
        // What was moved into groups goes first: under load a lane may never be found empty, and must not grow for ever.
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(&other.bytes[other.taken..]);
        self.runs.append(&mut other.runs);
        self.others.append(&mut other.others);
        other.bytes.clear();
        other.taken = 0;
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
        self.taken = end;
        let next = seq + u64::from(run.count);
        decisions.add(Decision::DEBIT_APPROVED, run.approved);
        while let Some((_, decision)) = self.others.pop_front_if(|(seq, _)| *seq < next) {
            decisions.add(decision, 1);
        }
        Some(next)
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
    }
}
