//! Owns: folders that become what they are called only when they are whole: made under another name, marked as unfinished,
//! synced, and renamed last.
//! Never: removes or replaces anything that is not such a draft.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use tallystick_journal::StorageFault;

use crate::{fault, folder};

/// Marks a folder that is not whole.
pub(crate) const MARK: &str = "UNFINISHED";

/// Is a folder on its way.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    target: PathBuf,
    _lock: File,
}

impl Draft {
    /// Begins `target`, which must not be there or be empty. A draft that an interrupted attempt left is begun anew.
    pub(super) fn begin(target: &Path) -> Result<Self, StorageFault> {
        if !is_vacant(target)? {
            return Err(StorageFault::Io(format!(
                "{} is there and not empty: choose a folder that is new or empty",
                target.display()
            )));
        }
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".unfinished");
        let path = target.with_file_name(name);
        let mark = path.join(MARK);
        if path.is_dir() {
            let _held = lock(&path)?;
            if !mark.is_file() && !is_vacant(&path)? {
                let text = "is there and is no draft of ours: move it away";
                return Err(StorageFault::Io(format!("{} {text}", path.display())));
            }
            fs::remove_dir_all(&path).map_err(|e| fault::from_os(&path, &e))?;
        }
        folder::create(&path)?;
        let held = lock(&path)?;
        fs::write(&mark, "This folder is not whole.\n").map_err(|e| fault::from_os(&mark, &e))?;
        folder::sync(&path)?;
        Ok(Self { path, target: target.to_owned(), _lock: held })
    }

    /// Returns where to write meanwhile.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name. All in it must be synced.
    pub(super) fn finish(self) -> Result<(), StorageFault> {
        let mark = self.path.join(MARK);
        fs::remove_file(&mark).map_err(|e| fault::from_os(&mark, &e))?;
        folder::sync(&self.path)?;
        // ORDER: the name last of all, and its folder synced, so that what has the name is whole.
        fs::rename(&self.path, &self.target).map_err(|e| fault::from_os(&self.target, &e))?;
        match self.target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => folder::sync(parent),
            None => folder::sync(Path::new(".")),
        }
    }
}

/// Tells whether there is nothing at `path`, or an empty folder.
pub(super) fn is_vacant(path: &Path) -> Result<bool, StorageFault> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(true),
        Err(e) => Err(fault::from_os(path, &e)),
    }
}

/// Keeps others from writing to `folder`, as long as what is returned lives.
pub(super) fn lock(folder: &Path) -> Result<File, StorageFault> {
    let file = File::open(folder).map_err(|e| fault::from_os(folder, &e))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::AGAIN) => {
            Err(StorageFault::InUse(format!("{} is being written by another process", folder.display())))
        }
        Err(error) => Err(fault::from_os(folder, &error.into())),
    }
}

/// Refuses a folder that is not whole.
pub(crate) fn check_finished(folder: &Path) -> Result<(), StorageFault> {
    if !folder.join(MARK).exists() {
        return Ok(());
    }
    Err(StorageFault::Corrupt {
        place: folder.display().to_string(),
        finding: format!(
            "it has a file {MARK}: a backup or a restore into it was interrupted, make it again"
        ),
    })
}
