//! Owns: reading a data folder that nobody serves: nothing in it is created, changed or removed, and no server can open it
//! meanwhile. Never: a write; a folder that another process has open.

use std::{
    fs::{File, OpenOptions},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, fcntl_lock};
use tallystick_journal::{Checkpoints as _, Floor, Journal as _, StorageFault, Visit};

use crate::{
    StoreOptions,
    backup::{self, Copied, CopyFault, VisitPiece},
    fault,
    format::{self, Format},
    index::RocksIndex,
    journal::RocksJournal,
    restored,
};

/// Reads a data folder.
#[derive(Debug)]
pub struct StoreReader {
    journal: RocksJournal,
    index: RocksIndex,
    restored: Vec<Floor>,
    /// Held as long as this lives: whoever wants to write waits for it.
    _locks: Vec<File>,
}

impl StoreReader {
    /// Opens the data folder `root`. What a crash left in the logs is read, and left there.
    ///
    /// *Errors*: as `Store::open`; and `Io` for a folder that is none, since nothing is created here.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, StorageFault> {
        backup::check_finished(root.as_ref())?;
        Self::open_draft(root)
    }

    /// Opens a data folder that may not be whole.
    pub fn open_draft(root: impl AsRef<Path>) -> Result<Self, StorageFault> {
        let root = root.as_ref();
        let (journal, index) = (root.join("journal"), root.join("index"));
        if !journal.is_dir() || !index.is_dir() {
            let text = "is no data folder: `journal` and `index` are not both in it";
            return Err(StorageFault::Io(format!("{} {text}", root.display())));
        }
        // ORDER: locks before anything is read, so that what is read stays as it is.
        let locks = [&journal, &index].into_iter().filter_map(|folder| lock(folder).transpose());
        let locks = locks.collect::<Result<_, _>>()?;
        let found = format::check(root)?;
        let options = StoreOptions::default();
        let journal = RocksJournal::open_read_only(&journal, &options)?;
        if found == Format::Missing && !journal.is_empty()? {
            return Err(format::missing(root));
        }
        let restored = restored::read(root)?;
        Ok(Self { journal, index: RocksIndex::open_read_only(&index, &options)?, restored, _locks: locks })
    }

    /// Says where the journal was put back from a backup, as `Store::restored`.
    pub fn restored(&self) -> &[Floor] {
        &self.restored
    }

    /// Copies all of the folder, or what came after `after`.
    pub fn copy(&self, after: Option<Floor>, visit: &mut VisitPiece<'_>) -> Result<Copied, CopyFault> {
        backup::copy((&self.journal, &self.index), after, &|| u64::MAX, visit)
    }

    /// Visits groups as `Journal::read` does.
    pub fn groups(&self, from_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        self.journal.read(from_seq, visit)
    }

    /// Visits heads as `Checkpoints::heads` does.
    pub fn heads(&self, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        self.index.heads(visit)
    }

    /// Visits rows as `Checkpoints::rows` does.
    pub fn rows(&self, partition: u16, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        self.index.rows(partition, visit)
    }

    /// Reads the durable floor.
    pub fn floor(&self) -> Result<Option<Floor>, StorageFault> {
        self.index.floor()
    }
}

/// Takes a share of RocksDB's own lock of an instance: others may read, nobody can write. `None` where there is no lock
/// file, as in a copy of a folder: then nobody has it open.
///
/// NOTE: these are locks of a process. A process that serves a folder must not read it in this way too: it would see no
/// conflict with itself, and give its own lock up when the reader is dropped.
fn lock(folder: &Path) -> Result<Option<File>, StorageFault> {
    take_lock(folder, File::options().read(true), FlockOperation::NonBlockingLockShared)
}

/// Takes RocksDB's own lock of an instance: nobody reads, and nobody writes. As `lock` otherwise.
pub(crate) fn lock_alone(folder: &Path) -> Result<Option<File>, StorageFault> {
    take_lock(folder, File::options().write(true), FlockOperation::NonBlockingLockExclusive)
}

fn take_lock(
    folder: &Path,
    options: &OpenOptions,
    operation: FlockOperation,
) -> Result<Option<File>, StorageFault> {
    let path: PathBuf = folder.join("LOCK");
    let file = match options.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault::from_os(&path, &error)),
    };
    match fcntl_lock(&file, operation) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Err(fault::in_use(folder)),
        Err(error) => Err(fault::from_os(&path, &error.into())),
    }
}
