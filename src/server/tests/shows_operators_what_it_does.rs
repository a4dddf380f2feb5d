//! Owns: what operators see: counts that are exactly what was done, books that sum to zero, the reason why a server is not
//! ready, and a log that is JSON on every line and tells no keys.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a function of a test is no `#[test]` to clippy")]

mod support;

use serde_json::Value;
use support::{
    CAP_NANOS, Server, Stage,
    http::{Metrics, get},
    reason, run, serve_command, watched_command,
};
use tallystick_proto::v1::{
    AuthorizeRequest, AuthorizeStreamRequest, DebitBatch, Hello, Outcome, StreamDebit,
    authorize_request::Intent, authorize_stream_request::Message as Ask,
    authorize_stream_response::Message as Answer, authorizer_client::AuthorizerClient,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, transport::Channel};

async fn debit(stage: &Stage, channel: &Channel, key: &str, amount_nanos: u64) -> Result<Outcome, Status> {
    let request = AuthorizeRequest {
        session_id: stage.session_id.clone(),
        payee_id: stage.payee_id.clone(),
        amount_nanos,
        intent: Some(Intent::IdempotencyKey(key.into())),
        ..AuthorizeRequest::default()
    };
    let answer = AuthorizerClient::new(channel.clone()).authorize(request).await?.into_inner();
    Ok(answer.decision.expect("an answer has a decision").outcome())
}

/// Sends one batch by keys in a stream, reads its answer, and ends the stream. Returns approved, declined, refused.
async fn batch(stage: &Stage, channel: &Channel, amounts: &[(&str, u64)]) -> (usize, usize, usize) {
    let (asks, asked) = mpsc::channel(4);
    let send = |message| asks.send(AuthorizeStreamRequest { message: Some(message) });
    send(Ask::Hello(Hello::default())).await.unwrap();
    let debit = |(key, amount_nanos): &(&str, u64)| StreamDebit {
        amount_nanos: *amount_nanos,
        idempotency_key: (*key).into(),
        ..StreamDebit::default()
    };
    let batch = DebitBatch {
        session_ids: vec![stage.session_id.clone()],
        payee_ids: vec![stage.payee_id.clone()],
        debits: amounts.iter().map(debit).collect(),
        ..DebitBatch::default()
    };
    send(Ask::Batch(batch)).await.unwrap();
    drop(asks);
    let mut client = AuthorizerClient::new(channel.clone());
    let mut answers = client.authorize_stream(ReceiverStream::new(asked)).await.unwrap().into_inner();
    let mut results = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        if let Some(Answer::Batch(batch)) = answer.message {
            results.extend(batch.results);
        }
    }
    let count = |outcome| results.iter().filter(|r| r.refused.is_none() && r.outcome() == outcome).count();
    let refused = results.iter().filter(|result| result.refused.is_some()).count();
    (count(Outcome::Approved), count(Outcome::Declined), refused)
}

