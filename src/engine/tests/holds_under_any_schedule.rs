//! What must hold is tried under schedules that a seed draws: every lock, atomic and park is a place where another thread may
//! overtake. A thread that is never woken again is found as well: then nobody can go on.
//!
//! `make shuttle`, since the engine is built for it: `--cfg shuttle`. The scheduler sees one order of all memory accesses: what
//! weaker memory might do beside that is not tried here.
#![cfg(shuttle)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod schedules;

use schedules::{World, assert_durable, by_key, deposit, explore, heard, last_in};
use shuttle::{future::block_on, rand::Rng as _, rand::thread_rng, thread};
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use tallystick_core::{Amount, DeclineCode, Total, command::Debit};
use tallystick_engine::{Engine, Fault, Ticket};

/// Asks a ticket once, as whoever has other work to do.
fn poll_once<T: Unpin>(ticket: &mut Ticket<T>) -> Poll<Result<T, Fault>> {
    pin!(ticket).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_cap_is_never_passed_by_writers_at_once() {
    explore(|| {
        let world = World::new();
        let (session, payee) = world.session_of_100();
        let writers: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|key| {
                let (engine, journal) = (world.engine(), world.journal.clone());
                thread::spawn(move || {
                    heard(&journal, engine.debit(&by_key(session, payee, 40, key)).wait()).unwrap()
                })
            })
            .collect();
        let approved = writers.into_iter().map(|writer| writer.join().unwrap()).filter(|yes| *yes).count();
        assert_eq!(approved, 2, "of three times 40 out of 100");
        world.engine().check_sound().unwrap();
    });
}

/// One waits and may lead, one is polled and may lead, and the committer's thread is woken in between.
#[test]
fn a_leader_and_the_committer_leave_nobody_waiting() {
    explore(|| {
        let world = World::new();
        let (session, payee) = world.session_of_100();
        let (engine, journal) = (world.engine(), world.journal.clone());
        let waiting = thread::spawn(move || {
            heard(&journal, engine.debit(&by_key(session, payee, 10, "waits")).wait()).unwrap()
        });
        let (engine, journal) = (world.engine(), world.journal.clone());
        let polling = thread::spawn(move || {
            heard(&journal, block_on(engine.debit(&by_key(session, payee, 10, "polls")))).unwrap()
        });
        let batch = world.engine().debit_batch(&[by_key(session, payee, 10, "in a batch")]);
        let seq = batch.seq();
        assert!(batch.wait().unwrap()[0].is_ok());
        assert_durable(&world.journal, seq);
        assert!(waiting.join().unwrap() && polling.join().unwrap());
    });
}

#[test]
fn a_ticket_let_go_of_while_it_leads_is_committed_all_the_same() {
    explore(|| {
        let world = World::new();
        let (session, payee) = world.session_of_100();
        let engine = world.engine();
        let gone = thread::spawn(move || {
            let mut ticket = engine.debit(&by_key(session, payee, 10, "gone"));
            for _ in 0..thread_rng().gen_range(0..3) {
                if poll_once(&mut ticket).is_ready() {
                    break;
                }
            }
            ticket.seq()
        });
        let seq = world.engine().debit(&by_key(session, payee, 10, "stays")).wait().unwrap().seq;
        let seq = seq.max(gone.join().unwrap());
        world.engine().watermark().wait(seq).unwrap();
        assert_durable(&world.journal, seq);
    });
}

/// Batches of two shards, each of which may be in the lanes when the other's earlier seq is not.
#[test]
fn nothing_is_heard_before_all_that_was_decided_earlier() {
    explore(|| {
        let world = World::new();
        let payee = world.payee("p");
        let asking: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|key| {
                let session = world.session(world.account(key, 100), key, 100);
                let (engine, journal) = (world.engine(), world.journal.clone());
                thread::spawn(move || {
                    let keys = ["1", "2"];
                    let debits: Vec<Debit<'_>> =
                        keys.iter().map(|key| by_key(session, payee, 10, key)).collect();
                    let ticket = engine.debit_batch(&debits);
                    let seq = ticket.seq();
                    assert!(ticket.wait().unwrap().iter().all(Result::is_ok));
                    assert_durable(&journal, seq);
                })
            })
            .collect();
        asking.into_iter().for_each(|asking| asking.join().unwrap());
        assert_eq!(last_in(&world.journal), world.engine().durable_seq());
    });
}

