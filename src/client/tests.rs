//! Proves, against a server that breaks streams at chosen points, that each debit is decided once and answered once.

use crate::{
    Answer, Client, ClientError, ClientOptions, Debit, Happened, PayeeId, SessionId, Tally, Writer,
    WriterOptions,
    fake::{Fake, Fault, World},
    v1::{self, Refusal, authorize_request::Intent},
};
use std::time::Duration;

struct Scene {
    fake: Fake,
    client: Client,
    sessions: Vec<SessionId>,
    payees: Vec<PayeeId>,
}

fn options() -> ClientOptions {
    ClientOptions { pause_least: Duration::from_millis(1), ..ClientOptions::default() }
}

/// Sets up an account, two payees and sessions of the given caps.
async fn scene(caps: &[u64], faults: Vec<Fault>) -> Scene {
    let mut world = World::default();
    world.faults = faults;
    let fake = Fake::new(world);
    let client = Client::connect_with(&fake.start().await, options()).expect("an address");
    let create = v1::CreateAccountRequest {
        idempotency_key: "a".to_owned(),
        currency: "USD".to_owned(),
        ..v1::CreateAccountRequest::default()
    };
    let account = client.create_account(create).await.expect("made").account.expect("given");
    let deposit = v1::DepositRequest {
        account_id: account.account_id.clone(),
        idempotency_key: "d".to_owned(),
        amount_nanos: caps.iter().sum(),
        currency: "USD".to_owned(),
        pending: false,
    };
    client.deposit(deposit).await.expect("funded");
    let mut payees = Vec::new();
    for name in ["acme", "globex"] {
        let create = v1::CreatePayeeRequest { idempotency_key: name.to_owned(), name: name.to_owned() };
        let payee = client.create_payee(create).await.expect("made").payee.expect("given");
        payees.push(PayeeId::new(&payee.payee_id));
    }
    let mut sessions = Vec::new();
    for (index, cap_nanos) in caps.iter().enumerate() {
        let open = v1::OpenSessionRequest {
            account_id: account.account_id.clone(),
            idempotency_key: format!("s{index}"),
            cap_nanos: *cap_nanos,
            ..v1::OpenSessionRequest::default()
        };
        let session = client.open_session(open).await.expect("opened").session.expect("approved");
        sessions.push(SessionId::new(&session.session_id));
    }
    Scene { fake, client, sessions, payees }
}

impl Scene {
    async fn writer(&self, in_flight_max: usize) -> Writer {
        let options = WriterOptions { in_flight_max, ..WriterOptions::default() };
        self.client.writer(options).await.expect("welcome")
    }

    /// Makes batches over all sessions and payees; every amount is different, so a mix-up shows as KEY_REUSED.
    fn batches(&self, count: usize, size: usize) -> Vec<Vec<Debit>> {
        let debit = |n: usize| {
            let session = &self.sessions[n % self.sessions.len()];
            Debit::new(session, &self.payees[n % 3 % 2], 1 + n as u64)
        };
        (0..count).map(|batch| (0..size).map(|item| debit(batch * size + item)).collect()).collect()
    }

    /// Sends all batches with many in flight, and returns what was heard.
    async fn stream(&self, writer: &Writer, batches: Vec<Vec<Debit>>) -> Tally {
        let mut tickets = std::collections::VecDeque::new();
        let mut tally = Tally::default();
        for batch in batches {
            // A ticket may be kept while later batches go in: room is bounded by the writer.
            tickets.push_back((batch.clone(), writer.submit(batch).await.expect("taken")));
        }
        for (batch, ticket) in tickets {
            let answers = ticket.await.expect("answered");
            assert_eq!(answers.len(), batch.len(), "one answer a debit");
            for (debit, answer) in batch.iter().zip(&answers) {
                tally.hear(&debit.session, &debit.payee, debit.amount_nanos, answer);
            }
        }
        tally
    }

