//! I2, I3: a debit is found by its key while the index lags, below its writer's window, and after its session has settled; and
//! nothing is called unseen that has only not been followed.
#![allow(clippy::unwrap_used, reason = "a function of a test is no `#[test]` to clippy")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tallystick_core::{Clock, IdSource, Time};
use tallystick_engine::{Options, Parts, Running, Silent};
use tallystick_journal::memory::{MemoryIndex, MemoryJournal, MemoryProjection};
use tallystick_projection::{Follower, Following};
use tallystick_proto::v1::{
    AuthorizeRequest, AuthorizeStreamRequest, CreateAccountRequest, CreatePayeeRequest, DebitByKey,
    DebitByNumber, DepositRequest, Hello, ListDebitsRequest, LookupDebitRequest, LookupDebitResponse,
    LookupState, OpenSessionRequest, ReverseRequest, SettleRequest, WriterNumber,
    accounts_client::AccountsClient, authorize_request::Intent, authorize_stream_request::Message as Ask,
    authorize_stream_response::Message as Told, authorizer_client::AuthorizerClient,
    lookup_debit_request::By, payees_client::PayeesClient,
};
use tallystick_rpc::{Anonymous, Limits, Services};
use tokio::net::TcpListener;
use tonic::{
    Code, Request, Status,
    service::Routes,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};

#[derive(Default)]
struct Counted(AtomicU64);

