//! Owns: one caller that asks for one debit at a time. Never: uses a key twice.

use super::{Counts, Share};
use crate::{LoadError, stage::AMOUNT_NANOS};
use tallystick_client::{
    Client, Stopwatch,
    v1::{AuthorizeRequest, Decision, Outcome, authorize_request::Intent},
};

pub(super) async fn run(client: Client, share: Share) -> Result<Counts, LoadError> {
    let mut counts = Counts::new(&share.stage)?;
    let since_start = Stopwatch::start();
    let mut nth = 0;
    while since_start.elapsed() < share.seconds {
        let place = share.place(nth);
        let sent = Stopwatch::start();
        let decision = ask(&client, &share, place, nth).await?;
        counts.latencies_us.saturating_record(sent.elapsed_us());
        counts.durability = decision.durability();
        counts.approve(&share.stage, place);
        nth += 1;
    }
    Ok(counts)
}

async fn ask(
    client: &Client,
    share: &Share,
    (session, payee): (usize, usize),
    nth: usize,
) -> Result<Decision, LoadError> {
    let doing = "authorize a debit";
    let key = format!("{}-{}-{nth}", share.stage.label, share.first);
    let request = AuthorizeRequest {
        session_id: share.stage.sessions[session].to_string(),
        payee_id: share.stage.payees[payee].to_string(),
        amount_nanos: AMOUNT_NANOS,
        intent: Some(Intent::IdempotencyKey(key)),
        ..AuthorizeRequest::default()
    };
    let response = client.authorize(request).await.map_err(LoadError::call(doing))?;
    let decision = response.decision.ok_or_else(|| LoadError::answer(doing, "no decision"))?;
    match decision.outcome() {
        Outcome::Approved => Ok(decision),
        Outcome::Declined | Outcome::Pending | Outcome::Unspecified => {
            Err(LoadError::answer(doing, decision.code().as_str_name()))
        }
    }
}