#[tokio::test]
async fn metrics_count_exactly_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let (server, ops) = Server::spawn_watched(watched_command(folder.path())).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    for key in ["a", "b", "c", "a"] {
        assert_eq!(debit(&stage, &channel, key, 1_000).await.unwrap(), Outcome::Approved);
    }
    for key in ["d", "e"] {
        assert_eq!(debit(&stage, &channel, key, CAP_NANOS).await.unwrap(), Outcome::Declined);
    }
    let reused = debit(&stage, &channel, "a", 1_001).await.unwrap_err();
    assert_eq!(reason(&reused), "KEY_REUSED");
    let amounts = [("f", 1), ("g", 2), ("h", CAP_NANOS), ("i", 0), ("a", 1_000), ("b", 7)];
    assert_eq!(batch(&stage, &channel, &amounts).await, (3, 1, 2));

    let answer = get(&ops, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let metrics = Metrics::parse(&answer.body);
    let debits = |outcome, code| {
        let labels = format!("operation=\"debit\",outcome=\"{outcome}\",code=\"{code}\"");
        metrics.get(&format!("tallystick_decisions_total{{{labels}}}"))
    };
    assert_eq!((debits("approved", "APPROVED"), debits("declined", "CAP")), (5.0, 3.0));
    let decisions: f64 = metrics.of("tallystick_decisions_total").map(|(_, count)| count).sum();
    assert_eq!(decisions, 9.0, "eight debits and one session");
    assert_eq!(metrics.get("tallystick_replays_total"), 2.0);
    let refusals: Vec<(&str, f64)> =
        metrics.of("tallystick_refusals_total").filter(|(_, count)| *count > 0.0).collect();
    assert_eq!(refusals, [("{reason=\"KEY_REUSED\"}", 2.0), ("{reason=\"MALFORMED\"}", 1.0)]);

    assert_eq!(metrics.get("tallystick_ready"), 1.0);
    assert_eq!(metrics.get("tallystick_sessions_open"), 1.0);
    assert_eq!(metrics.get("tallystick_queue_depth_records"), 0.0);
    assert_eq!(metrics.get("tallystick_permit_bytes{share=\"unary\"}"), 0.0);
    assert!(metrics.get("tallystick_durable_seq") >= metrics.get("tallystick_books_seq"));
    for stage in ["decide", "wait", "sync", "deliver"] {
        check_histogram(&metrics, "tallystick_stage_seconds", &format!("stage=\"{stage}\""));
    }
    check_histogram(&metrics, "tallystick_group_records", "");
    check_histogram(&metrics, "tallystick_group_bytes", "");
    assert_eq!(
        metrics.get("tallystick_stage_seconds_count{stage=\"decide\"}"),
        8.0,
        "seven calls, one batch"
    );
    assert_eq!(metrics.get("tallystick_stage_seconds_count{stage=\"deliver\"}"), 7.0, "one was refused");
    let records = metrics.get("tallystick_group_records_sum");
    assert_eq!(
        records + 1.0,
        metrics.get("tallystick_durable_seq"),
        "the genesis record is not the committer's"
    );
    let lag = metrics.get("tallystick_projection_lag_records");
    assert!(lag <= metrics.get("tallystick_durable_seq"), "the index follows: {lag}");

    let book = |name| metrics.get(&format!("tallystick_book_nanos{{currency=\"USD\",account=\"{name}\"}}"));
    assert_eq!((book("unsettled"), book("outside")), (3_003.0, -1e13));
    let books: Vec<f64> = metrics.of("tallystick_book_nanos").map(|(_, nanos)| nanos).collect();
    assert_eq!((books.len(), books.iter().sum::<f64>()), (16, 0.0));
    let exact = get(&ops, "/books").await;
    assert_eq!((exact.status, exact.content_type.as_str()), (200, "application/json"));
    let exact: Value = serde_json::from_str(&exact.body).unwrap();
    let usd = exact["books"]["USD"].as_object().unwrap();
    assert_eq!((&usd["sum"], &usd["reserved"]), (&"0".into(), &(CAP_NANOS - 3_003).to_string().into()));
    let nanos = usd.iter().filter(|(name, _)| *name != "sum").map(|(_, nanos)| nanos.as_str().unwrap());
    assert_eq!(nanos.map(|nanos| nanos.parse::<i128>().unwrap()).sum::<i128>(), 0);
    assert_eq!((&exact["seq"], &exact["open_sessions"]), (&exact["whole_through_seq"], &1.into()));

    assert_eq!(get(&ops, "/metric").await.status, 404);
    assert_eq!(server.stop().await.code, Some(0));
}

/// Checks that buckets ascend to the count, and that something was observed.
fn check_histogram(metrics: &Metrics, name: &str, label: &str) {
    let labels = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
    let count = metrics.get(&format!("{name}_count{labels}"));
    assert!(count > 0.0 && metrics.get(&format!("{name}_sum{labels}")) > 0.0, "{name} {label}");
    let prefix = format!("{name}_bucket");
    let mut buckets: Vec<(f64, f64)> = metrics
        .of(&prefix)
        .filter(|(labels, _)| labels.contains(label))
        .map(|(labels, count)| {
            let bound = labels.split("le=\"").nth(1).unwrap().split('"').next().unwrap();
            (bound.parse().unwrap(), count)
        })
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(buckets.len() > 10 && buckets.is_sorted_by(|a, b| a.1 <= b.1), "{buckets:?}");
    assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)));
}

