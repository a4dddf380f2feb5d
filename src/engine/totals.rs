//! Owns: what is told of the whole at a time: the books over all partitions, open sessions, how far the journal has come.
//! Never: undurable money; the books travel in a ticket like every answer.

use crate::{Engine, Ticket, sync::atomic::Ordering};
use std::collections::BTreeMap;
use tallystick_core::{Currency, books::BOOKS};

/// Is the money of all partitions together.
///
/// Shards are read one after another while others go on deciding. So it holds everything up to `whole_through_seq`, of what
/// came later a part, and nothing after `seq`; when both are equal, it is the state as of that seq. Each currency sums to
/// zero either way, since each record's postings do; a settlement line may be read where it arrived and not where it left,
/// so that `InTransit` can be below zero for one reading.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// All of what was decided up to here is in it.
    pub whole_through_seq: u64,
    /// Nothing that was decided after this is in it.
    pub seq: u64,
    /// Sessions that are open, or past their end and not swept yet.
    pub open_sessions: u64,
    /// Each book of each currency, in the order of `Book::ALL`. *Units*: nanos.
    pub books: BTreeMap<Currency, [i128; BOOKS]>,
}

impl Engine {
    /// Adds up all partitions. *Cost*: each shard's lock for as long as its partitions' books take to read; no row is walked.
    pub fn totals(&self) -> Ticket<Totals> {
        // ORDER: read before the first lock. Whoever drew a seq up to here holds that shard's lock until it is applied.
        let whole_through_seq = self.last_seq.load(Ordering::Acquire);
        let mut totals = Totals { whole_through_seq, ..Totals::default() };
        for index in 0..self.shards.len() {
            let mut shard = self.shard(index);
            totals.seq = totals.seq.max(shard.last_seq);
            for partition in shard.partitions() {
                totals.open_sessions += u64::from(partition.open_sessions());
                for (currency, books) in partition.books().iter() {
                    let sums = totals.books.entry(*currency).or_insert([0; BOOKS]);
                    sums.iter_mut().zip(books).for_each(|(sum, nanos)| *sum += nanos);
                }
            }
        }
        self.ticket(totals.seq, Ok(totals))
    }

    /// Returns the last durable seq. *Cost*: one load.
    pub fn durable_seq(&self) -> u64 {
        self.watermark.durable()
    }

    /// Returns how many records are decided and not durable yet. *Cost*: two loads.
    pub fn queue_depth(&self) -> u64 {
        // ORDER: what is durable first: the other only grows, so the difference is never below zero.
        let durable = self.watermark.durable();
        self.last_seq.load(Ordering::Acquire) - durable
    }

    /// Returns about how many bytes the journal occupies.
    pub fn journal_bytes(&self) -> u64 {
        self.journal.size_bytes()
    }
}
