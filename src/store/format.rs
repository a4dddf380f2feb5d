//! Owns: the FORMAT file at the root of a store: which version of the layout the folder has.
//! Never: what is inside the layout; each stored kind has its own version byte.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::Path,
};

use tallystick_journal::StorageFault;

use crate::{fault, folder};

/// Is the version of the layout that this build writes, and the newest that it reads. Older ones are read, and become this
/// one when they are opened to be written.
///
/// - 1: the journal's log files only ever grow.
/// - 2: they may be written over. A build that knows 1 alone takes what an earlier log left behind the end for damage.
pub const STORE_FORMAT: u32 = 2;

const FILE: &str = "FORMAT";
const PREFIX: &str = "tallystick store format ";

/// Says what the FORMAT file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// There is none.
    Missing,
    /// An older layout, which this build reads and turns into its own.
    Older,
    /// The one that this build writes.
    Newest,
}

/// Checks the FORMAT file before RocksDB touches anything, since opening an instance already changes it.
pub(crate) fn check(root: &Path) -> Result<Format, StorageFault> {
    let path = root.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Format::Missing),
        Err(e) if e.kind() == ErrorKind::InvalidData => {
            return Err(corrupt(&path, "bytes that are not text"));
        }
        Err(e) => return Err(fault::from_os(&path, &e)),
    };
    let version = text.strip_prefix(PREFIX).and_then(|t| t.trim_end().parse::<u32>().ok());
    match version {
        Some(STORE_FORMAT) => Ok(Format::Newest),
        Some(found) if found > STORE_FORMAT => {
            let place = path.display().to_string();
            Err(StorageFault::Newer { place, found, known: STORE_FORMAT })
        }
        Some(1..) => Ok(Format::Older),
        Some(0) => Err(corrupt(&path, "store format 0, which never existed")),
        None => Err(corrupt(&path, &format!("{:?} instead of \"{PREFIX}N\"", clip(&text)))),
    }
}

/// Writes the FORMAT file: whole under another name first, then renamed, so that it is never seen half written.
///
/// *Ordering*: called while a lock of an instance keeps a second process out.
pub(crate) fn write(root: &Path) -> Result<(), StorageFault> {
    let path = root.join(FILE);
    let draft = root.join("FORMAT.draft");
    let written = File::create(&draft)
        .and_then(|mut file| {
            writeln!(file, "{PREFIX}{STORE_FORMAT}")?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&draft, &path));
    written.map_err(|e| fault::from_os(&path, &e))?;
    folder::sync(root)
}

/// Is the fault of a folder that holds data but has lost its FORMAT file.
pub(crate) fn missing(root: &Path) -> StorageFault {
    corrupt(&root.join(FILE), "no file, although the journal holds groups")
}

fn corrupt(path: &Path, finding: &str) -> StorageFault {
    StorageFault::Corrupt { place: path.display().to_string(), finding: format!("found {finding}") }
}

fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &[u8]) -> Result<Format, StorageFault> {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(FILE), text).unwrap();
        check(root.path())
    }

    #[test]
    fn reads_what_it_writes_and_what_was_written_before() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(check(root.path()), Ok(Format::Missing));
        write(root.path()).unwrap();
        assert_eq!(check(root.path()), Ok(Format::Newest));
        assert_eq!(check_text(b"tallystick store format 1\n"), Ok(Format::Older));
    }

    #[test]
    fn refuses_a_newer_format_and_junk() {
        let newer = check_text(b"tallystick store format 3\n").unwrap_err();
        assert!(matches!(newer, StorageFault::Newer { found: 3, known: 2, .. }), "{newer:?}");
        let text = newer.to_string();
        assert!(text.contains("FORMAT has format version 3, newer than 2"), "{text}");
        for junk in [
            &b""[..],
            b"tallystick",
            b"tallystick store format \n",
            b"tallystick store format 0\n",
            b"\xff\xfe",
        ] {
            assert!(matches!(check_text(junk), Err(StorageFault::Corrupt { .. })), "{junk:?}");
        }
    }
}
