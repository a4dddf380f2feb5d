//! Owns: a data folder: `journal` and `index`, each a RocksDB instance, and the FORMAT file beside them.
//! Never: a third instance; anything that outlives the folder's lock.

use std::{path::Path, sync::Arc};

use tallystick_journal::StorageFault;

use crate::{StoreOptions, folder, format, index::RocksIndex, journal::RocksJournal, opening::Opening};

/// Is an open data folder.
#[derive(Debug)]
pub struct Store {
    journal: Arc<RocksJournal>,
    index: Arc<RocksIndex>,
}

impl Store {
    /// Opens the data folder `root`, and creates it when there is none.
    ///
    /// A write that never returned, torn off at the end of a log, is cut. Any other damage is refused. Until something is
    /// appended or stored, closing it leaves the folder as it was: see `opening`.
    ///
    /// *Errors*: `InUse` when this or another process has it open; `Corrupt` for damage, for a folder that a newer build
    /// wrote, and for one that lost its FORMAT file; `Io` for the rest.
    pub fn open(root: impl AsRef<Path>, options: StoreOptions) -> Result<Self, StorageFault> {
        let root = root.as_ref();
        folder::create(root)?;
        let has_format = format::check(root)?;
        // Two instances, so that a stall of the index (compaction, a large checkpoint) cannot hold up a decision.
        let opening = Arc::new(Opening::begin(root)?);
        let journal = RocksJournal::open(&root.join("journal"), &options, Arc::clone(&opening))?;
        let index = RocksIndex::open(&root.join("index"), &options, opening)?;
        if !has_format {
            // ORDER: after both are open, so that their locks keep others out; before anything can be written.
            if !journal.is_empty()? {
                return Err(format::missing(root));
            }
            format::write(root)?;
        }
        Ok(Self { journal: Arc::new(journal), index: Arc::new(index) })
    }

    /// Gives the journal.
    pub fn journal(&self) -> Arc<RocksJournal> {
        Arc::clone(&self.journal)
    }

    /// Gives the index: checkpoints, the durable floor, settlements.
    pub fn index(&self) -> Arc<RocksIndex> {
        Arc::clone(&self.index)
    }
}