impl Clock for Counted {
    fn now(&self) -> Time {
        Time::from_ns(1_800_000_000_000_000_000 + self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl IdSource for Counted {
    fn draw(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Is a served engine whose index follows only when it is let.
struct World {
    channel: Channel,
    running: Running,
    follower: Option<Follower>,
    following: Option<Following>,
    session_id: String,
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let front = services.front(Routes::default());
        let serving = Server::builder().serve_with_incoming(front, TcpIncoming::from(listener));
        tokio::spawn(async move { serving.await.unwrap() });
        let channel = Endpoint::try_from(format!("http://{address}")).unwrap().connect().await.unwrap();
        let (session_id, payee_id) = stage(&channel).await;
        Self { channel, running, follower: Some(follower), following: None, session_id, payee_id }
    }

    fn client(&self) -> AuthorizerClient<Channel> {
        AuthorizerClient::new(self.channel.clone())
    }

    /// Lets the index follow from here on.
    fn follow(&mut self) {
        let follower = self.follower.take().unwrap();
        let watermark = Arc::clone(self.running.engine().watermark());
        self.following = Some(Following::start(follower, watermark).unwrap());
    }

    fn debit(&self, intent: Intent, amount_nanos: u64) -> AuthorizeRequest {
        AuthorizeRequest {
            session_id: self.session_id.clone(),
            payee_id: self.payee_id.clone(),
            amount_nanos,
            intent: Some(intent),
            reference: "order 7".into(),
            ..AuthorizeRequest::default()
        }
    }

    async fn pay(&self, intent: Intent, amount_nanos: u64) -> tallystick_proto::v1::Decision {
        self.client()
            .authorize(self.debit(intent, amount_nanos))
            .await
            .unwrap()
            .into_inner()
            .decision
            .unwrap()
    }

    async fn look(&self, by: By) -> Result<LookupDebitResponse, Status> {
        let mut request = Request::new(LookupDebitRequest { by: Some(by) });
        request.set_timeout(Duration::from_millis(300));
        self.client().lookup_debit(request).await.map(tonic::Response::into_inner)
    }

    fn key(&self, key: &str) -> By {
        By::Key(DebitByKey { session_id: self.session_id.clone(), idempotency_key: key.into() })
    }

    fn number(&self, writer_id: &str, number: u64) -> By {
        By::Number(DebitByNumber { session_id: self.session_id.clone(), writer_id: writer_id.into(), number })
    }

    async fn settle(&self) {
        let session_id = self.session_id.clone();
        self.client().settle(SettleRequest { session_id, cascade: false }).await.unwrap();
    }
}

fn by_key(key: &str) -> Intent {
    Intent::IdempotencyKey(key.into())
}

async fn stage(channel: &Channel) -> (String, String) {
    let (idempotency_key, currency) = ("a".to_owned(), "USD".to_owned());
    let create = CreateAccountRequest {
        idempotency_key: idempotency_key.clone(),
        currency: currency.clone(),
        ..CreateAccountRequest::default()
    };
    let mut accounts = AccountsClient::new(channel.clone());
    let account_id = accounts.create_account(create).await.unwrap().into_inner().account.unwrap().account_id;
    let deposit = DepositRequest {
        account_id: account_id.clone(),
        idempotency_key: idempotency_key.clone(),
        amount_nanos: 1_000,
        currency: currency.clone(),
        ..DepositRequest::default()
    };
    accounts.deposit(deposit).await.unwrap();
    let payee = CreatePayeeRequest { idempotency_key: idempotency_key.clone(), name: "acme".into() };
    let payee = PayeesClient::new(channel.clone()).create_payee(payee).await.unwrap().into_inner();
    let open = OpenSessionRequest {
        account_id,
        idempotency_key,
        cap_nanos: 100,
        currency,
        ttl: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        ..OpenSessionRequest::default()
    };
    let opened = AuthorizerClient::new(channel.clone()).open_session(open).await.unwrap().into_inner();
    (opened.session.unwrap().session_id, payee.payee.unwrap().payee_id)
}

async fn writer(world: &World) -> (String, u32) {
    let hello = AuthorizeStreamRequest { message: Some(Ask::Hello(Hello::default())) };
    let stream = world.client().authorize_stream(tokio_stream::once(hello)).await.unwrap();
    match stream.into_inner().message().await.unwrap().unwrap().message.unwrap() {
        Told::Welcome(welcome) => (welcome.writer_id, welcome.epoch),
        other => panic!("no welcome: {other:?}"),
    }
}

fn state(found: &LookupDebitResponse) -> LookupState {
    found.state()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_retried_while_the_index_lags_is_found_in_memory() {
    let mut world = World::new().await;
    let first = world.pay(by_key("k1"), 60).await;
    let declined = world.pay(by_key("k2"), 50).await;
    // Nothing has been followed: the same key is a replay, and its look-up says the same.
    let again = world.pay(by_key("k1"), 60).await;
    assert!(again.replayed && again.debit_id == first.debit_id);
    let found = world.look(world.key("k1")).await.unwrap();
    let debit = found.debit.clone().unwrap();
    assert_eq!(
        (state(&found), &debit.debit_id, debit.amount_nanos),
        (LookupState::Approved, &first.debit_id, 60)
    );
    assert_eq!((debit.reference.as_str(), debit.decided_at), ("", None), "memory knows no more of it");
    let found = world.look(world.key("k2")).await.unwrap();
    let debit = found.debit.clone().unwrap();
    assert_eq!(
        (state(&found), debit.debit_id, debit.asked_nanos),
        (LookupState::Declined, declined.debit_id, 50)
    );
    assert_eq!(state(&world.look(world.key("never")).await.unwrap()), LookupState::NeverSeen);

    // What only the index can know is not called unseen while it lags.
    let behind = world.look(By::DebitId(first.debit_id.clone())).await.unwrap_err();
    assert!(
        matches!(behind.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled),
        "{behind:?}"
    );
    world.settle().await;
    let behind = world.look(world.key("k1")).await.unwrap_err();
    assert!(
        matches!(behind.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled),
        "{behind:?}"
    );

    world.follow();
    for by in [world.key("k1"), By::DebitId(first.debit_id.clone())] {
        let found = world.look(by).await.unwrap();
        let debit = found.debit.clone().unwrap();
        assert_eq!((state(&found), &debit.debit_id), (LookupState::Approved, &first.debit_id));
        assert_eq!(debit.reference, "order 7");
        assert!(debit.decided_at.is_some() && found.as_of_seq > first.seq);
    }
    assert_eq!(state(&world.look(world.key("never")).await.unwrap()), LookupState::NeverSeen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_below_the_window_and_after_the_settlement_is_found_in_the_index() {
    let mut world = World::new().await;
    world.follow();
    let (writer_id, epoch) = writer(&world).await;
    let mut seqs = Vec::new();
    for number in 1..=5 {
        let acked_through = number - 1;
        let at = WriterNumber { writer_id: writer_id.clone(), epoch, number, acked_through };
        seqs.push(world.pay(Intent::WriterNumber(at), number).await.seq);
    }
    // Asked again it is refused as forgotten; looked up it is found.
    let at = WriterNumber { writer_id: writer_id.clone(), epoch, number: 2, acked_through: 1 };
    let forgotten = world.client().authorize(world.debit(Intent::WriterNumber(at), 2)).await.unwrap_err();
    assert_eq!(forgotten.code(), Code::OutOfRange);
    let check = async |world: &World| {
        for (number, seq) in (1..).zip(&seqs) {
            let found = world.look(world.number(&writer_id, number)).await.unwrap();
            let debit = found.debit.clone().unwrap();
            assert_eq!((state(&found), debit.seq, debit.number), (LookupState::Approved, *seq, number));
        }
        assert_eq!(state(&world.look(world.number(&writer_id, 6)).await.unwrap()), LookupState::NeverSeen);
    };
    check(&world).await;
    world.settle().await;
    check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_debit_asked_again_after_the_settlement_gets_its_first_answer() {
    let mut world = World::new().await;
    world.follow();
    let (first, declined) = (world.pay(by_key("k1"), 60).await, world.pay(by_key("k2"), 50).await);
    world.settle().await;
    let again = world.pay(by_key("k1"), 60).await;
    assert_eq!((again.outcome, &again.debit_id, again.seq), (first.outcome, &first.debit_id, first.seq));
    assert!(again.replayed && again.amount_nanos == 60 && again.remaining_nanos == 0);
    let again = world.pay(by_key("k2"), 50).await;
    assert_eq!((again.code, again.level, again.replayed), (declined.code, declined.level, true));
    let other = world.client().authorize(world.debit(by_key("k1"), 61)).await.unwrap_err();
    assert_eq!(
        (other.code(), other.message()),
        (Code::AlreadyExists, "the key was used for another intent: amount_nanos differs",)
    );
    let never = world.client().authorize(world.debit(by_key("k3"), 1)).await.unwrap_err();
    assert_eq!(never.code(), Code::FailedPrecondition, "it is retired, and never a decline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reversed_debit_says_how_much_of_it_was_taken_back() {
    let mut world = World::new().await;
    world.follow();
    let paid = world.pay(by_key("k1"), 60).await;
    let reverse = |key: &str, amount_nanos| ReverseRequest {
        debit_id: paid.debit_id.clone(),
        idempotency_key: key.into(),
        amount_nanos,
    };
    let back = world.client().reverse(reverse("r1", 20)).await.unwrap().into_inner();
    assert_eq!((back.reversed_nanos, back.session.unwrap().remaining_nanos), (20, 60));
    assert!(world.client().reverse(reverse("r1", 20)).await.unwrap().into_inner().replayed);
    let too_much = world.client().reverse(reverse("r2", 41)).await.unwrap_err();
    assert_eq!(
        (too_much.code(), too_much.message()),
        (Code::InvalidArgument, "amount_nanos must be at most what is left of the debit",)
    );
    let debit = world.look(By::DebitId(paid.debit_id.clone())).await.unwrap().debit.unwrap();
    assert_eq!((debit.amount_nanos, debit.reversed_nanos), (60, 20));

    let declined = world.pay(by_key("k2"), 90).await;
    let wrong = ReverseRequest { debit_id: declined.debit_id, ..reverse("r3", 0) };
    assert_eq!(world.client().reverse(wrong).await.unwrap_err().code(), Code::FailedPrecondition);
    world.settle().await;
    let list = ListDebitsRequest { session_id: world.session_id.clone(), ..ListDebitsRequest::default() };
    let listed = world.client().list_debits(list).await.unwrap().into_inner().debits;
    let shown: Vec<_> = listed.iter().map(|d| (d.asked_nanos, d.amount_nanos, d.reversed_nanos)).collect();
    assert_eq!(shown, [(60, 60, 20), (90, 0, 0)]);
    assert_eq!(world.client().reverse(reverse("r4", 1)).await.unwrap_err().code(), Code::FailedPrecondition);
}
