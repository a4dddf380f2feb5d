//! Owns: the index's instance: its column families and how they are reached.
//! Never: the journal; an unsynced write, except of a projection, which can be derived again.

mod checkpoints;
mod options;
mod projection;
mod snapshot;
mod tables;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rocksdb::{ColumnFamily, DB, DBPinnableSlice, WriteBatch, WriteOptions};
use tallystick_journal::StorageFault;

use crate::{
    StoreOptions, fault, folder, instance, instance::Access, log_scan, log_scan::Numbers, manifest,
    opening::Opening,
};

/// Names a column family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Heads and rows.
    Checkpoint,
    /// Settlements by id.
    Settlement,
    /// Settlements' places by seq.
    SettlementSeq,
    /// Keys of commands, by partition and hash.
    CommandKey,
    /// What projections derive from the journal.
    Projection,
    /// The durable floor.
    Meta,
}

impl Family {
    const ALL: [Self; 6] = [
        Self::Checkpoint,
        Self::Settlement,
        Self::SettlementSeq,
        Self::CommandKey,
        Self::Projection,
        Self::Meta,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Settlement => "settlement",
            Self::SettlementSeq => "settlement_seq",
            Self::CommandKey => "command_key",
            Self::Projection => "projection",
            Self::Meta => "meta",
        }
    }
}

/// Keeps checkpoints, the durable floor and settlements in a RocksDB instance of their own.
pub struct RocksIndex {
    db: DB,
    path: PathBuf,
    /// As the journal's.
    opening: Option<Arc<Opening>>,
}

impl RocksIndex {
    /// Opens the instance in the folder `path`.
    pub(crate) fn open(
        path: &Path,
        options: &StoreOptions,
        opening: Arc<Opening>,
    ) -> Result<Self, StorageFault> {
        folder::create(path)?;
        log_scan::check(path, Numbers::Gaps)?;
        manifest::check(path)?;
        let shared = options::index(path, options, Access::Write)?;
        let families = Family::ALL.map(|family| (family.name(), options::family(&shared, family)));
        let db =
            DB::open_cf_with_opts(&shared, path, families).map_err(|error| fault::from_open(path, error))?;
        Ok(Self { db, path: path.to_owned(), opening: Some(opening) })
    }

    /// Opens the instance in the folder `path` without changing anything there. Column families that an older build did
    /// not have yet are missing, and reading them says so.
    pub(crate) fn open_read_only(path: &Path, options: &StoreOptions) -> Result<Self, StorageFault> {
        log_scan::check(path, Numbers::Gaps)?;
        manifest::check(path)?;
        let shared = options::index(path, options, Access::Read)?;
        let failed = |error| fault::from_open(path, error);
        let there = DB::list_cf(&shared, path).map_err(failed)?;
        let families =
            Family::ALL.into_iter().filter(|family| there.iter().any(|name| name == family.name()));
        let families = families.map(|family| (family.name(), options::family(&shared, family)));
        let db = DB::open_cf_with_opts_for_read_only(&shared, path, families, false).map_err(failed)?;
        Ok(Self { db, path: path.to_owned(), opening: None })
    }

    /// Says how many bytes the index occupies on its disk, about.
    pub fn size_bytes(&self) -> u64 {
        folder::size_bytes(&self.path)
    }

    fn family(&self, family: Family) -> Result<&ColumnFamily, StorageFault> {
        self.db.cf_handle(family.name()).ok_or_else(|| StorageFault::Corrupt {
            place: self.path.display().to_string(),
            finding: format!("no column family {}", family.name()),
        })
    }

    fn get(&self, family: Family, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StorageFault> {
        self.db
            .get_pinned_cf_opt(self.family(family)?, key, &instance::read_options())
            .map_err(|error| fault::from_rocks(family.name(), error))
    }

    /// Writes all of `batch` or none of it, synced: a checkpoint or floor that might vanish would let the journal be
    /// trimmed below what recovery needs.
    fn write(&self, batch: WriteBatch) -> Result<(), StorageFault> {
        if let Some(opening) = &self.opening {
            opening.succeeded()?;
        }
        let mut write = WriteOptions::default();
        write.set_sync(true);
        self.db.write_opt(batch, &write).map_err(|error| fault::from_rocks("index", error))
    }
}

impl fmt::Debug for RocksIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksIndex").field("path", &self.path).finish_non_exhaustive()
    }
}
