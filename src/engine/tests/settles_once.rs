//! I5, I9: a session settles once, each approved debit in it; positions get each line once; ends are exact.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};
use tallystick_core::{Amount, DeclineCode, Level, Next, PayeeId, Refusal, Span, settlement::Reason};
use tallystick_engine::{Fault, OpenAnswer, SessionShown};
use world::{Disk, HandClock, MORNING, SECOND, World, audit, by_key, code, opening, quiet};

#[test]
fn every_approved_debit_is_in_the_settlement_and_none_comes_after() {
    for run in 0..10 {
        let world = World::new(8);
        let account = world.account("a", 1_000_000);
        let payees: Vec<PayeeId> = ["p", "q", "r"].map(|name| world.payee(name)).into();
        let session = world.open(&opening(account, "s", 1_000_000));
        let settled = AtomicBool::new(false);
        let (mut sums, mut settlements) = (BTreeMap::<PayeeId, (u64, u64)>::new(), Vec::new());
        thread::scope(|scope| {
            let debiting: Vec<_> = (0..8)
                .map(|no| {
                    let (world, payees, settled) = (&world, &payees, &settled);
                    scope.spawn(move || {
                        let mut approved = Vec::new();
                        for n in 0.. {
                            let late = settled.load(Ordering::Acquire);
                            let payee = payees[(n + no) % 3];
                            let amount = 1 + n as u64 % 7;
                            match world
                                .engine()
                                .debit(&by_key(session, payee, amount, &format!("{no}-{n}")))
                                .wait()
                            {
                                Ok(answer) => {
                                    assert!(!late, "approved after the settlement was heard");
                                    assert_eq!(code(&answer), None);
                                    approved.push((payee, amount));
                                }
                                Err(fault) => {
                                    assert_eq!(fault, Fault::Refused(Refusal::SessionRetired));
                                    return approved;
                                }
                            }
                        }
                        approved
                    })
                })
                .collect();
            let settling: Vec<_> = (0..4)
                .map(|_| {
                    let (world, settled, payees) = (&world, &settled, &payees);
                    scope.spawn(move || {
                        // Let some debits through first.
                        while world.engine().stats().durable_seq < 60 + run * 20 {
                            thread::yield_now();
                        }
                        let answer = world.engine().settle(session, false).wait().unwrap();
                        settled.store(true, Ordering::Release);
                        // Its lines are in the positions before it is heard, whoever closed the session.
                        let positions: u128 = payees.iter().map(|payee| world.payable(*payee)).sum();
                        assert_eq!(positions, u128::from(answer.value.settlement().unwrap().total.nanos()));
                        answer
                    })
                })
                .collect();
            settlements.extend(settling.into_iter().map(|thread| thread.join().unwrap()));
            for (payee, amount) in debiting.into_iter().flat_map(|thread| thread.join().unwrap()) {
                let sum = sums.entry(payee).or_default();
                *sum = (sum.0 + amount, sum.1 + 1);
            }
        });
        assert_eq!(settlements.iter().filter(|answer| !answer.replayed).count(), 1);
        let settlement = &settlements[0].value.settlement().cloned().unwrap();
        assert!(settlements.iter().all(|answer| answer.value.settlement().cloned().unwrap() == *settlement
            && answer.seq == settlement.seq));
        let lines = settlement.lines.iter().map(|line| (line.payee, (line.amount.nanos(), line.debit_count)));
        assert_eq!(lines.collect::<BTreeMap<_, _>>(), sums, "run {run}");
        assert!(settlement.lines.is_sorted_by_key(|line| line.payee));
        let account = world.engine().account(account).wait().unwrap();
        assert_eq!(account.spent_below.nanos(), u128::from(settlement.total.nanos()));
        assert!(account.reserved_by_children.nanos() == 0 && account.open_children == 0);
        audit(&world.disk.survivors().journal);
    }
}

