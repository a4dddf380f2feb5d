//! A checkpoint may fail, and may be asked for by many at once: nothing is lost, nothing stops.
//!
//! Found by reading: rows whose copies could not be stored had lost their marks, so the next checkpoint went without them
//! and covered them all the same. And a checkpoint asked for during another one stopped the process.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::{sync::atomic::Ordering, thread, time::Duration};
use tallystick_journal::{Checkpoints as _, Journal as _, TrimStep};
use world::{HandClock, MORNING, World, opening, quiet, replayed, stored, values};

#[test]
fn rows_of_a_failed_checkpoint_are_in_the_next() {
    let world = World::new(4);
    let (account, payee) = (world.account("a", 10_000), world.payee("p"));
    let session = world.open(&opening(account, "s", 5_000));
    world.running.checkpoint().unwrap();
    world.debit(session, payee, 600, "k");
    let closed = world.open(&opening(account, "t", 100));
    world.debit(closed, payee, 100, "k");
    let settled = world.engine().settle(closed, false).wait().unwrap().value.settlement().cloned().unwrap();
    world.disk.saves_failing.store(1, Ordering::SeqCst);
    assert!(world.running.checkpoint().is_err());
    let summary = world.running.checkpoint().unwrap();
    while world.disk.trim(summary.floor_seq.min(summary.covered_seq + 1)) == Ok(TrimStep::More) {}
    let world = world.restart(2);
    assert_eq!(world.debit(session, payee, 600, "k").remaining.nanos(), 4_400);
    assert_eq!(world.engine().settlement(settled.id()).wait(), Ok(settled));
    for (mut partition, stored) in replayed(&world.disk.archive).into_iter().zip(stored(&world.disk.index)) {
        let number = partition.number();
        assert_eq!(values(&mut partition), stored, "partition {number}");
    }
}

/// More rows than one lock hold copies, some of them changed while they wait to be copied.
#[test]
fn a_checkpoint_of_many_rows_is_of_one_moment() {
    let world = World::new(4);
    let (account, payee) = (world.account("a", 1_000_000), world.payee("p"));
    let sessions: Vec<_> = (0..400).map(|n| world.open(&opening(account, &format!("s{n}"), 1_000))).collect();
    thread::scope(|scope| {
        let (world, sessions) = (&world, &sessions);
        scope.spawn(move || {
            for round in 0..4 {
                for (n, session) in sessions.iter().enumerate() {
                    world.debit(*session, payee, 1, &format!("{round}-{n}"));
                }
            }
        });
        (0..6).for_each(|_| assert!(world.running.checkpoint().unwrap().rows < 500));
    });
    let world = world.restart(3);
    assert_eq!(world.engine().check_sound(), Ok(()));
    for (n, session) in sessions.iter().enumerate() {
        assert_eq!(world.debit(*session, payee, 1, &format!("0-{n}")).remaining.nanos(), 996);
    }
    world.running.checkpoint().unwrap();
    for (mut partition, stored) in replayed(&world.disk.archive).into_iter().zip(stored(&world.disk.index)) {
        let number = partition.number();
        assert_eq!(values(&mut partition), stored, "partition {number}");
    }
}

#[test]
fn checkpoints_asked_for_at_once_take_turns() {
    let world = World::new(4);
    let (account, payee) = (world.account("a", 1_000_000), world.payee("p"));
    let session = world.open(&opening(account, "s", 100_000));
    thread::scope(|scope| {
        for no in 0..4 {
            let world = &world;
            scope.spawn(move || {
                for n in 0..20 {
                    world.debit(session, payee, 1, &format!("{no}-{n}"));
                    world.running.checkpoint().unwrap();
                }
            });
        }
    });
    let world = world.restart(5);
    assert_eq!(world.debit(session, payee, 1, "last").remaining.nanos(), 100_000 - 81);
}

/// The checkpointer's own turns, with trimming: what is left of the journal is always enough to start from.
#[test]
fn the_background_trims_only_what_nobody_needs() {
    let options = || {
        let mut options = quiet(4);
        options.checkpoint_records = 20;
        options
    };
    let (clock, ids) = (HandClock::at(MORNING), std::sync::Arc::default());
    let mut world = World::start(world::Disk::new(), &clock, &ids, options()).unwrap();
    let (account, payee) = (world.account("a", 1_000_000), world.payee("p"));
    let session = world.open(&opening(account, "s", 100_000));
    let waiting = (std::sync::Mutex::new(()), std::sync::Condvar::new());
    for round in 0..6u64 {
        for n in 0..30 {
            world.debit(session, payee, 1, &format!("{round}-{n}"));
        }
        // Until the checkpointer has looked; a crash then finds whatever it has come to.
        let held = waiting.0.lock().unwrap();
        drop(waiting.1.wait_timeout(held, Duration::from_millis(150 + 60 * round)).unwrap());
        let disk = world.disk.survivors();
        drop(world.running);
        world = World::start(disk, &clock, &ids, options()).unwrap();
        let replay = world.debit(session, payee, 1, &format!("{round}-29"));
        assert!(replay.replayed);
        assert_eq!(replay.remaining.nanos(), 100_000 - 30 * (round + 1));
    }
    assert!(world.disk.size_bytes() < world.disk.archive.size_bytes(), "something was trimmed");
    assert!(world.disk.floor().unwrap().is_some());
}

/// What a follower has yet to read stays, whatever checkpoints cover; once it is let go of, it goes.
#[test]
fn the_background_trims_nothing_that_is_followed() {
    let options = tallystick_engine::Options { checkpoint_records: 20, ..quiet(4) };
    let disk = world::Disk::new();
    disk.needed_from.set(10);
    let world = World::start(disk, &HandClock::at(MORNING), &std::sync::Arc::default(), options).unwrap();
    let (account, payee) = (world.account("a", 1_000_000), world.payee("p"));
    let session = world.open(&opening(account, "s", 100_000));
    let first = || {
        let mut first = None;
        let read = world.disk.journal.read(0, &mut |key, _| {
            first = Some(key);
            Ok(std::ops::ControlFlow::Break(()))
        });
        read.unwrap();
        first.unwrap_or(0)
    };
    let waiting = (std::sync::Mutex::new(()), std::sync::Condvar::new());
    let mut rounds = 0;
    // Two checkpoints while it is followed; then as many as it takes until something has gone.
    while rounds < 2 || first() <= 10 {
        let before = world.disk.floor().unwrap();
        for n in 0..30 {
            world.debit(session, payee, 1, &format!("{rounds}-{n}"));
        }
        while world.disk.floor().unwrap() == before {
            let held = waiting.0.lock().unwrap();
            drop(waiting.1.wait_timeout(held, Duration::from_millis(20)).unwrap());
        }
        rounds += 1;
        if rounds <= 2 {
            assert!(first() <= 10, "the journal begins at seq {}", first());
        } else {
            world.disk.needed_from.set(u64::MAX);
        }
        assert!(rounds < 100, "nothing was ever trimmed");
    }
}
