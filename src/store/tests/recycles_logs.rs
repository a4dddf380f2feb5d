//! With a sync for each group, log files are written over: what they held before is never taken for a group, a torn tail is
//! cut, and damage is refused as in a log that grew.
#![allow(clippy::unwrap_used, reason = "a fixture that fails fails its test")]

mod fixture;

use std::{
    fs,
    path::{Path, PathBuf},
};

use fixture::{append_all, copy, files, group, open, read_from, seqs, small};
use tallystick_journal::{Durability, StorageFault};
use tallystick_store::{Store, StoreOptions, StoreReader};

const GROUP_BYTES: usize = 5_000;

fn recycling() -> StoreOptions {
    StoreOptions { durability: Durability::Fsync, ..small() }
}

/// Leaves a folder as a crash does: what a process that still runs has written, and none of what it does when it ends.
fn crashed(seqs: impl IntoIterator<Item = u64>, bytes: usize) -> tempfile::TempDir {
    let (root, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(root.path(), recycling());
    append_all(&*store.journal(), seqs, bytes);
    store.journal().wait_background().unwrap();
    copy(root.path(), left.path());
    left
}

fn newest_log(root: &Path) -> PathBuf {
    files(&root.join("journal"), "log").pop().unwrap()
}

/// Finds where a group begins, by 64 of its bytes that do not straddle a block.
fn place(log: &[u8], seq: u64, bytes: usize) -> usize {
    let whole = group(seq, bytes);
    let found = |from: usize| log.windows(64).position(|window| window == &whole[from..from + 64]);
    [20, 200].into_iter().find_map(|from| found(from).map(|at| at - from)).unwrap()
}

#[test]
fn the_first_log_was_written_before_and_holds_nothing() {
    let left = crashed([], 0);
    let log = fs::read(newest_log(left.path())).unwrap();
    assert!(log.len() > 1 << 20, "{}", log.len());
    assert_eq!(files(&left.path().join("journal"), "sst").len(), 0);
    assert_eq!(seqs(&*open(left.path(), recycling()).journal()), []);
    assert_eq!(seqs(&*open(left.path(), small()).journal()), []);
}

#[test]
fn groups_come_back_from_logs_that_were_written_over_many_times() {
    let left = crashed(1..=2_000, GROUP_BYTES);
    let logs = files(&left.path().join("journal"), "log");
    assert!(logs.len() <= 7, "{}", logs.len());
    let expected: Vec<_> = (1..=2_000).map(|seq| (seq, group(seq, GROUP_BYTES))).collect();
    let mut found = Vec::new();
    let reader = StoreReader::open(left.path()).unwrap();
    reader
        .groups(1, &mut |seq, bytes| {
            found.push((seq, bytes.to_vec()));
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .unwrap();
    assert!(found == expected, "read only: {} came back", found.len());
    drop(reader);
    // In either mode of durability, and again after what was appended then.
    for (nth, options) in [(1, recycling()), (2, small()), (3, recycling())] {
        let journal = open(left.path(), options).journal();
        assert!(read_from(&*journal, 0).unwrap()[..2_000] == expected);
        append_all(&*journal, [2_000 + nth], 100);
        assert_eq!(seqs(&*journal).len(), 2_000 + usize::try_from(nth).unwrap());
    }
}

#[test]
fn every_flipped_bit_in_what_was_written_is_refused_and_none_behind_it() {
    let left = crashed(1..=240, GROUP_BYTES);
    let (path, clean) = (newest_log(left.path()), fs::read(newest_log(left.path())).unwrap());
    let last = place(&clean, 240, GROUP_BYTES);
    let end = last + GROUP_BYTES;
    assert!(end + 100_000 < clean.len(), "{end} of {}", clean.len());
    // All bits about the last group's beginning, where the record's header is, and some of all others.
    for bit in ((last - 40) * 8..(last + 4) * 8).chain((0..end * 8).step_by(80_021)) {
        let mut damaged = clean.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, damaged).unwrap();
        let fault = Store::open(left.path(), recycling()).unwrap_err();
        let StorageFault::Corrupt { place, finding } = &fault else { panic!("bit {bit}: {fault}") };
        assert!(place.contains(".log at byte ") && finding.contains("found"), "bit {bit}: {fault}");
    }
    let mut stale = clean.clone();
    for byte in (end + 20..clean.len()).step_by(4_099) {
        stale[byte] ^= 4;
    }
    fs::write(&path, stale).unwrap();
    assert_eq!(seqs(&*open(left.path(), recycling()).journal()), (1..=240).collect::<Vec<_>>());
}

#[test]
fn lost_pages_are_a_torn_tail_in_the_last_group_and_damage_before() {
    const PAGE_BYTES: usize = 4_096;
    let bytes = 50_000;
    let left = crashed(1..=12, bytes);
    let (path, clean) = (newest_log(left.path()), fs::read(newest_log(left.path())).unwrap());
    let (begin, end) = (place(&clean, 12, bytes), place(&clean, 12, bytes) + bytes);
    let first_page = begin.next_multiple_of(PAGE_BYTES);
    for page in (first_page..end - PAGE_BYTES).step_by(PAGE_BYTES) {
        let torn = tempfile::tempdir().unwrap();
        copy(left.path(), torn.path());
        let mut damaged = clean.clone();
        // What the file was filled with at first.
        damaged[page..page + PAGE_BYTES].fill(0xff);
        fs::write(newest_log(torn.path()), damaged).unwrap();
        for options in [recycling(), small()] {
            let opened = tempfile::tempdir().unwrap();
            copy(torn.path(), opened.path());
            let journal = open(opened.path(), options).journal();
            assert_eq!(seqs(&*journal), (1..=11).collect::<Vec<_>>(), "page at {page}");
            append_all(&*journal, [12, 13], bytes);
            drop(journal);
            assert_eq!(seqs(&*open(opened.path(), options).journal()), (1..=13).collect::<Vec<_>>());
        }
    }
    let mut damaged = clean.clone();
    let eleventh = place(&clean, 11, bytes).next_multiple_of(PAGE_BYTES);
    damaged[eleventh..eleventh + PAGE_BYTES].fill(0xff);
    fs::write(path, damaged).unwrap();
    for options in [recycling(), small()] {
        let fault = Store::open(left.path(), options).unwrap_err().to_string();
        assert!(fault.contains("a checksum mismatch with whole records of the same log after it"), "{fault}");
    }
}
