//! What is derived step by step and what is derived anew in one go are the same: byte for byte once sessions are settled,
//! and to every look-up before.
#![allow(clippy::unwrap_used, reason = "a test")]

mod past;

use past::{Past, follow, small};
use std::sync::Arc;
use tallystick_projection::{Follower, Options};

#[test]
fn settled_sessions_are_the_same_bytes() {
    let mut past = Past::new(11);
    past.live(120).settle_all();
    let (one_go, _) = past.followed(Options::default());
    for step_records in [1, 13, 500] {
        let (steps, _) = past.followed(small(step_records));
        assert_eq!(steps.dump(), one_go.dump(), "{step_records} records a step");
    }
}

#[test]
fn open_sessions_are_the_same_to_every_look_up() {
    let mut past = Past::new(12);
    past.live(80);
    for step_records in [1, 13, u64::MAX] {
        let (_, lookups) = past.followed(small(step_records));
        past.check(&lookups, past.last_seq());
    }
}

#[test]
fn a_rebuild_is_a_new_beginning() {
    let mut past = Past::new(13);
    past.live(60).settle_all();
    let (store, _) = past.followed(small(7));
    let before = store.dump();
    store.tamper(|entries| entries.retain(|(table, _), _| *table % 2 == 0));
    let mut again = Follower::rebuild(past.parts(&store), small(99)).unwrap();
    assert_eq!(again.cursor(), 0);
    follow(&mut again, past.last_seq()).unwrap();
    assert_eq!(store.dump(), before);
}

#[test]
fn deleting_it_loses_nothing() {
    let mut past = Past::new(14);
    past.live(40);
    let (_, first) = past.followed(small(3));
    let deleted = Arc::default();
    let mut follower = past.follower(&deleted, Options::default());
    follow(&mut follower, past.last_seq()).unwrap();
    past.check(&first, past.last_seq());
    past.check(&follower.lookups(), past.last_seq());
}