#[test]
fn a_journal_that_fails_is_heard_by_all_and_approves_nothing_more() {
    explore(|| {
        let world = World::new();
        let (session, payee) = world.session_of_100();
        let account = world.account("x", 1);
        world.journal.fail_after(thread_rng().gen_range(0..3));
        let asking: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|key| {
                let (engine, journal) = (world.engine(), world.journal.clone());
                thread::spawn(move || {
                    let asked = by_key(session, payee, 10, key);
                    match key {
                        "a" => heard(&journal, engine.debit(&asked).wait()),
                        "b" => heard(&journal, block_on(engine.debit(&asked))),
                        _ => match block_on(engine.debit_batch(&[asked])) {
                            Ok(answers) => {
                                let seq = answers[0].as_ref().unwrap().seq;
                                assert_durable(&journal, seq);
                                Some(true)
                            }
                            Err(fault) => {
                                assert_eq!(fault, Fault::JournalFailed);
                                None
                            }
                        },
                    }
                })
            })
            .collect();
        let answers: Vec<_> = asking.into_iter().map(|asking| asking.join().unwrap()).collect();
        if answers.contains(&None) {
            assert!(world.engine().has_failed());
            let after = world.engine().debit(&by_key(session, payee, 1, "after")).wait();
            assert_eq!(after.unwrap_err(), Fault::JournalFailed);
            assert!(world.engine().deposit(&deposit(account, "y", 1)).wait().is_err());
        }
    });
}

/// Two settle the same session, one another session of the same account; a payee is blocked meanwhile.
#[test]
fn each_line_arrives_once_while_others_settle_and_block() {
    explore(|| {
        let world = World::new();
        let account = world.account("a", 1_000);
        let (first, second) = (world.session(account, "s", 100), world.session(account, "t", 100));
        let payee = world.payee("p");
        for session in [first, second] {
            world.engine().debit(&by_key(session, payee, 30, "k")).wait().unwrap();
        }
        let settling: Vec<_> = [first, first, second]
            .into_iter()
            .map(|session| {
                let (engine, journal) = (world.engine(), world.journal.clone());
                thread::spawn(move || {
                    let ticket = engine.settle(session, false);
                    let seq = ticket.seq();
                    let settled = ticket.wait().unwrap();
                    assert_durable(&journal, seq.max(settled.seq));
                    assert!(settled.value.settlement().unwrap().total >= Amount::from_nanos(30));
                    // What is told is in the payee's position.
                    let position = engine.payee(payee).wait().unwrap();
                    let nanos: u128 = position.ledgers.iter().map(|ledger| ledger.payable.nanos()).sum();
                    assert!(nanos >= 30, "a settlement was heard before its line arrived");
                    settled.replayed
                })
            })
            .collect();
        let engine = world.engine();
        let blocking = thread::spawn(move || {
            engine.block_payee(payee).wait().unwrap();
            let after = engine.debit(&by_key(second, payee, 1, "after the block")).wait();
            match after.map(|answer| answer.decline.map(|no| no.code)) {
                Ok(code) => assert_eq!(code, Some(DeclineCode::PayeeBlocked)),
                // It is settled.
                Err(fault) => assert!(matches!(fault, Fault::Refused(_)), "{fault}"),
            }
        });
        let replays: Vec<_> = settling.into_iter().map(|settling| settling.join().unwrap()).collect();
        blocking.join().unwrap();
        assert_eq!((replays[0] || replays[1], replays[0] && replays[1], replays[2]), (true, false, false));
        let position = world.engine().payee(payee).wait().unwrap();
        let payable: Vec<Total> = position.ledgers.iter().map(|ledger| ledger.payable).collect();
        assert_eq!(payable, [Total::from(Amount::from_nanos(60))]);
        world.engine().check_sound().unwrap();
    });
}

/// A key is asked again while a checkpoint files it and lets memory go of it.
#[test]
fn a_key_is_done_once_however_a_checkpoint_files_it() {
    explore(|| {
        let world = World::new();
        let account = world.account("a", 1_000);
        let engine = world.engine();
        let again = move |key: &'static str| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || engine.deposit(&deposit(account, key, 50)).wait().unwrap().replayed)
        };
        // The first has been decided before, the others are decided now.
        assert!(!world.engine().deposit(&deposit(account, "k", 50)).wait().unwrap().replayed);
        let asking = [again("k"), again("new"), again("new")];
        world.running.checkpoint().unwrap();
        let [old, new, twin] = asking.map(|asking| asking.join().unwrap());
        assert!(old && (new != twin), "replayed: {old}, {new}, {twin}");
        let account = world.engine().account(account).wait().unwrap();
        assert_eq!(account.available(), Total::from(Amount::from_nanos(1_100)));
    });
}

