//! Owns: the FORMAT file at the root of a store: which version of the layout the folder has.
//! Never: what is inside the layout; each stored kind has its own version byte.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::Path,
};

use tallystick_journal::StorageFault;

use crate::{fault, folder};

/// Is the version of the layout that this build writes, and the newest that it reads.
pub const STORE_FORMAT: u32 = 1;

const FILE: &str = "FORMAT";
const PREFIX: &str = "tallystick store format ";

/// Checks the FORMAT file before RocksDB touches anything, since opening an instance already changes it.
///
/// *Returns*: whether there is one.
pub(crate) fn check(root: &Path) -> Result<bool, StorageFault> {
    let path = root.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
        Err(e) if e.kind() == ErrorKind::InvalidData => {
            return Err(corrupt(&path, "bytes that are not text"));
        }
        Err(e) => return Err(fault::from_os(&path, &e)),
    };
    let version = text.strip_prefix(PREFIX).and_then(|t| t.trim_end().parse::<u32>().ok());
    match version {
        Some(STORE_FORMAT) => Ok(true),
        Some(newer) if newer > STORE_FORMAT => Err(corrupt(
            &path,
            &format!(
                "store format {newer}, newer than the {STORE_FORMAT} this build reads: open it with the build that wrote it"
            ),
        )),
        Some(older) => Err(corrupt(&path, &format!("store format {older}, which never existed"))),
        None => Err(corrupt(&path, &format!("{:?} instead of \"{PREFIX}N\"", clip(&text)))),
    }
}

/// Writes the FORMAT file: whole under another name first, then renamed, so that it is never seen half written.
///
/// *Ordering*: called when both instances are open (their locks keep a second process out) and still empty.
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

    fn check_text(text: &[u8]) -> Result<bool, StorageFault> {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(FILE), text).unwrap();
        check(root.path())
    }

    #[test]
    fn reads_what_it_writes() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(check(root.path()), Ok(false));
        write(root.path()).unwrap();
        assert_eq!(check(root.path()), Ok(true));
    }

    #[test]
    fn refuses_a_newer_format_and_junk() {
        let newer = check_text(b"tallystick store format 2\n").unwrap_err().to_string();
        assert!(newer.contains("FORMAT") && newer.contains("format 2, newer than the 1"), "{newer}");
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
