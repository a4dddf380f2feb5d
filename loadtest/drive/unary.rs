//! Owns: one call a debit, each under a key of its own. Never: uses a key twice.

use super::{
    Loop,
    measures::{Landed, Measures},
    share::Debit,
    source::{Source, Start},
};
use crate::LoadError;
use std::sync::Arc;
use tallystick_client::v1::{AuthorizeRequest, Decision, Outcome, authorize_request::Intent};
use tokio::task::JoinSet;

/// Calls one after another.
pub(super) async fn one_by_one(each: Loop, mut source: Source) -> Result<Measures, LoadError> {
    let mut measures = each.measures()?;
    for nth in 0.. {
        let Some(start) = source.next().await else { break };
        measures.add(each.call(start, nth).await?);
    }
    Ok(measures)
}

/// Calls whenever a start is given, however many are under way.
pub(super) async fn side_by_side(each: Loop, mut source: Source) -> Result<Measures, LoadError> {
    let mut measures = each.measures()?;
    let caller = Arc::new(each);
    let mut calls = JoinSet::new();
    let (mut nth, mut more) = (0, true);
    while more || !calls.is_empty() {
        tokio::select! {
            start = source.next(), if more => match start {
                Some(start) => {
                    let caller = Arc::clone(&caller);
                    calls.spawn(async move { caller.call(start, nth).await });
                    nth += 1;
                }
                None => more = false,
            },
            Some(called) = calls.join_next() => {
                // A panic in a call is a bug; it goes on here.
                measures.add(called.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?);
            }
        }
    }
    Ok(measures)
}

impl Loop {
    async fn call(&self, start: Start, nth: usize) -> Result<Landed, LoadError> {
        let debit = self.share.debit(nth);
        let began = self.clock.elapsed();
        let decision = self.ask(&debit, nth).await?;
        let heard = self.clock.elapsed();
        self.ledger.learn_durability(decision.durability());
        match decision.outcome() {
            Outcome::Approved => self.ledger.approve(&debit, decision.replayed),
            Outcome::Declined => self.ledger.decline(decision.replayed),
            Outcome::Pending | Outcome::Unspecified => {
                let found = decision.outcome().as_str_name();
                return Err(LoadError::answer("authorize a debit", found));
            }
        }
        Ok(Landed {
            intended: start.intended,
            free: start.free,
            began,
            heard,
            message_count: 1,
            debit_count: 1,
        })
    }

    async fn ask(&self, debit: &Debit, nth: usize) -> Result<Decision, LoadError> {
        let doing = "authorize a debit";
        let key = format!("{}-{}-{nth}", self.share.stage.label, self.share.first);
        let request = AuthorizeRequest {
            session_id: self.share.session(debit).to_string(),
            payee_id: self.share.payee(debit).to_string(),
            amount_nanos: debit.amount_nanos,
            intent: Some(Intent::IdempotencyKey(key)),
            ..AuthorizeRequest::default()
        };
        let response = self.client.authorize(request).await.map_err(LoadError::call(doing))?;
        response.decision.ok_or_else(|| LoadError::answer(doing, "no decision"))
    }
}
