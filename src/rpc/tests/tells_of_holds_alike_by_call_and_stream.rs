//! Holds, captures and voids say the same by call and by stream; look-ups and lists know them for what they are, before their session
//! settles and after; and what is wrong with one is named.
#![allow(clippy::unwrap_used, reason = "a function of a test is no `#[test]` to clippy")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tallystick_core::{Clock, IdSource, Time};
use tallystick_engine::{Options, Parts, Running, Silent};
use tallystick_journal::memory::{MemoryIndex, MemoryJournal, MemoryProjection};
use tallystick_projection::{Follower, Following};
use tallystick_proto::v1::{
    self, DebitKind, HoldState, Outcome, SessionState, authorize_stream_request::Message as Ask,
    authorize_stream_response::Message as Told, authorizer_client::AuthorizerClient,
    lookup_debit_request::By, stream_debit::Act,
};
use tallystick_rpc::{Anonymous, Limits, Services};
use tokio::net::TcpListener;
use tonic::{
    Code, Status,
    service::Routes,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};

const MORNING: u64 = 1_800_000_000;

#[derive(Default)]
struct Counted(AtomicU64);

impl Clock for Counted {
    fn now(&self) -> Time {
        Time::from_ns(MORNING * 1_000_000_000 + self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl IdSource for Counted {
    fn draw(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

struct World {
    client: AuthorizerClient<Channel>,
    running: Running,
    _following: Following,
    account_id: String,
    payee_id: String,
}

impl World {
    async fn new() -> Self {
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
            clock: Arc::<Counted>::default(),
            ids: Arc::<Counted>::default(),
            events: Arc::new(Silent),
        };
        let (running, _) = Running::start(parts, Options::default()).unwrap();
        let services = Services::new(Arc::clone(running.engine()), follower.lookups(), Limits::default())
            .anonymous(Anonymous::Development);
        let following = Following::start(follower, Arc::clone(running.engine().watermark())).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Server::builder()
            .serve_with_incoming(services.front(Routes::default()), TcpIncoming::from(listener));
        tokio::spawn(async move { serving.await.unwrap() });
        let channel = Endpoint::try_from(format!("http://{address}")).unwrap().connect().await.unwrap();
        let create = v1::CreateAccountRequest {
            idempotency_key: "a".into(),
            currency: "USD".into(),
            ..Default::default()
        };
        let mut accounts = v1::accounts_client::AccountsClient::new(channel.clone());
        let account_id =
            accounts.create_account(create).await.unwrap().into_inner().account.unwrap().account_id;
        let deposit = v1::DepositRequest {
            account_id: account_id.clone(),
            idempotency_key: "a".into(),
            amount_nanos: 10_000,
            currency: "USD".into(),
            ..Default::default()
        };
        accounts.deposit(deposit).await.unwrap();
        let payee = v1::CreatePayeeRequest { idempotency_key: "p".into(), name: "acme".into() };
        let mut payees = v1::payees_client::PayeesClient::new(channel.clone());
        let payee_id = payees.create_payee(payee).await.unwrap().into_inner().payee.unwrap().payee_id;
        let client = AuthorizerClient::new(channel);
        Self { client, running, _following: following, account_id, payee_id }
    }

    async fn open(&mut self, key: &str) -> String {
        let open = v1::OpenSessionRequest {
            account_id: self.account_id.clone(),
            idempotency_key: key.into(),
            cap_nanos: 1_000,
            currency: "USD".into(),
            ttl: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
            ..Default::default()
        };
        self.client.open_session(open).await.unwrap().into_inner().session.unwrap().session_id
    }

    fn hold(&self, session_id: &str, amount_nanos: u64, key: &str) -> v1::HoldRequest {
        v1::HoldRequest {
            session_id: session_id.into(),
            payee_id: self.payee_id.clone(),
            amount_nanos,
            tolerance_nanos: 10,
            intent: Some(v1::hold_request::Intent::IdempotencyKey(key.into())),
            ..Default::default()
        }
    }

    fn capture(
        &self,
        session_id: &str,
        hold_id: &str,
        (amount_nanos, last): (u64, bool),
        key: &str,
    ) -> v1::CaptureRequest {
        v1::CaptureRequest {
            session_id: session_id.into(),
            payee_id: self.payee_id.clone(),
            amount_nanos,
            intent: Some(v1::capture_request::Intent::IdempotencyKey(key.into())),
            hold_id: hold_id.into(),
            last,
            ..Default::default()
        }
    }

    fn void(&self, session_id: &str, hold_id: &str, key: &str) -> v1::VoidRequest {
        v1::VoidRequest {
            session_id: session_id.into(),
            payee_id: self.payee_id.clone(),
            intent: Some(v1::void_request::Intent::IdempotencyKey(key.into())),
            hold_id: hold_id.into(),
            ..Default::default()
        }
    }

    async fn look(&mut self, by: By) -> v1::DebitInfo {
        let asked = v1::LookupDebitRequest { by: Some(by) };
        self.client.lookup_debit(asked).await.unwrap().into_inner().debit.unwrap()
    }

    async fn listed(&mut self, session_id: &str) -> Vec<v1::DebitInfo> {
        let asked = v1::ListDebitsRequest { session_id: session_id.into(), page_size: 100, after_seq: 0 };
        self.client.list_debits(asked).await.unwrap().into_inner().debits
    }
}

/// What is the same whoever asks, and however.
fn short(
    outcome: Outcome,
    remaining: u64,
    hold: Option<&v1::HoldInfo>,
) -> (Outcome, u64, Option<(HoldState, u64, u64)>) {
    (outcome, remaining, hold.map(|hold| (hold.state(), hold.held_nanos, hold.captured_nanos)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_call_and_by_stream_and_when_looked_up() {
    let mut world = World::new().await;
    let (called, streamed) = (world.open("called").await, world.open("streamed").await);
    // By calls.
    let mut said = Vec::new();
    let asked = world.hold(&called, 100, "hold");
    let held = world.client.hold(asked.clone()).await.unwrap().into_inner();
    let (decision, first) = (held.decision.unwrap(), held.hold.unwrap());
    assert_eq!((&decision.hold_id, decision.amount_nanos, decision.held_nanos), (&first.hold_id, 100, 110));
    said.push(short(decision.outcome(), decision.remaining_nanos, Some(&first)));
    let again = world.client.hold(asked).await.unwrap().into_inner();
    assert_eq!((again.decision.unwrap().replayed, again.hold), (true, Some(first.clone())));
    for (key, terms) in [("c1", (40, false)), ("c2", (71, false)), ("c3", (20, true)), ("c4", (1, false))] {
        let asked = world.capture(&called, &first.hold_id, terms, key);
        let answer = world.client.capture(asked).await.unwrap().into_inner();
        let decision = answer.decision.unwrap();
        said.push(short(decision.outcome(), decision.remaining_nanos, answer.hold.as_ref()));
    }
    let second = world.client.hold(world.hold(&called, 30, "hold 2")).await.unwrap().into_inner();
    said.push(short(Outcome::Approved, second.decision.unwrap().remaining_nanos, second.hold.as_ref()));
    let second = second.hold.unwrap();
    let voided = world.client.void(world.void(&called, &second.hold_id, "void")).await.unwrap().into_inner();
    let decision = voided.decision.unwrap();
    assert_eq!((decision.amount_nanos, &decision.hold_id), (40, &second.hold_id));
    said.push(short(decision.outcome(), decision.remaining_nanos, voided.hold.as_ref()));
    // By a stream, each in a message of its own, since a capture names what its hold's answer says.
    let (ask, asked) = tokio::sync::mpsc::channel(4);
    ask.send(v1::AuthorizeStreamRequest { message: Some(Ask::Hello(v1::Hello::default())) }).await.unwrap();
    let mut told = world
        .client
        .authorize_stream(tokio_stream::wrappers::ReceiverStream::new(asked))
        .await
        .unwrap()
        .into_inner();
    let Some(Told::Welcome(welcome)) = told.message().await.unwrap().unwrap().message else { panic!() };
    let (mut heard, mut hold_id) = (Vec::new(), String::new());
    for number in 1..=7_u64 {
        let terms = |last| Box::new(v1::CaptureTerms { hold_id: hold_id.clone(), last });
        let placed = || Box::new(v1::HoldTerms { tolerance_nanos: 10, capture_until: None });
        let (amount_nanos, act) = match number {
            1 => (100, Act::Hold(placed())),
            2 => (40, Act::Capture(terms(false))),
            3 => (71, Act::Capture(terms(false))),
            4 => (20, Act::Capture(terms(true))),
            5 => (1, Act::Capture(terms(false))),
            6 => (30, Act::Hold(placed())),
            _ => (0, Act::Void(Box::new(v1::VoidTerms { hold_id: hold_id.clone() }))),
        };
        let debit = v1::StreamDebit { amount_nanos, number, act: Some(act), ..Default::default() };
        let batch = v1::DebitBatch {
            batch_id: number,
            session_ids: vec![streamed.clone()],
            payee_ids: vec![world.payee_id.clone()],
            debits: vec![debit],
            ..Default::default()
        };
        ask.send(v1::AuthorizeStreamRequest { message: Some(Ask::Batch(batch)) }).await.unwrap();
        let Some(Told::Batch(mut results)) = told.message().await.unwrap().unwrap().message else { panic!() };
        let result = results.results.remove(0);
        assert_eq!((result.refused.as_ref(), result.late, result.partial_nanos), (None, false, 0));
        let hold = result.hold.as_deref().unwrap();
        hold_id.clone_from(&hold.hold_id);
        heard.push(short(result.outcome(), result.remaining_nanos, Some(hold)));
    }
    assert_eq!(said, heard);
    // Looked up: by key, by number, by id, and in the list.
    let kinds = [
        DebitKind::Hold,
        DebitKind::Capture,
        DebitKind::Capture,
        DebitKind::Capture,
        DebitKind::Capture,
        DebitKind::Hold,
        DebitKind::Void,
    ];
    for settled in [false, true] {
        for (session_id, is_called) in [(&called, true), (&streamed, false)] {
            let listed = world.listed(session_id).await;
            assert_eq!(listed.iter().map(v1::DebitInfo::kind).collect::<Vec<_>>(), kinds, "{settled}");
            let spent: u64 =
                listed.iter().filter(|d| d.kind() == DebitKind::Capture).map(|d| d.amount_nanos).sum();
            assert_eq!((spent, listed[0].tolerance_nanos, listed[6].amount_nanos), (60, 10, 40));
            assert!(listed[0].capture_until.is_some() && listed[3].last && !listed[1].last);
            assert!(listed.iter().take(5).all(|debit| debit.hold_id == listed[0].hold_id));
            for (debit, number) in listed.iter().zip(1..) {
                assert_eq!(world.look(By::DebitId(debit.debit_id.clone())).await, *debit);
                if !is_called {
                    let writer_id = welcome.writer_id.clone();
                    let by = v1::DebitByNumber { session_id: session_id.clone(), writer_id, number };
                    assert_eq!(world.look(By::Number(by)).await, *debit);
                }
            }
            let key = v1::DebitByKey { session_id: called.clone(), idempotency_key: "c3".into() };
            assert_eq!(world.look(By::Key(key)).await.kind(), DebitKind::Capture);
        }
        for session_id in [&called, &streamed] {
            let settle = v1::SettleRequest { session_id: session_id.clone(), cascade: false };
            let settlement = world.client.settle(settle).await.unwrap().into_inner().settlement.unwrap();
            assert_eq!((settlement.total_nanos, settlement.debit_count), (60, 2));
        }
    }
    // Asked again after the settlement: the same, and what differs is named.
    let asked = world.capture(&called, &first.hold_id, (20, true), "c3");
    let again = world.client.capture(asked.clone()).await.unwrap().into_inner();
    let decision = again.decision.unwrap();
    assert_eq!((decision.replayed, decision.amount_nanos, &decision.hold_id), (true, 20, &first.hold_id));
    let other = world.client.capture(v1::CaptureRequest { last: false, ..asked }).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);
    let gone = world.client.get_hold(v1::GetHoldRequest { hold_id: first.hold_id }).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_settled_waits_for_its_holds() {
    let mut world = World::new().await;
    let session_id = world.open("s").await;
    let placed =
        world.client.hold(world.hold(&session_id, 100, "one")).await.unwrap().into_inner().hold.unwrap();
    world.client.hold(world.hold(&session_id, 200, "two")).await.unwrap();
    let settle = v1::SettleRequest { session_id: session_id.clone(), cascade: false };
    let waits = world.client.settle(settle.clone()).await.unwrap().into_inner();
    let session = waits.session.unwrap();
    assert_eq!(
        (waits.settlement, session.state(), session.open_hold_count),
        (None, SessionState::Closing, 2)
    );
    assert_eq!((session.held_nanos, session.remaining_nanos), (320, 680));
    let list = v1::ListHoldsRequest { session_id: session_id.clone(), page_size: 1, after_seq: 0 };
    let page = world.client.list_holds(list.clone()).await.unwrap().into_inner();
    assert_eq!(page.holds, std::slice::from_ref(&placed));
    let rest = v1::ListHoldsRequest { page_size: 10, after_seq: page.next_after_seq, ..list.clone() };
    let rest = world.client.list_holds(rest).await.unwrap().into_inner();
    let [second] = &rest.holds[..] else { panic!("{rest:?}") };
    let no_more = v1::ListHoldsRequest { after_seq: rest.next_after_seq, ..list };
    let no_more = world.client.list_holds(no_more).await.unwrap().into_inner();
    assert_eq!((no_more.holds.len(), no_more.next_after_seq), (0, rest.next_after_seq));
    let declined = world.client.hold(world.hold(&session_id, 1, "three")).await.unwrap().into_inner();
    assert_eq!(declined.decision.unwrap().code(), v1::DeclineCode::SessionEnded);
    assert_eq!(declined.hold, None);
    world.client.capture(world.capture(&session_id, &placed.hold_id, (100, true), "c")).await.unwrap();
    world.client.void(world.void(&session_id, &second.hold_id, "v")).await.unwrap();
    world.running.engine().sweep(10);
    let settled = world.client.settle(settle).await.unwrap().into_inner();
    let settlement = settled.settlement.unwrap();
    assert!(settled.replayed, "it had settled by itself");
    assert_eq!((settlement.total_nanos, settlement.released_nanos), (100, 900));
}

fn broken(status: &Status) -> (Code, String) {
    use tonic_types::StatusExt as _;
    let field = status.get_details_bad_request().and_then(|bad| bad.field_violations.into_iter().next());
    (status.code(), field.map(|field| field.field).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_one_is_named_and_changes_nothing() {
    let mut world = World::new().await;
    let (session_id, other) = (world.open("s").await, world.open("other").await);
    let held = world.client.hold(world.hold(&session_id, 100, "one")).await.unwrap().into_inner();
    let (hold, debit_id) = (held.hold.unwrap(), held.decision.unwrap().debit_id);
    let bad = |field: &str| (Code::InvalidArgument, field.to_owned());
    let at =
        |seconds: u64| Some(prost_types::Timestamp { seconds: (MORNING + seconds).cast_signed(), nanos: 0 });
    let plain = world.hold(&session_id, 1, "bad");
    for (request, field) in [
        (v1::HoldRequest { capture_until: at(0), ..plain.clone() }, "capture_until"),
        (v1::HoldRequest { capture_until: at(8 * 86_400), ..plain.clone() }, "capture_until"),
        (v1::HoldRequest { tolerance_nanos: u64::MAX, ..plain.clone() }, "tolerance_nanos"),
        (v1::HoldRequest { amount_nanos: 0, ..plain.clone() }, "amount_nanos"),
        (v1::HoldRequest { intent: None, ..plain.clone() }, "intent"),
        (v1::HoldRequest { evidence_hash: vec![1], ..plain.clone() }, "evidence_hash"),
    ] {
        let refused = world.client.hold(request.clone()).await.unwrap_err();
        assert_eq!(broken(&refused), bad(field), "{request:?}");
    }
    let plain = world.capture(&session_id, &hold.hold_id, (1, false), "bad");
    for (request, field) in [
        (v1::CaptureRequest { hold_id: "hld_1".into(), ..plain.clone() }, "hold_id"),
        (v1::CaptureRequest { hold_id: debit_id.clone(), ..plain.clone() }, "hold_id"),
        (v1::CaptureRequest { session_id: other.clone(), ..plain.clone() }, "hold_id"),
        (v1::CaptureRequest { amount_nanos: 0, ..plain.clone() }, "amount_nanos"),
    ] {
        let refused = world.client.capture(request.clone()).await.unwrap_err();
        assert_eq!(broken(&refused), bad(field), "{request:?}");
    }
    let reverse = v1::ReverseRequest { debit_id, idempotency_key: "r".into(), amount_nanos: 0 };
    assert_eq!(world.client.reverse(reverse).await.unwrap_err().code(), Code::FailedPrecondition);
    let captured = world.client.capture(v1::CaptureRequest { amount_nanos: 40, ..plain }).await.unwrap();
    let debit_id = captured.into_inner().decision.unwrap().debit_id;
    let reverse = v1::ReverseRequest { debit_id, idempotency_key: "r".into(), amount_nanos: 15 };
    let reversed = world.client.reverse(reverse).await.unwrap().into_inner();
    let session = reversed.session.unwrap();
    assert_eq!((reversed.reversed_nanos, session.spent_nanos, session.held_nanos), (15, 25, 70));
    assert_eq!((session.debit_count, session.open_hold_count), (1, 1));
}
