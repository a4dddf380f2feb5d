//! The follower beside an engine, under schedules that a seed draws: whoever waits for the cursor is woken, nothing undurable
//! is found, and no group is trimmed that is still needed. `make shuttle`; see the engine's tests of this kind.
#![cfg(shuttle)]
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../../engine/tests/schedules/mod.rs"]
mod schedules;

use schedules::{World, by_key, explore, options, parts};
use shuttle::{future::block_on, thread};
use std::{sync::Arc, time::Duration};
use tallystick_engine::Stepped;
use tallystick_journal::{
    NeededFrom,
    memory::{MemoryIndex, MemoryJournal, MemoryProjection},
};
use tallystick_projection::{Follower, Following, Lookup, Lookups, Options, Parts, Silent, Stopped};

const LONG: Duration = Duration::from_secs(60);

fn follower(journal: &Arc<MemoryJournal>, needed_from: &Arc<NeededFrom>) -> Follower {
    let parts = Parts {
        journal: Arc::clone(journal) as _,
        checkpoints: Arc::new(MemoryIndex::default()),
        store: Arc::new(MemoryProjection::default()),
        needed_from: Arc::clone(needed_from),
        events: Arc::new(Silent),
    };
    // Each write is synced at once: from where on the journal is needed moves each time.
    Follower::open(parts, Options { sync_bytes: 1, step_records: 2, ..Options::default() }).unwrap()
}

fn is_found(lookups: &Lookups, lookup: Lookup, seq: u64) {
    match lookup {
        Lookup::Found { debit, as_of_seq } => assert!(debit.seq == seq && as_of_seq >= seq),
        other => panic!("{other:?}, and the cursor is {}", lookups.cursor()),
    }
}

#[test]
fn what_was_heard_is_found_by_whoever_waits() {
    explore(|| {
        let world = World::new();
        let (session, payee) = world.session_of_100();
        let follower = follower(&world.journal, &Arc::default());
        let following = Following::start(follower, Arc::clone(world.engine().watermark())).unwrap();
        let paying = ["a", "b"].map(|key| {
            let (engine, lookups) = (world.engine(), following.lookups().clone());
            thread::spawn(move || {
                let seq = engine.debit(&by_key(session, payee, 10, key)).wait().unwrap().seq;
                if key == "a" {
                    assert_eq!(lookups.wait_for(seq, LONG), Ok(true));
                } else {
                    assert_eq!(block_on(lookups.reach(seq)), Ok(()));
                }
                is_found(&lookups, lookups.by_key(session, key.as_bytes(), seq).unwrap(), seq);
                assert!(lookups.cursor() <= engine.durable_seq());
            })
        });
        paying.into_iter().for_each(|paying| paying.join().unwrap());
        let engine = world.engine();
        world.running.stop().unwrap();
        let lookups = following.lookups().clone();
        following.stop().unwrap();
        assert_eq!(lookups.cursor(), engine.durable_seq());
        // Nobody moves the cursor any more, and nobody waits for ever.
        assert_eq!(lookups.wait_for(engine.durable_seq() + 1, LONG), Err(Stopped));
    });
}

/// An engine trims its journal as far as it may, checkpoint by checkpoint, while the follower reads it.
#[test]
fn no_group_goes_before_it_is_followed() {
    explore(|| {
        let journal = Arc::new(MemoryJournal::default());
        let needed_from = Arc::new(NeededFrom::default());
        let follower = follower(&journal, &needed_from);
        let parts = tallystick_engine::Parts { journal_needed_from: needed_from, ..parts(&journal) };
        let (stepped, _) = Stepped::start(parts, options()).unwrap();
        let engine = Arc::clone(stepped.engine());
        let following = Following::start(follower, Arc::clone(engine.watermark())).unwrap();
        for _ in 0..3 {
            let ticket = engine.open_writer(None);
            while stepped.commit().unwrap() {}
            let seq = ticket.wait().map(|_| engine.durable_seq()).unwrap();
            let summary = stepped.checkpoint(&NoPause).unwrap();
            while stepped.trim(&summary).unwrap() == tallystick_journal::TrimStep::More {}
            assert!(seq <= engine.durable_seq());
        }
        let lookups = following.lookups().clone();
        assert_eq!(lookups.wait_for(engine.durable_seq(), LONG), Ok(true));
        assert_eq!(lookups.complete_from(), 1, "something was gone before it was followed");
        following.stop().unwrap();
    });
}

struct NoPause;

impl tallystick_engine::Aside for NoPause {
    fn pause(&self, _: Duration) {}
}

#[test]
fn whoever_waits_hears_that_the_journal_has_failed() {
    explore(|| {
        let world = World::new();
        let (session, payee) = world.session_of_100();
        let follower = follower(&world.journal, &Arc::default());
        let following = Following::start(follower, Arc::clone(world.engine().watermark())).unwrap();
        world.journal.fail_after(0);
        let (engine, lookups) = (world.engine(), following.lookups().clone());
        let beyond = engine.durable_seq() + 1;
        let asking = thread::spawn(move || engine.debit(&by_key(session, payee, 10, "a")).wait().is_err());
        assert_eq!(lookups.wait_for(beyond, LONG), Err(Stopped));
        assert!(asking.join().unwrap());
        following.stop().unwrap();
    });
}
