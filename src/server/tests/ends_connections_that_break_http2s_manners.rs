//! Owns: that floods of resets, pings and settings, strangers' protocols and peers that are gone without a word come to an
//! orderly end or cost nothing that grows; and that a debit which was reset is decided once or not at all.

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
    caller::{self, AUTHORIZE},
    raw::{
        self, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PING, RST_STREAM, Raw, SETTINGS,
        frame,
    },
};
use std::time::Duration;
use tallystick_proto::v1::Outcome;

/// Is `CANCEL`.
const CANCEL: [u8; 4] = [0, 0, 0, 8];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_are_told_to_calm_down_and_move_no_money_twice() {
    let scene = Scene::set(&[]).await;
    let before = scene.resident();
    let (mut told, mut sent) = (0, 0);
    for round in 0..20_u32 {
        let mut raw = Raw::greet(&scene.server.address).await.unwrap();
        // Every other one keeps below what makes the server impatient, so that its debits are looked at.
        let at_once = if round % 2 == 0 { 200_u32 } else { 10 };
        for nth in (0..200_u32).step_by(at_once as usize) {
            let mut burst = Vec::new();
            for nth in nth..nth + at_once {
                let (stream, key) = (2 * nth + 1, format!("reset-{round}-{nth}"));
                burst.extend(frame(HEADERS, END_HEADERS, stream, &raw::headers(AUTHORIZE)));
                burst.extend(frame(DATA, END_STREAM, stream, &caller::debit(&scene.stage, &key)));
                burst.extend(frame(RST_STREAM, 0, stream, &CANCEL));
                sent += 1;
            }
            // The end may come before all of it is taken.
            let _ = raw.send(&burst).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let goodbye = raw.goodbye_within(Duration::from_millis(200)).await;
        told += usize::from(goodbye.is_some_and(|goodbye| goodbye.error == Some(ENHANCE_YOUR_CALM)));
    }
    println!("{told} of 20 connections were told to calm down");
    assert!(told > 0);
    scene.neighbour.served(10).await;

    // Each key was decided once or never: asked again, each is approved, and the sum is that of the keys.
    let decided = scene.stage.show(&scene.channel).await.debit_count;
    let mut replayed = 0;
    for round in 0..20 {
        for nth in 0..200 {
            let key = format!("reset-{round}-{nth}");
            let decision = scene.stage.authorize_bare(&scene.channel, &key).await.unwrap();
            assert_eq!(decision.outcome(), Outcome::Approved);
            replayed += u64::from(decision.replayed);
        }
    }
    println!("{decided} of {sent} resets came too late to stop the debit; {replayed} replays");
    assert_eq!(replayed, decided);
    let session = scene.stage.show(&scene.channel).await;
    assert_eq!((session.debit_count, session.spent_nanos), (sent, sent));
    assert!(scene.resident().saturating_sub(before) < 48 * MIB);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_pings_and_settings_that_nobody_reads_cost_nothing_that_grows() {
    let scene = Scene::set(&["--stall-timeout-ms", "1000"]).await;
    let before = scene.resident();
    let floods = [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255])];
    let mut flooding = Vec::new();
    for flood in floods {
        let mut raw = Raw::greet(&scene.server.address).await.unwrap();
        // Never reads: the answers pile up here, then there, and then nothing more is taken.
        flooding.push(tokio::spawn(async move {
            let many = flood.repeat(1_000);
            let mut taken = 0_u64;
            while taken < 256 * MIB && raw.send_what_is_taken(&many, Duration::from_secs(20)).await.is_ok() {
                taken += many.len() as u64;
            }
            taken
        }));
    }
    scene.neighbour.served(20).await;
    for flood in flooding {
        println!("{} KiB were taken", flood.await.unwrap() / 1_024);
    }
    let grown = scene.resident().saturating_sub(before);
    println!("resident: {} MiB more", grown / MIB);
    assert!(grown < 48 * MIB, "{grown}");
    scene.until("connections_open", |open| open <= 2.0).await;
    scene.neighbour.served(5).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_gone_without_a_word_is_noticed() {
    let scene = Scene::set(&["--keepalive-every-ms", "200", "--keepalive-timeout-ms", "300"]).await;
    let mut half_open = Vec::new();
    for _ in 0..50 {
        // Open as far as the system knows, but nobody is there to answer a ping.
        half_open.push(Raw::greet(&scene.server.address).await.unwrap());
    }
    // A frame that never ends is no answer either.
    let mut slow = Raw::greet(&scene.server.address).await.unwrap();
    slow.send(&frame(HEADERS, END_HEADERS, 1, &raw::headers(AUTHORIZE))[..20]).await.unwrap();
    scene.until("connections_open", |open| open <= 2.0).await;
    for raw in &mut half_open {
        raw.goodbye().await;
    }
    scene.neighbour.served(5).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_sent_away() {
    let scene = Scene::set(&[]).await;
    let hellos: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: flood\r\nConnection: keep-alive\r\n\r\n",
        &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot settings at all, and long enough to be a frame",
        &[0xff; 4_096],
    ];
    for hello in hellos {
        let mut raw = Raw::connect(&scene.server.address).await.unwrap();
        raw.send(hello).await.unwrap();
        let goodbye = raw.goodbye().await;
        println!("{goodbye:?}");
    }
    scene.neighbour.served(5).await;
    scene.close().await;
}
