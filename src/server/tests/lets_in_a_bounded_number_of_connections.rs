//! Owns: that connections are bounded, of all and of each address; that who is not let in is told so; that who never speaks
//! does not stay; that open files bound them too, so that storage never lacks one; and that places come back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a function of a test is no `#[test]` to clippy; the figures are for people"
)]

mod hostile;
mod support;

use hostile::{
    MIB, Scene,
    raw::{ENHANCE_YOUR_CALM, Raw},
};
use std::{net::Ipv4Addr, path::Path};
use support::watched_command;
use tokio::process::Command;

/// The scene's own: its channel and the neighbour's.
const OWN: u32 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_too_many_is_told_so_and_places_come_back() {
    let options = ["--connections-max", "24", "--connections-per-address-max", "10"];
    let scene = Scene::set(&options).await;
    let before = scene.resident();
    let mut held = Vec::new();
    for _ in OWN..10 {
        held.push(Raw::greet(&scene.server.address).await.unwrap());
    }
    scene.until("connections_open", |open| open == 10.0).await;
    for _ in 0..20 {
        let mut refused = Raw::greet(&scene.server.address).await.unwrap();
        let goodbye = refused.goodbye().await;
        assert_eq!(goodbye.error, Some(ENHANCE_YOUR_CALM));
        assert_eq!(goodbye.text, "too many connections of this address");
    }
    for last in [2, 3] {
        for _ in 0..7 {
            let from = Ipv4Addr::new(127, 0, 0, last);
            held.push(Raw::connect_from(from, &scene.server.address).await.unwrap());
        }
    }
    scene.until("connections_open", |open| open == 24.0).await;
    let mut refused = Raw::connect_from(Ipv4Addr::new(127, 0, 0, 4), &scene.server.address).await.unwrap();
    assert_eq!(refused.goodbye().await.text, "too many connections");
    scene.neighbour.served(5).await;

    let metrics = scene.metrics().await;
    let turned_away =
        |why| metrics.get(&format!("tallystick_connections_turned_away_total{{why=\"{why}\"}}"));
    assert_eq!((turned_away("address_full"), turned_away("full")), (20.0, 1.0));
    assert!(scene.resident().saturating_sub(before) < 32 * MIB);
    drop(held);
    scene.until("connections_open", |open| open == f64::from(OWN)).await;
    let mut again = Raw::greet(&scene.server.address).await.unwrap();
    assert!(again.frame().await.is_some(), "it is greeted");
    drop(again);
    let log = scene.close().await;
    let lines = log.lines().filter(|line| line.contains("turned connections or calls away")).count();
    assert!((1..20).contains(&lines), "a line a second, not one for each: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_speaks_does_not_stay() {
    let scene = Scene::set(&["--handshake-timeout-ms", "300"]).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(Raw::connect(&scene.server.address).await.unwrap());
    }
    // One byte a time is not speaking either.
    let mut slow = Raw::connect(&scene.server.address).await.unwrap();
    for byte in hostile::raw::PREFACE {
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        if slow.send(&[*byte]).await.is_err() {
            break;
        }
    }
    slow.goodbye().await;
    for raw in &mut silent {
        assert_eq!(raw.goodbye().await.error, None, "there is nobody to talk to");
    }
    scene.until("connections_turned_away_total{why=\"handshake\"}", |count| count == 201.0).await;
    scene.neighbour.served(5).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_files_bound_connections_and_storage_lacks_none() {
    let limited = |data: &Path| {
        let serve = watched_command(data);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg("ulimit -n 600; exec \"$0\" \"$@\"").arg(serve.as_std().get_program());
        shell.args(serve.as_std().get_args());
        shell.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
        shell.stderr(std::process::Stdio::piped()).kill_on_drop(true);
        shell
    };
    // Checkpoints all along, which open files.
    let scene = Scene::with(&["--checkpoint-records", "50"], limited).await;
    assert_eq!(scene.metric("connections_max").await, 300.0);
    let mut held = Vec::new();
    for nth in 0..800_u32 {
        // So many addresses that no share of one stops them.
        let from = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + nth / 40);
        held.extend(Raw::connect_from(from, &scene.server.address).await);
    }
    scene.until("connections_turned_away_total{why=\"full\"}", |count| count >= 400.0).await;
    scene.neighbour.served(20).await;
    let metrics = scene.metrics().await;
    println!("accept failures: {}", metrics.get("tallystick_accept_failures_total"));
    assert_eq!(metrics.get("tallystick_journal_failed"), 0.0);
    assert!(metrics.get("tallystick_connections_open") <= 300.0);
    assert!(metrics.get("tallystick_checkpoints_total") > 0.0);
    assert_eq!(metrics.get("tallystick_background_failures_total"), 0.0);
    drop(held);
    let log = scene.close().await;
    assert!(log.contains("open files are limited") && log.contains("lowered_to=300"), "{log}");
}
