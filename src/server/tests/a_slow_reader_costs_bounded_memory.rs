//! Owns: that whoever sends and never reads is not taken in for ever: what it has in flight is bounded, the server's memory
//! too, and everybody else is served meanwhile; and that streams which do nothing cost next to nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a function of a test is no `#[test]` to clippy; the figures are for people"
)]

mod support;

use std::{path::Path, time::Duration};
use support::{PATIENCE, Server, Stage, serve_command};
use tallystick_proto::v1::{
    AuthorizeStreamRequest, AuthorizeStreamResponse, DebitBatch, GetSessionRequest, Hello, Outcome,
    StreamDebit, authorize_stream_request::Message as Ask, authorize_stream_response::Message as Answer,
    authorizer_client::AuthorizerClient,
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

const MIB: u64 = 1 << 20;
/// What the server may have in flight over all callers.
const PERMIT_BYTES: u64 = 64 * MIB;
/// The same, what HTTP/2 may buffer for four connections (16 MiB each), and what an idle server may grow by besides.
const GROWTH_MAX: u64 = PERMIT_BYTES + 4 * 16 * MIB + 64 * MIB;
/// Far more than one stream may have in flight.
const BATCHES: u64 = 1_000;
const BATCH: u64 = 10_000;
const SLOW_READERS: usize = 4;
const IDLE_STREAMS: usize = 1_000;
/// What a stream that does nothing may cost.
const IDLE_BYTES_MAX: u64 = 64 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_costs_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serve_command(folder.path());
    command.arg("--permit-bytes").arg(PERMIT_BYTES.to_string());
    let server = Server::spawn(command).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    stage.authorize(&channel, "warm").await.unwrap();
    let before = resident_bytes(folder.path());

    let mut slow = Vec::new();
    for _ in 0..SLOW_READERS {
        slow.push(SlowReader::start(&server, &stage).await);
    }
    let stuck_at = standstill(&channel, &stage).await;
    let sent = SLOW_READERS as u64 * BATCHES * BATCH;
    println!("{stuck_at} of {sent} debits were taken in, then no more");
    assert!(stuck_at < sent, "all of it was taken in");
    // A batch of this size is taken to cost 3.8 MB, and one stream may hold an eighth of the streams' 48 MiB; one batch
    // more passes that bound, and one more is in HTTP/2's hands.
    assert!(stuck_at <= SLOW_READERS as u64 * 4 * BATCH + 1, "{stuck_at}");

    for nth in 0..20 {
        let key = format!("meanwhile {nth}");
        let decision =
            timeout(PATIENCE, stage.authorize(&channel, &key)).await.expect("others are served").unwrap();
        assert_eq!(decision.outcome(), Outcome::Approved);
    }
    let mut stream = Stream::open(&channel).await;
    for batch_id in 0..20 {
        stream.asks.send(request(Ask::Batch(batch(&stage, batch_id, 100)))).await.unwrap();
        let Answer::Batch(result) = stream.answer().await else { panic!("no result") };
        assert!(result.results.iter().all(|debit| debit.outcome() == Outcome::Approved));
    }
    let grown = resident_bytes(folder.path()).saturating_sub(before);
    println!("resident: {} MiB before, {} MiB more meanwhile", before / MIB, grown / MIB);
    assert!(grown < GROWTH_MAX, "{grown} bytes");

    // What the slow ones were not told is decided all the same; whoever hangs up holds nothing up.
    drop((slow, stream));
    let end = server.stop().await;
    assert_eq!(end.code, Some(0), "{}", end.log);
    assert!(!end.log.contains("did not end in time"), "{}", end.log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_streams_cost_little() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    stage.authorize(&channel, "warm").await.unwrap();
    let before = resident_bytes(folder.path());
    let mut streams = Vec::new();
    for _ in 0..IDLE_STREAMS {
        streams.push(Stream::open(&channel).await);
    }
    let grown = resident_bytes(folder.path()).saturating_sub(before);
    println!("{IDLE_STREAMS} idle streams: {} bytes each", grown / IDLE_STREAMS as u64);
    assert!(grown < IDLE_STREAMS as u64 * IDLE_BYTES_MAX, "{grown} bytes");
    stage.authorize(&channel, "meanwhile").await.unwrap();
    // Each of them still works.
    for stream in streams.iter_mut().step_by(100) {
        stream.asks.send(request(Ask::Batch(batch(&stage, 0, 1)))).await.unwrap();
        assert!(matches!(stream.answer().await, Answer::Batch(_)));
    }
}

/// Sends and never reads, on a connection and a runtime of its own: dropped, it is gone as a killed process is.
struct SlowReader(Option<Runtime>);

impl SlowReader {
    async fn start(server: &Server, stage: &Stage) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let channel = Channel::from_shared(format!("http://{}", server.address)).unwrap();
        // The least that HTTP/2 allows without asking: answers stand still early.
        let channel = channel.initial_stream_window_size(65_535);
        let (stage, (tell, begun)) = (stage.clone(), oneshot::channel());
        runtime.spawn(async move {
            let Stream { asks, answers: _never_read } = Stream::open(&channel.connect().await.unwrap()).await;
            tell.send(()).unwrap();
            for batch_id in 0..BATCHES {
                asks.send(request(Ask::Batch(batch(&stage, batch_id, BATCH)))).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        timeout(PATIENCE, begun).await.expect("it should have begun").unwrap();
        Self(Some(runtime))
    }
}

impl Drop for SlowReader {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Waits until the session's count of debits has not moved for a while, and returns it.
async fn standstill(channel: &Channel, stage: &Stage) -> u64 {
    let count = async || {
        let request = GetSessionRequest { session_id: stage.session_id.clone() };
        let shown = AuthorizerClient::new(channel.clone()).get_session(request).await.unwrap().into_inner();
        shown.session.unwrap().debit_count
    };
    let still = async {
        let (mut last, mut same) = (count().await, 0);
        while same < 10 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = count().await;
            same = if now == last { same + 1 } else { 0 };
            last = now;
        }
        last
    };
    timeout(PATIENCE, still).await.expect("it should have stopped taking in")
}

struct Stream {
    asks: mpsc::Sender<AuthorizeStreamRequest>,
    answers: Streaming<AuthorizeStreamResponse>,
}

impl Stream {
    async fn open(channel: &Channel) -> Self {
        let (asks, asked) = mpsc::channel(1);
        asks.send(request(Ask::Hello(Hello::default()))).await.unwrap();
        let mut client = AuthorizerClient::new(channel.clone());
        let answers = client.authorize_stream(ReceiverStream::new(asked)).await.unwrap().into_inner();
        let mut stream = Self { asks, answers };
        assert!(matches!(stream.answer().await, Answer::Welcome(_)));
        stream
    }

    async fn answer(&mut self) -> Answer {
        let answer = timeout(PATIENCE, self.answers.message()).await.expect("streams are answered");
        answer.unwrap().expect("the stream goes on").message.unwrap()
    }
}

fn request(message: Ask) -> AuthorizeStreamRequest {
    AuthorizeStreamRequest { message: Some(message) }
}

/// Returns the debits that follow those of all batches before.
fn batch(stage: &Stage, batch_id: u64, debits: u64) -> DebitBatch {
    let debit =
        |nth| StreamDebit { amount_nanos: 1, number: batch_id * debits + nth, ..StreamDebit::default() };
    DebitBatch {
        batch_id,
        session_ids: vec![stage.session_id.clone()],
        payee_ids: vec![stage.payee_id.clone()],
        debits: (1..=debits).map(debit).collect(),
        ..DebitBatch::default()
    }
}

/// Returns the resident memory of the server that serves `data`.
fn resident_bytes(data: &Path) -> u64 {
    let processes = std::fs::read_dir("/proc").unwrap();
    let serves = |folder: &Path| {
        let line = std::fs::read(folder.join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == data.as_os_str().as_encoded_bytes())
    };
    let server = processes.flatten().map(|entry| entry.path()).find(|folder| serves(folder));
    let status = std::fs::read_to_string(server.expect("it should be running").join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1_024
}
