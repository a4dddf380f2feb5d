//! Owns: one batch: its bounds, its ids by table, its debits as commands, its answer. Never: the order of decisions.

use crate::{Meter, decode, encode, service::Shared, status};
use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tallystick_core::{
    Currency, PayeeId, Refusal, SessionId, WriterId,
    command::{Debit, Intent},
    writer::Numbered,
};
use tallystick_engine::{DebitAnswer, Ticket};
use tallystick_proto::v1;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

/// Bounds the debits of a batch, and each of its tables.
const ITEMS_MAX: usize = 10_000;
/// Is what a message is taken to cost besides its items. *Units*: bytes.
pub(super) const MESSAGE_BYTES: usize = 512;
/// Is what a debit is taken to cost: decoded, recorded, answered. *Units*: bytes, without its texts.
const DEBIT_BYTES: usize = 384;

/// Returns what a batch is taken to cost until it is answered.
pub(super) fn batch_bytes(batch: &v1::DebitBatch) -> usize {
    let texts = |d: &v1::StreamDebit| d.idempotency_key.len() + d.reference.len() + d.evidence_hash.len();
    let ids = (batch.session_ids.len() + batch.payee_ids.len()) * 64;
    MESSAGE_BYTES + ids + batch.debits.len() * DEBIT_BYTES + batch.debits.iter().map(texts).sum::<usize>()
}

pub(super) fn check_table<T>(items: &[T], field: &'static str) -> Result<(), Status> {
    if items.len() > ITEMS_MAX {
        Err(status::malformed(field, "must have at most 10,000 entries"))
    } else {
        Ok(())
    }
}

/// Refuses a batch as a whole; that ends the stream, since it means that the client is not what it should be.
pub(super) fn check_batch(batch: &v1::DebitBatch) -> Result<(), Status> {
    check_table(&batch.session_ids, "batch.session_ids")?;
    check_table(&batch.payee_ids, "batch.payee_ids")?;
    check_table(&batch.debits, "batch.debits")
}

/// Is a batch on its way: the engine's answers, and the refusals that the engine never saw, each at its place.
pub(super) struct Batch {
    batch_id: u64,
    ticket: Ticket<Vec<Result<DebitAnswer, Refusal>>>,
    /// What was wrong with the debits the engine was not asked, by place; the others follow the ticket's order.
    places: Vec<Option<Refusal>>,
    permit: OwnedSemaphorePermit,
    asked_ns: u64,
    /// When all of it could be heard.
    durable_ns: u64,
}

type Tables = (Vec<Result<SessionId, Rule>>, Vec<Result<PayeeId, Rule>>);
type Rule = (&'static str, &'static str);

impl Batch {
    /// Asks the engine. *Errors*: an unknown currency.
    pub(super) fn ask(
        Shared { engine, meter, .. }: &Shared,
        batch: &v1::DebitBatch,
        (writer, epoch): (WriterId, u32),
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, Status> {
        let currency = decode::optional_currency(&batch.currency)?;
        let sessions = batch.session_ids.iter().map(|text| decode::session(text, "session_ids"));
        let payees = batch.payee_ids.iter().map(|text| decode::payee(text, "payee_ids"));
        let tables = (sessions.collect(), payees.collect());
        let mut commands = Vec::with_capacity(batch.debits.len());
        let mut places = Vec::with_capacity(batch.debits.len());
        for item in &batch.debits {
            match command(item, &tables, currency, (writer, epoch)) {
                Ok(command) => {
                    commands.push(command);
                    places.push(None);
                }
                Err((field, rule)) => places.push(Some(Refusal::Malformed { field, rule })),
            }
        }
        let ticket = engine.debit_batch(&commands);
        let asked_ns = meter.stopwatch_ns();
        Ok(Self { batch_id: batch.batch_id, ticket, places, permit, asked_ns, durable_ns: asked_ns })
    }

    /// Returns what it is taken to cost.
    pub(super) fn bytes(&self) -> usize {
        self.permit.num_permits()
    }

    /// Returns when its answer could be heard, by the meter's stopwatch.
    pub(super) fn durable_ns(&self) -> u64 {
        self.durable_ns
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        meter: &dyn Meter,
    ) -> Poll<Result<v1::BatchResult, Status>> {
        let answers = ready!(Pin::new(&mut self.ticket).poll(cx));
        self.durable_ns = meter.stopwatch_ns();
        meter.waited(self.durable_ns.saturating_sub(self.asked_ns));
        let answers = match answers {
            Ok(answers) => answers,
            Err(fault) => return Poll::Ready(Err(status::of(&fault))),
        };
        let mut answers = answers.into_iter();
        let result = |place: &Option<Refusal>| match place {
            Some(refusal) => encode::debit_result(&Err(*refusal)),
            None => answers.next().as_ref().map(encode::debit_result).unwrap_or_default(),
        };
        let results: Vec<v1::DebitResult> = self.places.iter().map(result).collect();
        tell(meter, &results);
        Poll::Ready(Ok(v1::BatchResult { batch_id: self.batch_id, results }))
    }
}

/// Tells the meter what no decision was made about.
fn tell(meter: &dyn Meter, results: &[v1::DebitResult]) {
    let replayed = results.iter().filter(|result| result.replayed).count();
    if replayed > 0 {
        meter.replayed(replayed as u64);
    }
    for refused in results.iter().filter_map(|result| result.refused.as_ref()) {
        meter.refused(refused.refusal());
    }
}

fn command<'a>(
    item: &'a v1::StreamDebit,
    (sessions, payees): &Tables,
    currency: Currency,
    (writer, epoch): (WriterId, u32),
) -> Result<Debit<'a>, Rule> {
    let intent = match (item.number, item.idempotency_key.as_bytes()) {
        (0, []) => return Err(("number", "or idempotency_key must be given")),
        (0, key) => Intent::Key(key),
        (number, []) => Intent::Number(Numbered { writer, epoch, number, acked_through: item.acked_through }),
        _ => return Err(("number", "and idempotency_key must not both be given")),
    };
    let session =
        sessions.get(item.session as usize).ok_or(("session", "must be an index into session_ids"))?;
    let payee = payees.get(item.payee as usize).ok_or(("payee", "must be an index into payee_ids"))?;
    Ok(Debit {
        session: (*session)?,
        payee: (*payee)?,
        amount: decode::amount(item.amount_nanos),
        currency,
        intent,
        reference: &item.reference,
        evidence: decode::hash(&item.evidence_hash, "evidence_hash")?,
        partial: item.accept_partial,
    })
}
