//! Owns: that bad input changes nothing and gets a typed, specific answer (I11), over the wire and row by row; and that
//! what the rules say no to is an answer and not an error. `--nocapture` prints both tables.

#![allow(clippy::print_stdout, reason = "the tables are for people")]

mod bad_input;
mod support;

use bad_input::{
    World, bounds, debits, declines, ids, ledger, listing, money, opening, print_aligned, race, raw, streams,
    tree, velocity,
};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_bad_input() {
    let world = World::new(&[]).await.with_the_past().await;
    ids::refuse(&world).await;
    ledger::refuse(&world).await;
    money::refuse(&world).await;
    tree::refuse(&world).await;
    opening::refuse(&world).await;
    velocity::refuse(&world).await;
    debits::refuse(&world).await;
    listing::refuse(&world).await;
    raw::refuse(&world).await;
    streams::refuse(&world).await;
    bounds::refuse(&world).await;
    let rows = world.print();
    println!("{rows} rows");
    assert!(rows >= 40, "{rows}");
}

#[tokio::test]
async fn a_decline_is_an_answer_and_says_what_to_do_next() {
    // Sessions that have ended stay unswept for longer than the test takes.
    let world = World::new(&["--sweep-every-ms", "60000"]).await;
    let rows = declines::table(&world).await;
    print_aligned(["asked", "code", "network", "level", "next"], &rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_holds_every_debit_that_was_approved() {
    let world = Arc::new(World::new(&[]).await);
    for _ in 0..8 {
        let (approved, refused) = race::settle_while_debits_run(&world).await;
        println!("{approved} debits approved and settled, {refused} refused as retired");
    }
}
