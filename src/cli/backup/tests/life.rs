//! Owns: a data folder with an engine and an index at work in it. Never: a backup.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a fixture that fails fails its test; each test uses its part"
)]

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tallystick_core::{
    AccountId, Amount, Clock, Currency, DebitId, EnvelopeId, IdSource, PayeeId, Record, SessionId, Span,
    Time,
    command::{CreateAccount, CreatePayee, Debit, Deposit, Intent, OpenSession},
};
use tallystick_engine::{OpenAnswer, Options, Parts, Running, Silent};
use tallystick_journal::{Durability, GroupView, GroupWriter, Journal as _, ProjectionStore, codec};
use tallystick_projection::{Follower, Following, Lookup, Silent as Quiet};
use tallystick_store::{Store, StoreOptions};

const USD: Currency = Currency::from_number(840);

/// Counts; as a clock, in milliseconds.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Clock for Count {
    fn now(&self) -> Time {
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        Time::from_ns(1_800_000_000_000_000_000 + count * 1_000_000)
    }
}

impl IdSource for Count {
    fn draw(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Is an account that pays one payee out of one session after another.
pub(super) struct Life {
    store: Store,
    running: Running,
    following: Following,
    account: AccountId,
    payee: PayeeId,
    session: SessionId,
    /// How many debits there were, and how many sessions.
    counts: [u64; 2],
}

impl Life {
    pub(super) fn begin(data: &Path) -> Self {
        Self::live(data, 0, small())
    }

    /// Begins in a folder of other options.
    pub(super) fn begin_with(data: &Path, options: StoreOptions) -> Self {
        Self::live(data, 0, options)
    }

    /// Goes on with a folder that has lived before.
    pub(super) fn wake(data: &Path) -> Self {
        Self::live(data, 1_000_000, small())
    }

    /// Does so, and asserts that the index goes on from a seq and is not derived anew.
    pub(super) fn wake_with_index(data: &Path, seq: u64) -> Self {
        let store = Store::open(data, small()).unwrap();
        let head =
            ProjectionStore::get(store.index().as_ref(), 1, &[]).unwrap().expect("an index has a head");
        assert_eq!(tallystick_projection::cursor_of(1, &[], &head).unwrap(), Some(seq));
        drop(store);
        Self::wake(data)
    }

    fn live(data: &Path, from: u64, options: StoreOptions) -> Self {
        let store = Store::open(data, options).unwrap();
        let needed_from = Arc::default();
        let followed = tallystick_projection::Parts {
            journal: store.journal(),
            checkpoints: store.index(),
            store: store.index(),
            needed_from: Arc::clone(&needed_from),
            events: Arc::new(Quiet),
        };
        let quick = tallystick_projection::Options { sync_bytes: 1 << 16, ..Default::default() };
        let follower = Follower::open(followed, quick).unwrap();
        let parts = Parts {
            journal: store.journal(),
            checkpoints: store.index(),
            tables: store.index(),
            journal_needed_from: needed_from,
            clock: Arc::new(Count::default()),
            // A folder that lives on draws other ids.
            ids: Arc::new(Count(AtomicU64::new(from))),
            events: Arc::new(Silent),
        };
        let options = Options { shards: 4, checkpoint_records: 1_000, ..Options::default() };
        let running = Running::start(parts, options).unwrap().0;
        let following = Following::start(follower, Arc::clone(running.engine().watermark())).unwrap();
        let engine = Arc::clone(running.engine());
        let account = engine.create_account(&CreateAccount::prepaid(b"a", USD)).wait().unwrap().value.id;
        let amount = Amount::from_nanos(1_000_000_000_000);
        let deposit = Deposit { account, key: b"d", amount, currency: USD, pending: false };
        engine.deposit(&deposit).wait().unwrap();
        let payee = CreatePayee { key: b"p", name: "acme" };
        let payee = engine.create_payee(&payee).wait().unwrap().value.id;
        let session = open(&running, account, from);
        Self { store, running, following, account, payee, session, counts: [from, from] }
    }

    /// Pays so many times; of every four debits one is declined. Returns the first debit's id.
    pub(super) fn spend(&mut self, count: u64) -> DebitId {
        let engine = self.running.engine();
        let (from, mut last, mut first_key) = (self.counts[0], None, String::new());
        self.counts[0] += count;
        for n in from..self.counts[0] {
            let key = format!("k{n}");
            let debit = Debit {
                act: tallystick_core::command::Act::Debit,
                proof: None,
                session: self.session,
                payee: self.payee,
                amount: Amount::from_nanos(if n % 4 == 3 { u64::MAX >> 1 } else { 1_000 + n }),
                currency: USD,
                intent: Intent::Key(key.as_bytes()),
                reference: "call",
                evidence: None,
                partial: false,
            };
            last = Some(engine.debit(&debit));
            if n == from {
                first_key = key;
            }
        }
        let seq = last.map_or(0, |ticket| {
            let seq = ticket.seq();
            ticket.wait().unwrap();
            seq
        });
        let lookups = self.following.lookups();
        assert!(lookups.wait_for(seq, Duration::from_secs(60)).unwrap());
        match lookups.by_key(self.session, first_key.as_bytes(), seq).unwrap() {
            Lookup::Found { debit, .. } => debit.id(),
            other => panic!("{other:?}"),
        }
    }

    /// Settles the session and opens another. Returns the settled one.
    pub(super) fn settle(&mut self) -> SessionId {
        let settled = self.session;
        self.running.engine().settle(self.session, false).wait().unwrap();
        self.counts[1] += 1;
        self.session = open(&self.running, self.account, self.counts[1]);
        settled
    }

    /// Returns the session that is open.
    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// Pays until checkpoints have let the journal give its beginning back, past a seq.
    pub(super) fn spend_until_trimmed(&mut self, past_seq: u64) {
        self.spend_by(4_000, past_seq);
    }

    /// Does so, so many debits a session.
    pub(super) fn spend_by(&mut self, count: u64, past_seq: u64) {
        for _ in 0..200 {
            self.spend(count);
            self.settle();
            if self.first_seq() > past_seq + 1 {
                return;
            }
        }
        panic!("the journal was never trimmed");
    }

    fn first_seq(&self) -> u64 {
        let mut first = 0;
        let read = self.store.journal().read(0, &mut |seq, _| {
            first = seq;
            Ok(ControlFlow::Break(()))
        });
        read.unwrap();
        first
    }

    /// Tells whether a debit can be looked up.
    pub(super) fn finds(&self, debit: DebitId) -> bool {
        let lookups = self.following.lookups();
        let durable = self.running.engine().watermark().durable();
        assert!(lookups.wait_for(durable, Duration::from_secs(60)).unwrap());
        matches!(lookups.by_id(debit, durable), Ok(Lookup::Found { .. }))
    }

    /// Ends in order.
    pub(super) fn stop(self) {
        assert_eq!(self.running.engine().check_sound(), Ok(()));
        self.running.stop().unwrap();
        self.following.stop().unwrap();
    }

    /// Ends without a checkpoint.
    pub(super) fn crash(self) {
        drop(self.running);
    }
}

fn small() -> StoreOptions {
    StoreOptions { journal_file_bytes: 1 << 20, ..StoreOptions::new(Durability::Os) }
}

fn open(running: &Running, account: AccountId, nth: u64) -> SessionId {
    let cap = (Amount::from_nanos(10_000_000_000), USD);
    let key = format!("s{nth}");
    let ttl = Span::from_days(20);
    let opening = OpenSession::capped(EnvelopeId::Account(account), key.as_bytes(), cap, ttl);
    match running.engine().open_session(&opening).wait().unwrap().value {
        OpenAnswer::Opened(view) => view.id,
        other => panic!("not opened: {other:?}"),
    }
}

/// Writes a group again in which every session has half its cap, chained and summed anew.
pub(super) fn halved(first_seq: u64, bytes: &[u8], previous: u64) -> (Vec<u8>, u64) {
    let mut writer = GroupWriter::default();
    writer.begin(first_seq);
    let group = GroupView::parse(first_seq, bytes).unwrap();
    let read = group.records(|_, stamp, record| {
        let mut bytes = Vec::new();
        match record {
            Record::SessionOpened(opened) => {
                let mut opened = opened.clone();
                opened.bounds.cap = Amount::from_nanos(1_100);
                codec::encode(stamp, &Record::SessionOpened(opened), &mut bytes);
            }
            other => codec::encode(stamp, other, &mut bytes),
        }
        writer.push(&bytes, 1);
    });
    read.unwrap();
    let (bytes, check) = writer.finish(previous);
    (bytes.to_vec(), check)
}

/// Reads every file below a folder.
pub(super) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}