#[test]
fn positions_get_each_line_once_wherever_the_power_goes() {
    for crash_after in 0..14 {
        for landed in [false, true] {
            // A group a record, so that the power can go between any two of them.
            let mut options = quiet(256);
            options.group_bytes = 1;
            let (clock, ids) = (HandClock::at(MORNING), std::sync::Arc::default());
            let world = World::start(Disk::new(), &clock, &ids, options).unwrap();
            let account = world.account("a", 1_000);
            let payees: Vec<PayeeId> = (0..4).map(|n| world.payee(&format!("p{n}"))).collect();
            let session = world.open(&opening(account, "s", 1_000));
            for (n, payee) in (1..).zip(&payees) {
                world.debit(session, *payee, 10 * n, &format!("k{n}"));
            }
            world.disk.lose_power_after(crash_after, landed);
            let heard = world
                .engine()
                .settle(session, false)
                .wait()
                .map(|answer| answer.value.settlement().cloned().unwrap());
            let world = world.restart(3).restart(5);
            let settlement =
                world.engine().settle(session, false).wait().unwrap().value.settlement().cloned().unwrap();
            if let Ok(heard) = heard {
                assert_eq!(heard, settlement);
            }
            let positions: Vec<u128> = payees.iter().map(|payee| world.payable(*payee)).collect();
            assert_eq!(positions, [10, 20, 30, 40], "power gone after {crash_after}, landed: {landed}");
            assert_eq!((settlement.total.nanos(), settlement.released.nanos()), (100, 900));
            audit(&world.disk.survivors().archive);
        }
    }
}

