//! Owns: that each mode, in both loops, hears every answer and finds that all of it was settled; and that one nano which
//! nobody heard of fails a run. The server is the real one over a journal in memory.

#![allow(clippy::unwrap_used, reason = "a function of a test is no `#[test]` to clippy")]
// Requests gain optional fields from time to time; what is not named here stays at its default.
#![allow(clippy::needless_update, reason = "as long as every field happens to be named")]

use clap::Parser as _;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tallystick_client::{
    Client, Stopwatch,
    v1::{
        AuthorizeRequest, ListAccountsRequest, ListPayeesRequest, ListSessionsRequest, Outcome,
        SettleRequest, authorize_request::Intent,
    },
};
use tallystick_core::{Clock, IdSource, Time};
use tallystick_engine::{Options, Parts, Running, Silent};
use tallystick_journal::memory::{MemoryIndex, MemoryJournal, MemoryProjection};
use tallystick_loadtest::{Cli, Command, LoadError, Mode, Report, run};
use tallystick_projection::{Follower, Following};
use tallystick_rpc::{Anonymous, Limits, Services};
use tokio::net::TcpListener;
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

struct Ticking(Stopwatch);

impl Clock for Ticking {
    fn now(&self) -> Time {
        const NOON_NS: u64 = 1_800_000_000_000_000_000;
        Time::from_ns(NOON_NS + u64::try_from(self.0.elapsed().as_nanos()).unwrap())
    }
}

struct Counted(AtomicU64);

