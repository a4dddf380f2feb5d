//! Owns: that a stream whose answers nobody reads is ended in words, gives back what it held, and leaves others their
//! room; that what it decided stays decided, and is answered again under the same numbers; and that who does not even
//! hear the end loses the connection.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a function of a test is no `#[test]` to clippy; the figures are for people"
)]

mod hostile;
mod support;

use bytes::Bytes;
use hostile::{
    MIB, Scene,
    caller::{self, Call, Caller, STREAM},
    session,
};
use support::{PATIENCE, Stage, reason};
use tallystick_proto::v1::{Outcome, authorize_stream_response::Message as Answer};
use tokio::{task::JoinSet, time::timeout};
use tonic::{Code, Status};

/// The least that HTTP/2 grants an answer without being asked.
const WINDOW: u32 = 65_535;
const BATCH: u64 = 5_000;
const BATCHES: u64 = 6;
/// With these permits, three batches are what all streams may have in flight.
const OPTIONS: [&str; 6] =
    ["--permit-bytes", "8388608", "--stall-timeout-ms", "1500", "--stall-timeout-pressed-ms", "300"];

/// Sends batches and reads nothing.
async fn slow(caller: &mut Caller, stage: &Stage) -> Call {
    let mut call = caller.open(STREAM).await.unwrap();
    call.send(caller::hello(""), false).unwrap();
    for batch_id in 0..BATCHES {
        call.send(caller::batch(stage, batch_id, BATCH), false).unwrap();
    }
    call
}

/// Returns the writer, and how many debits were answered, all of them approved.
fn told(messages: &[Bytes]) -> (String, u64) {
    let (mut writer_id, mut debits) = (String::new(), 0);
    for answer in caller::answers(messages) {
        match answer {
            Answer::Welcome(welcome) => writer_id = welcome.writer_id,
            Answer::Batch(result) => {
                assert!(result.results.iter().all(|debit| debit.outcome() == Outcome::Approved));
                debits += result.results.len() as u64;
            }
            Answer::Positions(_) => panic!("nobody asked"),
        }
    }
    (writer_id, debits)
}

fn assert_stalled(status: &Status) {
    assert_eq!((status.code(), reason(status).as_str()), (Code::Aborted, "STALLED"), "{status:?}");
    assert!(status.message().contains("what was decided stays decided"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_streams_whose_answers_nobody_reads() {
    let scene = Scene::set(&OPTIONS).await;
    let before = scene.resident();
    let mut attack = Vec::new();
    for nth in 0..12 {
        let stage = Stage {
            session_id: session(&scene.channel, &scene.stage, &format!("attack {nth}")).await,
            ..scene.stage.clone()
        };
        let mut caller = Caller::connect(&scene.server.address, WINDOW).await.unwrap();
        let call = slow(&mut caller, &stage).await;
        attack.push((caller, stage, call));
    }
    // All twelve hold more than there is, and the neighbour's stream is served all the same.
    scene.until("refusals_total{reason=\"STALLED\"}", |count| count >= 12.0).await;
    scene.neighbour.served(20).await;
    let grown = scene.resident().saturating_sub(before);
    println!("resident: {} MiB before, {} MiB more meanwhile", before / MIB, grown / MIB);
    assert!(grown < 160 * MIB, "{grown}");
    scene.until("permit_bytes{share=\"stream\"}", |bytes| bytes < 100_000.0).await;
    scene.until("streams_open", |open| open == 1.0).await;

    // All read at once, now. Those that were ended first may have had their time to hear it: they lost the connection.
    let mut reading = JoinSet::new();
    for (caller, stage, call) in attack {
        reading.spawn(async move { (call.heard().await, caller, stage) });
    }
    let mut told_so = 0;
    for ((messages, status), caller, stage) in reading.join_all().await {
        let is_told = status.code() == Code::Aborted;
        if is_told {
            assert_stalled(&status);
            told_so += 1;
        }
        let (writer_id, heard) = told(&messages);
        let decided = stage.show(&scene.channel).await.debit_count;
        println!("heard {heard} of {decided} that were decided, and {:?}", status.code());
        assert!(heard <= decided && decided <= BATCHES * BATCH, "{heard} {decided}");
        drop(caller);
        if !writer_id.is_empty() {
            replay(&scene, &stage, &writer_id, decided).await;
        }
    }
    assert!(told_so > 0, "the last to be ended had three seconds to hear it");
    let log = scene.close().await;
    assert!(log.contains("ended streams whose answers nobody reads"), "{log}");
}

/// Sends the same again under the same numbers, and reads: what was decided is a replay, and nothing is paid twice.
async fn replay(scene: &Scene, stage: &Stage, writer_id: &str, decided: u64) {
    let mut caller = Caller::connect(&scene.server.address, 8 << 20).await.unwrap();
    let mut call = caller.open(STREAM).await.unwrap();
    call.send(caller::hello(writer_id), false).unwrap();
    for batch_id in 0..BATCHES {
        call.send(caller::batch(stage, batch_id, BATCH), batch_id + 1 == BATCHES).unwrap();
    }
    let (messages, status) = call.heard().await;
    assert_eq!(status.code(), Code::Ok, "{status:?}");
    let (mut replayed, mut all) = (0, 0);
    for answer in caller::answers(&messages) {
        if let Answer::Batch(result) = answer {
            // Longer ago than a writer's window reaches, a number is known to be decided and its answer is not kept.
            let gone = result.results.iter().filter(|d| d.refused.is_some()).count() as u64;
            replayed += gone + result.results.iter().filter(|debit| debit.replayed).count() as u64;
            all += result.results.len() as u64;
        }
    }
    assert_eq!((replayed, all), (decided, BATCHES * BATCH));
    let session = stage.show(&scene.channel).await;
    assert_eq!((session.debit_count, session.spent_nanos), (BATCHES * BATCH, BATCHES * BATCH));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_even_hear_the_end_loses_the_connection() {
    let scene = Scene::set(&OPTIONS).await;
    let mut caller = Caller::connect(&scene.server.address, WINDOW).await.unwrap();
    let _never_read = slow(&mut caller, &scene.stage).await;
    let over = async {
        while !caller.is_over() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, over).await.expect("it should have been hung up");
    scene.until("connections_turned_away_total{why=\"hung_up\"}", |count| count == 1.0).await;
    let end = scene.metric("refusals_total{reason=\"STALLED\"}").await;
    assert_eq!(end, 1.0);
    scene.neighbour.served(5).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_at_rest_is_left_alone() {
    let scene = Scene::set(&["--stall-timeout-ms", "200", "--arrival-timeout-ms", "200"]).await;
    let mut caller = Caller::connect(&scene.server.address, WINDOW).await.unwrap();
    let mut call = caller.open(STREAM).await.unwrap();
    call.send(caller::hello(""), false).unwrap();
    call.send(caller::batch(&scene.stage, 0, 10), false).unwrap();
    let response = timeout(PATIENCE, call.response).await.unwrap().unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_000)).await;
    // It says more after a while, and is still answered.
    call.body.send_data(caller::batch(&scene.stage, 1, 10).into(), true).unwrap();
    let (messages, status) = timeout(PATIENCE, caller::read_body(response.into_body())).await.unwrap();
    assert_eq!(status.code(), Code::Ok, "{status:?}");
    assert_eq!(told(&messages).1, 20);
    scene.close().await;
}
