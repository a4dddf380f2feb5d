//! Owns: what one lock protects: some partitions, their lane, and the last seq decided among them.
//! Never: decides; never holds two shards' locks at once.

use crate::lane::Lane;
use tallystick_core::{Partition, Record, Stamp};

/// Is one shard.
#[derive(Debug)]
pub(crate) struct Shard {
    partitions: Vec<Partition>,
    shard_count: usize,
    pub(crate) lane: Lane,
    pub(crate) last_seq: u64,
}

impl Shard {
    pub(crate) fn new(partitions: Vec<Partition>, shard_count: usize, last_seq: u64) -> Self {
        Self { partitions, shard_count, lane: Lane::default(), last_seq }
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

    /// Applies a record and puts it into the lane. The seq was drawn under this shard's lock.
    pub(crate) fn write(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>) {
        self.partition_mut(stamp.partition).apply(seq, stamp, record);
        self.lane.push(seq, stamp, record);
        self.last_seq = seq;
    }
}
