//! Owns: a data folder: `journal` and `index`, each a RocksDB instance, and the FORMAT file beside them.
//! Never: a third instance; anything that outlives the folder's lock.

use std::{
    path::Path,
    sync::{Arc, Weak},
};

use tallystick_journal::{Floor, StorageFault};

use crate::{
    StoreOptions,
    backup::{self, Copied, CopyFault, VisitPiece},
    folder,
    format::{self, Format},
    index::RocksIndex,
    journal::RocksJournal,
    opening::Opening,
    reader, restored,
};

/// Is an open data folder. *Cost*: a clone shares it; it is closed with the last one.
#[derive(Debug, Clone)]
pub struct Store {
    journal: Arc<RocksJournal>,
    index: Arc<RocksIndex>,
    restored: Vec<Floor>,
}

/// Is an open data folder that it does not keep open.
#[derive(Debug)]
pub struct WeakStore {
    journal: Weak<RocksJournal>,
    index: Weak<RocksIndex>,
    restored: Vec<Floor>,
}

impl WeakStore {
    /// Returns the store, unless it is closed.
    pub fn upgrade(&self) -> Option<Store> {
        let (journal, index) = (self.journal.upgrade()?, self.index.upgrade()?);
        Some(Store { journal, index, restored: self.restored.clone() })
    }
}

impl Store {
    /// Opens the data folder `root`, and creates it when there is none.
    ///
    /// A write that never returned, torn off at the end of a log, is cut. Any other damage is refused. Until something is
    /// appended or stored, closing it leaves the folder as it was: see `opening`.
    ///
    /// *Errors*: `InUse` when this or another process has it open; `Newer` for a folder that a newer build wrote; `Corrupt`
    /// for damage, and for one that lost its FORMAT file; `Io` for the rest.
    pub fn open(root: impl AsRef<Path>, options: StoreOptions) -> Result<Self, StorageFault> {
        backup::check_finished(root.as_ref())?;
        Self::open_draft(root, options)
    }

    /// Opens a data folder that may not be whole.
    pub(crate) fn open_draft(root: impl AsRef<Path>, options: StoreOptions) -> Result<Self, StorageFault> {
        let root = root.as_ref();
        folder::create(root)?;
        let found = format::check(root)?;
        let opening = Arc::new(Opening::begin(root)?);
        if found == Format::Older {
            upgrade(root)?;
        }
        // Two instances, so that a stall of the index (compaction, a large checkpoint) cannot hold up a decision.
        let journal = RocksJournal::open(&root.join("journal"), &options, Arc::clone(&opening))?;
        let index = RocksIndex::open(&root.join("index"), &options, opening)?;
        if found == Format::Missing {
            // ORDER: after both are open, so that their locks keep others out; before anything can be written.
            if !journal.is_empty()? {
                return Err(format::missing(root));
            }
            format::write(root)?;
        }
        let restored = restored::read(root)?;
        Ok(Self { journal: Arc::new(journal), index: Arc::new(index), restored })
    }

    /// Returns what finds the folder as long as somebody else keeps it open.
    pub fn downgrade(&self) -> WeakStore {
        let (journal, index) = (Arc::downgrade(&self.journal), Arc::downgrade(&self.index));
        WeakStore { journal, index, restored: self.restored.clone() }
    }

    /// Says where the journal was put back from a backup, each time: the last group that was kept.
    pub fn restored(&self) -> &[Floor] {
        &self.restored
    }

    /// Copies all of the folder as of one seq, or what came after `after`, while it is served; as many copies at a time as
    /// there are threads for. `durable` says how far the journal is durable: asked once, at the beginning. Nothing of the
    /// journal is given back meanwhile.
    pub fn copy(
        &self,
        after: Option<Floor>,
        durable: &dyn Fn() -> u64,
        visit: &mut VisitPiece<'_>,
    ) -> Result<Copied, CopyFault> {
        backup::copy((&self.journal, &self.index), after, durable, visit)
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

/// Makes a folder of an older format one of this, before anything is written to it that the older one does not know.
fn upgrade(root: &Path) -> Result<(), StorageFault> {
    // ORDER: damage is looked for before anything changes, and an older build has RocksDB's own locks alone: nobody may hold
    // one while FORMAT changes.
    RocksJournal::check_logs(&root.join("journal"))?;
    let _locked = reader::lock_alone(&root.join("index"))?;
    format::write(root)
}
