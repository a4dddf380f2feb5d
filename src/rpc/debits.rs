//! Owns: look-ups of debits and their lists: asked of the projection, which is first given the time to come as far as the
//! caller may have heard.
//! Never: the engine's locks; a debit that is "never seen" only because nobody has looked there yet.

use crate::{deadline::Deadline, decode, encode, service::Shared, status};
use std::time::Duration;
use tallystick_core::Amount;
use tallystick_projection::{By, DebitInfo, Listed, Lookup, Lookups, StorageFault};
use tallystick_proto::v1::{self, lookup_debit_request::By as Named};
use tokio::{task::spawn_blocking, time::Instant};
use tonic::{Request, Response, Status};

/// How long a look-up waits for the projection, unless its deadline comes first.
const WAIT_MOST: Duration = Duration::from_secs(2);

/// Answers look-ups.
#[derive(Clone)]
pub(crate) struct Debits {
    pub(crate) shared: Shared,
    pub(crate) lookups: Lookups,
}

impl Debits {
    pub(crate) async fn lookup(
        &self,
        request: Request<v1::LookupDebitRequest>,
    ) -> Result<Response<v1::LookupDebitResponse>, Status> {
        let ask = |lookups: &Lookups, r: v1::LookupDebitRequest, holds_for| {
            Ok(match named(&r)? {
                Name::Id(id) => lookups.by_id(id, holds_for),
                Name::Key(session, key) => lookups.by_key(session, key, holds_for),
                Name::Number(session, writer, number) => {
                    lookups.by_number(session, writer, number, holds_for)
                }
            })
        };
        let check = |r: &v1::LookupDebitRequest| named(r).map(|_| ());
        let (state, debit, as_of_seq) = match self.ask(request, check, ask).await? {
            Lookup::Found { debit, as_of_seq } => {
                let is_approved = debit.verdict.is_none();
                let state = if is_approved { v1::LookupState::Approved } else { v1::LookupState::Declined };
                (state, Some(info(&debit)), as_of_seq)
            }
            Lookup::NeverSeen { as_of_seq } => (v1::LookupState::NeverSeen, None, as_of_seq),
            Lookup::Behind { cursor } => return Err(status::index_behind(cursor)),
            Lookup::Incomplete { complete_from } => return Err(status::index_incomplete(complete_from)),
        };
        let durability = encode::durability(&self.shared.engine).into();
        Ok(Response::new(v1::LookupDebitResponse { state: state.into(), debit, as_of_seq, durability }))
    }

    pub(crate) async fn list(
        &self,
        request: Request<v1::ListDebitsRequest>,
    ) -> Result<Response<v1::ListDebitsResponse>, Status> {
        let read = |r: &v1::ListDebitsRequest| {
            let session = decode::session(&r.session_id, "session_id").map_err(decode::refuse)?;
            Ok::<_, Status>((session, decode::page_size(r.page_size)?))
        };
        let ask = move |lookups: &Lookups, r: v1::ListDebitsRequest, holds_for| {
            let (session, most) = read(&r)?;
            Ok(lookups.list(session, r.after_seq, most, holds_for))
        };
        let check = |r: &v1::ListDebitsRequest| read(r).map(|_| ());
        match self.ask(request, check, ask).await? {
            Listed::Behind { cursor } => Err(status::index_behind(cursor)),
            Listed::Page(page) if !page.is_known => match page.missing_before {
                Some(complete_from) => Err(status::index_incomplete(complete_from)),
                None => Err(status::of_refusal(&tallystick_core::Refusal::UnknownSession)),
            },
            Listed::Page(page) => Ok(Response::new(v1::ListDebitsResponse {
                debits: page.debits.iter().map(info).collect(),
                next_after_seq: page.next_after_seq,
                as_of_seq: page.as_of_seq,
            })),
        }
    }

    /// Takes one look-up from its request to its answer.
    ///
    /// ORDER: the permit, the deadline, the fields, as every unary call; then the wait, for all that is durable now: whatever
    /// the caller has heard of is. The disk is read on a thread that may block.
    async fn ask<Q: Send + 'static, T: Send + 'static>(
        &self,
        request: Request<Q>,
        check: impl FnOnce(&Q) -> Result<(), Status>,
        ask: impl FnOnce(&Lookups, Q, u64) -> Result<Result<T, StorageFault>, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let deadline = Deadline::of(&request);
        let _permit = self.shared.gate.unary()?;
        let question = request.into_inner();
        deadline.check()?;
        check(&question)?;
        let holds_for = self.shared.engine.watermark().durable();
        let until = deadline.no_later_than(Instant::now() + WAIT_MOST);
        // Whether it came in time, or has stopped, is seen by the look-up itself: it says so when it is behind.
        let _ = tokio::time::timeout_at(until, self.lookups.reach(holds_for)).await;
        let lookups = self.lookups.clone();
        let asked = spawn_blocking(move || ask(&lookups, question, holds_for)).await;
        let answer = asked.map_err(|_| Status::internal("a look-up did not end"))??;
        answer.map_err(|fault| status::of(&fault.into()))
    }
}

enum Name<'a> {
    Id(tallystick_core::DebitId),
    Key(tallystick_core::SessionId, &'a [u8]),
    Number(tallystick_core::SessionId, tallystick_core::WriterId, u64),
}

fn named(r: &v1::LookupDebitRequest) -> Result<Name<'_>, Status> {
    let none = || status::malformed("by", "must be a debit_id, a key or a number");
    Ok(match r.by.as_ref().ok_or_else(none)? {
        Named::DebitId(id) => Name::Id(decode::debit(id, "debit_id").map_err(decode::refuse)?),
        Named::Key(key) => {
            let session = decode::session(&key.session_id, "key.session_id").map_err(decode::refuse)?;
            if !(1..=255).contains(&key.idempotency_key.len()) {
                return Err(status::malformed("key.idempotency_key", "must be 1 to 255 bytes"));
            }
            Name::Key(session, key.idempotency_key.as_bytes())
        }
        Named::Number(at) => {
            let session = decode::session(&at.session_id, "number.session_id").map_err(decode::refuse)?;
            let writer = decode::writer(&at.writer_id, "number.writer_id").map_err(decode::refuse)?;
            if at.number == 0 {
                return Err(status::malformed("number.number", "must be at least 1"));
            }
            Name::Number(session, writer, at.number)
        }
    })
}

fn info(debit: &DebitInfo) -> v1::DebitInfo {
    let outcome = if debit.verdict.is_none() { v1::Outcome::Approved } else { v1::Outcome::Declined };
    let (writer_id, number) = match debit.by {
        By::Key(_) => (String::new(), 0),
        By::Number { writer, number } => (writer.to_string(), number),
    };
    v1::DebitInfo {
        debit_id: debit.id().to_string(),
        session_id: debit.session.to_string(),
        payee_id: debit.payee.to_string(),
        outcome: outcome.into(),
        code: debit.verdict.map_or(0, |(code, _)| encode::code(code).into()),
        level: debit.verdict.map_or(0, |(_, level)| encode::level(level).into()),
        asked_nanos: debit.asked.nanos(),
        amount_nanos: debit.taken.nanos(),
        reversed_nanos: Amount::nanos(debit.reversed),
        seq: debit.seq,
        decided_at: Some(encode::time(debit.at)),
        reference: debit.reference.to_string(),
        evidence_hash: debit.evidence.map(Vec::from).unwrap_or_default(),
        writer_id,
        number,
    }
}
