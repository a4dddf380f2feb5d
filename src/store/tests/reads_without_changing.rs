//! A folder that is only read stays as it is, whatever its last writer left in it, and nobody reads one that is written.
#![allow(clippy::unwrap_used, reason = "a test")]

mod fixture;

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use fixture::{append_all, checkpoint, copy, group, open, small};
use tallystick_journal::{Checkpoints, Floor, StorageFault};
use tallystick_store::StoreReader;

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

fn groups(reader: &StoreReader) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    let read = reader.groups(1, &mut |seq, bytes| {
        found.push((seq, bytes.to_vec()));
        Ok(ControlFlow::Continue(()))
    });
    read.unwrap();
    found
}

#[test]
fn logs_and_files_are_read_and_left_as_they_are() {
    let root = tempfile::tempdir().unwrap();
    {
        let store = open(root.path(), small());
        // More than one file holds, so that there are files and a log.
        append_all(&*store.journal(), 1..=60, 50_000);
        store.journal().wait_background().unwrap();
        store.index().save(&[checkpoint(3, b"head", &[(1, 9, Some(b"row"))])]).unwrap();
        store.index().set_floor(Floor { seq: 60, check: 7 }).unwrap();
    }
    let before = contents(root.path());
    {
        let reader = StoreReader::open(root.path()).unwrap();
        let wanted: Vec<_> = (1..=60).map(|seq| (seq, group(seq, 50_000))).collect();
        assert!(groups(&reader) == wanted);
        assert_eq!(reader.floor().unwrap(), Some(Floor { seq: 60, check: 7 }));
        let mut rows = 0;
        reader
            .rows(3, &mut |_, _| {
                rows += 1;
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
        assert_eq!(rows, 1);
        // Two may read at a time.
        StoreReader::open(root.path()).unwrap();
    }
    assert!(contents(root.path()) == before, "reading changed the folder");
    assert_eq!(fixture::seqs(&*open(root.path(), small()).journal()).len(), 60);
}

#[test]
fn a_copy_without_lock_files_is_read() {
    let (root, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    append_all(&*open(root.path(), small()).journal(), 1..=5, 100);
    copy(root.path(), backup.path());
    assert_eq!(groups(&StoreReader::open(backup.path()).unwrap()).len(), 5);
}

#[test]
fn what_is_no_store_is_refused_and_not_made() {
    let root = tempfile::tempdir().unwrap();
    let nowhere = root.path().join("nowhere");
    for folder in [nowhere.as_path(), root.path()] {
        assert!(matches!(StoreReader::open(folder), Err(StorageFault::Io(_))));
    }
    assert!(contents(root.path()).is_empty() && !nowhere.exists());
    append_all(&*open(root.path(), small()).journal(), 1..=5, 100);
    fs::write(root.path().join("FORMAT"), "tallystick store format 9\n").unwrap();
    assert!(matches!(StoreReader::open(root.path()), Err(StorageFault::Newer { found: 9, known: 2, .. })));
}