#[test]
fn a_reader_with_a_cursor_sees_each_settlement_once() {
    let world = World::new(8);
    let payee = world.payee("p");
    let done = AtomicBool::new(false);
    let mut seen = Vec::new();
    thread::scope(|scope| {
        let settling: Vec<_> = (0..4)
            .map(|no| {
                let world = &world;
                scope.spawn(move || {
                    let account = world.account(&format!("a{no}"), 1_000_000);
                    let settled = (0..60).map(|n| {
                        let session = world.open(&opening(account, &format!("s{n}"), 100));
                        world.debit(session, payee, 1 + n, "k");
                        world
                            .engine()
                            .settle(session, false)
                            .wait()
                            .unwrap()
                            .value
                            .settlement()
                            .cloned()
                            .unwrap()
                    });
                    settled.collect::<Vec<_>>()
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                world.running.checkpoint().unwrap();
            }
        });
        let mut after = 0;
        let mut read = |seen: &mut Vec<_>| {
            let page = world.engine().settlements_after(after, 7).unwrap();
            assert!(page.iter().all(|settlement| settlement.seq > after));
            after = page.last().map_or(after, |settlement| settlement.seq);
            seen.extend(page.iter().cloned());
            page.is_empty()
        };
        while settling.iter().any(|thread| !thread.is_finished()) {
            read(&mut seen);
        }
        let mut all: Vec<_> = settling.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        while !read(&mut seen) {}
        done.store(true, Ordering::Release);
        all.sort_by_key(|settlement| settlement.seq);
        assert_eq!(seen, all);
    });
}

#[test]
fn an_end_is_exact_to_the_nanosecond() {
    let world = World::new(2);
    let (account, payee) = (world.account("a", 1_000), world.payee("p"));
    let mut asked = opening(account, "s", 100);
    asked.ttl = Span::from_ns(50);
    let session = world.open(&asked);
    world.clock.set(MORNING + 49);
    assert_eq!(code(&world.debit(session, payee, 1, "last")), None);
    world.clock.set(MORNING + 50);
    let late = world.debit(session, payee, 1, "late").decline.unwrap();
    assert_eq!(
        (late.code, late.level, late.next),
        (DeclineCode::SessionEnded, Level::Session, Next::Nothing)
    );
    assert_eq!(code(&world.debit(session, payee, 1, "last")), None, "a replay tells what was decided then");
    // The clock runs back: what has ended has ended.
    world.clock.set(MORNING);
    assert_eq!(code(&world.debit(session, payee, 1, "later")), Some(DeclineCode::SessionEnded));
    let SessionShown::Open(view) = world.engine().session(session).wait().unwrap() else { panic!("swept") };
    assert!(view.ended);
    assert_eq!(
        world.engine().settle(session, false).wait().unwrap().value.settlement().unwrap().reason,
        Reason::Expired
    );
}

#[test]
fn a_clock_set_back_at_restart_brings_nothing_back() {
    let world = World::new(2);
    let (account, payee) = (world.account("a", 1_000), world.payee("p"));
    let session = world.open(&opening(account, "s", 100));
    world.clock.pass(600 * SECOND);
    // Another partition's record is enough: time is one for all.
    world.payee("q");
    world.clock.set(MORNING - 600 * SECOND);
    let world = world.restart(2);
    assert_eq!(code(&world.debit(session, payee, 1, "k")), Some(DeclineCode::SessionEnded));
    let opened = world.open(&opening(account, "t", 100));
    let SessionShown::Open(view) = world.engine().session(opened).wait().unwrap() else { panic!("not open") };
    assert_eq!(view.opened_at.ns(), MORNING + 600 * SECOND);
}

#[test]
fn what_has_expired_is_released_before_an_open_is_declined() {
    let world = World::new(2);
    let account = world.account("a", 100);
    let other = world.account("b", 100);
    let old: Vec<_> = (0..4).map(|n| world.open(&opening(account, &format!("old {n}"), 25))).collect();
    let others = world.open(&opening(other, "theirs", 100));
    world.clock.pass(600 * SECOND - 1);
    let early = world.engine().open_session(&opening(account, "early", 50)).wait().unwrap().value;
    let OpenAnswer::Declined(decline) = early else { panic!("{early:?}") };
    assert_eq!(
        (decline.code, decline.level, decline.next),
        (DeclineCode::Cap, Level::Account, Next::Nothing)
    );
    world.clock.pass(1);
    world.open(&opening(account, "new", 100));
    for session in old {
        assert_eq!(world.engine().settlement(session.settlement()).wait().unwrap().reason, Reason::Expired);
    }
    assert_eq!(world.engine().stats().open_sessions, 2, "the other account's is left to the sweeper");
    let again = world.engine().open_session(&opening(account, "early", 50)).wait().unwrap();
    assert_eq!((again.value, again.replayed), (OpenAnswer::Declined(decline), true));
    let more = world.engine().open_session(&opening(account, "more", 1)).wait().unwrap().value;
    assert!(matches!(more, OpenAnswer::Declined(_)));
    assert!(world.engine().settlement(others.settlement()).wait().is_err());
}

#[test]
fn the_sweeper_settles_what_has_ended_and_nothing_else() {
    let mut options = quiet(4);
    options.sweep_every = Duration::from_millis(2);
    let (clock, ids) = (HandClock::at(MORNING), std::sync::Arc::default());
    let world = World::start(Disk::new(), &clock, &ids, options).unwrap();
    let (account, payee) = (world.account("a", 10_000), world.payee("p"));
    let ending: Vec<_> = (0..50).map(|n| world.open(&opening(account, &format!("e{n}"), 10))).collect();
    let mut asked = opening(account, "stays", 10);
    asked.ttl = Span::from_ns(601 * SECOND);
    let stays = world.open(&asked);
    for session in &ending {
        world.debit(*session, payee, 3, "k");
    }
    world.engine().pause_sweeper(true);
    world.clock.pass(600 * SECOND);
    world.engine().pause_sweeper(false);
    while world.engine().stats().open_sessions > 1 {
        thread::yield_now();
    }
    assert!(matches!(world.engine().session(stays).wait(), Ok(SessionShown::Open(_))));
    for session in ending {
        let settlement = world.engine().settle(session, false).wait().unwrap();
        assert!(settlement.replayed);
        assert_eq!(
            (settlement.value.settlement().unwrap().reason, settlement.value.settlement().unwrap().total),
            (Reason::Expired, Amount::from_nanos(3))
        );
    }
    assert_eq!(world.payable(payee), 150);
}
