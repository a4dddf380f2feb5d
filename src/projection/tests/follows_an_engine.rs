//! An engine decides, a follower beside it follows: what was answered is found, under the very keys that callers gave, and
//! both end in order. This is how a server puts them together.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tallystick_core::{
    Amount, Clock, Currency, EnvelopeId, IdSource, SessionId, Span, Time,
    command::{CreateAccount, CreatePayee, Debit, Deposit, Intent, OpenSession},
    writer::Numbered,
};
use tallystick_engine::{Engine, OpenAnswer, Running};
use tallystick_journal::{
    NeededFrom, ProjectionStore,
    memory::{MemoryIndex, MemoryJournal, MemoryProjection},
};
use tallystick_projection::{DebitInfo, Follower, Following, Listed, Lookup, Options, Parts, Silent};

const USD: Currency = Currency::from_number(840);
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Counted(AtomicU64);

impl IdSource for Counted {
    fn draw(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Clock for Counted {
    fn now(&self) -> Time {
        Time::from_ns(1_800_000_000_000_000_000 + self.0.fetch_add(1, Ordering::SeqCst))
    }
}

#[derive(Default, Clone)]
struct Disk {
    journal: Arc<MemoryJournal>,
    index: Arc<MemoryIndex>,
    projected: Arc<MemoryProjection>,
}

/// Starts both, in the order that keeps the journal from being trimmed under the follower.
fn start(disk: &Disk) -> (Running, Following) {
    let needed_from = Arc::new(NeededFrom::default());
    let parts = Parts {
        journal: disk.journal.clone(),
        checkpoints: disk.index.clone(),
        store: disk.projected.clone(),
        needed_from: Arc::clone(&needed_from),
        events: Arc::new(Silent),
    };
    let follower = Follower::open(parts, Options::default()).unwrap();
    let parts = tallystick_engine::Parts {
        journal: disk.journal.clone(),
        checkpoints: disk.index.clone(),
        tables: disk.index.clone(),
        journal_needed_from: needed_from,
        clock: Arc::<Counted>::default(),
        ids: Arc::<Counted>::default(),
        events: Arc::new(tallystick_engine::Silent),
    };
    let (running, _) = Running::start(parts, tallystick_engine::Options::default()).unwrap();
    let following = Following::start(follower, Arc::clone(running.engine().watermark())).unwrap();
    (running, following)
}

fn session(engine: &Engine) -> SessionId {
    let create = CreateAccount::prepaid(b"a", USD);
    let account = engine.create_account(&create).wait().unwrap().value.id;
    let deposit =
        Deposit { account, key: b"d", amount: Amount::from_nanos(1_000), currency: USD, pending: false };
    engine.deposit(&deposit).wait().unwrap();
    let cap = (Amount::from_nanos(100), USD);
    let opening = OpenSession::capped(EnvelopeId::Account(account), b"s", cap, Span::from_days(1));
    match engine.open_session(&opening).wait().unwrap().value {
        OpenAnswer::Opened(view) => view.id,
        other => panic!("not opened: {other:?}"),
    }
}

fn found(lookup: Lookup) -> DebitInfo {
    match lookup {
        Lookup::Found { debit, .. } => *debit,
        other => panic!("not found: {other:?}"),
    }
}

#[test]
fn what_was_answered_is_found() {
    let disk = Disk::default();
    let (running, following) = start(&disk);
    let engine = Arc::clone(running.engine());
    let session = session(&engine);
    let payee = engine.create_payee(&CreatePayee { key: b"p", name: "p" }).wait().unwrap().value.id;
    let (writer, epoch) = engine.open_writer(None).wait().unwrap();
    let debit = |nanos, intent| {
        let (amount, reference) = (Amount::from_nanos(nanos), "order");
        let asked = Debit {
            act: tallystick_core::command::Act::Debit,
            proof: None,
            session,
            payee,
            amount,
            currency: USD,
            intent,
            reference,
            evidence: None,
            partial: false,
        };
        engine.debit(&asked).wait().unwrap()
    };
    let keyed = debit(60, Intent::Key(b"key"));
    let declined = debit(50, Intent::Key(b"too much"));
    let at = Numbered { writer, epoch, number: 1, acked_through: 0 };
    let numbered = debit(40, Intent::Number(at));
    let lookups = following.lookups().clone();
    // What a caller has heard of is durable: the answer must hold for that.
    let heard = engine.watermark().durable();
    assert!(heard >= numbered.seq);
    assert_eq!(lookups.wait_for(heard, LONG), Ok(true));
    let info = found(lookups.by_key(session, b"key", heard).unwrap());
    assert_eq!((info.seq, info.taken, info.verdict), (keyed.seq, Amount::from_nanos(60), None));
    assert_eq!((info.payee, info.reference.as_ref()), (payee, "order"));
    let info = found(lookups.by_key(session, b"too much", heard).unwrap());
    assert_eq!((info.seq, info.asked, info.taken), (declined.seq, Amount::from_nanos(50), Amount::ZERO));
    assert_eq!(info.verdict.map(|(code, _)| code), declined.decline.map(|decline| decline.code));
    let info = found(lookups.by_number(session, writer, 1, heard).unwrap());
    assert_eq!(found(lookups.by_id(session.debit(numbered.seq), heard).unwrap()), info);
    assert_eq!(
        lookups.by_key(session, b"never", heard).unwrap(),
        Lookup::NeverSeen { as_of_seq: lookups.cursor() }
    );

    let settled = engine.settle(session, false).wait().unwrap();
    running.stop().unwrap();
    let end = engine.watermark().durable();
    following.stop().unwrap();
    assert_eq!((lookups.cursor(), disk.projected.unsynced()), (end, 0));
    let Listed::Page(page) = lookups.list(session, 0, 10, settled.seq).unwrap() else { panic!("behind") };
    let seqs: Vec<_> = page.debits.iter().map(|debit| debit.seq).collect();
    assert_eq!(seqs, [keyed.seq, declined.seq, numbered.seq]);
    assert_eq!(found(lookups.by_key(session, b"key", end).unwrap()).seq, keyed.seq);

    // And on with it, from a durable cursor.
    let (running, following) = start(&disk);
    assert_eq!(following.lookups().cursor(), end);
    assert_eq!(found(following.lookups().by_number(session, writer, 1, end).unwrap()).seq, numbered.seq);
    assert!(disk.projected.get(1, &[]).unwrap().is_some());
    running.stop().unwrap();
    following.stop().unwrap();
}
