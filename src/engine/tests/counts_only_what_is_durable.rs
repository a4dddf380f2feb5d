//! I2 for those who watch: counts of decisions and the books are told of what is durable, and of all of it by the time that
//! anybody has heard an answer.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tallystick_core::{
    AccountId, Amount, DeclineCode, PayeeId, SessionId,
    books::Book,
    command::{CreateAccount, CreatePayee, Deposit},
};
use tallystick_engine::{
    Committed, Decision, Engine, Events, Fault, OpenAnswer, Operation, Parts, Running, Ticket, Totals,
};
use tallystick_journal::memory::{MemoryIndex, MemoryJournal};
use world::{Gate, Gated, HandClock, MORNING, USD, ask, by_key, held, opening, quiet};

/// Adds up what it is told. Its stopwatch gives one nanosecond more each time.
#[derive(Default)]
struct Counting {
    ticks: AtomicU64,
    groups: Mutex<Vec<Committed>>,
    decided: Mutex<Vec<u64>>,
}

impl Events for Counting {
    fn stopwatch_ns(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }
    fn decided(&self, took_ns: u64) {
        held(&self.decided).push(took_ns);
    }
    fn committed(&self, group: &Committed) {
        held(&self.groups).push(*group);
    }
}

type Counts = BTreeMap<(Operation, Option<DeclineCode>), u32>;

impl Counting {
    fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        for group in held(&self.groups).iter() {
            for (decision, count) in Decision::all().zip(group.decisions.counts()) {
                *counts.entry((decision.operation, decision.declined)).or_default() += count;
            }
        }
        counts.retain(|_, count| *count > 0);
        counts
    }
}

struct Scene {
    journal: Arc<Gated>,
    events: Arc<Counting>,
    running: Running,
    account: AccountId,
    payee: PayeeId,
    session: SessionId,
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
    let (index, events) = (Arc::new(MemoryIndex::default()), Arc::new(Counting::default()));
    let parts = Parts {
        journal: journal.clone(),
        checkpoints: index.clone(),
        tables: index,
        journal_needed_from: Arc::default(),
        clock: HandClock::at(MORNING),
        ids: Arc::<world::CountedIds>::default(),
        events: events.clone(),
    };
    let (running, _) = Running::start(parts, quiet(8)).unwrap();
    let engine = running.engine();
    let create = CreateAccount::prepaid(b"a", USD);
    let account = engine.create_account(&create).wait().unwrap().value.id;
    let deposit =
        Deposit { account, key: b"d", amount: Amount::from_nanos(1_000), currency: USD, pending: false };
    engine.deposit(&deposit).wait().unwrap();
    let payee = engine.create_payee(&CreatePayee { key: b"p", name: "p" }).wait().unwrap().value.id;
    let session = match engine.open_session(&opening(account, "s", 100)).wait().unwrap().value {
        OpenAnswer::Opened(view) => view.id,
        other => panic!("not opened: {other:?}"),
    };
    Scene { journal, events, running, account, payee, session }
}

impl Scene {
    fn engine(&self) -> &Engine {
        self.running.engine()
    }

    /// Shuts the journal, asks, and returns once the journal has been tried in vain.
    fn ask_in_vain<T>(&self, ask: impl FnOnce() -> T) -> T {
        self.journal.set(Gate::Shut);
        let knocks = self.journal.knocks.load(Ordering::SeqCst);
        let asked = ask();
        while self.journal.knocks.load(Ordering::SeqCst) == knocks {
            std::thread::yield_now();
        }
        asked
    }

    fn totals(&self) -> Totals {
        self.engine().totals().wait().unwrap()
    }
}

fn book(totals: &Totals, book: Book) -> i128 {
    totals.books[&USD][book as usize]
}

fn pending<T: Unpin + std::fmt::Debug>(mut ticket: Ticket<T>) -> Ticket<T> {
    let now = ask(&mut ticket);
    assert!(now.is_pending(), "heard before it was durable: {now:?}");
    ticket
}

const OPENED: ((Operation, Option<DeclineCode>), u32) = ((Operation::OpenSession, None), 1);

