//! Owns: `Checkpoints` over the index's instance.
//! Never: what a head or a row means; half a save.

use std::ops::ControlFlow;

use rocksdb::{PrefixRange, WriteBatch};
use tallystick_journal::{Checkpoint, Checkpoints, Floor, StorageFault, Visit};

use super::{Family, RocksIndex};
use crate::{
    fault, instance,
    kind::{command_key, floor, head, row, settlement, settlement_seq},
};

/// Is called with each stored key and value.
type VisitStored<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StorageFault> + 'a;

impl Checkpoints for RocksIndex {
    /// *Cost*: the whole save is held in memory twice while it is written, as one batch; a caller with much to save
    /// saves often.
    fn save(&self, checkpoints: &[Checkpoint]) -> Result<(), StorageFault> {
        let mut batch = WriteBatch::default();
        for checkpoint in checkpoints {
            self.add(&mut batch, checkpoint)?;
        }
        self.write(batch)
    }

    fn heads(&self, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        self.walk(&head::PREFIX, &mut |key, stored| {
            let (partition, head) = head::decode(key, stored)?;
            visit(u64::from(partition), head)
        })
    }

    fn rows(&self, partition: u16, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        self.walk(&row::prefix(partition), &mut |key, stored| {
            let (place, row) = row::decode(key, stored)?;
            assert_eq!(place.partition, partition, "a walk over one partition left it");
            visit(place.number(), row)
        })
    }

    fn floor(&self) -> Result<Option<Floor>, StorageFault> {
        self.get(Family::Meta, floor::KEY)?.map(|stored| floor::decode(&stored)).transpose()
    }

    fn set_floor(&self, floor: Floor) -> Result<(), StorageFault> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(Family::Meta)?, floor::KEY, floor::encode_value(floor));
        self.write(batch)
    }
}

impl RocksIndex {
    fn add(&self, batch: &mut WriteBatch, checkpoint: &Checkpoint) -> Result<(), StorageFault> {
        let partition = checkpoint.partition;
        let family = self.family(Family::Checkpoint)?;
        batch.put_cf(family, head::encode_key(partition), head::encode_value(partition, &checkpoint.head));
        for changed in &checkpoint.rows {
            let place = row::Place { partition, table: changed.table, slot: changed.slot };
            match &changed.value {
                Some(value) => batch.put_cf(family, row::encode_key(place), row::encode_value(place, value)),
                None => batch.delete_cf(family, row::encode_key(place)),
            }
        }
        let keys = self.family(Family::CommandKey)?;
        for (hash, encoded) in &checkpoint.command_keys {
            batch.put_cf(
                keys,
                command_key::encode_key(partition, *hash),
                command_key::encode_value(partition, *hash, encoded),
            );
        }
        let (by_id, by_seq) = (self.family(Family::Settlement)?, self.family(Family::SettlementSeq)?);
        for (id, seq, encoded) in &checkpoint.settlements {
            batch.put_cf(by_id, id, settlement::encode_value(*id, *seq, encoded));
            batch.put_cf(
                by_seq,
                settlement_seq::encode_key(*seq, *id),
                settlement_seq::encode_value(*seq, *id),
            );
        }
        Ok(())
    }

    /// Visits stored keys and values of the family `checkpoint` that start with `prefix`, in key order.
    fn walk(&self, prefix: &[u8], visit: &mut VisitStored<'_>) -> Result<(), StorageFault> {
        let mut options = instance::walk_options();
        options.set_iterate_range(PrefixRange(prefix));
        let mut walk = self.db.raw_iterator_cf_opt(self.family(Family::Checkpoint)?, options);
        walk.seek_to_first();
        while let Some((key, stored)) = walk.item() {
            if visit(key, stored)? == ControlFlow::Break(()) {
                return Ok(());
            }
            walk.next();
        }
        // The walk ends at the last row and at the first damaged block alike.
        walk.status().map_err(|error| fault::from_rocks(Family::Checkpoint.name(), error))
    }
}
