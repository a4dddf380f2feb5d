//! Owns: holds in the calls and on the stream: how they are asked for, and how they are shown. Never: a rule.

use crate::{authorizer::AuthorizerFace, command, decode, door, encode, meter::Delivery, status};
use tallystick_core::{
    Refusal, SessionId,
    command::{Act, Debit},
    partition::HoldView,
    session::{HoldEnd, SecretHash},
};
use tallystick_engine::{DebitAnswer, Engine};
use tallystick_projection::{DebitInfo, What};
use tallystick_proto::v1::{self, stream_debit};
use tonic::{Request, Response, Status};

/// Is what is taken for the answer of a hold, a capture or a void on the stream, beside a debit's. *Units*: bytes.
pub(crate) const HELD_BYTES: usize = 512;

type Rule = (&'static str, &'static str);

/// Reads what an item of a batch asks for, that is no plain debit. *Errors*: as (field, rule).
#[cold]
pub(crate) fn act(terms: &stream_debit::Act, session: SessionId) -> Result<Act, Rule> {
    Ok(match terms {
        stream_debit::Act::Hold(terms) => Act::Hold {
            tolerance: decode::amount(terms.tolerance_nanos),
            until: decode::instant(terms.capture_until, "capture_until")?,
        },
        stream_debit::Act::Capture(terms) => {
            Act::Capture { hold: decode::hold_in(session, &terms.hold_id)?, last: terms.last }
        }
        stream_debit::Act::Void(terms) => Act::Void { hold: decode::hold_in(session, &terms.hold_id)? },
    })
}

/// Shows a hold.
pub(crate) fn info(view: &HoldView) -> v1::HoldInfo {
    let HoldView { hold, end, .. } = view;
    let state = match end {
        None => v1::HoldState::Open,
        Some(HoldEnd::Done) => v1::HoldState::Captured,
        Some(HoldEnd::Voided) => v1::HoldState::Voided,
        Some(HoldEnd::Expired) => v1::HoldState::Expired,
    };
    let (held_nanos, released_nanos) =
        if end.is_none() { (hold.left.nanos(), 0) } else { (0, hold.left.nanos()) };
    v1::HoldInfo {
        hold_id: view.id().to_string(),
        session_id: view.session.to_string(),
        payee_id: view.payee.to_string(),
        state: state.into(),
        currency: crate::currency::text(view.currency),
        amount_nanos: hold.amount.nanos(),
        tolerance_nanos: hold.tolerance.nanos(),
        held_nanos,
        captured_nanos: hold.captured.nanos(),
        capture_count: hold.capture_count,
        capture_until: Some(encode::time(hold.until)),
        placed_at: Some(encode::time(hold.placed_at)),
        released_nanos,
        seq: view.seq,
    }
}

/// Adds to a decision which hold it is about.
pub(crate) fn name_hold(answer: &DebitAnswer, decision: &mut v1::Decision) {
    let hold = match answer.act {
        Act::Debit => return,
        Act::Hold { .. } if answer.decline.is_some() => return,
        Act::Hold { .. } => answer.seq,
        Act::Capture { hold, .. } | Act::Void { hold } => hold,
    };
    let id = answer.session.hold(hold).to_string();
    if answer.late {
        decision.late_of = id;
    } else {
        decision.hold_id = id;
    }
}

/// As `name_hold`, of what the index has. Returns the hold's id and whose late capture it is; one of them, or neither.
pub(crate) fn names(debit: &DebitInfo) -> (String, String) {
    let text = |seq| debit.session.hold(seq).to_string();
    match debit.what {
        What::Debit => (String::new(), String::new()),
        What::Hold { .. } if debit.verdict.is_some() => (String::new(), String::new()),
        What::Hold { .. } => (text(debit.seq), String::new()),
        What::Capture { hold, late: true, .. } => (String::new(), text(hold)),
        What::Capture { hold, .. } | What::Void { hold } => (text(hold), String::new()),
    }
}