    /// Settles all sessions and lays both halves together.
    async fn audit(&self, tally: &Tally) {
        for session in &self.sessions {
            let settle = v1::SettleRequest { session_id: session.to_string(), cascade: false };
            let settlement = self.client.settle(settle).await.expect("settled").settlement.expect("given");
            assert_eq!(tally.compare(&settlement), Vec::new());
        }
    }

    /// Checks that the numbers of every session are 1 … its debits, without gap or repetition.
    fn assert_numbers(&self, writer: &Writer, per_session: u64) {
        let world = self.fake.world();
        for session in &self.sessions {
            let place = &world.sessions[session.as_str()].places[writer.writer_id()];
            assert_eq!(place.last, per_session, "the last number of {session}");
        }
    }
}

const CAP: u64 = 1_000_000_000;

async fn every_debit_once(faults: Vec<Fault>) -> u64 {
    let scene = scene(&[CAP; 4], faults).await;
    let writer = scene.writer(8).await;
    let tally = scene.stream(&writer, scene.batches(40, 20)).await;
    assert_eq!((tally.answered, tally.approved), (800, 800));
    scene.assert_numbers(&writer, 200);
    scene.audit(&tally).await;
    tally.replayed
}

#[tokio::test]
async fn an_unbroken_stream_answers_every_debit_in_order() {
    assert_eq!(every_debit_once(Vec::new()).await, 0);
}

#[tokio::test]
async fn a_stream_lost_before_a_decision_resumes_with_the_same_numbers() {
    assert_eq!(every_debit_once(vec![Fault::DropBefore(1)]).await, 0);
    assert_eq!(every_debit_once(vec![Fault::DropBefore(17)]).await, 0);
}

#[tokio::test]
async fn answers_lost_after_the_decision_come_back_as_replays() {
    assert!(every_debit_once(vec![Fault::DropAfter(1)]).await >= 20);
    assert!(every_debit_once(vec![Fault::DropAfter(17)]).await >= 20);
}

#[tokio::test]
async fn a_stream_lost_again_and_again_while_resuming_still_pays_once() {
    let faults = vec![
        Fault::DropAfter(3),
        Fault::DropAtPositions(1),
        Fault::DropBefore(4),
        Fault::DropAfter(6),
        Fault::DropAtPositions(4),
        Fault::DropAfter(9),
        Fault::DropBefore(30),
    ];
    every_debit_once(faults).await;
}

#[tokio::test]
async fn a_drop_at_every_single_batch_pays_once() {
    for batch in 1..=40 {
        every_debit_once(vec![Fault::DropAfter(batch), Fault::DropBefore(batch + 3)]).await;
    }
}

#[tokio::test]
async fn what_was_shed_goes_out_again_in_order() {
    every_debit_once(vec![Fault::Shed(2, 0), Fault::Shed(9, 7), Fault::DropAfter(12)]).await;
}

#[tokio::test]
async fn a_refused_debit_leaves_no_hole_in_the_count() {
    let scene = scene(&[CAP], Vec::new()).await;
    let writer = scene.writer(8).await;
    let mut batches = scene.batches(6, 10);
    batches[1][4].payee = PayeeId::new("pay_nobody");
    let tally = scene.stream(&writer, batches).await;
    assert_eq!((tally.answered, tally.approved, tally.refused), (60, 59, 1));
    scene.assert_numbers(&writer, 59);
    scene.audit(&tally).await;
}

#[tokio::test]
async fn declines_are_answers_and_are_replayed_as_such() {
    let scene = scene(&[100, CAP], vec![Fault::DropAfter(2), Fault::DropAfter(5)]).await;
    let writer = scene.writer(4).await;
    let tally = scene.stream(&writer, scene.batches(10, 10)).await;
    assert_eq!(tally.answered, 100);
    assert!(tally.declined_by_code["CAP"] > 30, "{:?}", tally.declined_by_code);
    scene.audit(&tally).await;
}

