//! Owns: that a disk which does not keep, take or give back the journal ends the server instead of its promises: callers
//! hear UNAVAILABLE and never a decline, nothing is approved afterwards, and what was acknowledged is there after a power
//! cut.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a function of a test is no `#[test]` to clippy"
)]

mod support;
mod unsynced;

use support::{
    PATIENCE, Server, Stage,
    payers::{Payers, Told},
};
use tallystick_proto::v1::Outcome;
use tokio::time::timeout;
use unsynced::{Disk, Kept, Names, Switch};

/// Lets callers pay until `fault` ends it. Returns what they were told.
async fn until(disk: &Disk, fault: impl FnOnce(&Disk), said: &str) -> (Stage, Told) {
    let server = Server::spawn(disk.serve_command()).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    let payers = Payers::start(16, &channel, &stage);
    payers.approved(200).await;
    fault(disk);
    let told = timeout(PATIENCE, payers.told()).await.expect("every caller is answered");
    // Later syncs and writes would do; the journal is not written to any more.
    assert!(stage.authorize(&channel, "afterwards").await.is_err());
    let end = server.ended().await;
    assert_eq!(end.code, Some(74), "{}", end.log);
    assert!(end.log.contains("the journal failed") && end.log.contains(said), "{}", end.log);
    let untold = told.unheard("JOURNAL_FAILED");
    assert!(untold < told.ends.len(), "nobody was told why: {:?}", told.ends);
    (stage, told)
}

/// Cuts the power and compares. Returns how many were acknowledged.
async fn assert_kept(disk: &Disk, kept: Kept, (stage, told): (Stage, Told)) -> usize {
    disk.cut_power(kept);
    let server = Server::spawn(disk.serve_command()).await;
    let channel = server.connect().await;
    told.assert_kept(&channel, &stage, told.ends.len()).await;
    let next = stage.authorize(&channel, "the disk is well").await.unwrap();
    assert_eq!((next.outcome(), next.replayed), (Outcome::Approved, false));
    assert_eq!(server.stop().await.code, Some(0));
    told.approved.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_one_sync_of_its_log_fails() {
    for kept in [Kept::Nothing, Kept::Some(7)] {
        let disk = Disk::with_faults_for("data/journal/*.log", Names::WithFolder);
        let lives = until(&disk, |disk| disk.set(Switch::SyncFailsIn, 1), "Input/output error").await;
        println!("a sync failed, {kept:?}: {} kept", assert_kept(&disk, kept, lives).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_there_is_no_room() {
    for kept in [Kept::Nothing, Kept::Some(7)] {
        let disk = Disk::with_faults_for("data/journal/*", Names::WithJournal);
        let lives = until(&disk, |disk| disk.set(Switch::RoomBytes, 50_000), "No space left on device").await;
        disk.set(Switch::RoomBytes, -1);
        println!("no room, {kept:?}: {} kept", assert_kept(&disk, kept, lives).await);
    }
}

/// Makes a folder whose newest records are in the journal's log alone.
async fn past(disk: &Disk) -> (Stage, Told) {
    let server = Server::spawn(disk.serve_command()).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    let payers = Payers::start(4, &channel, &stage);
    payers.approved(100).await;
    server.kill().await;
    let told = payers.told().await;
    disk.cut_power(Kept::Nothing);
    (stage, told)
}

/// A read that fails as the server starts ends it, or else it knows everything all the same; and afterwards nothing is
/// missing. RocksDB recovers "to a point in time", so a read error taken for the end of a log would lose what follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_read_fails_at_the_start() {
    let disk = Disk::with_faults_for("data/*", Names::WithFolder);
    let (stage, told) = past(&disk).await;
    let (mut refused, mut served) = (0, 0);
    // Every read of the first, and then some: a log has hundreds.
    let nths = std::iter::successors(Some(1), |nth| Some(nth + 1 + nth / 2));
    for nth in nths {
        disk.set(Switch::Faults, 0);
        disk.set(Switch::ReadFailsIn, nth);
        let started = Server::try_spawn(disk.serve_command()).await;
        let hit = disk.get(Switch::Faults) > 0;
        disk.set(Switch::ReadFailsIn, 0);
        match started {
            Ok(server) => {
                told.assert_kept(&server.connect().await, &stage, told.ends.len()).await;
                server.kill().await;
                served += 1;
            }
            Err(end) => {
                assert!(matches!(end.code, Some(65 | 74)) && end.log.contains("tallystick: "), "{end:?}");
                refused += 1;
            }
        }
        disk.cut_power(Kept::Nothing);
        if !hit {
            break;
        }
    }
    assert!(refused > 0, "no read was hit that mattered");
    println!("a read failed at the start: refused {refused}, served {served}");
    let server = Server::spawn(disk.serve_command()).await;
    told.assert_kept(&server.connect().await, &stage, told.ends.len()).await;
    assert_eq!(server.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_what_comes_in_pieces() {
    let disk = Disk::new(Names::WithFolder);
    let (stage, told) = past(&disk).await;
    for seed in 1..4 {
        disk.set(Switch::ReadsShort, seed);
        let server = Server::spawn(disk.serve_command()).await;
        told.assert_kept(&server.connect().await, &stage, told.ends.len()).await;
        assert_eq!(server.stop().await.code, Some(0));
    }
    assert!(disk.get(Switch::Faults) > 0, "no read was short");
}

/// What takes long is late, not wrong: whoever gives up asks again under the same key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_for_a_slow_disk() {
    let disk = Disk::new(Names::WithFolder);
    let server = Server::spawn(disk.serve_command()).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    disk.set(Switch::SyncNs, 300_000_000);
    let mut given_up = Vec::new();
    for nth in 0..5 {
        let key = format!("slow-{nth}");
        let patience = std::time::Duration::from_millis(20);
        if timeout(patience, stage.authorize(&channel, &key)).await.is_err() {
            given_up.push(key);
        }
    }
    assert!(!given_up.is_empty(), "the disk was not slow");
    let payers = Payers::start(8, &channel, &stage);
    payers.approved(8).await;
    for key in &given_up {
        let again = stage.authorize(&channel, key).await.unwrap();
        assert_eq!(again.outcome(), Outcome::Approved, "{key}");
    }
    server.kill().await;
    let told = payers.told().await;
    disk.set(Switch::SyncNs, 0);
    disk.cut_power(Kept::Nothing);
    let server = Server::spawn(disk.serve_command()).await;
    let channel = server.connect().await;
    for key in &given_up {
        assert!(stage.authorize(&channel, key).await.unwrap().replayed, "{key}");
    }
    let spent = usize::try_from(stage.show(&channel).await.spent_nanos).unwrap();
    let heard = told.approved.len() + given_up.len();
    assert!((heard..=heard + told.ends.len() + 5).contains(&spent), "spent {spent}, heard {heard}");
    for (key, debit_id) in &told.approved {
        assert_eq!(stage.authorize(&channel, key).await.unwrap().debit_id, *debit_id, "{key}");
    }
    assert_eq!(server.stop().await.code, Some(0));
}
