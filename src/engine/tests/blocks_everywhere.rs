//! I10: once a block is acknowledged, no debit to the payee is approved anywhere, though another partition hears of the
//! payee for the first time at that very moment, and though the power goes between its home and the others.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};
use tallystick_core::{DeclineCode, SessionId, payee::PayeeStatus};
use world::{Disk, HandClock, MORNING, World, audit, by_key, code, opening, quiet};

fn sessions(world: &World, count: usize) -> Vec<SessionId> {
    (0..count).map(|n| world.open(&opening(world.account(&format!("a{n}"), 1_000), "s", 1_000))).collect()
}

#[test]
fn a_block_raced_with_first_debits_from_many_partitions() {
    let world = World::new(16);
    let sessions = sessions(&world, 32);
    let (mut before, mut after) = (0, 0);
    for round in 0..40 {
        let payee = world.payee(&format!("p{round}"));
        let (blocked, tried) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            let debiting: Vec<_> = sessions
                .chunks(8)
                .map(|mine| {
                    let (world, blocked, tried) = (&world, &blocked, &tried);
                    scope.spawn(move || {
                        let (mut approved, mut declined) = (0, 0);
                        for (n, session) in mine.iter().chain(mine).enumerate() {
                            let late = blocked.load(Ordering::Acquire);
                            let key = format!("{round}-{n}");
                            let answer =
                                world.engine().debit(&by_key(*session, payee, 1, &key)).wait().unwrap();
                            tried.fetch_add(1, Ordering::Relaxed);
                            match code(&answer) {
                                None => {
                                    assert!(!late, "approved after the block was heard, round {round}");
                                    approved += 1;
                                }
                                Some(code) => {
                                    assert_eq!(code, DeclineCode::PayeeBlocked);
                                    declined += 1;
                                }
                            }
                        }
                        (approved, declined)
                    })
                })
                .collect();
            while tried.load(Ordering::Relaxed) < round {
                thread::yield_now();
            }
            world.engine().block_payee(payee).wait().unwrap();
            blocked.store(true, Ordering::Release);
            for thread in debiting {
                let (approved, declined) = thread.join().unwrap();
                (before, after) = (before + approved, after + declined);
            }
        });
        for session in &sessions {
            let key = format!("late {round}");
            assert_eq!(code(&world.debit(*session, payee, 1, &key)), Some(DeclineCode::PayeeBlocked));
        }
    }
    assert!(before > 100 && after > 100, "a race: {before} before, {after} after");
}

#[test]
fn a_block_whose_notices_were_lost_with_the_power_is_finished_at_the_start() {
    let mut half_done = 0;
    for crash_after in 0..14 {
        for landed in [false, true] {
            let mut options = quiet(256);
            options.group_bytes = 1;
            let (clock, ids) = (HandClock::at(MORNING), std::sync::Arc::default());
            let world = World::start(Disk::new(), &clock, &ids, options).unwrap();
            let sessions = sessions(&world, 6);
            let payee = world.payee("p");
            sessions.iter().for_each(|session| assert_eq!(code(&world.debit(*session, payee, 1, "k")), None));
            world.disk.lose_power_after(crash_after, landed);
            let heard = world.engine().block_payee(payee).wait().is_ok();
            let world = world.restart(4);
            let blocked = world.engine().payee(payee).wait().unwrap().status == PayeeStatus::Blocked;
            assert!(blocked || !heard);
            half_done += u32::from(blocked && !heard);
            for session in &sessions {
                let expected = blocked.then_some(DeclineCode::PayeeBlocked);
                assert_eq!(
                    code(&world.debit(*session, payee, 1, "l")),
                    expected,
                    "power gone after {crash_after}"
                );
                assert_eq!(code(&world.debit(*session, payee, 1, "k")), None, "a replay");
            }
            let stopped = world.engine().block_payee(payee).wait().unwrap();
            assert_eq!(stopped.replayed, blocked);
            let all_declined =
                sessions.iter().all(|session| code(&world.debit(*session, payee, 1, "m")).is_some());
            assert!(all_declined);
            audit(&world.disk.survivors().journal);
        }
    }
    assert!(half_done > 2, "the power went between the home and the notices {half_done} times");
}
