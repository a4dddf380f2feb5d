//! Owns: the journal's instance: one key-value for each group, in seq order, and the poison after a failed append.
//! Never: what a group holds, whether groups chain; a delete other than `trim`; a second attempt at anything.

mod key;
mod options;
mod prewritten;
mod trim;

use std::{
    fmt,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rocksdb::{DB, WaitForCompactOptions, WriteBatch, WriteOptions};
use tallystick_journal::{Durability, Journal, StorageFault, TrimStep, Visit};

use crate::{
    StoreOptions, fault, folder, instance, instance::Access, log_scan, log_scan::Numbers, manifest,
    opening::Opening,
};

const PLACE: &str = "journal";

/// Keeps groups in a RocksDB instance of their own.
pub struct RocksJournal {
    db: DB,
    path: PathBuf,
    durability: Durability,
    tail: Mutex<Tail>,
    /// How many hold the journal's beginning; nothing is given back meanwhile.
    holds: Mutex<u32>,
    /// Absent when it was opened for reading. After `db`, which must be closed before files are put back.
    opening: Option<Arc<Opening>>,
}

/// Keeps the journal's beginning from being given back, as long as it lives.
#[derive(Debug)]
pub(crate) struct Hold<'a>(&'a Mutex<u32>);

impl<'a> Hold<'a> {
    fn new(holds: &'a Mutex<u32>) -> Self {
        // A step of `trim` that is under way ends first.
        *counted(holds) += 1;
        Self(holds)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        *counted(self.0) -= 1;
    }
}

fn counted(holds: &Mutex<u32>) -> MutexGuard<'_, u32> {
    // A count is right whoever panicked meanwhile.
    holds.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the writer knows.
#[derive(Debug)]
struct Tail {
    /// The first seq of the last group there is.
    last: Option<u64>,
    /// What the first failed append said. RocksDB may recover by itself from a full disk and take writes again; but a
    /// group of unknown outcome lies between, so that nothing may be appended to this journal before it is opened anew.
    poison: Option<String>,
}

impl RocksJournal {
    /// Looks for damage in the logs of the folder `path`, as `open` does first of all.
    pub(crate) fn check_logs(path: &Path) -> Result<(), StorageFault> {
        log_scan::check(path, Numbers::Unbroken)
    }

    /// Opens the instance in the folder `path`.
    pub(crate) fn open(
        path: &Path,
        options: &StoreOptions,
        opening: Arc<Opening>,
    ) -> Result<Self, StorageFault> {
        folder::create(path)?;
        log_scan::check(path, Numbers::Unbroken)?;
        manifest::check(path)?;
        let db = DB::open(&options::journal(path, options, Access::Write)?, path)
            .map_err(|error| fault::from_open(path, error))?;
        if options.durability == Durability::Fsync {
            prewritten::prepare(&db, path, options)?;
        }
        let last = key::last(&db)?;
        Ok(Self {
            db,
            path: path.to_owned(),
            durability: options.durability,
            tail: Mutex::new(Tail { last, poison: None }),
            opening: Some(opening),
            holds: Mutex::default(),
        })
    }

    /// Opens the instance in the folder `path` without changing anything there: what is in its logs is read into memory.
    pub(crate) fn open_read_only(path: &Path, options: &StoreOptions) -> Result<Self, StorageFault> {
        log_scan::check(path, Numbers::Unbroken)?;
        manifest::check(path)?;
        let chosen = options::journal(path, options, Access::Read)?;
        let db =
            DB::open_for_read_only(&chosen, path, false).map_err(|error| fault::from_open(path, error))?;
        // An append would be refused by RocksDB, too; it is not tried.
        let tail = Tail { last: key::last(&db)?, poison: Some("it was opened for reading".to_owned()) };
        let durability = options.durability;
        let tail = Mutex::new(tail);
        Ok(Self { db, path: path.to_owned(), durability, tail, holds: Mutex::default(), opening: None })
    }

