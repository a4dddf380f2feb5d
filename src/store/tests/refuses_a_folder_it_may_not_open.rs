//! A folder is opened once at a time, and never by a build older than the one that wrote it.

mod fixture;

use std::{env, fs, process::Command};

use fixture::{append_all, open, small};
use tallystick_journal::{Durability, StorageFault};
use tallystick_store::{Store, StoreOptions, StoreReader};

const OTHER: &str = "TALLYSTICK_STORE_TEST_OTHER_PROCESS";

#[test]
fn refuses_a_second_open_in_the_same_process() {
    let root = tempfile::tempdir().unwrap();
    let first = open(root.path(), small());
    let fault = Store::open(root.path(), small()).unwrap_err();
    assert!(matches!(fault, StorageFault::InUse(_)), "{fault}");
    let text = fault.to_string();
    assert!(
        text.contains("fuser") && text.contains(&root.path().join("LOCK").display().to_string()),
        "{text}"
    );
    drop(first);
    open(root.path(), small());
}

/// Runs itself again as the other process, which must be refused.
#[test]
fn refuses_a_second_open_in_another_process() {
    if let Some(root) = env::var_os(OTHER) {
        let fault = Store::open(root, small()).unwrap_err();
        assert!(matches!(&fault, StorageFault::InUse(text) if text.contains("/LOCK` names it")), "{fault}");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let _first = open(root.path(), small());
    let other = Command::new(env::current_exe().unwrap())
        .args(["--exact", "refuses_a_second_open_in_another_process"])
        .env(OTHER, root.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&other.stdout).into_owned();
    assert!(other.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn refuses_a_newer_store_format_before_touching_anything() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("FORMAT"), "tallystick store format 3\n").unwrap();
    let fault = Store::open(root.path(), small()).unwrap_err();
    assert!(matches!(fault, StorageFault::Newer { found: 3, known: 2, .. }), "{fault}");
    assert!(fault.to_string().contains("format version 3, newer than 2"), "{fault}");
    assert!(!root.path().join("journal").exists());
}

#[test]
fn refuses_a_folder_with_groups_that_lost_its_format_file() {
    let root = tempfile::tempdir().unwrap();
    append_all(&*open(root.path(), small()).journal(), [1], 100);
    fs::remove_file(root.path().join("FORMAT")).unwrap();
    let fault = Store::open(root.path(), small()).unwrap_err();
    assert!(matches!(&fault, StorageFault::Corrupt { place, .. } if place.ends_with("FORMAT")), "{fault}");
}

#[test]
fn opens_a_folder_whose_first_open_was_cut_short() {
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path(), small()));
    fs::remove_file(root.path().join("FORMAT")).unwrap();
    open(root.path(), small());
    assert_eq!(fs::read_to_string(root.path().join("FORMAT")).unwrap(), "tallystick store format 2\n");
}

#[test]
fn a_folder_of_the_format_before_becomes_one_of_this() {
    let root = tempfile::tempdir().unwrap();
    // In this mode logs only ever grow, as all did then.
    append_all(&*open(root.path(), small()).journal(), 1..=5, 100);
    let format = root.path().join("FORMAT");
    fs::write(&format, "tallystick store format 1\n").unwrap();
    StoreReader::open(root.path()).unwrap();
    assert_eq!(fs::read_to_string(&format).unwrap(), "tallystick store format 1\n", "reading changed it");
    let store = open(root.path(), StoreOptions::new(Durability::Fsync));
    assert_eq!(fs::read_to_string(&format).unwrap(), "tallystick store format 2\n");
    assert!(fixture::seqs(&*store.journal()).into_iter().eq(1..=5));
    append_all(&*store.journal(), [6], 100);
}

#[test]
fn a_folder_of_the_format_before_that_is_in_use_stays_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let _first = open(root.path(), small());
    let format = root.path().join("FORMAT");
    fs::write(&format, "tallystick store format 1\n").unwrap();
    assert!(matches!(Store::open(root.path(), small()), Err(StorageFault::InUse(_))));
    assert_eq!(fs::read_to_string(&format).unwrap(), "tallystick store format 1\n");
}
