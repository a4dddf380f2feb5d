//! Owns: that a disk which does not keep the index's files costs checkpoints and look-ups, never a decision: debits go on,
//! the log says what failed, and after a power cut everything heard is there.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a function of a test is no `#[test]` to clippy"
)]

mod support;
mod unsynced;

use std::time::Duration;
use support::{PATIENCE, Server, Stage, payers::Payers};
use tokio::time::{sleep, timeout};
use unsynced::{Disk, Kept, Names, Switch};

const FAILED: &str = "failed in the background; will be tried again, nothing is lost";

async fn waits_for(server: &Server, said: &str) {
    let is_said = async {
        while !server.log().contains(said) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, is_said).await.is_ok(), "never said: {said}; {}", server.log());
}

async fn goes_on(switch: Switch, to: i64, kept: Kept) {
    let disk = Disk::with_faults_for("data/index/*", Names::WithFolder);
    let mut command = disk.serve_command();
    command.args(["--checkpoint-records", "1"]);
    let server = Server::spawn(command).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    let payers = Payers::start(8, &channel, &stage);
    waits_for(&server, "checkpoint is stored").await;
    disk.set(switch, to);
    waits_for(&server, FAILED).await;
    let before = payers.count();
    payers.approved(before + 200).await;
    let log = server.log();
    server.kill().await;
    let told = payers.told().await;
    disk.set(Switch::SyncFailsIn, 0);
    disk.set(Switch::RoomBytes, -1);
    disk.cut_power(kept);

    let server = Server::spawn(disk.serve_command()).await;
    told.assert_kept(&server.connect().await, &stage, told.ends.len()).await;
    assert_eq!(server.stop().await.code, Some(0));
    let line = log.lines().find(|line| line.contains(FAILED)).unwrap_or_default();
    println!("{switch:?} {to}, {kept:?}: {} kept; it said: {line}", told.approved.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_each_sync_fails() {
    goes_on(Switch::SyncFailsIn, -1, Kept::Nothing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_one_sync_fails() {
    goes_on(Switch::SyncFailsIn, 1, Kept::Some(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_there_is_no_room() {
    goes_on(Switch::RoomBytes, 0, Kept::Nothing).await;
}