    /// Tells whether there is no group at all.
    pub(crate) fn is_empty(&self) -> Result<bool, StorageFault> {
        Ok(key::last(&self.db)?.is_none())
    }

    /// Keeps the journal's beginning from being given back, as long as what is returned lives. *Cost*: space.
    pub(crate) fn hold(&self) -> Hold<'_> {
        Hold::new(&self.holds)
    }

    /// Makes all that was appended survive a power cut, whatever `durability` says.
    pub(crate) fn flush(&self) -> Result<(), StorageFault> {
        let flushed = self.db.flush_wal(true).and_then(|()| self.db.flush());
        flushed.map_err(|error| fault::from_rocks(PLACE, error))
    }

    /// Waits until the file writes and moves that are under way have ended; for tests and measurements.
    pub fn wait_background(&self) -> Result<(), StorageFault> {
        self.db
            .wait_for_compact(&WaitForCompactOptions::default())
            .map_err(|error| fault::from_rocks(PLACE, error))
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        // A panic under this lock is an assertion about seqs, made before anything was written.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, first_seq: u64, group: &[u8]) -> Result<(), rocksdb::Error> {
        let mut write = WriteOptions::default();
        write.set_sync(self.durability == Durability::Fsync);
        let mut batch = WriteBatch::with_capacity_bytes(group.len() + 64);
        batch.put(key::encode(first_seq), group);
        self.db.write_opt(batch, &write)
    }
}

impl Journal for RocksJournal {
    /// *Panics*: when `first_seq` is not above the last group's, or the group is empty. Ascending keys are what keeps
    /// RocksDB from ever rewriting a file, and a seq given twice is a bug above.
    fn append(&self, first_seq: u64, group: &[u8]) -> Result<(), StorageFault> {
        let mut tail = self.tail();
        if let Some(text) = &tail.poison {
            return Err(StorageFault::Io(format!(
                "{PLACE}: not tried, since an earlier append failed: {text}"
            )));
        }
        assert!(!group.is_empty(), "the group at seq {first_seq} is empty");
        assert!(
            tail.last.is_none_or(|last| first_seq > last),
            "seq {first_seq} is not above the last group's first seq {:?}",
            tail.last
        );
        if let Some(opening) = &self.opening {
            opening.succeeded()?;
        }
        match self.write(first_seq, group) {
            Ok(()) => {
                tail.last = Some(first_seq);
                Ok(())
            }
            Err(error) => {
                // Every kind of failure is one of the disk's here: whether the group is stored is unknown.
                let text = format!("{PLACE}: append at seq {first_seq}: {error}");
                tail.poison = Some(text.clone());
                Err(StorageFault::Io(text))
            }
        }
    }

    fn read(&self, from_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        let failed = |error| fault::from_rocks(PLACE, error);
        let mut walk = self.db.raw_iterator_opt(instance::walk_options());
        walk.seek_for_prev(key::encode(from_seq));
        if !walk.valid() {
            // Either nothing starts that low, or the block that would tell is damaged: only the status says which.
            walk.status().map_err(failed)?;
            walk.seek_to_first();
        }
        while let Some((found, group)) = walk.item() {
            if visit(key::decode(found)?, group)? == ControlFlow::Break(()) {
                return Ok(());
            }
            walk.next();
        }
        // The walk ends at the last group and at the first damaged block alike.
        walk.status().map_err(failed)
    }

    fn trim(&self, before_seq: u64) -> Result<TrimStep, StorageFault> {
        // ORDER: the count stays locked during the step, so that whoever begins to hold finds nothing under way.
        let holds = counted(&self.holds);
        if *holds > 0 { Ok(TrimStep::Done) } else { trim::step(&self.db, before_seq) }
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn size_bytes(&self) -> u64 {
        folder::size_bytes(&self.path)
    }
}

impl fmt::Debug for RocksJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksJournal")
            .field("path", &self.path)
            .field("durability", &self.durability)
            .finish()
    }
}
