//! Owns: that a server which is given few open files or little memory serves whom it can, or says why it does not, and keeps
//! whatever it has answered.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a function of a test is no `#[test]` to clippy"
)]

mod support;

use std::{path::Path, time::Duration};
use support::{PATIENCE, Server, Stage, payers::Payers, shell_command};
use tallystick_proto::v1::Outcome;
use tokio::{net::TcpStream, time::timeout};

/// Serves under a limit, with more connections than there may be files, if it starts at all.
///
/// *Returns*: how many debits were acknowledged; nothing when it did not start.
async fn serves(data: &Path, limit: &str, connections: usize) -> Option<usize> {
    let server = match Server::try_spawn(shell_command(data, limit)).await {
        Ok(server) => server,
        Err(end) => {
            assert!(end.code != Some(0) && !end.log.is_empty(), "{limit}: it ended without a word: {end:?}");
            println!("{limit}: does not start: {}", end.log.lines().last().unwrap_or_default());
            return None;
        }
    };
    let channel = server.connect().await;
    let Ok(stage) = Stage::try_set(&channel).await else {
        println!("{limit}: starts and ends: {}", server.ended().await.log);
        return None;
    };
    let payers = Payers::start_named(limit, 8, &channel, &stage);
    payers.approved(100).await;
    let mut idle = Vec::new();
    for _ in 0..connections {
        // Beyond the limit they wait, or are refused.
        if let Ok(Ok(stream)) = timeout(Duration::from_millis(100), TcpStream::connect(&server.address)).await
        {
            idle.push(stream);
        }
    }
    let before = payers.count();
    let goes_on = timeout(PATIENCE, payers.approved(before + 50)).await;
    assert!(goes_on.is_ok(), "{limit}: nobody is served any more: {}", server.log());
    let held = idle.len();
    drop(idle);
    server.kill().await;
    let told = payers.told().await;
    let server = Server::start(data).await;
    let channel = server.connect().await;
    for (key, debit_id) in &told.approved {
        let again = stage.authorize(&channel, key).await.unwrap();
        assert!(again.replayed && again.debit_id == *debit_id, "{limit}: {key}: {again:?}");
    }
    let next = stage.authorize(&channel, &format!("without {limit}")).await.unwrap();
    assert_eq!(next.outcome(), Outcome::Approved);
    assert_eq!(server.stop().await.code, Some(0));
    println!("{limit}: {} acknowledged and kept, beside {held} idle connections", told.approved.len());
    Some(told.approved.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_open_files() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut served = 0;
    for files in [16, 24, 40, 64, 128] {
        served += serves(&data, &format!("ulimit -n {files}"), 100).await.map_or(0, |_| 1);
    }
    assert!(served > 0, "128 files are enough");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for mebibytes in [64, 256, 512, 1_024] {
        serves(&data, &format!("ulimit -v {}", mebibytes << 10), 50).await;
    }
    assert!(serves(&data, "true", 50).await.is_some());
}
