//! The index is never synced with what it follows: after each power cut it stands somewhere behind the journal, and finds
//! every debit all the same, by key and by id, before its session is settled and after; and none that never was.
//!
//! `POWER_ROUNDS` says how many cuts.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a function of a test is no `#[test]` to clippy"
)]

mod support;
mod unsynced;

use std::collections::BTreeMap;
use support::{Server, Stage, payers::Payers};
use tallystick_proto::v1::{
    DebitByKey, ListDebitsRequest, LookupDebitRequest, LookupDebitResponse, LookupState, SettleRequest,
    authorizer_client::AuthorizerClient, lookup_debit_request::By,
};
use tonic::transport::Channel;
use unsynced::{Disk, Kept, Names};

const ROUNDS: usize = 4;
/// How many are looked up one by one, of the newest and of all.
const SAMPLE: usize = 40;

async fn find(channel: &Channel, by: By) -> LookupDebitResponse {
    let asked = LookupDebitRequest { by: Some(by) };
    AuthorizerClient::new(channel.clone()).lookup_debit(asked).await.unwrap().into_inner()
}

fn by_key(stage: &Stage, key: &str) -> By {
    By::Key(DebitByKey { session_id: stage.session_id.clone(), idempotency_key: key.into() })
}

/// Looks some debits up by key and by id.
async fn assert_found(channel: &Channel, stage: &Stage, heard: &BTreeMap<String, String>) {
    for (key, debit_id) in heard.iter().step_by(heard.len() / SAMPLE + 1) {
        for by in [by_key(stage, key), By::DebitId(debit_id.clone())] {
            let found = find(channel, by.clone()).await;
            assert_eq!(found.state(), LookupState::Approved, "{by:?}");
            assert_eq!(found.debit.unwrap().debit_id, *debit_id, "{by:?}");
        }
    }
    assert_eq!(find(channel, by_key(stage, "never")).await.state(), LookupState::NeverSeen);
}

/// Lists all debits of the session.
async fn listed(channel: &Channel, stage: &Stage) -> Vec<String> {
    let mut client = AuthorizerClient::new(channel.clone());
    let (mut ids, mut after_seq) = (Vec::new(), 0);
    loop {
        let asked = ListDebitsRequest { session_id: stage.session_id.clone(), page_size: 1_000, after_seq };
        let page = client.list_debits(asked).await.unwrap().into_inner();
        if page.debits.is_empty() {
            return ids;
        }
        ids.extend(page.debits.into_iter().map(|debit| debit.debit_id));
        after_seq = page.next_after_seq;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_debits_after_a_power_cut() {
    let rounds = std::env::var("POWER_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    let disk = Disk::new(Names::WithFolder);
    let mut heard = BTreeMap::new();
    let mut stage = None;
    for round in 0..rounds {
        let mut command = disk.serve_command();
        command.args(["--checkpoint-records", "50"]);
        let server = Server::spawn(command).await;
        let channel = server.connect().await;
        let set = Stage::set(&channel).await;
        if let Some(before) = stage.replace(set.clone()) {
            let Stage { session_id, .. } = before;
            assert_eq!(session_id, set.session_id);
            assert_found(&channel, &set, &heard).await;
            let listed = listed(&channel, &set).await;
            let spent = set.show(&channel).await.spent_nanos;
            assert_eq!(listed.len() as u64, spent, "debits of one nano");
            assert!(heard.values().all(|id| listed.contains(id)), "a debit is not listed");
        }
        let payers = Payers::start_named(&format!("round-{round}"), 8, &channel, &set);
        payers.approved(150).await;
        server.kill().await;
        heard.extend(payers.told().await.approved);
        disk.cut_power(if round % 2 == 0 { Kept::Nothing } else { Kept::Some(round as u64) });
    }
    let server = Server::spawn(disk.serve_command()).await;
    let (channel, stage) = (server.connect().await, stage.expect("it was set"));
    let before = listed(&channel, &stage).await;
    let settle = SettleRequest { session_id: stage.session_id.clone(), ..SettleRequest::default() };
    AuthorizerClient::new(channel.clone()).settle(settle).await.unwrap();
    server.kill().await;
    disk.cut_power(Kept::Nothing);
    let server = Server::spawn(disk.serve_command()).await;
    let channel = server.connect().await;
    assert_found(&channel, &stage, &heard).await;
    assert_eq!(listed(&channel, &stage).await, before);
    assert_eq!(server.stop().await.code, Some(0));
    println!("{rounds} power cuts; {} debits heard, {} there, all found", heard.len(), before.len());
}