#[test]
fn decisions_are_counted_with_their_group_and_before_anybody_hears_of_them() {
    let s = scene();
    assert_eq!(s.events.counts(), Counts::from([OPENED]));
    let debit = |nanos, key| by_key(s.session, s.payee, nanos, key);
    let batch = [debit(60, "a"), debit(60, "b"), debit(10, "c"), debit(60, "a"), debit(7, "a")];
    let batch = pending(s.ask_in_vain(|| s.engine().debit_batch(&batch)));
    let opened = pending(s.engine().open_session(&opening(s.account, "t", 2_000)));
    assert_eq!(s.events.counts(), Counts::from([OPENED]), "counted before it is durable");

    s.journal.set(Gate::Open);
    let cap = Some(DeclineCode::Cap);
    let debits = [((Operation::Debit, None), 2), ((Operation::Debit, cap), 1), OPENED];
    let (mut counts, declined) = (Counts::from(debits), ((Operation::OpenSession, cap), 1));
    let answers = batch.wait().unwrap();
    let counted = s.events.counts();
    assert!(
        answers[3].as_ref().unwrap().replayed && answers[4].is_err(),
        "neither is a decision: {answers:?}"
    );
    assert_eq!(counted.into_iter().filter(|count| *count != declined).collect::<Counts>(), counts);
    assert!(opened.wait().is_ok());
    counts.extend([declined]);
    assert_eq!(s.events.counts(), counts);
}

#[test]
fn books_are_shown_once_all_that_is_in_them_is_durable() {
    let s = scene();
    let before = s.totals();
    assert_eq!((before.whole_through_seq, before.open_sessions), (before.seq, 1));
    assert_eq!((book(&before, Book::PayerAvailable), book(&before, Book::Reserved)), (900, 100));

    let debit = pending(s.ask_in_vain(|| s.engine().debit(&by_key(s.session, s.payee, 60, "k"))));
    let totals = pending(s.engine().totals());
    assert_eq!(totals.seq(), debit.seq());
    assert!(s.engine().queue_depth() > 0 && s.engine().durable_seq() == before.seq);

    s.journal.set(Gate::Open);
    let totals = totals.wait().unwrap();
    assert!(s.engine().durable_seq() >= totals.seq);
    assert_eq!((book(&totals, Book::Reserved), book(&totals, Book::Unsettled)), (40, 60));
    s.engine().settle(s.session, false).wait().unwrap();
    let settled = s.totals();
    assert_eq!((settled.open_sessions, book(&settled, Book::PayeePayable)), (0, 60));
    assert_eq!((book(&settled, Book::Outside), book(&settled, Book::InTransit)), (-1_000, 0));
    assert_eq!(settled.books[&USD].iter().sum::<i128>(), 0);
    assert_eq!(s.engine().queue_depth(), 0);
}

#[test]
fn what_a_failed_journal_took_back_is_never_counted() {
    let s = scene();
    let groups = held(&s.events.groups).len();
    let debit = pending(s.ask_in_vain(|| s.engine().debit(&by_key(s.session, s.payee, 60, "k"))));
    let totals = pending(s.engine().totals());
    s.journal.set(Gate::Broken);
    assert_eq!(debit.wait(), Err(Fault::JournalFailed));
    assert_eq!(totals.wait(), Err(Fault::JournalFailed));
    assert_eq!(s.engine().totals().wait(), Err(Fault::JournalFailed), "memory is ahead of the disk here");
    assert_eq!(s.events.counts(), Counts::from([OPENED]));
    assert_eq!(held(&s.events.groups).len(), groups);
}

#[test]
fn times_come_from_the_stopwatch_that_was_handed_in() {
    let s = scene();
    s.engine().debit(&by_key(s.session, s.payee, 1, "k")).wait().unwrap();
    s.engine()
        .debit_batch(&[by_key(s.session, s.payee, 1, "l"), by_key(s.session, s.payee, 1, "m")])
        .wait()
        .unwrap();
    let decided = held(&s.events.decided).clone();
    assert!(decided.len() == 2 && decided.iter().all(|took_ns| (1..100).contains(took_ns)), "{decided:?}");
    let groups = held(&s.events.groups).clone();
    assert!(groups.iter().all(|group| (1..100).contains(&group.sync_ns)), "{groups:?}");
    // The genesis record is written before there is an engine.
    let records: u64 = groups.iter().map(|group| u64::from(group.records)).sum();
    assert_eq!(records + 1, s.engine().durable_seq());
}
