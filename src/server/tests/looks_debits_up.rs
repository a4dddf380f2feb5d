//! What became of a debit is found by its id and its key right after its answer, after a kill, and after the settlement; and
//! what never was is said to be that.

#![allow(clippy::unwrap_used, reason = "a function of a test is no `#[test]` to clippy")]

mod support;

use support::{Server, Stage, reason};
use tallystick_proto::v1::{
    DebitByKey, DebitByNumber, ListDebitsRequest, LookupDebitRequest, LookupDebitResponse, LookupState,
    Outcome, SettleRequest, authorizer_client::AuthorizerClient, lookup_debit_request::By,
};
use tonic::{Code, Status, transport::Channel};

async fn ask(channel: &Channel, by: By) -> Result<LookupDebitResponse, Status> {
    let asked = LookupDebitRequest { by: Some(by) };
    AuthorizerClient::new(channel.clone()).lookup_debit(asked).await.map(tonic::Response::into_inner)
}

fn by_key(stage: &Stage, key: &str) -> By {
    By::Key(DebitByKey { session_id: stage.session_id.clone(), idempotency_key: key.into() })
}

async fn listed(channel: &Channel, stage: &Stage) -> Vec<String> {
    let mut client = AuthorizerClient::new(channel.clone());
    let (mut ids, mut after_seq) = (Vec::new(), 0);
    loop {
        let asked = ListDebitsRequest { session_id: stage.session_id.clone(), page_size: 3, after_seq };
        let page = client.list_debits(asked).await.unwrap().into_inner();
        if page.debits.is_empty() {
            return ids;
        }
        ids.extend(page.debits.into_iter().map(|debit| debit.debit_id));
        after_seq = page.next_after_seq;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_after_its_answer_and_ever_after() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    let mut decided = Vec::new();
    for nth in 0..10 {
        let decision = stage.authorize(&channel, &format!("key {nth}")).await.unwrap();
        let found = ask(&channel, by_key(&stage, &format!("key {nth}"))).await.unwrap();
        let debit = found.debit.unwrap();
        assert_eq!(found.state, i32::from(LookupState::Approved));
        assert_eq!((&debit.debit_id, debit.seq), (&decision.debit_id, decision.seq));
        assert_eq!((debit.amount_nanos, &debit.payee_id), (decision.amount_nanos, &stage.payee_id));
        assert!(found.as_of_seq >= decision.seq && debit.outcome == i32::from(Outcome::Approved));
        decided.push(decision.debit_id);
    }
    let never = ask(&channel, by_key(&stage, "never")).await.unwrap();
    assert_eq!((never.state, never.debit), (LookupState::NeverSeen.into(), None));
    drop(channel);
    server.kill().await;

    let server = Server::start(folder.path()).await;
    let channel = server.connect().await;
    assert_eq!(listed(&channel, &stage).await, decided);
    let settle = SettleRequest { session_id: stage.session_id.clone(), ..SettleRequest::default() };
    AuthorizerClient::new(channel.clone()).settle(settle).await.unwrap();
    assert_eq!(listed(&channel, &stage).await, decided);
    for (nth, id) in decided.iter().enumerate() {
        for by in [by_key(&stage, &format!("key {nth}")), By::DebitId(id.clone())] {
            assert_eq!(ask(&channel, by).await.unwrap().debit.unwrap().debit_id, *id);
        }
    }
    drop(channel);
    assert_eq!(server.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_names_no_debit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    let number = |writer_id: &str, number| {
        let (session_id, writer_id) = (stage.session_id.clone(), writer_id.into());
        By::Number(DebitByNumber { session_id, writer_id, number })
    };
    let writer = stage.session_id.replace("ses_", "wri_");
    let bad = [
        By::DebitId("ses_1".into()),
        By::DebitId("deb_1".into()),
        by_key(&stage, ""),
        by_key(&stage, &"k".repeat(256)),
        number("acc_1", 1),
        number(&writer, 1),
    ];
    for by in bad {
        let refused = ask(&channel, by.clone()).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::InvalidArgument, "MALFORMED"),
            "{by:?}"
        );
    }
    let mut client = AuthorizerClient::new(channel.clone());
    let none = client.lookup_debit(LookupDebitRequest { by: None }).await.unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument);
    let session_id = stage.session_id.clone();
    let large = ListDebitsRequest { session_id: session_id.clone(), page_size: 1_001, after_seq: 0 };
    assert_eq!(client.list_debits(large).await.unwrap_err().code(), Code::InvalidArgument);
    let end = session_id.chars().last().unwrap();
    let other = session_id.replace(end, if end == '0' { "4" } else { "0" });
    if let Err(unknown) =
        client.list_debits(ListDebitsRequest { session_id: other, ..ListDebitsRequest::default() }).await
    {
        assert!(matches!(unknown.code(), Code::NotFound | Code::InvalidArgument), "{unknown:?}");
    } else {
        panic!("a session that never was has a list");
    }
    drop(channel);
    assert_eq!(server.stop().await.code, Some(0));
}