/// Returns the first field in which what is asked differs from what the index has of an intent.
pub(crate) fn differs(before: &DebitInfo, asked: Act) -> Option<&'static str> {
    match (before.what, asked) {
        (What::Debit, Act::Debit) => None,
        (
            What::Hold { tolerance, until, until_was_asked },
            Act::Hold { tolerance: now, until: now_until },
        ) => {
            let asked_before = if until_was_asked { until } else { tallystick_core::Time::ZERO };
            let fields =
                [(tolerance != now, "tolerance_nanos"), (asked_before != now_until, "capture_until")];
            fields.into_iter().find_map(|(differs, field)| differs.then_some(field))
        }
        (What::Capture { hold, last, .. }, Act::Capture { hold: now, last: now_last }) => {
            let fields = [(hold != now, "hold_id"), (last != now_last, "last")];
            fields.into_iter().find_map(|(differs, field)| differs.then_some(field))
        }
        (What::Void { hold }, Act::Void { hold: now }) => (hold != now).then_some("hold_id"),
        (What::Debit | What::Hold { .. } | What::Capture { .. } | What::Void { .. }, _) => Some("act"),
    }
}

/// Is what was decided, with the hold that it is about, if that is remembered.
pub(crate) struct Decided {
    pub(crate) decision: v1::Decision,
    pub(crate) hold: Option<v1::HoldInfo>,
    /// Ends as the answer leaves; nothing of what the index recalled.
    pub(crate) delivery: Option<Delivery>,
}

/// Makes an answer, and measures its way out.
pub(crate) fn respond<T>(
    decided: Decided,
    response: impl FnOnce(v1::Decision, Option<v1::HoldInfo>) -> T,
) -> Response<T> {
    let Decided { decision, hold, delivery } = decided;
    let mut response = Response::new(response(decision, hold));
    if let Some(delivery) = delivery {
        response.extensions_mut().insert(delivery);
    }
    response
}

/// Is a unary call that is decided as a debit is.
pub(crate) trait Asks: Sync {
    /// Returns what is presented for its session.
    fn secret(&self) -> &[u8];

    /// Reads it; `proof` is the hash of what is presented.
    fn read<'a>(&'a self, proof: Option<&'a SecretHash>) -> Result<Debit<'a>, Status>;
}

macro_rules! asks {
    ($($request:ident by $read:path;)*) => {
        $(
            impl Asks for v1::$request {
                fn secret(&self) -> &[u8] {
                    &self.secret
                }

                fn read<'a>(&'a self, proof: Option<&'a SecretHash>) -> Result<Debit<'a>, Status> {
                    $read(self, proof)
                }
            }
        )*
    };
}

asks! {
    AuthorizeRequest by command::debit;
    HoldRequest by hold;
    CaptureRequest by capture;
    VoidRequest by void;
}

impl AuthorizerFace {
    /// Decides a debit, a hold, a capture or a void of a unary call.
    pub(crate) async fn decide<R: Asks>(&self, request: Request<R>) -> Result<Decided, Status> {
        let engine = self.shared.tell_refusal(door::asked(&request))?;
        let (metadata, extensions, message) = request.into_parts();
        let request = Request::from_parts(metadata, extensions, &message);
        let ask = |engine: &Engine, r: &R| {
            let proof = command::proof(r.secret(), "secret")?;
            Ok(engine.debit(&r.read(proof.as_ref())?))
        };
        let answer = match self.shared.unary(request, ask).await {
            Ok(answer) => answer,
            Err(status) if status::reason(&status) == Some(v1::Refusal::SessionRetired) => {
                // A session that is settled has no secret any more.
                let decision = self.recall(&engine, &message.read(None)?, status).await?;
                return Ok(Decided { decision, hold: None, delivery: None });
            }
            Err(status) => return Err(status),
        };
        let delivery = Delivery::begin(&self.shared.meter);
        self.shared.meter.replayed(answer.replayed.into());
        let decision = encode::decision(&answer, encode::durability(&self.shared.engine));
        Ok(Decided { decision, hold: answer.hold.as_ref().map(info), delivery: Some(delivery) })
    }

    pub(crate) async fn hold_of(
        &self,
        request: Request<v1::GetHoldRequest>,
    ) -> Result<v1::GetHoldResponse, Status> {
        let ask = |engine: &Engine, r: v1::GetHoldRequest| {
            Ok(engine.hold(decode::hold(&r.hold_id, "hold_id").map_err(decode::refuse)?))
        };
        let engine = self.shared.tell_refusal(door::asked(&request))?;
        let view = self.shared.unary(request, ask).await?;
        let in_view = engine.asked_for().sees_debits_of(view.payee)
            && engine.sees_session(view.session).map_err(|fault| status::of(&fault))?;
        if !in_view {
            return self.shared.tell_refusal(Err(status::of_refusal(&Refusal::UnknownHold)));
        }
        Ok(v1::GetHoldResponse { hold: Some(info(&view)) })
    }

