//! Owns: batches: their bounds, their ids by table, their debits as commands, their answers. Never: the order of decisions.

use super::{
    Presented,
    gathered::{Gathered, Received},
};
use crate::{
    Meter, decode, encode,
    holds::{self, HELD_BYTES},
    service::Shared,
    status,
};
use std::{
    collections::VecDeque,
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};
use tallystick_core::{
    Currency, PayeeId, Refusal, SessionId, WriterId,
    command::{Act, Debit, Intent},
    writer::Numbered,
};
use tallystick_engine::{DebitOutcome, Ticket};
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
    let texts = |d: &v1::StreamDebit| {
        let act = if d.act.is_some() { HELD_BYTES } else { 0 };
        act + d.idempotency_key.len() + d.reference.len() + d.evidence_hash.len()
    };
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

/// Is what was gathered, on its way: the engine's answers, and the refusals that the engine never saw, each at its place.
pub(super) struct Batch {
    ticket: Ticket<Vec<Result<DebitOutcome, Refusal>>>,
    /// Each message's id and how many debits it has, those not answered yet.
    messages: VecDeque<(u64, usize)>,
    /// What was wrong with the debits the engine was not asked, by their places, which ascend; seldom any.
    malformed: Vec<(usize, Refusal)>,
    /// What is left of the answers, once they can be heard.
    answers: Option<vec::IntoIter<Result<DebitOutcome, Refusal>>>,
    permit: OwnedSemaphorePermit,
    asked_ns: u64,
    /// When all of it could be heard.
    durable_ns: u64,
}

/// Is what whoever has no stream has presented.
static NOTHING: Presented = Presented::new();

type Tables = (Vec<Result<SessionId, Rule>>, Vec<Result<PayeeId, Rule>>);
type Rule = (&'static str, &'static str);

impl Batch {
    /// Asks the engine, once for all messages.
    pub(super) fn ask(
        Shared { engine, meter, .. }: &Shared,
        gathered: &Gathered,
        (writer, presented): ((WriterId, u32), &Presented),
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let mut commands = Vec::with_capacity(gathered.debits());
        let (mut malformed, mut tables) = (Vec::new(), Tables::default());
        for Received { batch, currency } in gathered.received() {
            for command in debits(batch, &mut tables, *currency, (writer, presented)) {
                match command {
                    Ok(command) => commands.push(command),
                    Err((field, rule)) => {
                        let place = commands.len() + malformed.len();
                        malformed.push((place, Refusal::Malformed { field, rule }));
                    }
                }
            }
        }
        let ticket = engine.debit_batch(&commands);
        let asked_ns = meter.stopwatch_ns();
        let messages = gathered.received().iter().map(|r| (r.batch.batch_id, r.batch.debits.len())).collect();
        Self { ticket, messages, malformed, answers: None, permit, asked_ns, durable_ns: asked_ns }
    }

    /// Returns what it is taken to cost.
    pub(super) fn bytes(&self) -> usize {
        self.permit.num_permits()
    }

    /// Returns when its answers could be heard, by the meter's stopwatch.
    pub(super) fn durable_ns(&self) -> u64 {
        self.durable_ns
    }

    /// Returns true once every message is answered.
    pub(super) fn is_answered(&self) -> bool {
        self.messages.is_empty()
    }

    /// Waits until all of it can be heard.
    pub(super) fn poll_durable(
        &mut self,
        cx: &mut Context<'_>,
        meter: &dyn Meter,
    ) -> Poll<Result<(), Status>> {
        if self.answers.is_some() {
            return Poll::Ready(Ok(()));
        }
        let answers = ready!(Pin::new(&mut self.ticket).poll(cx));
        self.durable_ns = meter.stopwatch_ns();
        meter.waited(self.durable_ns.saturating_sub(self.asked_ns));
        match answers {
            Ok(answers) => {
                let answers = with_malformed(answers, std::mem::take(&mut self.malformed));
                self.answers = Some(answers.into_iter());
                Poll::Ready(Ok(()))
            }
            Err(fault) => Poll::Ready(Err(status::of(&fault))),
        }
    }

