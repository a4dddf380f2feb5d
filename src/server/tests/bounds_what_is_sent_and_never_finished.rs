//! Owns: that requests which do not come whole are bounded in bytes, in number and in time, each refused in words; that
//! messages and headers have a size; that nothing is unpacked; and that half a request moves no money.

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
    caller::{self, AUTHORIZE, Caller, STREAM},
    raw::{self, CONTINUATION, DATA, END_HEADERS, HEADERS, Raw, frame},
};
use std::time::Duration;
use support::reason;
use tonic::{Code, Status};

const WINDOW: u32 = 65_535;

fn said(status: &Status) -> (Code, String) {
    (status.code(), reason(status))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_has_to_come_whole_and_in_time() {
    let scene = Scene::set(&["--arrival-timeout-ms", "400"]).await;
    let mut caller = Caller::connect(&scene.server.address, WINDOW).await.unwrap();
    let late = (Code::DeadlineExceeded, "DEADLINE_PASSED".to_owned());
    let whole = caller::debit(&scene.stage, "never whole");

    let mut half = caller.open(AUTHORIZE).await.unwrap();
    half.send(whole[..whole.len() / 2].to_vec(), false).unwrap();
    let mut without_end = caller.open(AUTHORIZE).await.unwrap();
    without_end.send(whole.clone(), false).unwrap();
    let nothing = caller.open(AUTHORIZE).await.unwrap();
    let abandoned = caller.open(STREAM).await.unwrap();
    let mut cut = caller.open(STREAM).await.unwrap();
    cut.send(caller::hello(""), false).unwrap();
    let batch = caller::batch(&scene.stage, 0, 10);
    cut.send([batch.clone(), batch[..20].to_vec()].concat(), false).unwrap();

    for call in [half, without_end, nothing, abandoned] {
        assert_eq!(said(&call.heard().await.1), late);
    }
    let (messages, status) = cut.heard().await;
    assert_eq!(said(&status), late);
    assert_eq!(messages.len(), 2, "what came whole before was answered");

    // One byte at a time comes too late as well.
    let mut slow = caller.open(AUTHORIZE).await.unwrap();
    for byte in &whole {
        if slow.send(vec![*byte], false).is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(said(&slow.heard().await.1), late);
    let session = scene.stage.show(&scene.channel).await;
    assert_eq!(session.debit_count, 10, "half a debit is none");
    scene.neighbour.served(5).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_whole_is_bounded_in_bytes() {
    let scene = Scene::set(&["--arriving-bytes-max", "8388608"]).await;
    let before = scene.resident();
    let mut caller = Caller::connect(&scene.server.address, WINDOW).await.unwrap();
    // Each says that a mebibyte follows, and sends all of it but the last byte.
    let mut nearly = raw::message(&vec![0; 1 << 20]);
    nearly.pop();
    let mut calls = Vec::new();
    for nth in 0..64 {
        let path = if nth % 2 == 0 { AUTHORIZE } else { STREAM };
        let mut call = caller.open(path).await.unwrap();
        call.send(nearly.clone(), false).unwrap();
        calls.push(call);
    }
    scene.until("refusals_total{reason=\"OVERLOADED\"}", |count| count >= 50.0).await;
    scene.neighbour.served(10).await;
    assert!(scene.metric("permit_bytes{share=\"arriving\"}").await <= 8_388_608.0);
    let grown = scene.resident().saturating_sub(before);
    println!("resident: {} MiB before, {} MiB more", before / MIB, grown / MIB);
    assert!(grown < 64 * MIB, "{grown}");
    let (mut refused, mut held) = (0, Vec::new());
    for mut call in calls {
        // Those that are let wait are few; the others have been told.
        match tokio::time::timeout(Duration::from_millis(100), &mut call.response).await {
            Ok(response) => {
                let status = Status::from_header_map(response.unwrap().headers());
                let status = status.unwrap_or_else(|| Status::resource_exhausted("in the trailers"));
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                refused += 1;
            }
            Err(_) => held.push(call),
        }
    }
    println!("{refused} of 64 were refused");
    assert!(refused >= 50, "{refused}");
    drop((caller, held));
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_bounded_and_one_address_cannot_take_them_all() {
    let scene = Scene::set(&["--calls-max", "80", "--arrival-timeout-ms", "2000"]).await;
    let mut caller = Caller::connect(&scene.server.address, WINDOW).await.unwrap();
    // The neighbour comes from the same address: its stream is one of twenty, and its calls want one more.
    let mut open = Vec::new();
    for _ in 0..18 {
        let mut call = caller.open(STREAM).await.unwrap();
        call.send(caller::hello(""), false).unwrap();
        open.push(call);
    }
    scene.until("calls_open", |calls| calls >= 19.0).await;
    scene.neighbour.served(5).await;
    scene.neighbour.pause(true).await;
    let one = caller.open(STREAM).await.unwrap();
    scene.until("calls_open", |calls| calls >= 20.0).await;
    let refused = caller.open(STREAM).await.unwrap();
    assert_eq!(said(&refused.heard().await.1), (Code::ResourceExhausted, "OVERLOADED".to_owned()));
    drop((open, one, caller));
    scene.until("calls_open", |calls| calls <= 1.0).await;
    scene.neighbour.pause(false).await;
    scene.neighbour.served(5).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_and_headers_have_a_size_and_nothing_is_unpacked() {
    let scene = Scene::set(&[]).await;
    let before = scene.resident();
    let mut caller = Caller::connect(&scene.server.address, WINDOW).await.unwrap();
    let mut large = caller.open(AUTHORIZE).await.unwrap();
    // It only says so: not one byte of it has to come.
    large.send(vec![0, 0x7f, 0xff, 0xff, 0xff], false).unwrap();
    assert_eq!(large.heard().await.1.code(), Code::OutOfRange);

    // Compressed bytes are refused as such, before they could grow.
    let mut packed = caller.open_with(AUTHORIZE, &[("grpc-encoding", "gzip")]).await.unwrap();
    let mut bomb = raw::message(&vec![0x1f; 60_000]);
    bomb[0] = 1;
    let _ = packed.send(bomb.clone(), true);
    assert_eq!(packed.heard().await.1.code(), Code::Unimplemented);
    let mut packed = caller.open(AUTHORIZE).await.unwrap();
    let _ = packed.send(bomb, true);
    assert_eq!(packed.heard().await.1.code(), Code::Internal);

    let wide = "x".repeat(20_000);
    let refused = caller.open_with(AUTHORIZE, &[("wide", &wide)]).await;
    let heard = match refused {
        Ok(call) => match tokio::time::timeout(support::PATIENCE, call.response).await.unwrap() {
            Ok(response) => response.status().to_string(),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    println!("20,000 bytes of headers: {heard}");
    assert!(!heard.starts_with("200"), "{heard}");
    drop(caller);

    // Headers that go on and on, in frames that belong together: HTTP/2 cannot answer in between, and ends it.
    let mut endless = Raw::greet(&scene.server.address).await.unwrap();
    endless.send(&frame(HEADERS, 0, 1, &raw::headers(AUTHORIZE))).await.unwrap();
    let more: Vec<u8> = (0..100).flat_map(|nth| raw::field(&format!("n{nth}"), &"y".repeat(100))).collect();
    let mut sent = 0_u64;
    while sent < 64 * MIB && endless.send(&frame(CONTINUATION, 0, 1, &more)).await.is_ok() {
        sent += more.len() as u64;
    }
    println!("{sent} bytes of headers were taken before the end: {:?}", endless.goodbye().await);
    assert!(sent < 16 * MIB, "{sent}");

    // Empty frames fill no window, and are thrown away or ended.
    let mut empty = Raw::greet(&scene.server.address).await.unwrap();
    empty.send(&frame(HEADERS, END_HEADERS, 1, &raw::headers(STREAM))).await.unwrap();
    empty.send(&frame(DATA, 0, 1, &caller::hello(""))).await.unwrap();
    let thousand = frame(DATA, 0, 1, &[]).repeat(1_000);
    for _ in 0..200 {
        if empty.send(&thousand).await.is_err() {
            break;
        }
    }
    drop(empty);
    let grown = scene.resident().saturating_sub(before);
    println!("resident: {} MiB more", grown / MIB);
    assert!(grown < 48 * MIB, "{grown}");
    scene.neighbour.served(5).await;
    scene.close().await;
}
