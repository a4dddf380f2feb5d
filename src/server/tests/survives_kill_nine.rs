//! One data folder lives through many deaths of its server, under the load of streams and single calls, and after each
//! the callers' half of the tally and the server's are laid together: nothing heard is lost, nothing is decided twice.
//!
//! `KILL_ROUNDS` says how many deaths, `KILL_SEED` repeats the dice (not the interleavings, which are the machine's).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that prints its report")]

mod kill;
mod support;
mod unsynced;

use kill::{
    ground::Ground,
    rounds::{self, Plan, from_env},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_heard_is_lost_and_nothing_happens_twice() {
    let (rounds, seed) = (from_env("KILL_ROUNDS", 12), from_env("KILL_SEED", 0x7a11));
    println!("KILL_SEED={seed} KILL_ROUNDS={rounds}");
    let plan = Plan { rounds, seed, is_peak: false, glances: 0, only: None, args: &[] };
    println!("{}", rounds::live(Ground::Folder(tempfile::tempdir().unwrap()), plan).await);
}