    /// Answers the next message; `None` before all can be heard, and after the last.
    pub(super) fn next_answer(&mut self, meter: &dyn Meter) -> Option<v1::BatchResult> {
        let answers = self.answers.as_mut()?;
        let (batch_id, count) = self.messages.pop_front()?;
        let results: Vec<v1::DebitResult> =
            answers.by_ref().take(count).map(|answer| encode::debit_result(&answer)).collect();
        tell(meter, &results);
        Some(v1::BatchResult { batch_id, results })
    }
}

/// Puts what was malformed among the answers, each at its place. *Cost*: linear, however many there are.
fn with_malformed<T>(
    answers: Vec<Result<T, Refusal>>,
    malformed: Vec<(usize, Refusal)>,
) -> Vec<Result<T, Refusal>> {
    if malformed.is_empty() {
        return answers;
    }
    let mut all = Vec::with_capacity(answers.len() + malformed.len());
    let mut answers = answers.into_iter();
    for (place, refusal) in malformed {
        all.extend(answers.by_ref().take(place - all.len()));
        all.push(Err(refusal));
    }
    all.extend(answers);
    all
}

/// Reads a batch's debits as commands, in their order, for whoever has no stream: as the stream does it.
/// *Errors*: what is wrong with the batch as a whole; a debit's own error, as (field, rule), stands in its place.
pub fn batch_debits(
    batch: &v1::DebitBatch,
    writer: (WriterId, u32),
) -> Result<Vec<Result<Debit<'_>, Rule>>, Status> {
    check_batch(batch)?;
    let currency = decode::optional_currency(&batch.currency)?;
    Ok(debits(batch, &mut Tables::default(), currency, (writer, &NOTHING)).collect())
}

/// Reads the debits; `tables` is memory to use again.
fn debits<'a>(
    batch: &'a v1::DebitBatch,
    tables: &mut Tables,
    currency: Currency,
    sender: ((WriterId, u32), &'a Presented),
) -> impl Iterator<Item = Result<Debit<'a>, Rule>> {
    read_tables(batch, tables);
    let tables = &*tables;
    batch.debits.iter().map(move |item| command(item, tables, currency, sender))
}

fn read_tables(batch: &v1::DebitBatch, (sessions, payees): &mut Tables) {
    sessions.clear();
    sessions.extend(batch.session_ids.iter().map(|text| decode::debited(text, "session_ids")));
    payees.clear();
    payees.extend(batch.payee_ids.iter().map(|text| decode::payee(text, "payee_ids")));
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
    ((writer, epoch), presented): ((WriterId, u32), &'a Presented),
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
    let session = (*session)?;
    Ok(Debit {
        act: item.act.as_ref().map_or(Ok(Act::Debit), |terms| holds::act(terms, session))?,
        proof: presented.get(&session),
        session,
        payee: (*payee)?,
        amount: decode::amount(item.amount_nanos),
        currency,
        intent,
        reference: &item.reference,
        evidence: decode::hash(&item.evidence_hash, "evidence_hash")?,
        partial: item.accept_partial,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_malformed_stands_at_its_place_among_the_answers() {
        let bad = || Refusal::Malformed { field: "number", rule: "" };
        let all = |places: &[usize], answers: usize| {
            let malformed = places.iter().map(|place| (*place, bad())).collect();
            with_malformed((0..answers).map(Ok).collect(), malformed)
        };
        assert_eq!(all(&[], 2), [Ok(0), Ok(1)]);
        assert_eq!(all(&[0, 2, 3, 5], 2), [Err(bad()), Ok(0), Err(bad()), Err(bad()), Ok(1), Err(bad())]);
        assert_eq!(all(&[0, 1], 0), [Err(bad()), Err(bad())]);
        assert_eq!(all(&[1], 3), [Ok(0), Err(bad()), Ok(1), Ok(2)]);
    }
}
