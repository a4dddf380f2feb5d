//! Owns: the RESTORED file of a data folder: where its journal was put back from a backup, each time. After the last of them
//! the journal goes on as another than the one it was backed up from.
//! Never: a folder that was never restored has one.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::Path,
};

use tallystick_journal::{Floor, StorageFault};

use crate::{fault, folder};

const FILE: &str = "RESTORED";
const PREFIX: &str = "tallystick restored to seq ";

/// Reads the file; empty when there is none.
pub(crate) fn read(root: &Path) -> Result<Vec<Floor>, StorageFault> {
    let path = root.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(fault::from_os(&path, &e)),
    };
    let read = |line: &str| {
        let (seq, check) = line.strip_prefix(PREFIX)?.split_once(", group ")?;
        Some(Floor { seq: seq.parse().ok()?, check: u64::from_str_radix(check, 16).ok()? })
    };
    text.lines().map(read).collect::<Option<_>>().ok_or_else(|| StorageFault::Corrupt {
        place: path.display().to_string(),
        finding: "found a line that does not say where the journal was put back".to_owned(),
    })
}

/// Writes the file, synced.
pub(crate) fn write(root: &Path, restored: &[Floor]) -> Result<(), StorageFault> {
    let path = root.join(FILE);
    let text = restored.iter().fold(String::new(), |mut text, Floor { seq, check }| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{PREFIX}{seq}, group {check:016x}");
        text
    });
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|e| fault::from_os(&path, &e))?;
    folder::sync(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_junk_is_refused() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(read(root.path()), Ok(vec![]));
        let all = vec![Floor { seq: 7, check: 0xa }, Floor { seq: u64::MAX, check: u64::MAX }];
        write(root.path(), &all).unwrap();
        assert_eq!(read(root.path()), Ok(all));
        fs::write(root.path().join(FILE), "restored\n").unwrap();
        assert!(matches!(read(root.path()), Err(StorageFault::Corrupt { .. })));
    }
}
