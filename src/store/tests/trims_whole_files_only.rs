//! Trimming gives space back, file by file, and never takes a group that is still needed.
#![allow(clippy::unwrap_used, reason = "a fixture that fails fails its test")]

mod fixture;

use std::{fs, ops::ControlFlow};

use fixture::{append_all, files, open, read_from, seqs, small};
use tallystick_journal::{Durability, Journal, TrimStep};
use tallystick_store::{RocksJournal, StoreOptions};

const GROUP_BYTES: usize = 100_000;

fn trim_all(journal: &RocksJournal, before_seq: u64) -> usize {
    let mut steps = 0;
    while journal.trim(before_seq).unwrap() == TrimStep::More {
        steps += 1;
    }
    steps
}

/// Ten seqs to a group: group n covers 10n to 10n + 9. Waits so often that no flush writes two memtables as one file.
fn filled(journal: &RocksJournal, groups: u64) {
    for n in 1..=groups {
        append_all(journal, [n * 10], GROUP_BYTES);
        if n % 5 == 0 {
            journal.wait_background().unwrap();
        }
    }
}

#[test]
fn gives_space_back_in_files_of_sixteen_mebibytes() {
    let root = tempfile::tempdir().unwrap();
    let journal = open(root.path(), StoreOptions::new(Durability::Os)).journal();
    filled(&journal, 1_000);
    let before = journal.size_bytes();
    assert!(before > 95_000_000, "{before}");
    assert!(matches!(trim_all(&journal, 8_000), 2..=5));
    let after = journal.size_bytes();
    assert!(after + 50_000_000 < before, "{before} before, {after} after");
    let left = seqs(&*journal);
    assert!(left[0] <= 8_000 && left.ends_with(&[9_990, 10_000]), "starts at {}", left[0]);
    assert!(left.windows(2).all(|pair| pair[1] == pair[0] + 10), "a hole");
}

#[test]
fn never_takes_a_group_that_reaches_the_seq() {
    let root = tempfile::tempdir().unwrap();
    let journal = open(root.path(), small()).journal();
    filled(&journal, 100);
    let mut steps = 0;
    for before_seq in 0..=1_020 {
        steps += trim_all(&journal, before_seq);
        let mut first = None;
        journal
            .read(before_seq, &mut |seq, _| {
                first = first.or(Some(seq));
                Ok(ControlFlow::Break(()))
            })
            .unwrap();
        let needed = (before_seq / 10).clamp(1, 100) * 10;
        assert_eq!(first, Some(needed), "trimmed before {before_seq}");
    }
    assert!(steps >= 5, "{steps} files went");
    assert!(seqs(&*journal).len() < 30);
}

#[test]
fn leaves_a_journal_in_memory_alone_and_writes_nothing_out() {
    let root = tempfile::tempdir().unwrap();
    let journal = open(root.path(), StoreOptions::new(Durability::Os)).journal();
    append_all(&*journal, 1..=10, GROUP_BYTES);
    assert_eq!(journal.trim(u64::MAX), Ok(TrimStep::Done));
    assert_eq!(seqs(&*journal), (1..=10).collect::<Vec<_>>());
    assert_eq!(files(&root.path().join("journal"), "sst").len(), 0);
}

#[test]
fn stays_trimmed_over_a_reopen() {
    let root = tempfile::tempdir().unwrap();
    let left = {
        let journal = open(root.path(), small()).journal();
        filled(&journal, 100);
        assert!(trim_all(&journal, 500) > 0);
        read_from(&*journal, 0).unwrap()
    };
    assert!(left[0].0 > 10 && left[0].0 <= 500);
    assert!(read_from(&*open(root.path(), small()).journal(), 0).unwrap() == left);
}

#[test]
fn moves_files_and_never_rewrites_one() {
    let root = tempfile::tempdir().unwrap();
    for first in [1, 101, 201] {
        let journal = open(root.path(), small()).journal();
        append_all(&*journal, first..first + 100, GROUP_BYTES);
        journal.wait_background().unwrap();
    }
    let folder = root.path().join("journal");
    let log: String = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("LOG")))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    assert!(log.matches("\"event\": \"trivial_move\"").count() >= 3);
    assert_eq!(log.matches("compaction_started").count(), 0, "a file was rewritten");
}
