//! Owns: that an opening which comes to nothing leaves the data folder as it was. RocksDB changes a folder merely by opening
//! it: it writes logs out and removes them, and removes whatever its list of files does not name, so that a list that lost
//! its end costs the files it should have named. Whether the past is whole is known only when it has been read.
//!
//! So each file gets a second name, in the folder `opening`, before RocksDB sees it. The first thing that is written after
//! the past was read gives those names up; if nothing ever is, they are put back: when the store is closed, or, after a
//! crash, when it is opened the next time.
//! Never: copies a file's bytes; looks into one.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rustix::fs::{FlockOperation, flock};
use tallystick_journal::StorageFault;

use crate::{fault, reader};

/// The folders whose files are kept.
const INSTANCES: [&str; 2] = ["journal", "index"];
/// Where their second names are.
const KEPT: &str = "opening";
/// The same, before all are there and when they are given up.
const DRAFT: &str = "opening.draft";
/// RocksDB's own lock is locked in place.
const LOCK: &str = "LOCK";

/// Is a data folder that may have to be as it was. Dropping it puts everything back unless `succeeded` was called; whoever
/// holds it must close RocksDB first.
#[derive(Debug)]
pub(crate) struct Opening {
    root: PathBuf,
    /// Locked as long as this lives: nobody else may put back what this one changes.
    lock: File,
    is_pending: Mutex<bool>,
}

impl Opening {
    /// Begins to open the data folder `root`: puts back what an earlier opening left, and keeps every file there is.
    /// *Errors*: `InUse`; the operating system's, for one on a file system without hard links.
    pub(crate) fn begin(root: &Path) -> Result<Self, StorageFault> {
        let lock = lock(root)?;
        if root.join(KEPT).exists() {
            for instance in INSTANCES {
                // Somebody may be reading it. Given up again at once: RocksDB takes the same lock.
                drop(reader::lock_alone(&root.join(instance))?);
            }
            put_back(root).map_err(|error| fault::from_os(&root.join(KEPT), &error))?;
        }
        keep(root).map_err(|error| fault::from_os(&root.join(KEPT), &error))?;
        Ok(Self { root: root.to_owned(), lock, is_pending: Mutex::new(true) })
    }

    /// Takes note that the past was read and is whole. *Cost*: nothing but the first time.
    ///
    /// ORDER: before anything new is written, and durable by then: what is put back would be without it.
    pub(crate) fn succeeded(&self) -> Result<(), StorageFault> {
        let mut is_pending = self.is_pending.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_pending {
            give_up(&self.root).map_err(|error| fault::from_os(&self.root.join(KEPT), &error))?;
            *is_pending = false;
        }
        Ok(())
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let is_pending = self.is_pending.get_mut().unwrap_or_else(PoisonError::into_inner);
        if *is_pending {
            // If it cannot be done now, the next opening does it.
            let _ = put_back(&self.root);
        }
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

fn lock(root: &Path) -> Result<File, StorageFault> {
    let path = root.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| fault::from_os(&path, &error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::AGAIN) => Err(fault::in_use(root)),
        Err(error) => Err(fault::from_os(&path, &error.into())),
    }
}

/// Gives every file its second name. Nothing is kept of a folder that is not there yet.
fn keep(root: &Path) -> io::Result<()> {
    let draft = root.join(DRAFT);
    remove(&draft)?;
    fs::create_dir(&draft)?;
    for instance in INSTANCES.iter().filter(|instance| root.join(instance).is_dir()) {
        let kept = draft.join(instance);
        fs::create_dir(&kept)?;
        for (name, path) in files(&root.join(instance))? {
            fs::hard_link(path, kept.join(name))?;
        }
        sync(&kept)?;
    }
    sync(&draft)?;
    // ORDER: whole before it has its name; its name lasts before RocksDB removes anything.
    fs::rename(&draft, root.join(KEPT))?;
    sync(root)
}

/// Makes both folders as they were kept. It may be done again when it was cut short.
fn put_back(root: &Path) -> io::Result<()> {
    for instance in INSTANCES {
        let (kept, folder) = (root.join(KEPT).join(instance), root.join(instance));
        // Without this file there was nothing that RocksDB could have changed.
        if kept.join("CURRENT").exists() {
            put_back_files(&kept, &folder)?;
        }
    }
    give_up(root)
}

fn put_back_files(kept: &Path, folder: &Path) -> io::Result<()> {
    let wanted = files(kept)?;
    for (name, path) in files(folder)? {
        if !wanted.contains_key(&name) {
            fs::remove_file(path)?;
        }
    }
    for (name, path) in wanted {
        let place = folder.join(&name);
        if same(&path, &place) {
            continue;
        }
        let draft = folder.join(format!("{}.putback", name.to_string_lossy()));
        fs::hard_link(path, &draft)?;
        fs::rename(draft, place)?;
    }
    sync(folder)
}

/// Tells whether two names are of one file.
fn same(one: &Path, other: &Path) -> bool {
    let file = |path| fs::metadata(path).map(|about| (about.dev(), about.ino()));
    matches!((file(one), file(other)), (Ok(one), Ok(other)) if one == other)
}

fn give_up(root: &Path) -> io::Result<()> {
    let draft = root.join(DRAFT);
    remove(&draft)?;
    fs::rename(root.join(KEPT), &draft)?;
    sync(root)?;
    remove(&draft)
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn files(folder: &Path) -> io::Result<BTreeMap<OsString, PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name() != LOCK {
            found.insert(entry.file_name(), entry.path());
        }
    }
    Ok(found)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
