//! One data folder lives through many power cuts under peak load, while checkpoints are made and the journal is trimmed.
//! The disk forgets all that was not synced, or keeps some of it, torn; whatever was heard is there afterwards. With syncs
//! that lie, or that are never made, the same test finds the loss: it can fail.
//!
//! `POWER_ROUNDS` says how many cuts, `POWER_SEED` repeats the dice (not the interleavings, which are the machine's).
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a test that prints its report")]

mod kill;
mod support;
mod unsynced;

use kill::{
    ground::Ground,
    moments::Moment,
    rounds::{self, Plan, Report, from_env},
};
use unsynced::{Disk, Names, Switch};

const SEED: u64 = 0xda7a;
/// Within so many cuts a loss must be found.
const ROUNDS_TO_FIND_A_LOSS: usize = 3;

fn plan(rounds: usize) -> Plan {
    Plan { rounds, seed: from_env("POWER_SEED", SEED), is_peak: true, glances: 1, only: None, args: &[] }
}

/// Lives through `rounds`, or as many as were asked for: six go through every way to die.
async fn live(names: Names, rounds: usize) {
    let plan = plan(from_env("POWER_ROUNDS", rounds));
    println!("{names:?}, {plan:?}");
    println!("{names:?}: {}", rounds::live(Ground::Forgetful(Disk::new(names)), plan).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_name_lasts_only_with_its_folder() {
    live(Names::WithFolder, 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_names_last_with_any_sync() {
    live(Names::WithJournal, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_names_last_at_once() {
    live(Names::AtOnce, 2).await;
}

/// RocksDB renames a log that it needs no more, writes over it, syncs it, and then its folder: here the power goes before
/// that. The old name then stands over the new content, which was refused as damage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_power_goes_before_the_name_of_a_log_lasts() {
    let disk = Disk::with_faults_for("data/journal", Names::WithFolder);
    let plan = Plan { only: Some(Moment::Rotation), ..plan(from_env("POWER_ROUNDS", 2)) };
    println!("{}", rounds::live(Ground::Forgetful(disk), plan).await);
}

/// Says what the test finds wrong.
async fn loss(ground: Ground, plan: Plan) -> String {
    let rounds = tokio::spawn(rounds::live(ground, plan));
    let found: Result<Report, _> = rounds.await;
    let panic = found.expect_err("a loss is found").into_panic();
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_the_loss_when_syncs_of_the_journal_lie() {
    let disk = Disk::with_faults_for("data/journal/*.log", Names::WithFolder);
    disk.set(Switch::Lies, 1);
    println!("found: {}", loss(Ground::Forgetful(disk), plan(ROUNDS_TO_FIND_A_LOSS)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_the_loss_when_the_journal_is_not_synced() {
    let plan = Plan { args: &["--durability", "os"], ..plan(ROUNDS_TO_FIND_A_LOSS) };
    println!("found: {}", loss(Ground::Forgetful(Disk::new(Names::WithFolder)), plan).await);
}
