//! Groups come back after a reopen, in order, in both durability modes.

mod fixture;

use std::ops::ControlFlow;

use fixture::{append_all, group, open, read_from, seqs, small};
use tallystick_journal::{Durability, Journal, StorageFault};
use tallystick_store::StoreOptions;

#[test]
fn keeps_groups_over_reopen_in_both_durability_modes() {
    for durability in [Durability::Fsync, Durability::Os] {
        let root = tempfile::tempdir().unwrap();
        let options = StoreOptions { durability, ..small() };
        {
            let store = open(root.path(), options);
            assert_eq!(store.journal().durability(), durability);
            append_all(&*store.journal(), (1..=200).step_by(10), 40_000);
        }
        let store = open(root.path(), options);
        let found = read_from(&*store.journal(), 0).unwrap();
        let expected: Vec<_> = (1..=200).step_by(10).map(|seq| (seq, group(seq, 40_000))).collect();
        assert!(found == expected, "{durability:?}: {} groups came back", found.len());
        append_all(&*store.journal(), [201], 10);
        assert_eq!(seqs(&*store.journal()).last(), Some(&201));
    }
}

#[test]
fn a_reopen_may_change_the_durability_mode() {
    let root = tempfile::tempdir().unwrap();
    append_all(&*open(root.path(), StoreOptions::new(Durability::Os)).journal(), 1..=5, 100);
    append_all(&*open(root.path(), StoreOptions::new(Durability::Fsync)).journal(), 6..=10, 100);
    assert_eq!(seqs(&*open(root.path(), StoreOptions::default()).journal()), (1..=10).collect::<Vec<_>>());
}

#[test]
fn reads_from_the_group_that_contains_a_seq() {
    let root = tempfile::tempdir().unwrap();
    let journal = open(root.path(), small()).journal();
    assert_eq!(read_from(&*journal, 7).unwrap(), vec![]);
    append_all(&*journal, [10, 20, 30], 100);
    let firsts =
        |from| read_from(&*journal, from).unwrap().into_iter().map(|(seq, _)| seq).collect::<Vec<_>>();
    assert_eq!(firsts(0), [10, 20, 30], "nothing starts that low: from the first group");
    assert_eq!(firsts(20), [20, 30]);
    assert_eq!(firsts(29), [20, 30]);
    assert_eq!(firsts(u64::MAX), [30]);
}

#[test]
fn a_visitor_may_stop_a_walk_with_and_without_a_fault() {
    let root = tempfile::tempdir().unwrap();
    let journal = open(root.path(), small()).journal();
    append_all(&*journal, [1, 2, 3], 100);
    let mut visited = 0;
    let mut stop = |_: u64, _: &[u8]| {
        visited += 1;
        Ok(ControlFlow::Break(()))
    };
    journal.read(0, &mut stop).unwrap();
    assert_eq!(visited, 1);
    let fault = StorageFault::Io("mine".to_owned());
    assert_eq!(journal.read(0, &mut |_, _| Err(fault.clone())), Err(fault.clone()));
}

#[test]
#[should_panic(expected = "seq 10 is not above the last group's first seq Some(10)")]
fn a_seq_given_twice_stops_the_process_after_a_reopen_too() {
    let root = tempfile::tempdir().unwrap();
    append_all(&*open(root.path(), small()).journal(), [10], 100);
    append_all(&*open(root.path(), small()).journal(), [10], 100);
}
