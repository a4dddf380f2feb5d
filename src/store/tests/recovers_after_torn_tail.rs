//! A write that never returned, torn off at the end of the log or with holes in it, is cut: all before it comes back.

mod fixture;

use std::fs;

use fixture::{append_all, checkpoint, copy, cut, files, group, open, rows, seqs, small};
use tallystick_journal::{Checkpoints as _, Durability};
use tallystick_store::StoreOptions;

#[test]
fn recovers_the_groups_before_a_torn_tail_and_appends_after_them() {
    let root = tempfile::tempdir().unwrap();
    append_all(&*open(root.path(), small()).journal(), 1..=5, 50_000);
    // From a few bytes up to all but a few of the last group's.
    for lost in [1, 7, 1_000, 40_000, 50_000] {
        let torn = tempfile::tempdir().unwrap();
        copy(root.path(), torn.path());
        cut(files(&torn.path().join("journal"), "log").last().unwrap(), lost);
        let journal = open(torn.path(), small()).journal();
        assert_eq!(seqs(&*journal), [1, 2, 3, 4], "{lost} bytes lost");
        append_all(&*journal, [5, 6], 50_000);
        drop(journal);
        assert_eq!(seqs(&*open(torn.path(), small()).journal()), [1, 2, 3, 4, 5, 6], "{lost} bytes lost");
    }
}

const PAGE_BYTES: usize = 4 << 10;

/// A file's length may last before what is in it: a power cut leaves zeros where pages are missing.
#[test]
fn recovers_the_checkpoints_before_one_that_lacks_pages_and_saves_after_them() {
    let root = tempfile::tempdir().unwrap();
    let (first, second) = (group(1, 60_000), group(2, 150_000));
    let save = |root: &std::path::Path, slot, value: &[u8]| {
        open(root, small()).index().save(&[checkpoint(3, b"head", &[(1, slot, Some(value))])]).unwrap();
    };
    save(root.path(), 1, &first);
    let before = fs::read(files(&root.path().join("index"), "log").pop().unwrap()).unwrap();
    let index = open(root.path(), small()).index();
    index.save(&[checkpoint(3, b"head", &[(1, 2, Some(&second[..]))])]).unwrap();
    index.save(&[checkpoint(3, b"head", &[(1, 3, Some(&second[..]))])]).unwrap();
    drop(index);
    let log = files(&root.path().join("index"), "log").pop().unwrap();
    let whole = fs::read(&log).unwrap();
    assert!(whole.len() > 300_000 && whole.len() > before.len());
    let last = whole.len() - 150_000;
    for lost in [&[0][..], &[1], &[0, 1, 2, 7], &[5, 20], &[30, 31]] {
        let torn = tempfile::tempdir().unwrap();
        copy(root.path(), torn.path());
        let mut bytes = whole.clone();
        for page in lost {
            let from = last.next_multiple_of(PAGE_BYTES) + page * PAGE_BYTES;
            bytes[from..from + PAGE_BYTES].fill(0);
        }
        fs::write(torn.path().join("index").join(log.file_name().unwrap()), bytes).unwrap();
        let slots = |root| rows(&*open(root, small()).index(), 3).unwrap().len();
        assert_eq!(slots(torn.path()), 2, "pages {lost:?}");
        save(torn.path(), 4, &first);
        assert_eq!(slots(torn.path()), 3, "pages {lost:?}");
    }
}

/// What fills the first logs of a process is torn, too, when the power goes as it starts.
#[test]
fn recovers_when_the_logs_were_being_filled() {
    for (durability, lost) in [(Durability::Fsync, 1), (Durability::Fsync, 300), (Durability::Os, 1)] {
        let options = StoreOptions { journal_file_bytes: 4 << 20, ..StoreOptions::new(durability) };
        let root = tempfile::tempdir().unwrap();
        append_all(&*open(root.path(), options).journal(), 1..=3, 5_000);
        let torn = tempfile::tempdir().unwrap();
        copy(root.path(), torn.path());
        // As if a log had just been begun.
        let name = "999999.log";
        let filled = files(&root.path().join("journal"), "log").pop().unwrap();
        let mut bytes = fs::read(filled).unwrap();
        bytes.resize(bytes.len().max(2 << 20), 0);
        bytes[..lost * PAGE_BYTES].fill(0);
        bytes[lost * PAGE_BYTES..].fill(0xff);
        fs::write(torn.path().join("journal").join(name), bytes).unwrap();
        let journal = open(torn.path(), options).journal();
        assert_eq!(seqs(&*journal), [1, 2, 3], "{durability:?}");
        append_all(&*journal, [4], 5_000);
        drop(journal);
        assert_eq!(seqs(&*open(torn.path(), options).journal()), [1, 2, 3, 4], "{durability:?}");
    }
}
