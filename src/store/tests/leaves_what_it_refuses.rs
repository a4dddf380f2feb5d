//! An opening that comes to nothing leaves every file as it was, also when the process dies in it; one that comes to
//! something leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a function of a test is no `#[test]` to clippy")]

mod fixture;

use std::{
    collections::BTreeMap,
    fs,
    mem::ManuallyDrop,
    path::{Path, PathBuf},
};

use fixture::{append_all, checkpoint, copy, files, open, seqs, small};
use tallystick_journal::{Checkpoints as _, Durability, StorageFault};
use tallystick_store::{Store, StoreOptions};

/// Makes a folder with files and logs in both instances, closed without a farewell.
fn past(root: &Path, options: StoreOptions) {
    for seqs in [1..=30, 31..=60] {
        let store = open(root, options);
        append_all(&*store.journal(), seqs, 50_000);
        store.index().save(&[checkpoint(3, b"head", &[(1, 9, Some(b"row"))])]).unwrap();
        store.journal().wait_background().unwrap();
    }
}

/// Reads every file but the locks and RocksDB's diary.
fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in ["journal", "index"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name != "LOCK" && !name.starts_with("LOG") {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    found
}

fn has_kept(root: &Path) -> bool {
    root.join("opening").exists() || root.join("opening.draft").exists()
}

#[test]
fn what_was_only_looked_at_is_as_it_was() {
    for durability in [Durability::Fsync, Durability::Os] {
        let root = tempfile::tempdir().unwrap();
        let options = StoreOptions { durability, ..small() };
        past(root.path(), options);
        let before = contents(root.path());
        let store = open(root.path(), options);
        assert_eq!(seqs(&*store.journal()).len(), 60);
        assert!(has_kept(root.path()) && contents(root.path()) != before, "opening changes files");
        drop(store);
        assert!(contents(root.path()) == before && !has_kept(root.path()));
    }
}

#[test]
fn a_list_of_files_that_lost_its_end_costs_no_file() {
    let root = tempfile::tempdir().unwrap();
    past(root.path(), small());
    let whole = contents(root.path());
    let list = files_named(&root.path().join("journal"), "MANIFEST").pop().unwrap();
    let bytes = fs::read(&list).unwrap();
    for length in (0..bytes.len()).step_by(97) {
        fs::write(&list, &bytes[..length]).unwrap();
        if let Ok(store) = Store::open(root.path(), small()) {
            drop(store);
        }
        fs::write(&list, &bytes).unwrap();
        assert!(contents(root.path()) == whole, "a list of {length} bytes");
    }
    assert_eq!(seqs(&*open(root.path(), small()).journal()).len(), 60);
}

#[test]
fn what_a_crash_left_half_open_is_put_back() {
    let root = tempfile::tempdir().unwrap();
    past(root.path(), small());
    let before = contents(root.path());
    // A process that dies runs no destructor; its copy has no locks.
    let store = ManuallyDrop::new(open(root.path(), small()));
    let crashed = tempfile::tempdir().unwrap();
    copy(root.path(), crashed.path());
    drop(ManuallyDrop::into_inner(store));
    assert!(
        contents(crashed.path()).keys().map(relative(crashed.path())).collect::<Vec<_>>()
            != before.keys().map(relative(root.path())).collect::<Vec<_>>()
    );
    // A copy has no second names, but the same bytes.
    drop(open(crashed.path(), small()));
    let after: Vec<_> = contents(crashed.path()).into_values().collect();
    assert!(after.iter().eq(before.values()));
    assert!(!has_kept(crashed.path()));
}

fn relative(root: &Path) -> impl Fn(&PathBuf) -> PathBuf {
    move |path| path.strip_prefix(root).unwrap().to_owned()
}

#[test]
fn once_something_is_written_nothing_is_put_back() {
    let root = tempfile::tempdir().unwrap();
    past(root.path(), small());
    let store = open(root.path(), small());
    append_all(&*store.journal(), [61], 100);
    assert!(!has_kept(root.path()), "given up before the group is durable");
    drop(store);
    assert_eq!(seqs(&*open(root.path(), small()).journal()).last(), Some(&61));
}

#[test]
fn the_newest_log_must_be_there() {
    for (durability, folder) in
        [(Durability::Fsync, "journal"), (Durability::Os, "journal"), (Durability::Fsync, "index")]
    {
        let root = tempfile::tempdir().unwrap();
        let options = StoreOptions { durability, ..small() };
        past(root.path(), options);
        let newest = files(&root.path().join(folder), "log").pop().unwrap();
        fs::remove_file(newest).unwrap();
        let fault = Store::open(root.path(), options).unwrap_err();
        let StorageFault::Corrupt { place, finding } = &fault else { panic!("{fault}") };
        assert!(place.ends_with(folder) && finding.starts_with("expected a log with the number "), "{fault}");
    }
}

fn files_named(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    found.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix)).collect()
}
