//! An index that is taken back to an earlier seq tells what one tells that never went further, and goes on from there to the
//! same bytes.
#![allow(clippy::unwrap_used, reason = "a test")]

mod past;

use past::{Past, follow, small};
use std::{ops::ControlFlow, sync::Arc};
use tallystick_journal::{Floor, GroupView, Journal as _, ProjectionStore as _, memory::MemoryProjection};
use tallystick_projection::{Options, Rewind};

/// Takes an index back to where a shorter past ends.
fn rewind(store: &Arc<MemoryProjection>, long: &Past, short: &Past) {
    let last = short.last_seq();
    let (mut rewind, mut check) = (Rewind::new(last), 0);
    let read = long.journal.read(1, &mut |key, bytes| {
        let group = GroupView::parse(key, bytes)?;
        if group.last_seq() == last {
            check = group.check;
        }
        group.skim(|seq, stamp, record| rewind.take(seq, stamp, record))?;
        Ok(ControlFlow::Continue(()))
    });
    read.unwrap();
    rewind.apply(store.as_ref(), Floor { seq: last, check }).unwrap();
}

#[test]
fn it_tells_what_it_told_then() {
    for (seed, groups) in [(21, 1), (22, 5), (23, 30), (24, 79), (25, 60)] {
        let (mut short, mut long) = (Past::new(seed), Past::new(seed));
        short.live(groups);
        long.live(groups).live(80 - groups).settle_all();
        for step_records in [7, 200, u64::MAX] {
            let (store, _) = long.followed(small(step_records));
            rewind(&store, &long, &short);
            let follower = short.follower(&store, small(step_records));
            assert_eq!(follower.cursor(), short.last_seq(), "it was derived anew");
            long.check(&follower.lookups(), short.last_seq());
        }
    }
}

#[test]
fn it_goes_on_to_the_same_bytes() {
    let (mut short, mut long) = (Past::new(31), Past::new(31));
    short.live(40);
    long.live(40).live(40).settle_all();
    let (store, _) = long.followed(Options::default());
    let before = store.dump();
    rewind(&store, &long, &short);
    assert_ne!(store.dump(), before);
    let mut again = long.follower(&store, small(100));
    assert_eq!(again.cursor(), short.last_seq());
    follow(&mut again, long.last_seq()).unwrap();
    assert_eq!(store.dump(), before);
}

#[test]
fn one_that_has_not_come_so_far_stays_as_it_is() {
    let mut past = Past::new(41);
    past.live(20);
    let (store, _) = past.followed(small(9));
    let before = store.dump();
    rewind(&store, &past, &past);
    assert_eq!(store.dump(), before);
    store.clear().unwrap();
    rewind(&store, &past, &past);
    assert!(store.dump().is_empty());
}
