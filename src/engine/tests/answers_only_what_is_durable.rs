//! I2, I8: nothing is heard before the journal has it: approvals, declines, replays, reads, and refusals that read state.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::{
    ops::Deref,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use tallystick_core::{AccountId, DeclineCode, PayeeId, Refusal, SessionId, command::CreateAccount};
use tallystick_engine::{Cursor, Engine, Fault, Parts, Running, Silent, Ticket};
use tallystick_journal::memory::{MemoryIndex, MemoryJournal};
use world::{
    Gate, Gated, HandClock, MORNING, USD, World, ask, by_key, by_number, code, held, opening, quiet,
};

struct Scene {
    journal: Arc<Gated>,
    running: Running,
    account: AccountId,
    payee: PayeeId,
    session: SessionId,
    writer: (tallystick_core::WriterId, u32),
    /// An account in another shard, which nothing has touched since it became durable.
    elsewhere: AccountId,
}

impl Deref for Scene {
    type Target = Engine;
    fn deref(&self) -> &Engine {
        self.running.engine()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Whatever a failed test leaves waiting must not wait for ever.
        if *held(&self.journal.gate) == Gate::Shut {
            self.journal.set(Gate::Broken);
        }
    }
}

fn scene() -> Scene {
    let journal = Arc::new(Gated {
        gate: Mutex::new(Gate::Open),
        bell: Condvar::new(),
        knocks: AtomicU64::new(0),
        below: MemoryJournal::default(),
    });
    let index = Arc::new(MemoryIndex::default());
    let parts = Parts {
        journal: journal.clone(),
        checkpoints: index.clone(),
        tables: index,
        journal_needed_from: Arc::default(),
        clock: HandClock::at(MORNING),
        ids: Arc::<world::CountedIds>::default(),
        events: Arc::new(Silent),
    };
    let (running, _) = Running::start(parts, quiet(256)).unwrap();
    // The helpers of `World` want a disk; this one only lends its calls.
    let engine = running.engine().clone();
    let create = |key: &str| {
        let create = CreateAccount::prepaid(key.as_bytes(), USD);
        engine.create_account(&create).wait().unwrap().value.id
    };
    let (account, mut elsewhere) = (create("a"), create("b"));
    let amount = tallystick_core::Amount::from_nanos(1_000);
    let deposit =
        tallystick_core::command::Deposit { account, key: b"d", amount, currency: USD, pending: false };
    engine.deposit(&deposit).wait().unwrap();
    let payee = tallystick_core::command::CreatePayee { key: b"p", name: "p" };
    let payee = engine.create_payee(&payee).wait().unwrap().value.id;
    let tallystick_engine::OpenAnswer::Opened(view) =
        engine.open_session(&opening(account, "s", 100)).wait().unwrap().value
    else {
        panic!("not opened")
    };
    let writer = engine.open_writer(None).wait().unwrap();
    let taken = [account.partition(), payee.partition(), writer.0.partition()];
    for n in 0.. {
        if !taken.contains(&elsewhere.partition()) {
            break;
        }
        elsewhere = create(&format!("b{n}"));
    }
    engine.debit(&by_key(view.id, payee, 1, "before")).wait().unwrap();
    Scene { journal, running, account, payee, session: view.id, writer, elsewhere }
}

fn pending<T: Unpin + std::fmt::Debug>(what: &str, mut ticket: Ticket<T>) -> Ticket<T> {
    let now = ask(&mut ticket);
    assert!(now.is_pending(), "{what} was heard before it was durable: {now:?}");
    ticket
}

#[test]
fn nothing_is_heard_before_its_group_is_durable() {
    let s = scene();
    s.journal.set(Gate::Shut);
    let (session, payee) = (s.session, s.payee);
    let approved = pending("an approval", s.debit(&by_key(session, payee, 60, "k")));
    let declined = pending("a decline", s.debit(&by_key(session, payee, 60, "l")));
    let replay = pending("a replay", s.debit(&by_key(session, payee, 60, "k")));
    // The first decision is durable; what remains now, which the replay shows, is not.
    let shows = pending("a replay's remaining", s.debit(&by_key(session, payee, 1, "before")));
    let reused = pending("a reused key", s.debit(&by_key(session, payee, 61, "k")));
    let read = pending("a session read", s.session(session));
    let read_account = pending("an account read", s.account(s.account));
    let batch =
        pending("a batch", s.debit_batch(&[by_key(session, payee, 1, "m"), by_key(session, payee, 61, "k")]));
    let listed = pending("a list", s.sessions(s.account, Cursor::default(), 10));
    let epoch = pending("an epoch", s.open_writer(Some(s.writer.0)));
    let fenced = pending("a fenced writer", s.debit(&by_number(session, payee, 1, s.writer, 1)));
    let fenced_batch = pending("a fenced batch", s.debit_batch(&[by_number(session, payee, 1, s.writer, 1)]));
    let position = pending("a position", s.position(session, s.writer.0, 2));
    let blocked = pending("a block", s.block_payee(payee));
    let again = pending("a repeated block", s.block_payee(payee));
    let settled = pending("a settlement", s.settle(session, false));
    let settled_again = pending("a repeated settle", s.settle(session, false));
    let found = pending("a settlement read", s.settlement(session.settlement()));
    let retired = pending("a retired session", s.debit(&by_key(session, payee, 60, "k")));
    let position_read = pending("a payee read", s.payee(payee));
    assert_eq!(s.settlements_after(0, 10), Ok(Vec::new()), "an undurable settlement is listed");
    assert!(s.account(s.elsewhere).wait().is_ok(), "what is durable is heard all along");

    s.journal.set(Gate::Open);
    assert_eq!(code(&approved.wait().unwrap()), None);
    assert_eq!(code(&declined.wait().unwrap()), Some(DeclineCode::Cap));
    assert!(replay.wait().unwrap().replayed);
    assert_eq!(shows.wait().unwrap().remaining.nanos(), 39);
    assert_eq!(reused.wait(), Err(Fault::Refused(Refusal::KeyReused { field: "amount_nanos" })));
    assert!(read.wait().is_ok() && read_account.wait().is_ok() && listed.wait().is_ok());
    assert!(batch.wait().unwrap()[0].is_ok());
    assert_eq!(epoch.wait(), Ok((s.writer.0, 2)));
    assert_eq!(fenced.wait(), Err(Fault::Refused(Refusal::WriterFenced { epoch: 2 })));
    assert_eq!(fenced_batch.wait().unwrap()[0], Err(Refusal::WriterFenced { epoch: 2 }));
    assert_eq!(position.wait(), Ok(0));
    assert!(blocked.wait().is_ok() && again.wait().unwrap().replayed);
    let settlement = settled.wait().unwrap().value;
    assert_eq!(settled_again.wait().unwrap().value, settlement);
    assert_eq!(found.wait(), Ok(settlement.settlement().cloned().unwrap()));
    assert_eq!(retired.wait(), Err(Fault::Refused(Refusal::SessionRetired)));
    assert_eq!(position_read.wait().unwrap().ledgers[0].payable.nanos(), 62);
    assert_eq!(s.settlements_after(0, 10).unwrap().len(), 1);
}

