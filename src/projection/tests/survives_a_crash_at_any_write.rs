//! Wherever the power goes, what is left is taken up and becomes the same index; and the journal is never let go of below it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod past;

use past::{Past, follow, small};
use std::sync::Arc;
use tallystick_journal::memory::MemoryProjection;
use tallystick_projection::{Follower, Options, Step};

fn unsynced(step_records: u64) -> Options {
    Options { sync_bytes: u64::MAX, ..small(step_records) }
}

#[test]
fn whatever_was_not_synced_is_derived_again() {
    let mut past = Past::new(21);
    past.live(40).settle_all();
    let (whole, _) = past.followed(Options::default());
    let store: Arc<MemoryProjection> = Arc::default();
    let mut follower = past.follower(&store, unsynced(20));
    while follower.step(past.last_seq()).unwrap() == Step::Followed {}
    let writes = store.unsynced();
    assert!(writes > 20, "{writes} writes");
    for lost in 0..=writes {
        let left = Arc::new(store.survivors(lost));
        let mut again = past.follower(&left, unsynced(33));
        past.check(&again.lookups(), again.cursor());
        follow(&mut again, past.last_seq()).unwrap();
        assert_eq!(left.dump(), whole.dump(), "{lost} of {writes} writes lost");
    }
}

/// A session too large for one write settles in many, and is whole between any two of them.
#[test]
fn a_large_session_settles_in_pieces() {
    let mut past = Past::new(25);
    (0..3).for_each(|_| past.open_one());
    for _ in 0..600 {
        (0..5).for_each(|_| past.debit_one());
        past.commit();
    }
    let (before, _) = past.followed(small(1));
    let while_open = before.unsynced();
    // The last debits come in one step with the settlement: no piece of it may show them before the cursor is there.
    (0..400).for_each(|_| past.debit_one());
    past.settle_all();
    let (whole, _) = past.followed(Options::default());
    let in_pieces = |step_records| Options { piece_bytes: 1, ..unsynced(step_records) };
    let mut follower = past.follower(&before, in_pieces(1));
    follow(&mut follower, past.last_seq()).unwrap();
    assert_eq!(before.dump(), whole.dump());
    let writes = before.unsynced();
    assert!(writes > while_open + 12, "{while_open} and then {writes} writes");
    for lost in (0..24).chain([writes]) {
        let left = Arc::new(before.survivors(lost));
        let mut again = past.follower(&left, in_pieces(100));
        past.check(&again.lookups(), again.cursor());
        follow(&mut again, past.last_seq()).unwrap();
        assert_eq!(left.dump(), whole.dump(), "{lost} of {writes} writes lost");
    }
}

#[test]
fn a_failed_write_leaves_the_cursor_where_it_was() {
    let mut past = Past::new(22);
    past.live(25).settle_all();
    let (whole, _) = past.followed(Options::default());
    for writes in 0..60 {
        let store: Arc<MemoryProjection> = Arc::default();
        let mut follower = past.follower(&store, small(10));
        store.fail_after(writes);
        if follow(&mut follower, past.last_seq()).is_ok() {
            assert_eq!(store.dump(), whole.dump());
            continue;
        }
        past.check(&follower.lookups(), follower.cursor());
        store.fail_after(u64::MAX);
        // The same follower may try again, and so may another.
        let left = Arc::new(store.survivors(0));
        follow(&mut past.follower(&left, small(10)), past.last_seq()).unwrap();
        follow(&mut follower, past.last_seq()).unwrap();
        assert_eq!(store.dump(), whole.dump(), "the same, after {writes} writes");
        assert_eq!(left.dump(), whole.dump(), "another, after {writes} writes");
    }
}

#[test]
fn the_journal_is_needed_from_the_durable_cursor_on() {
    let mut past = Past::new(23);
    past.live(30);
    let store: Arc<MemoryProjection> = Arc::default();
    let parts = past.parts(&store);
    let needed = Arc::clone(&parts.needed_from);
    assert_eq!(needed.get(), u64::MAX, "nobody follows");
    let mut follower = Follower::open(parts.clone(), unsynced(10)).unwrap();
    assert_eq!(needed.get(), 1);
    follow(&mut follower, past.last_seq()).unwrap();
    assert_eq!(needed.get(), 1, "nothing is durable yet");
    assert_eq!(follower.cursor(), past.last_seq());
    follower.sync().unwrap();
    assert_eq!(needed.get(), past.last_seq() + 1);
    assert_eq!(store.unsynced(), 0);
    // Whoever opens it again needs what is not there any more no longer.
    needed.set(0);
    drop(Follower::open(parts, unsynced(10)).unwrap());
    assert_eq!(needed.get(), past.last_seq() + 1);
}

#[test]
fn enough_written_bytes_are_synced_by_themselves() {
    let mut past = Past::new(24);
    past.live(30);
    let store: Arc<MemoryProjection> = Arc::default();
    let parts = past.parts(&store);
    let needed = Arc::clone(&parts.needed_from);
    let mut follower = Follower::open(parts, Options { sync_bytes: 4_000, ..small(10) }).unwrap();
    follow(&mut follower, past.last_seq()).unwrap();
    assert!(needed.get() > 100, "needed from {}", needed.get());
    assert!(needed.get() <= follower.cursor() + 1);
}