#[tokio::test]
async fn a_draining_server_is_alive_and_says_why_it_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let (server, ops) = Server::spawn_watched(watched_command(folder.path())).await;
    // A connection that never says hello keeps the drain going until it is dropped. It was taken before the next one is.
    let held = TcpStream::connect(&server.address).await.unwrap();
    drop(Stage::set(&server.connect().await).await);
    let ready = get(&ops, "/readyz").await;
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));

    server.ask_to_stop().await;
    let told = loop {
        let answer = get(&ops, "/readyz").await;
        if answer.status != 200 {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((told.status, told.body.as_str()), (503, "not ready: draining: the server is going away\n"));
    let alive = get(&ops, "/healthz").await;
    assert_eq!((alive.status, alive.body.as_str()), (200, "alive\n"));
    let metrics = Metrics::parse(&get(&ops, "/metrics").await.body);
    assert_eq!((metrics.get("tallystick_ready"), metrics.get("tallystick_sessions_open")), (0.0, 1.0));
    drop(held);
    let end = server.ended().await;
    assert_eq!(end.code, Some(0), "{}", end.log);
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_refused_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = serve_command(folder.path());
    command.env("TALLYSTICK_OPS_LISTEN", &address);
    // The flag of `serve_command` wins over the variable: nobody listens there, so nobody is in the way.
    assert_eq!(Server::spawn(command).await.stop().await.code, Some(0));

    let serve = |ops: &str| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tallystick"));
        command
            .args([
                "serve",
                "--anonymous",
                "development",
                "--listen",
                "127.0.0.1:0",
                "--ops-listen",
                ops,
                "--data",
            ])
            .arg(folder.path());
        run(command)
    };
    let ended = serve(&address).await;
    let text = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{text}");
    let expected = format!("tallystick: ops_listen: {address} cannot be listened on: ");
    assert!(text.contains(&expected) && text.contains("choose another address"), "{text}");
    assert!(ended.stdout.is_empty(), "nothing is said to be listening");

    for wrong in ["localhost:9464", "off", ""] {
        let ended = serve(wrong).await;
        let text = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(64), "{text}");
        let expected = format!(
            "ops_listen: {wrong:?}, from the flag --ops-listen, must be an IP address and a port, such as 127.0.0.1:7878 \
             or [::1]:7878, or none for no listener"
        );
        assert!(text.contains(&expected), "{text}");
    }
}

#[tokio::test]
async fn a_json_log_is_json_on_every_line_and_tells_no_keys() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = watched_command(folder.path());
    command.args(["--log-format", "json", "--log-level", "trace"]);
    let (server, _) = Server::spawn_watched(command).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    stage.authorize(&channel, "words-nobody-may-read").await.unwrap();
    assert!(debit(&stage, &channel, "words-nobody-may-read", 3).await.is_err(), "the key was used");
    assert_eq!(batch(&stage, &channel, &[("words-nobody-may-read-either", 1)]).await, (1, 0, 0));
    let end = server.stop().await;
    assert_eq!(end.code, Some(0), "{}", end.log);

    let lines: Vec<Value> = end.log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        for field in ["timestamp", "level", "target", "message"] {
            assert!(line[field].is_string(), "{field} in {line}");
        }
    }
    assert!(!end.log.contains("nobody-may-read"), "{}", end.log);
    let ended = lines.iter().find(|line| line["message"] == "a stream has ended").expect("a line a stream");
    assert_eq!((&ended["batches"], &ended["debits"]), (&1.into(), &1.into()));
    let span = &ended["span"];
    assert_eq!(span["method"], "/tallystick.v1.Authorizer/AuthorizeStream");
    assert!(span["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{span}");
}

#[tokio::test]
async fn the_level_bounds_what_is_logged() {
    for (level, expected) in [("error", 0), ("info", 3)] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = serve_command(folder.path());
        command.args(["--log-level", level]);
        let server = Server::spawn(command).await;
        Stage::set(&server.connect().await).await;
        let end = server.stop().await;
        assert!(
            end.log.lines().count() >= expected && (expected > 0 || end.log.is_empty()),
            "{level}: {}",
            end.log
        );
        assert!(!end.log.contains("DEBUG") && !end.log.contains("TRACE"), "{}", end.log);
    }
}
