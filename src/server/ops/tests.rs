//! Owns: that operators are told what is true before there is an engine, over a journal that does not move, and after it
//! has failed.

use super::{routes, *};
use crate::{AnchoredClock, Config, LoggedEvents, OsIds, readiness::Unready, transport::Doors};
use axum::response::Response;
use std::sync::{Condvar, Mutex, PoisonError};
use tallystick_core::{
    Amount, Currency,
    command::{CreateAccount, Deposit},
};
use tallystick_engine::{Options, Parts, Running};
use tallystick_journal::{
    Durability, Journal, StorageFault, TrimStep, Visit,
    memory::{MemoryIndex, MemoryJournal, MemoryProjection},
};
use tallystick_projection::Follower;
use tallystick_rpc::{Limits, Services};
use tonic_health::server::HealthReporter;

/// Lets appends wait while it is shut.
#[derive(Default)]
struct Gated {
    shut: Mutex<bool>,
    bell: Condvar,
    below: MemoryJournal,
}

impl Gated {
    fn shut(&self, shut: bool) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = shut;
        self.bell.notify_all();
    }
}

impl Journal for Gated {
    fn append(&self, first_seq: u64, group: &[u8]) -> Result<(), StorageFault> {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.bell.wait_while(shut, |shut| *shut));
        self.below.append(first_seq, group)
    }
    fn read(&self, from_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        self.below.read(from_seq, visit)
    }
    fn trim(&self, before_seq: u64) -> Result<TrimStep, StorageFault> {
        self.below.trim(before_seq)
    }
    fn durability(&self) -> Durability {
        Durability::Fsync
    }
    fn size_bytes(&self) -> u64 {
        self.below.size_bytes()
    }
}

async fn starting() -> (Arc<Ops>, MeteredEvents) {
    let (logged, bell) = LoggedEvents::new();
    let metrics = Arc::new(Metrics::new(Arc::new(AnchoredClock::start())));
    let readiness = Arc::new(Readiness::ready(HealthReporter::new()).await);
    readiness.lose(Unready::Starting).await;
    let events = MeteredEvents { metrics: Arc::clone(&metrics), logged };
    (Ops::new(metrics, readiness, bell), events)
}

async fn read(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn while_the_past_is_read_it_is_alive_and_not_ready() {
    let (ops, _events) = starting().await;
    assert_eq!(read(routes::healthz(ops.clone()).await).await, (200, "alive\n".into()));
    let (status, text) = read(routes::readyz(ops.clone()).await).await;
    assert_eq!((status, text.as_str()), (503, "not ready: starting: the past is being read\n"));
    let (status, text) = read(routes::metrics(ops.clone()).await).await;
    assert!(status == 200 && text.contains("\ntallystick_ready 0\n"), "{text}");
    assert!(!text.contains("tallystick_book_nanos") && text.ends_with("# EOF\n"), "{text}");
    assert_eq!(read(routes::books(ops).await).await.0, 503);
}

#[tokio::test]
async fn a_failed_journal_is_not_alive() {
    let (ops, events) = starting().await;
    tallystick_engine::Events::journal_failed(&events, &StorageFault::Io("no space".into()));
    ops.readiness.lose(Unready::JournalFailed).await;
    assert_eq!(read(routes::healthz(ops.clone()).await).await.0, 503);
    let (status, text) = read(routes::readyz(ops.clone()).await).await;
    assert!(status == 503 && text.contains("journal failed"), "{text}");
    assert!(read(routes::metrics(ops).await).await.1.contains("\ntallystick_journal_failed 1\n"));
}

#[tokio::test]
async fn money_that_is_not_durable_is_not_shown() {
    let (ops, events) = starting().await;
    let (journal, index) = (Arc::new(Gated::default()), Arc::new(MemoryIndex::default()));
    let clock = Arc::new(AnchoredClock::start());
    let followed = tallystick_projection::Parts {
        journal: journal.clone(),
        checkpoints: index.clone(),
        store: Arc::new(MemoryProjection::default()),
        needed_from: Arc::default(),
        events: Arc::new(tallystick_projection::Silent),
    };
    let follower = Follower::open(followed, tallystick_projection::Options::default()).unwrap();
    let parts = Parts {
        journal: journal.clone(),
        checkpoints: index.clone(),
        tables: index,
        journal_needed_from: Arc::default(),
        clock: clock.clone(),
        ids: Arc::new(OsIds::from_os().unwrap()),
        events: Arc::new(events),
    };
    let (running, _) = Running::start(parts, Options { shards: 4, ..Options::default() }).unwrap();
    let engine = Arc::clone(running.engine());
    let gate = Services::new(Arc::clone(&engine), follower.lookups(), Limits::default()).gate();
    let lag: live::ProjectionLag = Box::new(|| Some(17));
    let doors = Doors::new(&Config::local(std::path::Path::new("/d")).unwrap().network);
    ops.show(Live::new(&engine, (gate, doors), clock, Some(lag)));

    let usd = Currency::from_number(840);
    let create = CreateAccount::prepaid(b"a", usd);
    let account = engine.create_account(&create).await.unwrap().value.id;
    let deposit =
        |key| Deposit { account, key, amount: Amount::from_nanos(5), currency: usd, pending: false };
    engine.deposit(&deposit(b"d")).await.unwrap();
    let metrics = async || read(routes::metrics(ops.clone()).await).await.1;
    let before = metrics().await;
    let shown = |page: &str, nanos: u64| {
        page.contains(&format!(
            "\ntallystick_book_nanos{{currency=\"USD\",account=\"payer_available\"}} {nanos}.0\n"
        ))
    };
    assert!(shown(&before, 5) && before.contains("\ntallystick_projection_lag_records 17\n"), "{before}");

    journal.shut(true);
    let ticket = engine.deposit(&deposit(b"e"));
    let held = metrics().await;
    assert!(shown(&held, 5) && held.contains("\ntallystick_queue_depth_records 1\n"), "{held}");
    assert!(read(routes::books(ops.clone()).await).await.1.contains("\"payer_available\": \"5\""));
    journal.shut(false);
    ticket.await.unwrap();
    let after = metrics().await;
    assert!(shown(&after, 10) && after.contains("\ntallystick_queue_depth_records 0\n"), "{after}");

    drop((engine, running));
    assert!(!metrics().await.contains("tallystick_book_nanos"), "an engine that is gone shows nothing");
}
