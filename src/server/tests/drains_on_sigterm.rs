//! Owns: what SIGTERM means to callers: what was acknowledged stays, new work is refused in words, and nobody waits long.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a function of a test is no `#[test]` to clippy")]

mod support;

use support::{PATIENCE, Server, Stage, payers::Payers, reason};
use tallystick_proto::v1::{
    AuthorizeStreamRequest, AuthorizeStreamResponse, DebitBatch, Hello, Outcome, PositionsRequest,
    StreamDebit, authorize_stream_request::Message as Ask, authorize_stream_response::Message as Answer,
    authorizer_client::AuthorizerClient,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

#[tokio::test]
async fn drains_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    let payers = Payers::start(16, &channel, &stage);
    payers.approved(200).await;

    server.ask_to_stop().await;
    let told = timeout(PATIENCE, payers.told()).await.expect("every caller is answered");
    let end = server.ended().await;
    assert_eq!(end.code, Some(0), "{}", end.log);

    let unheard = told.unheard("DRAINING");
    assert!(unheard < told.ends.len(), "nobody was refused in words: {:?}", told.ends);
    let server = Server::start(folder.path()).await;
    told.assert_kept(&server.connect().await, &stage, unheard).await;
    assert_eq!(server.stop().await.code, Some(0));
}

#[tokio::test]
async fn health_says_not_serving_and_then_the_watch_ends() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let mut health = HealthClient::new(server.connect().await);
    let request = HealthCheckRequest { service: "tallystick.v1.Authorizer".into() };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    server.ask_to_stop().await;
    let told = timeout(PATIENCE, watch.message()).await.expect("watchers are told").unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::NotServing);
    // One that watches does not hold up the end.
    let end = server.ended().await;
    assert_eq!(end.code, Some(0), "{}", end.log);
    assert!(!end.log.contains("did not end in time"), "{}", end.log);
}

#[tokio::test]
async fn a_stream_ends_with_all_its_batches_answered() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    let mut stream = Stream::open(&channel, "").await;
    for batch_id in 0..4 {
        stream.send(batch(&stage, batch_id)).await;
    }
    let first = stream.answer().await.expect("a batch is answered");
    assert!(matches!(first, Answer::Batch(_)), "{first:?}");

    server.ask_to_stop().await;
    let mut answered = 1;
    while let Some(answer) = stream.answer().await {
        let Answer::Batch(result) = answer else { panic!("{answer:?}") };
        assert_eq!(result.batch_id, answered);
        assert!(result.results.iter().all(|debit| debit.outcome() == Outcome::Approved), "{result:?}");
        answered += 1;
    }
    let writer_id = stream.writer_id.clone();
    drop(stream);
    let end = server.ended().await;
    assert_eq!(end.code, Some(0), "{}", end.log);
    assert!(!end.log.contains("did not end in time"), "{}", end.log);

    let server = Server::start(folder.path()).await;
    let mut stream = Stream::open(&server.connect().await, &writer_id).await;
    let positions = PositionsRequest { session_ids: vec![stage.session_id.clone()] };
    stream.send(Ask::Positions(positions)).await;
    let Some(Answer::Positions(positions)) = stream.answer().await else { panic!("no positions") };
    assert_eq!(positions.positions[0].last_number, answered * BATCH, "{positions:?}");
}

const BATCH: u64 = 100;

fn batch(stage: &Stage, batch_id: u64) -> Ask {
    let debit = |index| StreamDebit {
        amount_nanos: 1,
        number: batch_id * BATCH + index + 1,
        ..StreamDebit::default()
    };
    Ask::Batch(DebitBatch {
        batch_id,
        session_ids: vec![stage.session_id.clone()],
        payee_ids: vec![stage.payee_id.clone()],
        debits: (0..BATCH).map(debit).collect(),
        ..DebitBatch::default()
    })
}

struct Stream {
    asks: mpsc::Sender<AuthorizeStreamRequest>,
    answers: Streaming<AuthorizeStreamResponse>,
    writer_id: String,
}

impl Stream {
    async fn open(channel: &Channel, writer_id: &str) -> Self {
        let (asks, asked) = mpsc::channel(16);
        let hello = Ask::Hello(Hello { writer_id: writer_id.into() });
        asks.send(AuthorizeStreamRequest { message: Some(hello) }).await.unwrap();
        let mut client = AuthorizerClient::new(channel.clone());
        let answers = client.authorize_stream(ReceiverStream::new(asked)).await.unwrap().into_inner();
        let mut stream = Self { asks, answers, writer_id: String::new() };
        let Some(Answer::Welcome(welcome)) = stream.answer().await else { panic!("no welcome") };
        stream.writer_id = welcome.writer_id;
        stream
    }

    async fn send(&self, ask: Ask) {
        self.asks.send(AuthorizeStreamRequest { message: Some(ask) }).await.unwrap();
    }

    /// Returns the next answer; `None` once the stream has ended, by itself or because the server drains.
    async fn answer(&mut self) -> Option<Answer> {
        match timeout(PATIENCE, self.answers.message()).await.expect("streams are answered or end") {
            Ok(answer) => answer.map(|answer| answer.message.expect("an answer has a message")),
            Err(status) => {
                assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "DRAINING"));
                None
            }
        }
    }
}
