//! Owns: what became of a debit, and what to take back of it: memory is asked first, since it is never behind; the index tells
//! the rest, and is waited for until it has come far enough. Never: an answer that may be overtaken by what was decided
//! before the question.

use crate::{
    authorizer::{AuthorizerFace, open_session},
    deadline::Deadline,
    decode, door, encode, holds, journey, status,
};
use std::time::Duration;
use tallystick_core::{
    DebitId, PayeeId, Refusal, SessionId, Time, WriterId,
    command::{ActKind, Debit, Intent, Reverse},
    decide::DebitReplay,
};
use tallystick_engine::{Engine, Fault, Known};
use tallystick_projection::{DebitInfo, Listed, Lookup, Lookups, StorageFault, What};
use tallystick_proto::v1::{self, lookup_debit_request::By as Name};
use tonic::{Request, Status};

/// How long the index is waited for, at most: it is a few milliseconds behind, if at all.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the index is waited for when a debit is asked again after its session has settled.
const RECALL: Duration = Duration::from_millis(250);

/// Is how a debit is asked for.
#[derive(Clone)]
enum Asked {
    Id(DebitId),
    Key(SessionId, String),
    Number(SessionId, WriterId, u64),
}

fn asked(r: v1::LookupDebitRequest) -> Result<Asked, Status> {
    match r.by {
        Some(Name::DebitId(id)) => decode::debit(&id, "debit_id").map(Asked::Id).map_err(decode::refuse),
        Some(Name::Key(by)) => {
            let session = decode::debited(&by.session_id, "key.session_id").map_err(decode::refuse)?;
            if by.idempotency_key.is_empty() || by.idempotency_key.len() > 255 {
                return Err(status::malformed("key.idempotency_key", "must be 1 to 255 bytes"));
            }
            Ok(Asked::Key(session, by.idempotency_key))
        }
        Some(Name::Number(by)) => {
            let session = decode::debited(&by.session_id, "number.session_id").map_err(decode::refuse)?;
            let writer = decode::writer(&by.writer_id, "number.writer_id").map_err(decode::refuse)?;
            if by.number == 0 {
                return Err(status::malformed("number.number", "must count from 1"));
            }
            Ok(Asked::Number(session, writer, by.number))
        }
        None => Err(status::malformed("by", "must be a debit_id, a key or a number")),
    }
}

impl AuthorizerFace {
    pub(crate) async fn look_up(
        &self,
        request: Request<v1::LookupDebitRequest>,
    ) -> Result<v1::LookupDebitResponse, Status> {
        journey::meet(&request);
        let engine = self.shared.tell_refusal(door::asked(&request))?;
        let deadline = Deadline::of(&request);
        let answer = self.looked_up(&engine, request.into_inner(), deadline).await;
        self.shared.tell_refusal(answer)
    }

    async fn looked_up(
        &self,
        engine: &Engine,
        r: v1::LookupDebitRequest,
        deadline: Deadline,
    ) -> Result<v1::LookupDebitResponse, Status> {
        let _permit = self.shared.gate.unary()?;
        let asked = asked(r)?;
        deadline.check()?;
        // Everything that the caller can have heard of is durable by now.
        let holds_for = self.shared.engine.durable_seq();
        let known = self.known(engine, &asked, holds_for).await?;
        let (state, debit, as_of_seq) = match known {
            Some((Known::NeverSeen, as_of)) => (v1::LookupState::NeverSeen, None, as_of),
            Some((Known::Decided(_, payee), as_of)) if !engine.asked_for().sees_debits_of(payee) => {
                (v1::LookupState::NeverSeen, None, as_of)
            }
            Some((Known::Decided(debit, payee), as_of)) => {
                // The index knows more of it, and is only asked: what memory says is the answer without it.
                let Some(session) = session_of(&asked) else {
                    return Err(status::of(&Fault::from(Refusal::UnknownDebit)));
                };
                let id = session.debit(debit.seq);
                let info = match self.read(move |lookups| lookups.by_id(id, id.seq())).await {
                    Ok(Lookup::Found { debit, .. }) => info(&debit),
                    Ok(_) | Err(_) => remembered(session, payee, &debit),
                };
                (state_of(info.outcome()), Some(info), as_of)
            }
            Some((Known::Forgotten | Known::NotOpen, _)) | None => {
                match self.indexed(&asked, holds_for, deadline).await? {
                    // What is not in view is not there.
                    Lookup::Found { debit, as_of_seq } if !sees(engine, &debit)? => {
                        (v1::LookupState::NeverSeen, None, as_of_seq)
                    }
                    Lookup::Found { debit, as_of_seq } => {
                        let info = info(&debit);
                        (state_of(info.outcome()), Some(info), as_of_seq)
                    }
                    Lookup::NeverSeen { as_of_seq } => (v1::LookupState::NeverSeen, None, as_of_seq),
                    Lookup::Behind { cursor } => return Err(status::index_behind(cursor, holds_for)),
                    Lookup::Incomplete { complete_from } => {
                        return Err(status::index_incomplete(complete_from));
                    }
                }
            }
        };
        Ok(v1::LookupDebitResponse {
            state: state.into(),
            debit,
            as_of_seq,
            durability: encode::durability(&self.shared.engine).into(),
        })
    }

