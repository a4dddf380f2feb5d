//! Owns: floods of every kind against one server, one after the other, and what they cost: memory before, at worst and
//! after, who was refused, and what a neighbour felt of it. `make flood` runs it in full and keeps the figures; the ordinary
//! run is small and only asserts. Never: a time that is asserted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a function of a test is no `#[test]` to clippy; the figures are for people"
)]

mod hostile;
mod support;

use hostile::{
    MIB, Scene,
    flood::{Attack, Table, files, seconds, size},
    is_old,
};

/// What the network may take of the server at worst in this test, besides what a flood is stated to cost.
const SLACK: u64 = 96 * MIB;
/// What a connection that does nothing may cost.
const CONNECTION_BYTES_MAX: u64 = 64 << 10;
/// What a stream that was opened and abandoned may cost.
const STREAM_BYTES_MAX: u64 = 64 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_others_through_a_flood() {
    let connections = files(size());
    let mut table = Table::begin(connections);

    // As wide as it takes to hold all of them.
    let most = (connections + 240).to_string();
    let wide = ["--connections-max", &most, "--connections-per-address-max", &most];
    let scene = Scene::set(&wide).await;
    let many = connections as u64;
    let bounds = [
        (Attack::Greet(connections), many * CONNECTION_BYTES_MAX),
        (Attack::Silent(connections), many * CONNECTION_BYTES_MAX),
        (Attack::Trickle(connections / 10), many / 10 * CONNECTION_BYTES_MAX),
        (Attack::Abandon(connections.min(8_000)), many * STREAM_BYTES_MAX),
        // Counted as long as they say they are; the allocator rounds a mebibyte up by a quarter.
        (Attack::NeverFinish(connections.div_ceil(20)), 256 * MIB / 4 * 5),
        (Attack::NeverRead((connections / 100).clamp(4, 64)), 512 * MIB),
        (Attack::Reset(connections / 10), SLACK),
        (Attack::Chatter(8), SLACK),
    ];
    for (attack, bytes) in bounds {
        let row = attack.run(&scene, seconds()).await;
        let grown = row.grown();
        table.add(row);
        assert!(is_old() || grown < bytes + SLACK, "{attack:?}: {} MiB", grown / MIB);
    }
    scene.close().await;

    // As it comes: one address has its share, and no more.
    let scene = Scene::set(&[]).await;
    let row = Attack::GreetAsItComes(connections).run(&scene, seconds()).await;
    let bytes = 1_024 * CONNECTION_BYTES_MAX + SLACK;
    assert!(is_old() || row.grown() < bytes, "{} MiB", row.grown() / MIB);
    table.add(row);
    scene.close().await;
    table.end();
}
