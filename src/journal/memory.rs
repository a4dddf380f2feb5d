//! Owns: the storage traits kept in memory, with faults on demand, for tests and simulation.
//! Never: used by a server.

mod projection;

pub use projection::MemoryProjection;

use crate::{
    Checkpoint, Checkpoints, Durability, Floor, Journal, StorageFault, Tables, TrimStep, Visit,
    sync::{Mutex, MutexGuard},
};
use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::PoisonError,
};

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps groups in memory; "durable" is what `append` returned `Ok` for.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    groups: Mutex<BTreeMap<u64, Vec<u8>>>,
    fails_after: Mutex<Option<u64>>,
}

impl MemoryJournal {
    /// Lets `appends` more appends succeed and all later ones fail, as a full disk does.
    pub fn fail_after(&self, appends: u64) {
        *held(&self.fails_after) = Some(appends);
    }

    /// Changes the stored groups as a broken disk, or a test, might.
    pub fn tamper(&self, change: impl FnOnce(&mut BTreeMap<u64, Vec<u8>>)) {
        change(&mut held(&self.groups));
    }

    /// Returns a copy of the stored groups: what a crash at this moment leaves.
    pub fn survivors(&self) -> Self {
        Self { groups: Mutex::new(held(&self.groups).clone()), ..Self::default() }
    }
}

impl Journal for MemoryJournal {
    fn append(&self, first_seq: u64, group: &[u8]) -> Result<(), StorageFault> {
        if let Some(left) = &mut *held(&self.fails_after) {
            *left =
                left.checked_sub(1).ok_or(StorageFault::Io("No space left on device (planted)".into()))?;
        }
        held(&self.groups).insert(first_seq, group.to_vec());
        Ok(())
    }

    fn read(&self, from_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        let copy = |(seq, group): (&u64, &Vec<u8>)| (*seq, group.clone());
        let start = held(&self.groups).range(..=from_seq).next_back().map_or(0, |(seq, _)| *seq);
        // The lock is not held while a visitor works, which may well append.
        let mut next = held(&self.groups).range(start..).next().map(copy);
        while let Some((seq, group)) = next {
            if visit(seq, &group)?.is_break() {
                break;
            }
            next = held(&self.groups).range((Bound::Excluded(seq), Bound::Unbounded)).next().map(copy);
        }
        Ok(())
    }

    fn trim(&self, before_seq: u64) -> Result<TrimStep, StorageFault> {
        let mut groups = held(&self.groups);
        let second = groups.keys().nth(1).copied();
        if second.is_some_and(|second| second <= before_seq) {
            groups.pop_first();
            return Ok(TrimStep::More);
        }
        Ok(TrimStep::Done)
    }

    fn durability(&self) -> Durability {
        Durability::Fsync
    }

    fn size_bytes(&self) -> u64 {
        held(&self.groups).values().map(|group| group.len() as u64).sum()
    }
}

/// Keeps checkpoints and settlements in memory.
#[derive(Debug, Default)]
pub struct MemoryIndex(Mutex<Kept>);

#[derive(Debug, Default, Clone)]
struct Kept {
    heads: BTreeMap<u16, Vec<u8>>,
    rows: BTreeMap<(u16, u8, u32), Vec<u8>>,
    settlements: BTreeMap<[u8; 16], Vec<u8>>,
    by_seq: BTreeMap<u64, [u8; 16]>,
    command_keys: BTreeMap<(u16, [u8; 16]), Vec<u8>>,
    floor: Option<Floor>,
}

impl MemoryIndex {
    /// Returns a copy: what a crash at this moment leaves.
    pub fn survivors(&self) -> Self {
        Self(Mutex::new(held(&self.0).clone()))
    }
}

impl Checkpoints for MemoryIndex {
    fn save(&self, checkpoints: &[Checkpoint]) -> Result<(), StorageFault> {
        let mut kept = held(&self.0);
        for checkpoint in checkpoints {
            kept.heads.insert(checkpoint.partition, checkpoint.head.clone());
            for row in &checkpoint.rows {
                let key = (checkpoint.partition, row.table, row.slot);
                match &row.value {
                    Some(value) => kept.rows.insert(key, value.clone()),
                    None => kept.rows.remove(&key),
                };
            }
            for (id, seq, settlement) in &checkpoint.settlements {
                kept.settlements.insert(*id, settlement.clone());
                kept.by_seq.insert(*seq, *id);
            }
            for (hash, encoded) in &checkpoint.command_keys {
                kept.command_keys.insert((checkpoint.partition, *hash), encoded.clone());
            }
        }
        Ok(())
    }

    fn heads(&self, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        let kept = held(&self.0).clone();
        for (partition, head) in &kept.heads {
            if visit((*partition).into(), head)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn rows(&self, partition: u16, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        let kept = held(&self.0).clone();
        for ((_, table, slot), row) in kept.rows.range((partition, 0, 0)..=(partition, u8::MAX, u32::MAX)) {
            if visit(u64::from(*table) << 32 | u64::from(*slot), row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn floor(&self) -> Result<Option<Floor>, StorageFault> {
        Ok(held(&self.0).floor)
    }

    fn set_floor(&self, floor: Floor) -> Result<(), StorageFault> {
        held(&self.0).floor = Some(floor);
        Ok(())
    }
}

impl Tables for MemoryIndex {
    fn settlement(&self, id: [u8; 16]) -> Result<Option<Vec<u8>>, StorageFault> {
        Ok(held(&self.0).settlements.get(&id).cloned())
    }

    fn settlements_after(&self, after_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        let kept = held(&self.0).clone();
        for (seq, id) in kept.by_seq.range((Bound::Excluded(after_seq), Bound::Unbounded)) {
            let Some(settlement) = kept.settlements.get(id) else { continue };
            if visit(*seq, settlement)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn command_key(&self, partition: u16, hash: [u8; 16]) -> Result<Option<Vec<u8>>, StorageFault> {
        Ok(held(&self.0).command_keys.get(&(partition, hash)).cloned())
    }
}