#[test]
fn one_durable_group_does_not_speak_for_the_next() {
    let s = scene();
    s.journal.set(Gate::Shut);
    let knocks = || s.journal.knocks.load(Ordering::SeqCst);
    let before = knocks();
    // A batch wakes the committer's thread; who waits for a single debit would lead its commit, and stand at the gate.
    let mut first = pending("a batch", s.debit_batch(&[by_key(s.session, s.payee, 1, "k")]));
    // The first group is made, and waits at the gate: what is decided now is in the next.
    while knocks() == before {
        thread::yield_now();
    }
    let second = pending("a batch", s.debit_batch(&[by_key(s.session, s.payee, 1, "l")]));
    s.journal.set(Gate::Once);
    while ask(&mut first).is_pending() {
        thread::yield_now();
    }
    let second = pending("a batch whose group is not written", second);
    assert_eq!(s.stats().durable_seq + 1, second.seq());
    s.journal.set(Gate::Open);
    assert!(second.wait().is_ok());
}

#[test]
fn a_failed_append_fails_all_who_wait_and_all_who_come() {
    let s = scene();
    s.journal.set(Gate::Shut);
    let (session, payee) = (s.session, s.payee);
    let approved = pending("an approval", s.debit(&by_key(session, payee, 60, "k")));
    let declined = pending("a decline", s.debit(&by_key(session, payee, 60, "l")));
    let read = pending("a read", s.session(session));
    s.journal.set(Gate::Broken);
    assert_eq!(approved.wait(), Err(Fault::JournalFailed));
    assert_eq!(declined.wait(), Err(Fault::JournalFailed));
    assert_eq!(read.wait(), Err(Fault::JournalFailed));
    assert!(s.has_failed());
    // The disk seems well again: nobody believes it.
    s.journal.set(Gate::Open);
    assert_eq!(s.debit(&by_key(session, payee, 1, "n")).wait(), Err(Fault::JournalFailed));
    assert_eq!(s.debit_batch(&[by_key(session, payee, 1, "n")]).wait(), Err(Fault::JournalFailed));
    assert_eq!(s.open_session(&opening(s.account, "t", 1)).wait(), Err(Fault::JournalFailed));
    assert_eq!(s.settle(session, false).wait(), Err(Fault::JournalFailed));
    assert_eq!(s.block_payee(payee).wait(), Err(Fault::JournalFailed));
    assert_eq!(s.open_writer(None).wait(), Err(Fault::JournalFailed));
    assert_eq!(s.position(session, s.writer.0, 1).wait(), Err(Fault::JournalFailed));
    assert_eq!(s.session(session).wait(), Err(Fault::JournalFailed), "memory is ahead of the disk here");
    assert!(s.account(s.elsewhere).wait().is_ok(), "what was durable before is still answered");
    assert_eq!(s.sweep(10), 0);
}

#[test]
fn after_the_power_is_back_the_same_key_tells_what_became_of_it() {
    for landed in [false, true] {
        let world = World::new(2);
        let (account, payee) = (world.account("a", 100), world.payee("p"));
        let session = world.open(&opening(account, "s", 100));
        world.debit(session, payee, 1, "first");
        world.disk.lose_power_after(0, landed);
        assert_eq!(world.engine().debit(&by_key(session, payee, 60, "k")).wait(), Err(Fault::JournalFailed));
        let world = world.restart(3);
        let again = world.debit(session, payee, 60, "k");
        assert_eq!((again.replayed, code(&again)), (landed, None));
        assert_eq!(again.remaining.nanos(), 39);
    }
}

#[test]
fn what_nobody_waits_for_becomes_durable_too() {
    let s = scene();
    for polls in 0..2 {
        let mut dropped = s.debit(&by_key(s.session, s.payee, 1, if polls == 0 { "k" } else { "l" }));
        for _ in 0..polls {
            assert!(ask(&mut dropped).is_pending());
        }
        let seq = dropped.seq();
        drop(dropped);
        assert_eq!(s.watermark().wait(seq), Ok(()));
    }
}
