//! Owns: the one mapping from RocksDB's and the operating system's errors to `StorageFault`.
//! Never: drops RocksDB's own text; it names the file, and an operator needs it.

use std::{io, path::Path};

use rocksdb::{Error, ErrorKind};
use tallystick_journal::StorageFault;

/// Maps an error of an operation on `place`.
pub(crate) fn from_rocks(place: &str, error: Error) -> StorageFault {
    let kind = error.kind();
    let text = error.into_string();
    match kind {
        ErrorKind::Corruption => StorageFault::Corrupt { place: place.to_owned(), finding: text },
        ErrorKind::IOError
        | ErrorKind::NotFound
        | ErrorKind::NotSupported
        | ErrorKind::InvalidArgument
        | ErrorKind::MergeInProgress
        | ErrorKind::Incomplete
        | ErrorKind::ShutdownInProgress
        | ErrorKind::TimedOut
        | ErrorKind::Aborted
        | ErrorKind::Busy
        | ErrorKind::Expired
        | ErrorKind::TryAgain
        | ErrorKind::CompactionTooLarge
        | ErrorKind::ColumnFamilyDropped
        | ErrorKind::Unknown => StorageFault::Io(format!("{place}: {text}")),
    }
}

/// Maps an error of opening `folder`: there, a lock that another holds has its own meaning.
pub(crate) fn from_open(folder: &Path, error: Error) -> StorageFault {
    let place = folder.display().to_string();
    if !is_lock_held(error.as_ref()) {
        return from_rocks(&place, error);
    }
    StorageFault::InUse(format!("{}; RocksDB says: {}", advice_in_use(folder), error.into_string()))
}

/// Is the fault of a folder that another process has open.
pub(crate) fn in_use(folder: &Path) -> StorageFault {
    StorageFault::InUse(advice_in_use(folder))
}

fn advice_in_use(folder: &Path) -> String {
    let place = folder.display();
    format!(
        "{place}: stop the process that has it open (`fuser {place}/LOCK` names it) or choose another folder"
    )
}

/// Maps an error of the operating system on `path`.
pub(crate) fn from_os(path: &Path, error: &io::Error) -> StorageFault {
    StorageFault::Io(format!("{}: {error}", path.display()))
}

/// Tells whether RocksDB failed because its LOCK file is held. Its POSIX file system says "While lock file: …/LOCK"
/// with EAGAIN or EACCES when another process holds it, and "lock hold by current process" when we do ourselves.
/// (`LOCK` that may not be opened at all says "while open a file for lock", and is an I/O fault.)
fn is_lock_held(text: &str) -> bool {
    text.contains("lock hold by current process")
        || (text.contains("While lock file")
            && (text.contains("Resource temporarily unavailable") || text.contains("Permission denied")))
}

#[cfg(test)]
mod tests {
    use super::is_lock_held;

    #[test]
    fn tells_a_held_lock_from_other_failures() {
        assert!(is_lock_held("IO error: While lock file: /d/journal/LOCK: Resource temporarily unavailable"));
        assert!(is_lock_held(
            "IO error: lock hold by current process, acquire time 1 acquiring thread 2: /d/LOCK"
        ));
        assert!(!is_lock_held("IO error: while open a file for lock: /d/LOCK: Permission denied"));
        assert!(!is_lock_held("IO error: While lock file: /d/LOCK: No locks available"));
    }
}
