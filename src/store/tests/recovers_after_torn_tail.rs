//! A write that never returned, torn off at the end of the log, is cut: every group before it comes back.

mod fixture;

use fixture::{append_all, copy, cut, files, open, seqs, small};

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