#[test]
fn a_checkpoint_holds_nothing_undurable_and_money_adds_up_beside_it() {
    explore(|| {
        let world = World::new();
        let (session, payee) = world.session_of_100();
        let engine = world.engine();
        let deciding = thread::spawn(move || {
            engine.debit(&by_key(session, payee, 10, "a")).wait().unwrap();
            engine.settle(session, false).wait().unwrap();
        });
        let (engine, journal) = (world.engine(), world.journal.clone());
        let adding = thread::spawn(move || {
            let totals = engine.totals().wait().unwrap();
            assert_durable(&journal, totals.seq);
            assert!(totals.books.values().all(|books| books.iter().sum::<i128>() == 0), "{totals:?}");
        });
        let summary = world.running.checkpoint().unwrap();
        assert_durable(&world.journal, summary.covered_seq.max(summary.floor_seq));
        deciding.join().unwrap();
        adding.join().unwrap();
        world.engine().check_sound().unwrap();
    });
}

#[test]
fn a_settlement_is_found_while_a_checkpoint_files_it() {
    explore(|| {
        let world = World::new();
        let (session, _) = world.session_of_100();
        let settled =
            world.engine().settle(session, false).wait().unwrap().value.settlement().cloned().unwrap();
        let engine = world.engine();
        let asking = thread::spawn(move || {
            let found = engine.settlement(session.settlement()).wait().unwrap();
            let listed = engine.settlements_after(0, 10).unwrap();
            assert!(listed.contains(&found), "{listed:?}");
            (found, engine.settle(session, false).wait().unwrap().replayed)
        });
        world.running.checkpoint().unwrap();
        assert_eq!(asking.join().unwrap(), (settled, true));
    });
}

/// A partition hears of a payee for the first time while the payee is blocked.
#[test]
fn a_block_that_was_heard_reaches_a_partition_that_is_just_being_told() {
    explore(|| {
        let world = World::new();
        let payee = world.payee("p");
        let session = world.session(world.account("a", 100), "s", 100);
        let engine = world.engine();
        let paying = thread::spawn(move || {
            engine.debit(&by_key(session, payee, 10, "first")).wait().unwrap();
        });
        world.engine().block_payee(payee).wait().unwrap();
        let after = world.engine().debit(&by_key(session, payee, 10, "after")).wait().unwrap();
        assert_eq!(after.decline.map(|no| no.code), Some(DeclineCode::PayeeBlocked));
        paying.join().unwrap();
    });
}

/// What was asked before the end is answered, whoever leads; nothing is left in a lane.
#[test]
fn an_orderly_end_answers_whatever_was_asked() {
    explore(|| {
        let world = World::new();
        let (session, payee) = world.session_of_100();
        let World { running, journal } = world;
        let engine = Arc::clone(running.engine());
        let tickets = [
            engine.debit(&by_key(session, payee, 10, "a")),
            engine.debit(&by_key(session, payee, 10, "b")),
            engine.debit(&by_key(session, payee, 10, "c")),
        ];
        let asking = tickets.map(|ticket| {
            let journal = Arc::clone(&journal);
            thread::spawn(move || heard(&journal, block_on(ticket)).unwrap())
        });
        running.stop().unwrap();
        assert!(asking.map(|asking| asking.join().unwrap()).iter().all(|yes| *yes));
        assert_eq!(last_in(&journal), engine.durable_seq());
        assert_eq!(engine.queue_depth(), 0);
    });
}

/// Whoever has a writer's newest epoch is the only one who counts for it.
#[test]
fn epochs_of_a_writer_are_given_out_once_and_fence_the_older() {
    explore(|| {
        let world = World::new();
        let (session, _) = world.session_of_100();
        let (writer, _) = world.engine().open_writer(None).wait().unwrap();
        let entering = ["a", "b"].map(|_| {
            let engine = world.engine();
            thread::spawn(move || {
                let (_, epoch) = engine.open_writer(Some(writer)).wait().unwrap();
                (epoch, engine.position(session, writer, epoch).wait().is_ok())
            })
        });
        let mut entered = entering.map(|entering| entering.join().unwrap());
        entered.sort_unstable();
        let [(older, _), (newer, counts)] = entered;
        assert!(older < newer && counts, "{entered:?}");
        assert!(position(&world.engine(), (session, writer), older).is_err());
    });
}

fn position(
    engine: &Engine,
    (session, writer): (tallystick_core::SessionId, tallystick_core::WriterId),
    epoch: u32,
) -> Result<u64, Fault> {
    engine.position(session, writer, epoch).wait()
}
