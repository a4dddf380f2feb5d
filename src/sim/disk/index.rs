//! Owns: `Checkpoints` and `Tables` on a simulated disk: each save is synced, and happens at once or not at all.
//! Never: returns a value whose check does not hold.

use super::{Deed, Disk, Image, Sealed};
use std::ops::{Bound, ControlFlow};
use tallystick_journal::{Checkpoint, Checkpoints, Floor, StorageFault, Tables, Visit};

fn save(image: &mut Image, checkpoints: &[Checkpoint]) {
    for checkpoint in checkpoints {
        let partition = checkpoint.partition;
        image.heads.insert(partition, Sealed::new(&checkpoint.head));
        for row in &checkpoint.rows {
            let key = (partition, row.table, row.slot);
            match &row.value {
                Some(value) => image.rows.insert(key, Sealed::new(value)),
                None => image.rows.remove(&key),
            };
        }
        for (id, seq, settlement) in &checkpoint.settlements {
            image.settlements.insert(*id, Sealed::new(settlement));
            image.settled_at.insert(*seq, *id);
        }
        for (hash, encoded) in &checkpoint.command_keys {
            image.command_keys.insert((partition, *hash), Sealed::new(encoded));
        }
    }
}

fn floor_bytes(floor: Floor) -> Vec<u8> {
    [floor.seq.to_be_bytes(), floor.check.to_be_bytes()].concat()
}

/// Reads the floor of an image. *Errors*: `Corrupt`.
pub(super) fn floor_of(image: &Image) -> Result<Option<Floor>, StorageFault> {
    let Some(sealed) = &image.floor else { return Ok(None) };
    let bytes = sealed.open(|| "index durable floor".into())?;
    let number = |at: usize| {
        bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
    };
    Ok(Some(Floor { seq: number(0), check: number(8) }))
}

impl Checkpoints for Disk {
    fn save(&self, checkpoints: &[Checkpoint]) -> Result<(), StorageFault> {
        self.write(Deed::Save, |image| save(image, checkpoints))
    }

    fn heads(&self, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        let heads: Vec<(u16, Sealed)> =
            self.image().heads.iter().map(|(number, head)| (*number, head.clone())).collect();
        for (number, head) in heads {
            self.pass(Deed::Load)?;
            let bytes = head.open(|| format!("index head of partition {number}"))?;
            if visit(number.into(), &bytes)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn rows(&self, partition: u16, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        let range = (partition, 0, 0)..=(partition, u8::MAX, u32::MAX);
        let rows: Vec<((u8, u32), Sealed)> = self
            .image()
            .rows
            .range(range)
            .map(|((_, table, slot), row)| ((*table, *slot), row.clone()))
            .collect();
        for ((table, slot), row) in rows {
            self.pass(Deed::Load)?;
            let bytes =
                row.open(|| format!("index row of partition {partition}, table {table}, slot {slot}"))?;
            if visit(u64::from(table) << 32 | u64::from(slot), &bytes)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn floor(&self) -> Result<Option<Floor>, StorageFault> {
        self.pass(Deed::Load)?;
        floor_of(&self.image())
    }

    fn set_floor(&self, floor: Floor) -> Result<(), StorageFault> {
        self.write(Deed::Floor, |image| image.floor = Some(Sealed::new(&floor_bytes(floor))))
    }
}

impl Image {
    /// Reads the durable floor. *Errors*: `Corrupt`.
    pub fn read_floor(&self) -> Result<Floor, StorageFault> {
        floor_of(self).map(Option::unwrap_or_default)
    }
}

impl Tables for Disk {
    fn settlement(&self, id: [u8; 16]) -> Result<Option<Vec<u8>>, StorageFault> {
        self.pass(Deed::Find)?;
        let found = self.image().settlements.get(&id).cloned();
        self.around.meanwhile(Deed::Find);
        open(found, "index settlement")
    }

    fn settlements_after(&self, after_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        self.around.meanwhile(Deed::Find);
        self.pass(Deed::Find)?;
        let found: Vec<(u64, Option<Sealed>)> = {
            let image = self.image();
            let after = image.settled_at.range((Bound::Excluded(after_seq), Bound::Unbounded));
            after.map(|(seq, id)| (*seq, image.settlements.get(id).cloned())).collect()
        };
        for (seq, settlement) in found {
            let Some(bytes) = open(settlement, "index settlement")? else { continue };
            if visit(seq, &bytes)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn command_key(&self, partition: u16, hash: [u8; 16]) -> Result<Option<Vec<u8>>, StorageFault> {
        self.pass(Deed::Find)?;
        let found = self.image().command_keys.get(&(partition, hash)).cloned();
        // What was found may be too old when it is returned: others go on in between.
        self.around.meanwhile(Deed::Find);
        open(found, "index command key")
    }
}

fn open(found: Option<Sealed>, place: &str) -> Result<Option<Vec<u8>>, StorageFault> {
    found.map(|sealed| sealed.open(|| place.into()).map(|bytes| bytes.to_vec())).transpose()
}
