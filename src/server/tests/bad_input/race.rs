//! Owns: a settle that runs into debits of many callers.

use super::World;
use crate::support::reason;
use std::{collections::BTreeMap, sync::Arc};
use tallystick_proto::v1::{AuthorizeRequest, Outcome, SettleRequest, Settlement};
use tokio::task::JoinSet;
use tonic::Code;

const PAYERS: usize = 32;
const SETTLERS: usize = 4;

/// Returns how many debits were approved and how many refused.
pub(crate) async fn settle_while_debits_run(world: &Arc<World>) -> (u64, usize) {
    let session_id = world.open(world.opening()).await;
    let mut payers = JoinSet::new();
    for payer in 0..PAYERS {
        payers.spawn(pay(Arc::clone(world), session_id.clone(), payer));
    }
    while world.session(&session_id).await.session.is_some_and(|session| session.debit_count < 100) {}
    let mut settlers = JoinSet::new();
    for _ in 0..SETTLERS {
        let (mut client, session_id) = (world.authorizer(), session_id.clone());
        settlers.spawn(async move {
            client
                .settle(SettleRequest { session_id, ..SettleRequest::default() })
                .await
                .unwrap()
                .into_inner()
        });
    }
    let answers = settlers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1, "one of them settled it");
    let settlement = answers[0].settlement.clone().unwrap();
    assert!(answers.iter().all(|answer| answer.settlement.as_ref() == Some(&settlement)), "{answers:?}");

    let mut approved: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (payee_id, amount, count) in payers.join_all().await {
        let entry = approved.entry(payee_id).or_default();
        *entry = (entry.0 + amount, entry.1 + count);
    }
    assert_holds_all(&settlement, &approved);
    (settlement.debit_count, PAYERS)
}

/// Asserts that what was approved is in the settlement, to the nano, and nothing else.
fn assert_holds_all(settlement: &Settlement, approved: &BTreeMap<String, (u64, u64)>) {
    let lines: BTreeMap<String, (u64, u64)> = settlement
        .lines
        .iter()
        .map(|line| (line.payee_id.clone(), (line.amount_nanos, line.debit_count)))
        .collect();
    assert_eq!(&lines, approved);
    assert_eq!(settlement.total_nanos, approved.values().map(|(amount, _)| amount).sum::<u64>());
    assert_eq!(settlement.debit_count, approved.values().map(|(_, count)| count).sum::<u64>());
}

/// Pays until the session is settled; returns the payee, how much was approved for it, and how often.
async fn pay(world: Arc<World>, session_id: String, payer: usize) -> (String, u64, u64) {
    let payees = [&world.stage.payee_id, &world.other_payee_id];
    let payee_id = payees[payer % 2].clone();
    let (mut client, mut amount, mut count) = (world.authorizer(), 0, 0);
    loop {
        let (session_id, payee_id) = (session_id.clone(), payee_id.clone());
        let request = AuthorizeRequest { session_id, payee_id: payee_id.clone(), ..world.debit() };
        match client.authorize(request).await {
            Ok(answer) => {
                let decision = answer.into_inner().decision.unwrap();
                assert_eq!(decision.outcome(), Outcome::Approved, "{decision:?}");
                (amount, count) = (amount + decision.amount_nanos, count + 1);
            }
            Err(status) => {
                let told = (status.code(), reason(&status));
                assert_eq!(told, (Code::FailedPrecondition, "SESSION_RETIRED".into()), "{status:?}");
                return (payee_id, amount, count);
            }
        }
    }
}
