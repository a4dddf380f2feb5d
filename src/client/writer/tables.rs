//! Owns: the tables of ids that the debits of one message point into. Never: outlives the message.

use super::debit::Debit;
use crate::{
    PayeeId, SessionId,
    ids::IdMap,
    v1::{DebitBatch, StreamDebit},
};

/// Collects a message's ids, each once.
#[derive(Default)]
pub(super) struct Tables {
    session_ids: Vec<String>,
    payee_ids: Vec<String>,
    sessions: IdMap<SessionId, u32>,
    payees: IdMap<PayeeId, u32>,
}

impl Tables {
    /// Writes one debit; a session's first one in the message acknowledges what `heard_through` says, if it is numbered.
    pub(super) fn point(
        &mut self,
        debit: &Debit,
        number: u64,
        heard_through: impl Fn() -> u64,
    ) -> StreamDebit {
        let mut acked_through = 0;
        let session = *self.sessions.entry_ref(&debit.session).or_insert_with(|| {
            acked_through = if debit.is_numbered() { heard_through() } else { 0 };
            self.session_ids.push(debit.session.as_str().to_owned());
            index_of_last(self.session_ids.len())
        });
        let payee = *self.payees.entry_ref(&debit.payee).or_insert_with(|| {
            self.payee_ids.push(debit.payee.as_str().to_owned());
            index_of_last(self.payee_ids.len())
        });
        StreamDebit {
            session,
            payee,
            amount_nanos: debit.amount_nanos,
            number,
            acked_through,
            idempotency_key: debit.key.clone(),
            reference: debit.reference.clone(),
            evidence_hash: debit.evidence_hash.clone(),
            accept_partial: debit.accept_partial,
            act: debit.act.clone(),
        }
    }

    pub(super) fn into_batch(self, batch_id: u64, debits: Vec<StreamDebit>) -> DebitBatch {
        let Self { session_ids, payee_ids, .. } = self;
        DebitBatch { batch_id, session_ids, payee_ids, debits, currency: String::new() }
    }
}

/// A batch holds at most 10,000 debits, so its tables are far from the bound.
fn index_of_last(len: usize) -> u32 {
    u32::try_from(len.saturating_sub(1)).unwrap_or(u32::MAX)
}
