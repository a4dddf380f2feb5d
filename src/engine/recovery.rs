//! Owns: how a world comes back: checkpoints, then every later record of the journal, applied and never decided again.
//! Refuses what is damaged, has a gap, or ends before the durable floor; says where. Never: repairs, skips, guesses.

use crate::{Options, Parts, shard::Shard};
use std::ops::ControlFlow;
use tallystick_core::{PARTITIONS, Partition, Record, Stamp, Time, hash::Seed, record::Genesis};
use tallystick_journal::{Chain, Checkpoints, Floor, GroupView, GroupWriter, StorageFault, codec, rows};

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

struct World {
    partitions: Vec<Partition>,
    /// Up to here, no partition needs the journal.
    covered: u64,
    summary: RecoverySummary,
}

/// Brings the world back. *Errors*: the disk's; `Corrupt`, saying where and what.
pub(crate) fn recover(parts: &Parts, options: &Options) -> Result<Recovered, StorageFault> {
    let mut world = load_checkpoints(parts.checkpoints.as_ref())?;
    let floor = parts.checkpoints.floor()?.unwrap_or_default();
    let mut chain = replay(parts, &mut world, floor)?;
    if chain.last_seq() == 0 {
        chain = begin(parts, &mut world)?;
    }
    for partition in &world.partitions {
        let place = format!("partition {}", partition.number());
        partition.check_sound().map_err(|finding| corrupt(&place, finding.into()))?;
    }
    let last_seq = chain.last_seq();
    parts.checkpoints.set_floor(Floor { seq: last_seq, check: chain.check() })?;
    let time_floor = world.partitions.iter().map(Partition::last_at).max().unwrap_or_default();
    let summary = RecoverySummary { last_seq, floor_seq: floor.seq, ..world.summary };
    let covered = world.covered;
    let shards = spread(world.partitions, options.shards, last_seq);
    Ok(Recovered { shards, chain, time_floor, covered, summary })
}

fn load_checkpoints(checkpoints: &dyn Checkpoints) -> Result<World, StorageFault> {
    let mut partitions: Vec<Partition> = (0..PARTITIONS).map(Partition::new).collect();
    let (mut heads, mut covered) = (0, u64::MAX);
    checkpoints.heads(&mut |number, bytes| {
        let head = rows::decode_head(bytes)?;
        let place = format!("checkpoint of partition {number}");
        let unfit = |finding: &str| corrupt(&place, finding.into());
        let number = u16::try_from(number).map_err(|_| unfit("there is no such partition"))?;
        let partition =
            partitions.get_mut(usize::from(number)).ok_or_else(|| unfit("there is no such partition"))?;
        checkpoints.rows(number, &mut |at, bytes| {
            let (table, slot) = (u8::try_from(at >> 32), u32::try_from(at & 0xffff_ffff));
            let (Ok(table), Ok(slot)) = (table, slot) else { return Err(unfit("there is no such row")) };
            partition.load_row(slot, rows::decode_row(table, bytes)?).map_err(unfit)?;
            Ok(ControlFlow::Continue(()))
        })?;
        (heads, covered) = (heads + 1, covered.min(head.covered));
        partition.load_head(head).map_err(unfit)?;
        Ok(ControlFlow::Continue(()))
    })?;
    // A partition without a checkpoint needs the journal from its beginning.
    let covered = if heads == u32::from(PARTITIONS) { covered } else { 0 };
    let summary = RecoverySummary { partitions_from_checkpoint: heads, ..RecoverySummary::default() };
    Ok(World { partitions, covered, summary })
}

/// Applies the journal after what the checkpoints cover, and follows its chain past the durable floor.
fn replay(parts: &Parts, world: &mut World, floor: Floor) -> Result<Chain, StorageFault> {
    let (mut chain, mut floor_seen) = (Chain::default(), floor.seq == 0);
    let from = world.covered.min(floor.seq) + 1;
    parts.journal.read(from.saturating_sub(1).max(1), &mut |key, bytes| {
        let group = GroupView::parse(key, bytes)?;
        if chain.last_seq() == 0 && group.first_seq > from {
            let missing = format!("records {from} to {} are missing at its beginning", group.first_seq - 1);
            return Err(corrupt("journal", missing));
        }
        chain.accept(&group)?;
        if group.last_seq() == floor.seq {
            if group.check != floor.check {
                let finding =
                    format!("its checksum is {:016x}, the durable floor's {:016x}", group.check, floor.check);
                return Err(corrupt(&format!("journal group at seq {key}"), finding));
            }
            floor_seen = true;
        }
        apply_group(world, &group)?;
        Ok(ControlFlow::Continue(()))
    })?;
    if !floor_seen && chain.last_seq() >= floor.seq {
        let finding =
            format!("no group ends at seq {}, the durable floor: this is another journal", floor.seq);
        return Err(corrupt("journal", finding));
    }
    if !floor_seen || chain.last_seq() < world.covered {
        let reach = floor.seq.max(world.covered);
        let finding = format!(
            "it ends at seq {}, but {reach} was durable: acknowledged records are missing",
            chain.last_seq()
        );
        return Err(corrupt("journal", finding));
    }
    Ok(chain)
}

fn apply_group(world: &mut World, group: &GroupView<'_>) -> Result<(), StorageFault> {
    let mut lost = None;
    group.records(|seq, stamp, record| {
        world.summary.records_read += 1;
        let Some(partition) = world.partitions.get_mut(usize::from(stamp.partition)) else {
            lost = Some(seq);
            return;
        };
        if seq > partition.seq() {
            partition.apply(seq, stamp, record);
            world.summary.records_applied += 1;
        }
        if let Record::Genesis(genesis) = record {
            world.partitions.iter_mut().for_each(|partition| partition.adopt_seed(genesis.seed));
        }
    })?;
    match lost {
        Some(seq) => Err(corrupt(&format!("journal record {seq}"), "there is no such partition".into())),
        None => Ok(()),
    }
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