    pub(crate) async fn holds_of(
        &self,
        request: Request<v1::ListHoldsRequest>,
    ) -> Result<v1::ListHoldsResponse, Status> {
        let after_seq = request.get_ref().after_seq;
        let ask = |engine: &Engine, r: v1::ListHoldsRequest| {
            let session = decode::debited(&r.session_id, "session_id").map_err(decode::refuse)?;
            let most = decode::page_size(r.page_size)?;
            if !engine.sees_session(session).map_err(|fault| status::of(&fault))? {
                return Err(status::of_refusal(&Refusal::UnknownSession));
            }
            Ok(engine.holds(session, r.after_seq, most))
        };
        let holds = self.shared.unary(request, ask).await?;
        Ok(v1::ListHoldsResponse {
            next_after_seq: holds.last().map_or(after_seq, |hold| hold.seq),
            holds: holds.iter().map(info).collect(),
        })
    }
}

/// Reads a hold of a unary call. *Errors*: as `command::debit`.
pub fn hold<'a>(r: &'a v1::HoldRequest, proof: Option<&'a SecretHash>) -> Result<Debit<'a>, Status> {
    use v1::hold_request::Intent;
    let intent = r.intent.as_ref().map(|intent| match intent {
        Intent::IdempotencyKey(key) => Ok(key.as_str()),
        Intent::WriterNumber(at) => Err(at),
    });
    let asked = command::Asked { session_id: &r.session_id, payee_id: &r.payee_id, intent };
    let until = decode::time(r.capture_until, "capture_until")?;
    Ok(Debit {
        act: Act::Hold { tolerance: decode::amount(r.tolerance_nanos), until },
        amount: decode::amount(r.amount_nanos),
        currency: decode::optional_currency(&r.currency)?,
        reference: &r.reference,
        evidence: decode::hash(&r.evidence_hash, "evidence_hash").map_err(decode::refuse)?,
        ..asked.read(proof)?
    })
}

/// Reads a capture of a unary call. *Errors*: as `command::debit`.
pub fn capture<'a>(r: &'a v1::CaptureRequest, proof: Option<&'a SecretHash>) -> Result<Debit<'a>, Status> {
    use v1::capture_request::Intent;
    let intent = r.intent.as_ref().map(|intent| match intent {
        Intent::IdempotencyKey(key) => Ok(key.as_str()),
        Intent::WriterNumber(at) => Err(at),
    });
    let asked = command::Asked { session_id: &r.session_id, payee_id: &r.payee_id, intent }.read(proof)?;
    let hold = decode::hold_in(asked.session, &r.hold_id).map_err(decode::refuse)?;
    Ok(Debit {
        act: Act::Capture { hold, last: r.last },
        amount: decode::amount(r.amount_nanos),
        currency: decode::optional_currency(&r.currency)?,
        reference: &r.reference,
        evidence: decode::hash(&r.evidence_hash, "evidence_hash").map_err(decode::refuse)?,
        ..asked
    })
}

/// Reads a void of a unary call. *Errors*: as `command::debit`.
pub fn void<'a>(r: &'a v1::VoidRequest, proof: Option<&'a SecretHash>) -> Result<Debit<'a>, Status> {
    use v1::void_request::Intent;
    let intent = r.intent.as_ref().map(|intent| match intent {
        Intent::IdempotencyKey(key) => Ok(key.as_str()),
        Intent::WriterNumber(at) => Err(at),
    });
    let asked = command::Asked { session_id: &r.session_id, payee_id: &r.payee_id, intent }.read(proof)?;
    let hold = decode::hold_in(asked.session, &r.hold_id).map_err(decode::refuse)?;
    Ok(Debit {
        act: Act::Void { hold },
        reference: &r.reference,
        evidence: decode::hash(&r.evidence_hash, "evidence_hash").map_err(decode::refuse)?,
        ..asked
    })
}
