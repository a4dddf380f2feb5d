//! Data folders and backups that were ever written are read for ever: of each released format there is a fixture, whose money
//! and debits are found again by a server of today, and which is proved by the tools of today.
//!
//! Under `fixtures`, each with a file of what must be found in it:
//!
//! - `folder-v1`: format 1, logs that only grow; ended by a crash. (Written by format 2's build in mode `os`, which writes the
//!   same bytes as format 1's did but for the number.)
//! - `folder-v2`: format 2, logs that are written over; a journal whose beginning was given back; ended by a crash.
//! - `folder-v3`: the same, with rows in their third version.
//! - `backup-v1`: a backup of `folder-v2`, with a state. Its digest is of rows in their second version, and no longer compared.
//! - `backup-v2`: a backup of `folder-v3`.
//!
//! A new format gets a new fixture and leaves the old ones as they are. Until its release, `REGENERATE_FIXTURES=1` writes the
//! newest anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test and its fixtures")]

mod drill;
#[path = "../../cli/backup/tests/life.rs"]
mod life;
mod support;

use drill::{command, count, ok, refused};
use life::Life;
use std::{
    env, fs,
    path::{Path, PathBuf},
};
use support::Server;
use tallystick_journal::Durability;
use tallystick_store::StoreOptions;

const FACTS: &str = "facts.txt";

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Copies what makes a folder: not RocksDB's diary, its options and its locks.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (source, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        let is_spare = ["LOG", "OPTIONS", "LOCK", "IDENTITY"]
            .iter()
            .any(|spare| name.to_str().unwrap().starts_with(spare));
        if source.is_dir() {
            copy(&source, &to.join(name));
        } else if !is_spare {
            fs::copy(&source, to.join(name)).unwrap();
        }
    }
}

/// Lives a short life in a new folder, and writes down what must be found in it.
fn live(name: &str, options: StoreOptions, is_trimmed: bool) {
    let (folder, to) = (tempfile::tempdir().unwrap(), fixture(name));
    let data = folder.path().join("data");
    let mut life = Life::begin_with(&data, options);
    life.spend(12);
    let mut facts = vec![(life.settle(), 12)];
    if is_trimmed {
        life.spend_by(300, 0);
    }
    life.spend(8);
    facts.push((life.session(), 8));
    life.crash();
    let _ = fs::remove_dir_all(&to);
    copy(&data, &to);
    let lines = facts.iter().map(|(session, debits)| format!("{session} {debits}\n"));
    fs::write(to.join(FACTS), lines.collect::<String>()).unwrap();
}

async fn regenerate() {
    let small = StoreOptions { journal_file_bytes: 64 << 10, ..StoreOptions::new(Durability::Fsync) };
    live("folder-v3", small, true);
    let (folder, to) = (tempfile::tempdir().unwrap(), fixture("backup-v2"));
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    copy(&fixture("folder-v3"), &data);
    ok(command(&["backup", "--data"]).arg(data).arg(&backup)).await;
    let _ = fs::remove_dir_all(&to);
    copy(&backup, &to);
    fs::copy(fixture("folder-v3").join(FACTS), to.join(FACTS)).unwrap();
}

/// Serves a folder and finds in it what its facts say.
async fn find(data: &Path, facts: &Path) {
    let server = Server::start(data).await;
    let channel = server.connect().await;
    for line in fs::read_to_string(facts).unwrap().lines() {
        let (session, debits) = line.split_once(' ').unwrap();
        assert_eq!(count(&channel, session).await, debits.parse::<usize>().unwrap(), "{session}");
    }
    drop(channel);
    assert_eq!(server.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_released_folder_and_backup_is_read() {
    if env::var_os("REGENERATE_FIXTURES").is_some() {
        regenerate().await;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, format) in [("folder-v1", 1), ("folder-v2", 2), ("folder-v3", 2)] {
        let (data, facts) = (folder.path().join(name), fixture(name).join(FACTS));
        copy(&fixture(name), &data);
        let version = || fs::read_to_string(data.join("FORMAT")).unwrap();
        ok(command(&["journal", "verify"]).arg(&data)).await;
        assert_eq!(version(), format!("tallystick store format {format}\n"), "reading changed it");
        find(&data, &facts).await;
        assert_eq!(version(), "tallystick store format 2\n");
        ok(command(&["journal", "verify"]).arg(&data)).await;
    }
    for (name, is_newest) in [("backup-v1", false), ("backup-v2", true)] {
        let backup = fixture(name);
        let proved = ok(command(&["backup", "verify"]).arg(&backup)).await;
        assert_eq!(
            proved["digest_compared"], is_newest,
            "the shapes of rows have changed: keep this, add another"
        );
        assert!(proved["state_seq"].as_u64() > Some(0) && proved["index_seq"].as_u64() > Some(0), "{proved}");
        let data = folder.path().join("restored").join(name);
        fs::create_dir_all(data.parent().unwrap()).unwrap();
        ok(command(&["restore"]).arg(&backup).arg(&data)).await;
        find(&data, &backup.join(FACTS)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_a_newer_format_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    copy(&fixture("folder-v3"), &data);
    fs::write(data.join("FORMAT"), "tallystick store format 3\n").unwrap();
    let served = support::run(support::serve_command(&data)).await;
    let said = String::from_utf8_lossy(&served.stderr).into_owned();
    assert_eq!(served.status.code(), Some(65), "{said}");
    let wanted = "FORMAT has format version 3, newer than 2";
    assert!(said.contains(wanted), "{said}");
    for mut asked in [command(&["journal", "verify"]), command(&["backup", "--data"])] {
        asked.arg(&data);
        if asked.as_std().get_args().next().is_some_and(|word| word == "backup") {
            asked.arg(folder.path().join("backup"));
        }
        let said = refused(&mut asked, 65).await;
        assert!(said.contains(wanted), "{said}");
    }
}
