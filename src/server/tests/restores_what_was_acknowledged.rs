//! The restore drill: a server is backed up while debits stream, killed, and put back: everything acknowledged up to the
//! stated seq is there, to the debit, and nothing after; also at an earlier seq and at a time. A damaged backup is found out
//! and located, and one that was interrupted is never taken for a whole one.
//!
//! `DRILL_DEBITS` says how many debits are acknowledged before each step; `make restore-drill` prints the protocol.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that prints its report"
)]

mod drill;
mod support;

use drill::{Load, command, decided_at, listed, ok, ok_in_turn, protocol, refused};
use std::{fs, path::Path};
use support::{PATIENCE, Server, Stage, run, watched_command};
use tokio::time::timeout;

const DEBITS: u64 = 6_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_is_backed_up_under_load_killed_and_put_back() {
    let debits: u64 = std::env::var("DRILL_DEBITS").map_or(DEBITS, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (data, backup) = (path("data"), path("backup"));
    let (server, ops) = Server::spawn_watched(watched_command(&data)).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    let load = Load::start(&server.address, &stage).await;

    load.reach(debits).await;
    let heard = load.last_acknowledged();
    let first = ok(command(&["backup", "--ops", &ops]).arg(&backup)).await;
    let first_seq = first["last_seq"].as_u64().unwrap();
    protocol(
        "backed up while debits stream",
        &first,
        &["last_seq", "records", "bytes", "copy_ms", "took_ms"],
    );
    assert!(first_seq >= heard, "acknowledged before the backup began: {heard}, contained: {first_seq}");
    load.reach(2 * debits).await;
    assert!(load.last_acknowledged() > first_seq, "the server went on");

    let middle = load.last_acknowledged();
    let second = ok(command(&["backup", "--ops", &ops]).arg(&backup)).await;
    let second_seq = second["last_seq"].as_u64().unwrap();
    protocol("added to it", &second, &["added_from_seq", "last_seq", "bytes", "copy_ms", "took_ms"]);
    assert!(second["added_from_seq"] == first_seq + 1 && second_seq >= middle);
    let time = decided_at(&channel, &stage, middle).await;
    load.reach(3 * debits).await;
    drop(channel);
    assert_eq!(server.kill().await.code, None);
    let acknowledged = timeout(PATIENCE, load.end()).await.expect("writers end with the server");
    let lost = acknowledged.range(second_seq + 1..).count();
    println!("   killed: {} debits were acknowledged, the last {lost} after the backup", acknowledged.len());
    assert!(lost > 0);

    let proved = ok(command(&["backup", "verify"]).arg(&backup)).await;
    protocol("proved", &proved, &["sound", "decided_again", "replayed_digest", "digest_compared"]);
    for (name, more, wanted) in [
        ("all of it", vec![], Some(second_seq)),
        ("to an earlier seq", vec!["--to-seq".to_owned(), first_seq.to_string()], Some(first_seq)),
        ("to a time", vec!["--to-time".to_owned(), time.clone()], None),
    ] {
        let restored = path(&name.replace(' ', "-"));
        let done = ok(command(&["restore"]).args(&more).arg(&backup).arg(&restored)).await;
        let told = ["last_seq", "left_out", "digest", "digest_compared", "took_ms"];
        protocol(&format!("restored {name} {}", more.join(" ")), &done, &told);
        let last = done["last_seq"].as_u64().unwrap();
        assert!(wanted.is_none_or(|wanted| wanted == last) && last >= middle.min(first_seq));
        let server = Server::start(&restored).await;
        let channel = server.connect().await;
        let there = listed(&channel, &stage).await;
        let kept: Vec<u64> = acknowledged.range(..=last).copied().collect();
        assert!(there == kept, "{name}: {} debits are there, {} should be", there.len(), kept.len());
        let session = stage.show(&channel).await;
        assert_eq!((session.spent_nanos, session.debit_count), (kept.len() as u64, kept.len() as u64));
        println!(
            "   served: {} acknowledged debits up to seq {last} are there, and nothing after",
            kept.len()
        );
        if wanted.is_none() {
            assert!(decided_at(&channel, &stage, *kept.last().unwrap()).await <= time);
        }
        // What is decided from here on is decided once, and lasts.
        let again = stage.authorize(&channel, "after the restore").await.unwrap();
        drop(channel);
        assert_eq!(server.kill().await.code, None);
        let server = Server::start(&restored).await;
        let replayed = stage.authorize(&server.connect().await, "after the restore").await.unwrap();
        assert_eq!((replayed.replayed, &replayed.debit_id), (true, &again.debit_id));
        assert_eq!(server.stop().await.code, Some(0));
    }
    refuse_what_is_wrong(&backup, &data, &path("never")).await;
}

/// Plants damage, and gives folders that must be left alone.
async fn refuse_what_is_wrong(backup: &Path, data: &Path, never: &Path) {
    for entry in fs::read_dir(backup).unwrap() {
        let file = entry.unwrap().path();
        let (name, bytes) = (file.file_name().unwrap().to_str().unwrap(), fs::read(&file).unwrap());
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 0b100;
        fs::write(&file, changed).unwrap();
        for mut asked in [command(&["backup", "verify"]), command(&["restore"])] {
            asked.arg(backup);
            if !asked.as_std().get_args().any(|word| word == "verify") {
                asked.arg(never);
            }
            let said = refused(&mut asked, 65).await;
            assert!(said.contains(name), "{said}");
            println!("   a flipped bit in {name}: {said}");
        }
        fs::write(&file, bytes).unwrap();
    }
    let said = refused(command(&["restore"]).arg(backup).arg(data), 64).await;
    println!("   restoring over a folder: {said}");
    assert!(!never.exists());
    ok(command(&["backup", "verify"]).arg(backup)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_interrupted_is_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let (server, ops) = Server::spawn_watched(watched_command(&data)).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    for nth in 0..50 {
        stage.authorize(&channel, &format!("k{nth}")).await.unwrap();
    }
    // Killed at whatever it is at: there is none then, or a whole one.
    for pause_ms in [0, 1, 2, 4, 8, 16, 32, 64] {
        let mut asked = command(&["backup", "--ops", &ops]);
        let mut child = asked.arg(&backup).spawn().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(pause_ms)).await;
        child.kill().await.unwrap();
        if backup.exists() {
            ok(command(&["backup", "verify"]).arg(&backup)).await;
        }
    }
    let again = || {
        let mut command = command(&["backup", "--ops", &ops]);
        command.arg(&backup);
        command
    };
    let whole = ok_in_turn(again).await;
    let before = fs::read(backup.join("MANIFEST")).unwrap();
    assert_eq!(server.stop().await.code, Some(0));
    // A server that is away leaves what there is alone.
    let said = refused(command(&["backup", "--ops", &ops]).arg(&backup), 12).await;
    assert!(said.contains("cannot back up"), "{said}");
    assert_eq!(fs::read(backup.join("MANIFEST")).unwrap(), before);
    let proved = ok(command(&["backup", "verify"]).arg(&backup)).await;
    assert_eq!(proved["last_seq"], whole["last_seq"]);
    // From the folder itself, once nobody serves it; while somebody does, it is refused.
    let added = ok(command(&["backup", "--data"]).arg(&data).arg(&backup)).await;
    assert!(added["last_seq"].as_u64() >= whole["last_seq"].as_u64());
    let server = Server::start(&data).await;
    let said = refused(command(&["backup", "--data"]).arg(&data).arg(&backup), 75).await;
    assert!(said.contains("in use by another process"), "{said}");
    assert_eq!(server.stop().await.code, Some(0));
    let help = run(command(&["restore", "--help"])).await;
    assert!(String::from_utf8_lossy(&help.stdout).contains("--to-time"));
}
