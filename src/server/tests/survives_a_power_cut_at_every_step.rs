//! The power is cut before the n-th sync or change of a name of a server's first two lives, for many n: while it makes its
//! folder, decides, makes checkpoints, ends in order and starts again. Whatever was heard is there afterwards.
//!
//! `POWER_STEPS` says for how many n, evenly spread, in each of three ways that names last.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a function of a test is no `#[test]` to clippy"
)]

mod support;
mod unsynced;

use std::{collections::BTreeMap, time::Duration};
use support::{End, PATIENCE, Server, Stage};
use tallystick_proto::v1::Outcome;
use tokio::time::{sleep, timeout};
use tonic::{Status, transport::Channel};
use unsynced::{Disk, Kept, Names, Switch};

const STEPS: i64 = 3;
const LIVES: [&str; 2] = ["first", "second"];

/// Is what a caller was told, and what it asked.
#[derive(Default)]
struct Heard {
    stage: Option<Stage>,
    /// The debit of each key.
    approved: BTreeMap<String, String>,
    asked: usize,
}

impl Heard {
    async fn pay(&mut self, channel: &Channel, key: String) -> Result<(), Status> {
        let stage = self.stage.clone().expect("it is set");
        self.asked += 1;
        let decision = stage.authorize(channel, &key).await?;
        assert_eq!((decision.outcome(), decision.replayed), (Outcome::Approved, false), "{key}");
        self.approved.insert(key, decision.debit_id);
        Ok(())
    }

    /// Works until the server is gone, or there is nothing left to do.
    async fn live(&mut self, server: &Server, life: &str) -> Result<(), Status> {
        let channel = server.connect().await;
        let stage = Stage::try_set(&channel).await?;
        if let Some(before) = self.stage.replace(stage.clone()) {
            assert_eq!(before.session_id, stage.session_id, "a session was opened again");
        }
        for nth in 0..4 {
            self.pay(&channel, format!("{life}-{nth}")).await?;
        }
        while !server.log().contains("checkpoint is stored") {
            self.pay(&channel, format!("{life}-waits-{}", self.asked)).await?;
            sleep(Duration::from_millis(20)).await;
        }
        self.pay(&channel, format!("{life}-last")).await
    }

    /// Compares with what a server knows.
    async fn assert_kept(&self, server: &Server) {
        let channel = server.connect().await;
        let stage = Stage::try_set(&channel).await.unwrap();
        let Some(before) = &self.stage else { return };
        assert_eq!(before.session_id, stage.session_id, "a session that was opened is another");
        let spent = usize::try_from(stage.show(&channel).await.spent_nanos).unwrap();
        assert!((self.approved.len()..=self.asked).contains(&spent), "{spent} of {}", self.asked);
        for (key, debit_id) in &self.approved {
            let again = stage.authorize(&channel, key).await.unwrap();
            assert!(again.replayed && again.debit_id == *debit_id, "{key}: {again:?}");
        }
        let next = stage.authorize(&channel, "afterwards").await.unwrap();
        assert_eq!((next.outcome(), next.replayed), (Outcome::Approved, false));
    }
}

/// Lets a server live twice. Returns whether the power went before it was done.
async fn run(disk: &Disk, heard: &mut Heard) -> bool {
    for life in LIVES {
        let mut command = disk.serve_command();
        command.args(["--checkpoint-records", "1"]);
        let server = match Server::try_spawn(command).await {
            Ok(server) => server,
            Err(end) => return killed(&end),
        };
        let done = timeout(PATIENCE, heard.live(&server, life)).await.expect("it is done or gone");
        if done.is_ok() {
            server.ask_to_stop().await;
        }
        let end = server.ended().await;
        if end.code != Some(0) {
            return killed(&end);
        }
        done.unwrap();
    }
    false
}

fn killed(end: &End) -> bool {
    assert!(end.code.is_none() && !end.log.contains("ERROR"), "it was not killed: {end:?}");
    true
}

async fn at_every_step(names: Names) {
    let whole = Disk::new(names);
    assert!(!run(&whole, &mut Heard::default()).await);
    let events = whole.get(Switch::Events);
    let steps: i64 = std::env::var("POWER_STEPS").map_or(STEPS, |text| text.parse().unwrap());
    let steps = steps.min(events);
    let (mut cut, mut answered) = (0, 0);
    for step in 0..steps {
        let (disk, mut heard) = (Disk::new(names), Heard::default());
        // From the first to a few beyond the last.
        let at = 1 + step * (events + 3) / steps;
        disk.set(Switch::SyncNs, 0);
        disk.set(Switch::KillIn, at);
        cut += u32::from(run(&disk, &mut heard).await);
        disk.set(Switch::KillIn, 0);
        answered += heard.approved.len();
        for kept in [Kept::Some(at.unsigned_abs()), Kept::Nothing] {
            let left = tempfile::tempdir().unwrap();
            disk.leave(kept, &left.path().join("disk"));
            let data = left.path().join("disk/data");
            println!("{names:?}: before event {at} of {events}, {kept:?}");
            let server = Server::start(&data).await;
            heard.assert_kept(&server).await;
            assert_eq!(server.stop().await.code, Some(0));
        }
    }
    println!("{names:?}: {steps} steps of {events}, {cut} cut off; debits answered {answered}, lost 0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_name_lasts_only_with_its_folder() {
    at_every_step(Names::WithFolder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_names_last_with_any_sync() {
    at_every_step(Names::WithJournal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_names_last_at_once() {
    at_every_step(Names::AtOnce).await;
}
