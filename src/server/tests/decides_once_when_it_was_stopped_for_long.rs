//! Owns: that a server which stands still for longer than its callers wait (SIGSTOP, a suspended machine) decides each
//! intent once: callers give up, ask again under the same key, and every key moves money once.

#![allow(clippy::unwrap_used, reason = "a function of a test is no `#[test]` to clippy")]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::{PATIENCE, Server, Stage, reason};
use tallystick_proto::v1::{
    AuthorizeRequest, Outcome, authorize_request::Intent, authorizer_client::AuthorizerClient,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tonic::{Code, Request, transport::Channel};

const CALLERS: usize = 8;
const KEYS: usize = 60;
const DEADLINE: Duration = Duration::from_millis(150);
const STANDSTILL: Duration = Duration::from_millis(900);

/// Pays under key after key, each until it is answered. Returns how often it gave up.
async fn pay(channel: Channel, stage: Stage, caller: usize, answered: Arc<AtomicUsize>) -> usize {
    let mut given_up = 0;
    for nth in 0..KEYS {
        loop {
            let mut request = Request::new(AuthorizeRequest {
                session_id: stage.session_id.clone(),
                payee_id: stage.payee_id.clone(),
                amount_nanos: 1,
                intent: Some(Intent::IdempotencyKey(format!("caller-{caller}-{nth}"))),
                ..AuthorizeRequest::default()
            });
            request.set_timeout(DEADLINE);
            match AuthorizerClient::new(channel.clone()).authorize(request).await {
                Ok(answer) => {
                    let decision = answer.into_inner().decision.unwrap();
                    assert_eq!(decision.outcome(), Outcome::Approved, "{decision:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Err(status) => {
                    // Late by the server's clock or the caller's; or HTTP/2 took so many calls given up for a flood, and
                    // ended the connection ("too_many_resets"). None of it says what became of the debit.
                    let is_late = [Code::DeadlineExceeded, Code::Cancelled].contains(&status.code());
                    assert!(is_late || reason(&status).is_empty(), "{status:?}");
                    given_up += 1;
                }
            }
        }
    }
    given_up
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decides_once_when_it_was_stopped_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(pay(channel.clone(), stage.clone(), caller, Arc::clone(&answered)));
    }
    for share in [4, 2] {
        while answered.load(Ordering::Relaxed) < CALLERS * KEYS / share {
            sleep(Duration::from_millis(1)).await;
        }
        server.signal("STOP").await;
        sleep(STANDSTILL).await;
        server.signal("CONT").await;
    }
    let given_up: usize = timeout(PATIENCE, callers.join_all()).await.expect("all are answered").iter().sum();
    assert!(given_up > 0, "nobody had to wait");
    assert_eq!(stage.show(&channel).await.spent_nanos, (CALLERS * KEYS) as u64);
    server.kill().await;
    let server = Server::start(folder.path()).await;
    assert_eq!(stage.show(&server.connect().await).await.spent_nanos, (CALLERS * KEYS) as u64);
    assert_eq!(server.stop().await.code, Some(0));
}
