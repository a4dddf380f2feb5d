//! Owns: what one lock protects: some partitions, their lane, and the last seq decided among them.
//! Never: decides; never holds two shards' locks at once.

use crate::{lane::Lane, unwinding::Looking};
use tallystick_core::{Partition, Record, Stamp};

/// Is one shard.
#[derive(Debug)]
pub(crate) struct Shard {
    partitions: Vec<Partition>,
    shard_count: usize,
    /// One a partition.
    lookings: Vec<Looking>,
    pub(crate) lane: Lane,
    pub(crate) last_seq: u64,
}

impl Shard {
    pub(crate) fn new(partitions: Vec<Partition>, shard_count: usize, last_seq: u64) -> Self {
        let lookings = vec![Looking::default(); partitions.len()];
        Self { partitions, shard_count, lookings, lane: Lane::default(), last_seq }
    }

    pub(crate) fn partitions(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.partitions.iter_mut()
    }

    /// Returns the partition with this number. *Panics*: if it is another shard's.
    pub(crate) fn partition(&self, number: u16) -> &Partition {
        &self.partitions[usize::from(number) / self.shard_count]
    }

    /// As `partition`, to be changed.
    pub(crate) fn partition_mut(&mut self, number: u16) -> &mut Partition {
        &mut self.partitions[usize::from(number) / self.shard_count]
    }

    /// Returns how far a partition was looked through for what was revoked.
    pub(crate) fn looking(&self, number: u16) -> Looking {
        self.lookings[usize::from(number) / self.shard_count]
    }

    pub(crate) fn set_looking(&mut self, number: u16, looking: Looking) {
        self.lookings[usize::from(number) / self.shard_count] = looking;
    }

    /// Applies a record and puts it into the lane. The seq was drawn under this shard's lock.
    pub(crate) fn write(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>) {
        self.partition_mut(stamp.partition).apply(seq, stamp, record);
        self.lane.push(seq, stamp, record);
        self.last_seq = seq;
    }
}