    /// Answers a debit that is asked again after its session has settled: what was decided then, as the index has it. The
    /// session takes nothing new, so this only ever repeats. *Errors*: `retired`, when the index does not have it, or not
    /// yet; `KEY_REUSED` when it was another intent, as far as the index tells: it keeps neither the currency that was stated
    /// nor `accept_partial`, but where less was taken it must have been set.
    pub(crate) async fn recall(
        &self,
        engine: &Engine,
        ask: &Debit<'_>,
        retired: Status,
    ) -> Result<v1::Decision, Status> {
        // The permit of the call was given back with its refusal; reading costs as much again.
        let _permit = self.shared.tell_refusal(self.shared.gate.unary())?;
        let asked = match ask.intent {
            Intent::Number(at) => Asked::Number(ask.session, at.writer, at.number),
            Intent::Key(key) => match std::str::from_utf8(key) {
                Ok(key) => Asked::Key(ask.session, key.into()),
                Err(_) => return Err(retired),
            },
        };
        let holds_for = self.shared.engine.durable_seq();
        let Ok(Lookup::Found { debit: before, .. }) =
            self.indexed(&asked, holds_for, Deadline::within(RECALL)).await
        else {
            return Err(retired);
        };
        if !sees(engine, &before)? {
            return Err(retired);
        }
        let differs = [
            (before.asked != ask.amount, "amount_nanos"),
            (before.payee != ask.payee, "payee_id"),
            (before.reference.as_ref() != ask.reference, "reference"),
            (before.evidence != ask.evidence, "evidence_hash"),
            (before.verdict.is_none() && before.taken < before.asked && !ask.partial, "accept_partial"),
        ];
        let differs = differs.into_iter().find_map(|(differs, field)| differs.then_some(field));
        if let Some(field) = differs.or_else(|| holds::differs(&before, ask.act)) {
            return self.shared.tell_refusal(Err(status::of(&Fault::from(Refusal::KeyReused { field }))));
        }
        self.shared.meter.replayed(1);
        Ok(encode::recalled(&before, encode::durability(&self.shared.engine)))
    }

    /// Asks memory, which knows every key and the newest numbers of each open session.
    ///
    /// ORDER: `holds_for` is read before memory is: what is decided later may be durable by the time the ticket opens, and
    /// must not count as looked at.
    async fn known(
        &self,
        engine: &Engine,
        asked: &Asked,
        holds_for: u64,
    ) -> Result<Option<(Known, u64)>, Status> {
        if let Some(session) = session_of(asked)
            && !engine.sees_session(session).map_err(|fault| status::of(&fault))?
        {
            return Ok(Some((Known::NeverSeen, holds_for)));
        }
        let ticket = match asked {
            Asked::Id(_) => return Ok(None),
            Asked::Key(session, key) => engine.look_up_key(*session, key.as_bytes()),
            Asked::Number(session, writer, number) => engine.look_up_number(*session, *writer, *number),
        };
        let known = ticket.await.map_err(|fault| status::of(&fault))?;
        let as_of = match &known {
            Known::Decided(debit, _) => holds_for.max(debit.seq),
            Known::NeverSeen | Known::Forgotten | Known::NotOpen => holds_for,
        };
        Ok(Some((known, as_of)))
    }

    /// Asks the index, once it has come to `holds_for`.
    async fn indexed(&self, asked: &Asked, holds_for: u64, deadline: Deadline) -> Result<Lookup, Status> {
        reach(&self.shared.lookups, holds_for, deadline).await;
        let asked = asked.clone();
        self.read(move |lookups| match &asked {
            Asked::Id(id) => lookups.by_id(*id, holds_for),
            Asked::Key(session, key) => lookups.by_key(*session, key.as_bytes(), holds_for),
            Asked::Number(session, writer, number) => {
                lookups.by_number(*session, *writer, *number, holds_for)
            }
        })
        .await
    }

