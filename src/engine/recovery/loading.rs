//! Owns: partitions as their checkpoints say. Never: the journal.

use super::{RecoverySummary, World, corrupt, workers};
use crate::StartFault;
use std::ops::ControlFlow;
use tallystick_core::{PARTITIONS, Partition, partition::Head};
use tallystick_journal::{Checkpoints, StorageFault, rows};

/// Loads every partition, each on one thread; one without a checkpoint is empty. Each is sound.
/// *Errors*: the disk's; `Corrupt`; the first partition's that has one.
pub(super) fn load(checkpoints: &dyn Checkpoints, threads: usize) -> Result<World, StartFault> {
    let mut heads: Vec<(u16, Option<Head>)> = (0..PARTITIONS).map(|number| (number, None)).collect();
    checkpoints.heads(&mut |number, bytes| {
        let head = rows::decode_head(bytes)?;
        let place = usize::try_from(number).ok().and_then(|number| heads.get_mut(number));
        let (_, place) = place.ok_or_else(|| unfit(number, "there is no such partition"))?;
        *place = Some(head);
        Ok(ControlFlow::Continue(()))
    })?;
    // A partition without a checkpoint needs the journal from its beginning.
    let covered = heads.iter().map(|(_, head)| head.as_ref().map_or(0, |head| head.covered));
    let covered = covered.min().unwrap_or(0);
    let partitions_from_checkpoint = (0..).zip(heads.iter().filter(|(_, head)| head.is_some())).count();
    let partitions_from_checkpoint = u32::try_from(partitions_from_checkpoint).unwrap_or(u32::MAX);
    let partitions = workers::each(threads, heads, |(number, head)| match head {
        Some(head) => partition(checkpoints, number, head),
        None => Ok(Partition::new(number)),
    })?;
    let summary = RecoverySummary { partitions_from_checkpoint, ..RecoverySummary::default() };
    Ok(World { partitions, covered, summary })
}

fn partition(checkpoints: &dyn Checkpoints, number: u16, head: Head) -> Result<Partition, StorageFault> {
    let mut partition = Partition::new(number);
    let unfit = |finding| unfit(number.into(), finding);
    checkpoints.rows(number, &mut |at, bytes| {
        let (table, slot) = (u8::try_from(at >> 32), u32::try_from(at & 0xffff_ffff));
        let (Ok(table), Ok(slot)) = (table, slot) else { return Err(unfit("there is no such row")) };
        partition.load_row(slot, rows::decode_row(table, bytes)?).map_err(unfit)?;
        Ok(ControlFlow::Continue(()))
    })?;
    partition.load_head(head).map_err(unfit)?;
    Ok(partition)
}

fn unfit(number: u64, finding: &str) -> StorageFault {
    corrupt(&format!("checkpoint of partition {number}"), finding.into())
}
