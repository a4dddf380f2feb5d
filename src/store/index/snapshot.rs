//! Owns: all of the index as it is at one moment, as pieces, while it goes on changing; and putting pieces into an empty one.
//! Never: what a piece says.

use std::ops::ControlFlow;

use rocksdb::{PrefixRange, Snapshot, WriteBatch, WriteOptions};
use tallystick_journal::{Floor, StorageFault};

use super::{Family, RocksIndex};
use crate::{
    backup::{Piece, VisitPiece},
    fault, instance,
    kind::{command_key, floor, head, projected, row, settlement, settlement_seq},
};

type VisitStored<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StorageFault> + 'a;

/// Is the index as it is at one moment.
pub(crate) struct IndexSnapshot<'a> {
    index: &'a RocksIndex,
    snapshot: Snapshot<'a>,
}

impl RocksIndex {
    /// Holds the present. *Cost*: as long as it is held, what is replaced meanwhile is kept on the disk, too.
    pub(crate) fn snapshot(&self) -> IndexSnapshot<'_> {
        IndexSnapshot { index: self, snapshot: self.db.snapshot() }
    }

    /// Stores pieces without RocksDB's log: a crash before `flush` may lose any of them.
    ///
    /// *Panics*: for a group.
    pub(crate) fn put(&self, pieces: &[Piece<'_>]) -> Result<(), StorageFault> {
        let mut batch = WriteBatch::default();
        let mut buffer = Vec::new();
        for piece in pieces {
            self.add_piece(&mut batch, piece, &mut buffer)?;
        }
        let mut write = WriteOptions::default();
        write.disable_wal(true);
        self.db.write_opt(batch, &write).map_err(|error| fault::from_rocks("index", error))
    }

    fn add_piece(
        &self,
        batch: &mut WriteBatch,
        piece: &Piece<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), StorageFault> {
        match *piece {
            Piece::Row { partition, table, slot, value } => {
                let place = row::Place { partition, table, slot };
                let family = self.family(Family::Checkpoint)?;
                batch.put_cf(family, row::encode_key(place), row::encode_value(place, value));
            }
            Piece::Head { partition, value } => {
                let family = self.family(Family::Checkpoint)?;
                batch.put_cf(family, head::encode_key(partition), head::encode_value(partition, value));
            }
            Piece::Settlement { id, seq, value } => {
                let by_id = self.family(Family::Settlement)?;
                batch.put_cf(by_id, id, settlement::encode_value(id, seq, value));
                let (key, stored) =
                    (settlement_seq::encode_key(seq, id), settlement_seq::encode_value(seq, id));
                batch.put_cf(self.family(Family::SettlementSeq)?, key, stored);
            }
            Piece::CommandKey { partition, hash, value } => batch.put_cf(
                self.family(Family::CommandKey)?,
                command_key::encode_key(partition, hash),
                command_key::encode_value(partition, hash, value),
            ),
            Piece::Projected { table, key, value } => {
                let key = projected::encode_key(table, key);
                let stored = projected::encode_value_in(&key, value, buffer);
                batch.put_cf(self.family(Family::Projection)?, &key, stored);
            }
            Piece::Group { first_seq, .. } => {
                panic!("bug: the group at seq {first_seq} is none of the index's")
            }
        }
        Ok(())
    }

    /// Makes all that was put survive a power cut.
    pub(crate) fn flush(&self) -> Result<(), StorageFault> {
        for family in Family::ALL {
            let flushed = self.db.flush_cf(self.family(family)?);
            flushed.map_err(|error| fault::from_rocks(family.name(), error))?;
        }
        Ok(())
    }
}

impl IndexSnapshot<'_> {
    /// Visits everything but the floor: the rows of each partition and then its head, then what is filed, then the
    /// projection.
    pub(crate) fn pieces(&self, visit: &mut VisitPiece<'_>) -> Result<ControlFlow<()>, StorageFault> {
        // ORDER: rows before their head, which a reader checks them against.
        for (partition, value) in self.heads()? {
            let rows = self.walk(Family::Checkpoint, &row::prefix(partition), &mut |key, stored| {
                let (place, value) = row::decode(key, stored)?;
                visit(&Piece::Row { partition, table: place.table, slot: place.slot, value })
            })?;
            if rows.is_break() || visit(&Piece::Head { partition, value: &value })?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let filed = self.walk(Family::SettlementSeq, &[], &mut |key, stored| {
            let (seq, id) = settlement_seq::decode(key, stored)?;
            let stored =
                self.get(Family::Settlement, &id)?.ok_or_else(|| settlement::astray(id, seq, None))?;
            let (found, value) = settlement::decode(id, &stored)?;
            if found != seq {
                return Err(settlement::astray(id, seq, Some(found)));
            }
            visit(&Piece::Settlement { id, seq, value })
        })?;
        let filed = if filed.is_break() { filed } else { self.command_keys(visit)? };
        if filed.is_break() {
            return Ok(filed);
        }
        self.walk(Family::Projection, &[], &mut |key, stored| {
            let value = projected::decode(key, stored)?;
            match key.split_first() {
                Some((&table, key)) => visit(&Piece::Projected { table, key, value }),
                None => Ok(ControlFlow::Continue(())),
            }
        })
    }

    /// Reads the durable floor.
    pub(crate) fn floor(&self) -> Result<Option<Floor>, StorageFault> {
        self.get(Family::Meta, floor::KEY)?.map(|stored| floor::decode(&stored)).transpose()
    }

    fn heads(&self) -> Result<Vec<(u16, Vec<u8>)>, StorageFault> {
        let mut heads = Vec::new();
        let _ = self.walk(Family::Checkpoint, &head::PREFIX, &mut |key, stored| {
            let (partition, value) = head::decode(key, stored)?;
            heads.push((partition, value.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(heads)
    }

    fn command_keys(&self, visit: &mut VisitPiece<'_>) -> Result<ControlFlow<()>, StorageFault> {
        self.walk(Family::CommandKey, &[], &mut |key, stored| {
            let (partition, hash) = command_key::decode_key(key)?;
            visit(&Piece::CommandKey {
                partition,
                hash,
                value: command_key::decode(partition, hash, stored)?,
            })
        })
    }

    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StorageFault> {
        let found = self.snapshot.get_cf_opt(self.index.family(family)?, key, instance::read_options());
        found.map_err(|error| fault::from_rocks(family.name(), error))
    }

    /// Visits stored keys and values that start with `prefix`, in key order. A family that an older build did not have is
    /// empty.
    fn walk(
        &self,
        family: Family,
        prefix: &[u8],
        visit: &mut VisitStored<'_>,
    ) -> Result<ControlFlow<()>, StorageFault> {
        let Some(handle) = self.index.db.cf_handle(family.name()) else {
            return Ok(ControlFlow::Continue(()));
        };
        let mut options = instance::walk_options();
        if !prefix.is_empty() {
            options.set_iterate_range(PrefixRange(prefix));
        }
        let mut walk = self.snapshot.raw_iterator_cf_opt(handle, options);
        walk.seek_to_first();
        while let Some((key, stored)) = walk.item() {
            if visit(key, stored)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            walk.next();
        }
        // The walk ends at the last entry and at the first damaged block alike.
        walk.status().map_err(|error| fault::from_rocks(family.name(), error))?;
        Ok(ControlFlow::Continue(()))
    }
}