    /// Reads from the index, on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Lookups) -> Result<T, StorageFault> + Send + 'static,
    ) -> Result<T, Status> {
        let lookups = self.shared.lookups.clone();
        let found = tokio::task::spawn_blocking(move || read(&lookups)).await;
        found.map_err(|_| status::draining())?.map_err(|fault| status::of(&fault.into()))
    }

    pub(crate) async fn debits_of(
        &self,
        request: Request<v1::ListDebitsRequest>,
    ) -> Result<v1::ListDebitsResponse, Status> {
        journey::meet(&request);
        let deadline = Deadline::of(&request);
        let engine = self.shared.tell_refusal(door::asked(&request))?;
        let answer = self.listed(&engine, request.into_inner(), deadline).await;
        self.shared.tell_refusal(answer)
    }

    async fn listed(
        &self,
        engine: &Engine,
        r: v1::ListDebitsRequest,
        deadline: Deadline,
    ) -> Result<v1::ListDebitsResponse, Status> {
        let _permit = self.shared.gate.unary()?;
        let session = decode::debited(&r.session_id, "session_id").map_err(decode::refuse)?;
        let most = decode::page_size(r.page_size)?;
        deadline.check()?;
        if !engine.sees_session(session).map_err(|fault| status::of(&fault))? {
            return Err(status::of(&Fault::from(Refusal::UnknownSession)));
        }
        let holds_for = self.shared.engine.durable_seq();
        reach(&self.shared.lookups, holds_for, deadline).await;
        match self.read(move |lookups| lookups.list(session, r.after_seq, most, holds_for)).await? {
            Listed::Behind { cursor } => Err(status::index_behind(cursor, holds_for)),
            Listed::Page(page) => match (page.is_known, page.missing_before) {
                (false, Some(complete_from)) => Err(status::index_incomplete(complete_from)),
                (false, None) => Err(status::of(&Fault::from(Refusal::UnknownSession))),
                (true, _) => Ok(v1::ListDebitsResponse {
                    debits: page.debits.iter().map(info).collect(),
                    next_after_seq: page.next_after_seq,
                    as_of_seq: page.as_of_seq,
                }),
            },
        }
    }

    pub(crate) async fn reverse_debit(
        &self,
        request: Request<v1::ReverseRequest>,
    ) -> Result<v1::ReverseResponse, Status> {
        journey::meet(&request);
        let deadline = Deadline::of(&request);
        let engine = self.shared.tell_refusal(door::asked(&request))?;
        let answer = self.reversed(&engine, request.into_inner(), deadline).await;
        self.shared.tell_refusal(answer)
    }

    async fn reversed(
        &self,
        engine: &Engine,
        r: v1::ReverseRequest,
        deadline: Deadline,
    ) -> Result<v1::ReverseResponse, Status> {
        let _permit = self.shared.gate.unary()?;
        let id = decode::debit(&r.debit_id, "debit_id").map_err(decode::refuse)?;
        deadline.check()?;
        let holds_for = id.seq().min(self.shared.engine.durable_seq());
        let debit = match self.indexed(&Asked::Id(id), holds_for, deadline).await? {
            Lookup::Found { debit, .. } if sees(engine, &debit)? => debit,
            Lookup::Found { .. } | Lookup::NeverSeen { .. } => {
                return Err(status::of(&Fault::from(Refusal::UnknownDebit)));
            }
            Lookup::Behind { cursor } => return Err(status::index_behind(cursor, holds_for)),
            Lookup::Incomplete { complete_from } => return Err(status::index_incomplete(complete_from)),
        };
        let state = match debit.what {
            _ if debit.verdict.is_some() => Some("DECLINED"),
            What::Debit | What::Capture { .. } => None,
            What::Hold { .. } => Some("HOLD"),
            What::Void { .. } => Some("VOID"),
        };
        if let Some(state) = state {
            return Err(status::of(&Fault::from(Refusal::WrongState { state })));
        }
        deadline.check()?;
        let command = Reverse {
            session: debit.session,
            key: r.idempotency_key.as_bytes(),
            debit_seq: debit.seq,
            payee: debit.payee,
            taken: debit.taken,
            amount: decode::amount(r.amount_nanos),
        };
        let answer = engine.reverse(&command).await.map_err(|fault| status::of(&fault))?;
        Ok(v1::ReverseResponse {
            session: open_session(&answer.value.session),
            reversed_nanos: answer.value.reversed.nanos(),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.shared.engine).into(),
        })
    }
}

