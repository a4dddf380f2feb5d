//! Owns: that setting the wall clock moves no decision: what has expired stays expired over a restart with a clock that was
//! set back, and a clock that is set while the server runs expires nothing and brings nothing back.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a function of a test is no `#[test]` to clippy")]

mod support;
mod unsynced;

use std::time::Duration;
use support::{PATIENCE, Server, Stage, reason};
use tallystick_proto::v1::{
    DeclineCode, OpenSessionRequest, Outcome, Refusal, authorizer_client::AuthorizerClient,
};
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use unsynced::{Disk, Kept, Names, Switch};

const TEN_MINUTES_NS: i64 = 600_000_000_000;

async fn start(disk: &Disk, sweep_every_ms: &str) -> (Server, Channel) {
    let mut command = disk.serve_command();
    command.args(["--sweep-every-ms", sweep_every_ms]);
    let server = Server::spawn(command).await;
    let channel = server.connect().await;
    (server, channel)
}

/// Opens a session that ends after `ttl`, in the stage's account.
async fn brief(channel: &Channel, stage: &Stage, ttl: Duration) -> Stage {
    let request = OpenSessionRequest {
        account_id: stage.account_id.clone(),
        idempotency_key: "brief".into(),
        cap_nanos: 1_000,
        currency: "USD".into(),
        ttl: Some(ttl.try_into().unwrap()),
        ..OpenSessionRequest::default()
    };
    let opened = AuthorizerClient::new(channel.clone()).open_session(request).await.unwrap().into_inner();
    Stage { session_id: opened.session.unwrap().session_id, ..stage.clone() }
}

/// Tells whether a session takes debits.
async fn is_open(channel: &Channel, brief: &Stage, key: &str) -> bool {
    match brief.authorize(channel, key).await {
        Ok(decision) if decision.outcome() == Outcome::Approved => true,
        Ok(decision) => {
            assert_eq!(decision.code(), DeclineCode::SessionEnded, "{decision:?}");
            false
        }
        Err(status) => {
            assert_eq!(reason(&status), Refusal::SessionRetired.as_str_name().trim_start_matches("REFUSAL_"));
            false
        }
    }
}

async fn ends(channel: &Channel, brief: &Stage) {
    let ended = async {
        let mut nth = 0;
        while is_open(channel, brief, &format!("until {nth}")).await {
            nth += 1;
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, ended).await.expect("it ends by itself");
}

/// Once with the session settled before the clock is set back, and once while it is only known to have ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_expired_comes_back_with_a_clock_that_was_set_back() {
    for sweep_every_ms in ["20", "60000"] {
        let disk = Disk::new(Names::WithFolder);
        let (server, channel) = start(&disk, sweep_every_ms).await;
        let stage = Stage::set(&channel).await;
        let brief = brief(&channel, &stage, Duration::from_millis(700)).await;
        assert!(is_open(&channel, &brief, "at first").await);
        ends(&channel, &brief).await;
        server.kill().await;
        disk.cut_power(Kept::Nothing);

        disk.set(Switch::ClockNs, -TEN_MINUTES_NS);
        let (server, channel) = start(&disk, sweep_every_ms).await;
        assert!(!is_open(&channel, &brief, "ten minutes before").await, "swept every {sweep_every_ms} ms");
        let others = stage.authorize(&channel, "others go on").await.unwrap();
        assert_eq!(others.outcome(), Outcome::Approved);
        assert_eq!(server.stop().await.code, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_while_it_runs_moves_no_decision() {
    for by in [TEN_MINUTES_NS, -TEN_MINUTES_NS] {
        let disk = Disk::new(Names::WithFolder);
        let (server, channel) = start(&disk, "20").await;
        let stage = Stage::set(&channel).await;
        let long = brief(&channel, &stage, Duration::from_mins(5)).await;
        assert!(is_open(&channel, &long, "before").await);
        disk.set(Switch::ClockNs, by);
        says(&server, "the wall clock moved away").await;
        assert!(is_open(&channel, &long, "while it is wrong").await, "by {by}");
        disk.set(Switch::ClockNs, 0);
        says(&server, "the wall clock came back").await;
        assert!(is_open(&channel, &long, "after").await, "by {by}");
        assert_eq!(server.stop().await.code, Some(0));
    }
}

async fn says(server: &Server, what: &str) {
    let said = async {
        while !server.log().contains(what) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(PATIENCE, said).await.is_ok(), "never said: {what}; {}", server.log());
}