#[tokio::test]
async fn a_settled_session_is_refused_and_the_rest_goes_on() {
    let scene = scene(&[CAP, CAP], Vec::new()).await;
    let writer = scene.writer(4).await;
    let settle = v1::SettleRequest { session_id: scene.sessions[0].to_string(), cascade: false };
    scene.client.settle(settle).await.expect("settled");
    let batch = scene.batches(1, 10).remove(0);
    let answers = writer.submit(batch).await.expect("taken").await.expect("answered");
    for (index, answer) in answers.iter().enumerate() {
        match answer {
            Answer::Refused { refusal: Refusal::SessionRetired, .. } => assert_eq!(index % 2, 0),
            Answer::Approved { .. } => assert_eq!(index % 2, 1),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn acknowledged_answers_are_forgotten_by_the_server() {
    let scene = scene(&[CAP], Vec::new()).await;
    let writer = scene.writer(1).await;
    for batch in scene.batches(20, 5) {
        writer.submit(batch).await.expect("taken").await.expect("answered");
    }
    let world = scene.fake.world();
    let place = &world.sessions[scene.sessions[0].as_str()].places[writer.writer_id()];
    assert_eq!(place.last, 100);
    assert_eq!(place.window.len(), 5, "only the last batch is still remembered");
}

#[tokio::test]
async fn unanswered_debits_stay_within_the_servers_window() {
    let scene = scene(&[1_000_000 * CAP], vec![Fault::DropAfter(3)]).await;
    let writer = scene.writer(100).await;
    let tally = scene.stream(&writer, scene.batches(12, 10_000)).await;
    assert_eq!((tally.answered, tally.approved), (120_000, 120_000));
    scene.audit(&tally).await;
}

#[tokio::test]
async fn a_fenced_writer_stops_and_says_so() {
    let scene = scene(&[CAP], Vec::new()).await;
    let writer = scene.writer(4).await;
    scene.fake.world().hello(writer.writer_id());
    let batch = scene.batches(1, 3).remove(0);
    let error = writer.submit(batch.clone()).await.expect("taken").await.expect_err("fenced");
    assert!(matches!(error, ClientError::Refused { refusal: Refusal::WriterFenced, .. }), "{error}");
    assert_eq!(error.happened(), Happened::Unknown);
    let stopped = async {
        loop {
            if let Err(error) = writer.submit(batch.clone()).await {
                return error;
            }
        }
    };
    assert!(matches!(stopped.await, ClientError::WriterStopped));
}

#[tokio::test]
async fn a_server_that_forgot_its_answers_is_a_contradiction() {
    let scene = scene(&[CAP], vec![Fault::DropBefore(2)]).await;
    let writer = scene.writer(1).await;
    let mut batches = scene.batches(2, 3).into_iter();
    let first = batches.next().expect("two");
    writer.submit(first).await.expect("taken").await.expect("answered");
    for place in scene.fake.world().sessions.values_mut().flat_map(|s| s.places.values_mut()) {
        place.last = 1;
    }
    let second = batches.next().expect("two");
    let error = writer.submit(second).await.expect("taken").await.expect_err("forgot");
    assert!(matches!(error, ClientError::Contradiction { .. }), "{error}");
    assert!(!error.may_retry());
}

#[tokio::test]
async fn an_outage_longer_than_allowed_ends_the_writer() {
    let faults = (1..10_000).map(Fault::DropBefore).collect();
    let scene = scene(&[CAP], faults).await;
    let options = WriterOptions { outage_limit: Duration::from_millis(50), ..WriterOptions::default() };
    let writer = scene.client.writer(options).await.expect("welcome");
    scene.fake.world().faults.extend((1..10_000).map(Fault::DropAtPositions));
    let batch = scene.batches(1, 3).remove(0);
    let error = writer.submit(batch).await.expect("taken").await.expect_err("gave up");
    assert!(matches!(error, ClientError::GaveUp { .. }), "{error}");
    assert!(error.may_retry());
}

/// Gives every second debit a key of its own; the others keep being numbered.
fn with_keys(mut batches: Vec<Vec<Debit>>) -> Vec<Vec<Debit>> {
    for (n, debit) in batches.iter_mut().flatten().enumerate().filter(|(n, _)| n % 2 == 0) {
        debit.key = format!("row-{n}");
    }
    batches
}

#[tokio::test]
async fn debits_with_keys_are_decided_once_among_numbered_ones() {
    let faults = vec![Fault::DropAfter(2), Fault::DropBefore(5), Fault::Shed(7, 3), Fault::DropAfter(9)];
    let scene = scene(&[CAP; 3], faults).await;
    let writer = scene.writer(4).await;
    let tally = scene.stream(&writer, with_keys(scene.batches(20, 15))).await;
    assert_eq!((tally.answered, tally.approved), (300, 300));
    // A writer of its own, on another day: what has a key is not paid again, what has none is.
    let again = scene.stream(&scene.writer(4).await, with_keys(scene.batches(20, 15))).await;
    assert_eq!((again.approved, again.replayed), (300, 150));
    let spent: u64 = scene.fake.world().sessions.values().map(|session| session.spent).sum();
    let all: u64 = (1..=300).sum();
    assert_eq!(spent, all + (1..=300).filter(|amount| amount % 2 == 0).sum::<u64>());
}

#[tokio::test]
async fn of_a_partial_approval_what_was_taken_counts() {
    let scene = scene(&[100], Vec::new()).await;
    let writer = scene.writer(1).await;
    let mut debit = Debit::new(&scene.sessions[0], &scene.payees[0], 60);
    debit.accept_partial = true;
    let tally = scene.stream(&writer, vec![vec![debit.clone(), debit.clone(), debit]]).await;
    assert_eq!((tally.approved, tally.declined()), (2, 1));
    assert_eq!(tally.session_nanos(&scene.sessions[0]), 100);
    scene.audit(&tally).await;
}

fn authorize(scene: &Scene, key: &str) -> v1::AuthorizeRequest {
    v1::AuthorizeRequest {
        session_id: scene.sessions[0].to_string(),
        payee_id: scene.payees[0].to_string(),
        amount_nanos: 5,
        intent: Some(Intent::IdempotencyKey(key.to_owned())),
        ..v1::AuthorizeRequest::default()
    }
}

#[tokio::test]
async fn a_unary_call_is_tried_again_under_the_same_key() {
    let scene = scene(&[CAP], vec![Fault::DropBefore(1), Fault::DropBefore(2), Fault::DropAfter(3)]).await;
    let decision = scene.client.authorize(authorize(&scene, "k")).await.expect("answered").decision;
    assert!(decision.expect("given").replayed, "the third try was decided, the fourth heard it");
    let world = scene.fake.world();
    assert_eq!(world.sessions[scene.sessions[0].as_str()].spent, 5);
    assert_eq!(world.batches_seen, 4);
}

#[tokio::test]
async fn a_bad_request_is_tried_once() {
    let scene = scene(&[CAP], Vec::new()).await;
    let request = v1::AuthorizeRequest { intent: None, ..authorize(&scene, "") };
    let error = scene.client.authorize(request).await.expect_err("malformed");
    assert!(matches!(error, ClientError::Refused { refusal: Refusal::Malformed, .. }), "{error}");
    assert_eq!(scene.fake.world().batches_seen, 0);
}

#[tokio::test]
async fn an_absent_server_is_given_up_on_in_time() {
    let options = ClientOptions { retry_limit: Duration::from_millis(50), ..options() };
    let client = Client::connect_with("http://127.0.0.1:1", options).expect("an address");
    let request = v1::GetPayeeRequest { payee_id: "pay_".to_owned() };
    let error = client.get_payee(request).await.expect_err("nobody there");
    let ClientError::GaveUp { last, .. } = error else { panic!("{error}") };
    assert!(matches!(*last, ClientError::Unreachable { .. }), "{last}");
}