/// Returns whether a debit is in view of whoever asks. *Errors*: storage, if that cannot be told.
fn sees(engine: &Engine, debit: &DebitInfo) -> Result<bool, Status> {
    let in_view = engine.asked_for().sees_debits_of(debit.payee);
    Ok(in_view && engine.sees_session(debit.session).map_err(|fault| status::of(&fault))?)
}

fn session_of(asked: &Asked) -> Option<SessionId> {
    match asked {
        Asked::Id(_) => None,
        Asked::Key(session, _) | Asked::Number(session, _, _) => Some(*session),
    }
}

/// Waits for the index until the deadline, or for a while. Whether it came that far is seen by the look-up itself.
async fn reach(lookups: &Lookups, seq: u64, deadline: Deadline) {
    let _ =
        tokio::time::timeout(deadline.left().map_or(PATIENCE, |left| left.min(PATIENCE)), lookups.reach(seq))
            .await;
}

fn state_of(outcome: v1::Outcome) -> v1::LookupState {
    match outcome {
        v1::Outcome::Approved => v1::LookupState::Approved,
        v1::Outcome::Declined => v1::LookupState::Declined,
        v1::Outcome::Pending => v1::LookupState::Pending,
        v1::Outcome::Unspecified => v1::LookupState::Unspecified,
    }
}

/// Shows a debit as the index has it.
fn info(debit: &DebitInfo) -> v1::DebitInfo {
    let (writer_id, number) = match debit.by {
        tallystick_projection::By::Key(_) => (String::new(), 0),
        tallystick_projection::By::Number { writer, number } => (writer.to_string(), number),
    };
    let (hold_id, late_of) = holds::names(debit);
    let (kind, tolerance_nanos, capture_until, last) = match debit.what {
        What::Debit => (v1::DebitKind::Debit, 0, Time::ZERO, false),
        What::Hold { tolerance, until, .. } => (v1::DebitKind::Hold, tolerance.nanos(), until, false),
        What::Capture { last, .. } => (v1::DebitKind::Capture, 0, Time::ZERO, last),
        What::Void { .. } => (v1::DebitKind::Void, 0, Time::ZERO, false),
    };
    v1::DebitInfo {
        kind: kind.into(),
        hold_id,
        late_of,
        tolerance_nanos,
        capture_until: encode::optional_time(capture_until),
        last,
        asked_nanos: debit.asked.nanos(),
        reversed_nanos: debit.reversed.nanos(),
        decided_at: Some(encode::time(debit.at)),
        reference: debit.reference.to_string(),
        evidence_hash: debit.evidence.map(Vec::from).unwrap_or_default(),
        writer_id,
        number,
        ..shown(debit.session, debit.payee, (debit.seq, debit.taken, debit.verdict))
    }
}

/// Shows what memory knows of a debit: not when it was decided, nor what was said of it beside its amount; of a capture or a
/// void, not of which hold.
fn remembered(session: SessionId, payee: PayeeId, debit: &DebitReplay) -> v1::DebitInfo {
    let kind = match debit.kind {
        ActKind::Debit => v1::DebitKind::Debit,
        ActKind::Hold => v1::DebitKind::Hold,
        ActKind::Capture => v1::DebitKind::Capture,
        ActKind::Void => v1::DebitKind::Void,
    };
    let is_placed = debit.kind == ActKind::Hold && debit.verdict.is_none();
    v1::DebitInfo {
        kind: kind.into(),
        hold_id: if is_placed { session.hold(debit.seq).to_string() } else { String::new() },
        asked_nanos: debit.amount.nanos(),
        ..shown(session, payee, (debit.seq, debit.taken, debit.verdict))
    }
}

fn shown(
    session: SessionId,
    payee: PayeeId,
    (seq, taken, verdict): (u64, tallystick_core::Amount, tallystick_core::keys::Verdict),
) -> v1::DebitInfo {
    let outcome = if verdict.is_none() { v1::Outcome::Approved } else { v1::Outcome::Declined };
    v1::DebitInfo {
        debit_id: session.debit(seq).to_string(),
        session_id: session.to_string(),
        payee_id: payee.to_string(),
        outcome: outcome.into(),
        code: verdict.map_or(0, |(code, _)| encode::code(code).into()),
        level: verdict.map_or(0, |(_, level)| encode::level(level).into()),
        amount_nanos: taken.nanos(),
        seq,
        ..v1::DebitInfo::default()
    }
}