impl IdSource for Counted {
    fn draw(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Serves until the test ends; returns where.
async fn serve() -> String {
    let (index, journal) = (Arc::new(MemoryIndex::default()), Arc::new(MemoryJournal::default()));
    let followed = tallystick_projection::Parts {
        journal: Arc::clone(&journal) as _,
        checkpoints: Arc::clone(&index) as _,
        store: Arc::new(MemoryProjection::default()),
        needed_from: Arc::default(),
        events: Arc::new(tallystick_projection::Silent),
    };
    let follower = Follower::open(followed.clone(), tallystick_projection::Options::default()).unwrap();
    let parts = Parts {
        journal,
        checkpoints: Arc::clone(&index) as _,
        tables: index,
        journal_needed_from: followed.needed_from,
        clock: Arc::new(Ticking(Stopwatch::start())),
        ids: Arc::new(Counted(AtomicU64::new(1))),
        events: Arc::new(Silent),
    };
    let (running, _) = Running::start(parts, Options::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let following = Following::start(follower, Arc::clone(running.engine().watermark())).unwrap();
    let lookups = following.lookups().clone();
    let services = Services::new(Arc::clone(running.engine()), lookups, Limits::default())
        .anonymous(Anonymous::Development);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = Server::builder().serve_with_incoming(services.front(Routes::default()), incoming);
    tokio::spawn(async move {
        let served = serving.await;
        drop((running, following));
        served.unwrap();
    });
    address
}

async fn load(address: &str, words: &str) -> Result<Report, LoadError> {
    load_for(address, 1, words).await
}

async fn load_for(address: &str, seconds: u32, words: &str) -> Result<Report, LoadError> {
    let small = "--runs 1 --warmup-seconds 0 --sessions 6 --accounts 2 --payees 3 --connections 2";
    let line = format!("load {words} --addr {address} --seconds {seconds} {small}");
    match Cli::try_parse_from(line.split(' ')).unwrap().command {
        Command::Unary(args) => run(Mode::Unary, &args).await,
        Command::Stream(args) => run(Mode::Stream, &args).await,
        Command::Batch(args) => run(Mode::Batch { debits: args.batch }, &args.load).await,
        other => panic!("{other:?} is no load"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_hears_an_answer_to_every_arrival_of_its_schedule() {
    let address = serve().await;
    for (words, debits) in [
        ("unary --rate 200", 200),
        ("stream --rate 500", 500),
        ("batch --rate 50 --batch 20", 1_000),
        // A bound of one: every arrival waits for the one before, and none is dropped.
        ("unary --rate 2000 --outstanding-max 1", 2_000),
        ("stream --rate 2000 --outstanding-max 1", 2_000),
        ("unary --rate 500 --numbered", 500),
        ("unary --rate 200 --driver client", 200),
        ("stream --rate 500 --driver client", 500),
        ("batch --rate 50 --batch 20 --driver client", 1_000),
        ("stream --rate 2000 --outstanding-max 1 --driver client", 2_000),
    ] {
        let report = load(&address, words).await.unwrap();
        assert!(report.is_clean(), "{}", report.table());
        assert_eq!(report.audited(), (debits, 0, 0), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_loops_and_poisson_arrivals_are_audited_too() {
    let address = serve().await;
    for words in [
        "unary --in-flight 4",
        "stream --in-flight 16",
        "batch --in-flight 2 --batch 100",
        "unary --rate 300 --arrivals poisson --seed 5",
        // More on their way than there are sessions.
        "unary --in-flight 9 --numbered",
        "unary --in-flight 4 --driver client",
        "stream --in-flight 16 --driver client",
        "batch --in-flight 2 --batch 100 --driver client",
    ] {
        let report = load(&address, words).await.unwrap();
        assert!(report.is_clean(), "{}", report.table());
        assert!(report.audited().0 > 0, "{words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declines_are_answers_and_pay_nothing() {
    let address = serve().await;
    // Six sessions with room for nine debits of 600 to 606 nanos each.
    for words in [
        "unary --rate 200 --cap-nanos 5500",
        "unary --rate 200 --cap-nanos 5500 --numbered",
        "stream --rate 200 --cap-nanos 5500",
        "stream --rate 200 --cap-nanos 5500 --driver client",
    ] {
        let report = load(&address, words).await.unwrap();
        assert!(report.is_clean(), "{}", report.table());
        assert_eq!(report.audited(), (54, 146, 0), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lean_driver_cannot_go_on_from_ends_the_run() {
    let address = serve().await;
    let failed = load(&address, "unary --in-flight 1 --numbered --driver client").await.unwrap_err();
    assert!(matches!(failed, LoadError::Unfit(_)), "{failed}");
    // Debits of a session that somebody else settles are refused, however long that takes on a busy machine.
    let stranger = tokio::spawn(settle_one(format!("http://{address}")));
    let failed = load_for(&address, 60, "stream --rate 100").await.unwrap_err();
    stranger.await.unwrap();
    assert!(matches!(failed, LoadError::Answer { .. }), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_nano_that_nobody_heard_of_fails_the_run() {
    let address = serve().await;
    let stranger = tokio::spawn(pay_one_nano(format!("http://{address}")));
    let report = load(&address, "unary --rate 100").await.unwrap();
    stranger.await.unwrap();
    assert!(!report.is_clean());
    // In the line, in the session's total, in the payee's position.
    assert_eq!(report.audit_difference_nanos(), 3, "{}", report.table());
}

/// Pays one nano out of the first session that is opened, while the load goes on.
async fn pay_one_nano(uri: String) {
    let client = Client::connect(&uri).unwrap();
    let (session_id, payee_id) = first_opened(&client).await;
    let debit = AuthorizeRequest {
        session_id,
        payee_id,
        amount_nanos: 1,
        intent: Some(Intent::IdempotencyKey("a stranger's".to_owned())),
        ..AuthorizeRequest::default()
    };
    let decision = client.authorize(debit).await.unwrap().decision.unwrap();
    assert_eq!(decision.outcome(), Outcome::Approved);
}

/// Settles the first session that is opened, while the load goes on.
async fn settle_one(uri: String) {
    let client = Client::connect(&uri).unwrap();
    let (session_id, _) = first_opened(&client).await;
    client.settle(SettleRequest { session_id, ..SettleRequest::default() }).await.unwrap();
}

/// Waits for a session and a payee.
async fn first_opened(client: &Client) -> (String, String) {
    loop {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let accounts = client.list_accounts(ListAccountsRequest::default()).await.unwrap().accounts;
        let Some(account) = accounts.first() else { continue };
        let list =
            ListSessionsRequest { account_id: account.account_id.clone(), ..ListSessionsRequest::default() };
        let sessions = client.list_sessions(list).await.unwrap().sessions;
        let payees = client.list_payees(ListPayeesRequest::default()).await.unwrap().payees;
        if let (Some(session), Some(payee)) = (sessions.first(), payees.first()) {
            return (session.session_id.clone(), payee.payee_id.clone());
        }
    }
}
