//! Owns: how a world comes back: checkpoints, then every later record of the journal, applied and never decided again.
//! Refuses what is damaged, has a gap, or ends before the durable floor; says where. Partitions come back side by side, on
//! as many threads as the options say; what comes back, or what is refused, does not depend on how many.
//! Never: repairs, skips, guesses.

mod loading;
mod parcel;
mod replay;
mod workers;

use crate::{Options, Parts, StartFault, shard::Shard};
use tallystick_core::{PARTITIONS, Partition, Record, Stamp, Time, hash::Seed, record::Genesis};
use tallystick_journal::{Chain, Floor, GroupWriter, StorageFault, codec};

/// Says what recovery found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecoverySummary {
    /// True for a folder that had nothing in it.
    pub is_new: bool,
    /// Partitions that began from a checkpoint.
    pub partitions_from_checkpoint: u32,
    /// Records read from the journal.
    pub records_read: u64,
    /// Records applied; the others were in checkpoints already.
    pub records_applied: u64,
    /// The last seq.
    pub last_seq: u64,
    /// The durable floor that was reached.
    pub floor_seq: u64,
}

/// Is a world that has come back.
pub(crate) struct Recovered {
    pub(crate) shards: Vec<Shard>,
    pub(crate) chain: Chain,
    pub(crate) time_floor: Time,
    /// Up to here, no partition needs the journal.
    pub(crate) covered: u64,
    pub(crate) summary: RecoverySummary,
}

fn corrupt(place: &str, finding: String) -> StorageFault {
    StorageFault::Corrupt { place: place.into(), finding }
}

/// Is a world on its way back.
struct World {
    partitions: Vec<Partition>,
    /// Up to here, no partition needs the journal.
    covered: u64,
    summary: RecoverySummary,
}

/// Brings the world back. *Errors*: the disk's; `Corrupt`, saying where and what; a thread that does not start.
pub(crate) fn recover(parts: &Parts, options: &Options) -> Result<Recovered, StartFault> {
    let threads = options.recovery_threads;
    let mut world = loading::load(parts.checkpoints.as_ref(), threads)?;
    let loaded: Vec<u64> = world.partitions.iter().map(Partition::seq).collect();
    let floor = parts.checkpoints.floor()?.unwrap_or_default();
    let mut chain = replay::replay(parts.journal.as_ref(), &mut world, floor, threads)?;
    if chain.last_seq() == 0 {
        chain = begin(parts, &mut world)?;
    }
    let partitions = check_sound(world.partitions, &loaded, threads)?;
    let last_seq = chain.last_seq();
    parts.checkpoints.set_floor(Floor { seq: last_seq, check: chain.check() })?;
    let time_floor = partitions.iter().map(Partition::last_at).max().unwrap_or_default();
    let summary = RecoverySummary { last_seq, floor_seq: floor.seq, ..world.summary };
    let shards = spread(partitions, options.shards, last_seq);
    Ok(Recovered { shards, chain, time_floor, covered: world.covered, summary })
}

/// Checks every partition that is not as it was loaded: loading has checked it already. `loaded`: their seqs then.
fn check_sound(
    partitions: Vec<Partition>,
    loaded: &[u64],
    threads: usize,
) -> Result<Vec<Partition>, StartFault> {
    workers::each(threads, partitions, |partition| {
        let number = partition.number();
        if loaded.get(usize::from(number)) != Some(&partition.seq()) {
            let place = format!("partition {number}");
            partition.check_sound().map_err(|finding| corrupt(&place, finding.into()))?;
        }
        Ok(partition)
    })
}

/// Begins a new journal with its genesis record.
fn begin(parts: &Parts, world: &mut World) -> Result<Chain, StorageFault> {
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&parts.ids.draw().to_le_bytes());
    seed[8..].copy_from_slice(&parts.ids.draw().to_le_bytes());
    let stamp = Stamp { partition: 0, at: parts.clock.now(), actor: 0 };
    let record = Record::Genesis(Genesis { seed: Seed(seed), partitions: PARTITIONS });
    let (mut bytes, mut group) = (Vec::new(), GroupWriter::default());
    codec::encode(&stamp, &record, &mut bytes);
    group.begin(1);
    group.push(&bytes, 1);
    let (bytes, check) = group.finish(0);
    parts.journal.append(1, bytes)?;
    if let Some(first) = world.partitions.first_mut() {
        first.apply(1, &stamp, &record);
    }
    world.partitions.iter_mut().for_each(|partition| partition.adopt_seed(Seed(seed)));
    world.summary.is_new = true;
    let mut chain = Chain::default();
    chain.extend(1, check);
    Ok(chain)
}

/// Deals the partitions out: partition p to shard p mod n.
fn spread(partitions: Vec<Partition>, shard_count: usize, last_seq: u64) -> Vec<Shard> {
    let mut dealt: Vec<Vec<Partition>> = (0..shard_count).map(|_| Vec::new()).collect();
    for (number, partition) in partitions.into_iter().enumerate() {
        dealt[number % shard_count].push(partition);
    }
    dealt.into_iter().map(|partitions| Shard::new(partitions, shard_count, last_seq)).collect()
}
