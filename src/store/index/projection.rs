//! Owns: `ProjectionStore` over the index's instance.
//! Never: RocksDB's log. One family holds entries and cursor, and its memtables are flushed whole and in order: what a
//! crash leaves is all writes up to one of them. What is lost is derived again.

use std::ops::ControlFlow;

use rocksdb::{WriteBatch, WriteOptions};
use tallystick_journal::{Entry, ProjectionStore, StorageFault, VisitEntry, projection::Stored};

use super::{Family, RocksIndex};
use crate::{fault, instance, kind::projected};

const PLACE: &str = "projection";
/// Sorts after every key there is: no table has the last number.
const END: [u8; 1] = [u8::MAX];

impl ProjectionStore for RocksIndex {
    /// *Panics*: if a table is numbered 255.
    fn write(&self, entries: &[Entry]) -> Result<(), StorageFault> {
        let family = self.family(Family::Projection)?;
        let mut batch = WriteBatch::default();
        // One buffer for all keys, and one for all values: there are hundreds of thousands in a large write.
        let (mut key, mut stored) = (Vec::new(), Vec::new());
        for entry in entries {
            assert!(entry.table < u8::MAX, "bug: a projection has no table {}", entry.table);
            projected::encode_key_into(entry.table, &entry.key, &mut key);
            match &entry.value {
                Some(value) => {
                    batch.put_cf(family, &key, projected::encode_value_in(&key, value, &mut stored));
                }
                None => batch.delete_cf(family, &key),
            }
        }
        self.write_unlogged(batch)
    }

    fn sync(&self) -> Result<(), StorageFault> {
        let flushed = self.db.flush_cf(self.family(Family::Projection)?);
        flushed.map_err(|error| fault::from_rocks(PLACE, error))
    }

    fn get(&self, table: u8, key: &[u8]) -> Result<Option<Vec<u8>>, StorageFault> {
        let key = projected::encode_key(table, key);
        let Some(stored) = RocksIndex::get(self, Family::Projection, &key)? else { return Ok(None) };
        Ok(Some(projected::decode(&key, &stored)?.to_vec()))
    }

    fn last_through(&self, table: u8, key: &[u8]) -> Result<Option<Stored>, StorageFault> {
        let options = instance::seek_options();
        let mut walk = self.db.raw_iterator_cf_opt(self.family(Family::Projection)?, options);
        walk.seek_for_prev(projected::encode_key(table, key));
        match walk.item() {
            Some((found, stored)) if found.first() == Some(&table) => {
                let value = projected::decode(found, stored)?.to_vec();
                Ok(Some((found.split_at(1).1.to_vec(), value)))
            }
            Some(_) => Ok(None),
            // Either nothing sorts that low, or the block that would tell is damaged: only the status says which.
            None => walk.status().map(|()| None).map_err(|error| fault::from_rocks(PLACE, error)),
        }
    }

    fn range(&self, table: u8, from: &[u8], visit: &mut VisitEntry<'_>) -> Result<(), StorageFault> {
        let options = instance::seek_options();
        let mut walk = self.db.raw_iterator_cf_opt(self.family(Family::Projection)?, options);
        walk.seek(projected::encode_key(table, from));
        while let Some((found, stored)) = walk.item() {
            let Some((_, key)) = found.split_first().filter(|(of, _)| **of == table) else { return Ok(()) };
            if visit(key, projected::decode(found, stored)?)? == ControlFlow::Break(()) {
                return Ok(());
            }
            walk.next();
        }
        // The walk ends at the last entry and at the first damaged block alike.
        walk.status().map_err(|error| fault::from_rocks(PLACE, error))
    }

    fn clear(&self) -> Result<(), StorageFault> {
        let family = self.family(Family::Projection)?;
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(family, &[][..], &END[..]);
        self.write_unlogged(batch)?;
        ProjectionStore::sync(self)?;
        // Gives back whole files at once; what is left of others goes with compaction.
        let failed = |error| fault::from_rocks(PLACE, error);
        self.db.delete_file_in_range_cf(family, &[][..], &END[..]).map_err(failed)
    }
}

impl RocksIndex {
    fn write_unlogged(&self, batch: WriteBatch) -> Result<(), StorageFault> {
        let mut write = WriteOptions::default();
        write.disable_wal(true);
        self.db.write_opt(batch, &write).map_err(|error| fault::from_rocks(PLACE, error))
    }
}
