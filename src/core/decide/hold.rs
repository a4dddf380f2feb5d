//! Owns: what holds, captures and voids come to. A hold meets every limit when it is placed, its tolerance included; from then
//! on it is a promise, and a capture meets the hold's own tests alone.
//! Never: writes.

use super::debit::{Ask, rule};
use crate::{
    Amount, Decline, DeclineCode, EnvelopeId, Hit, Next, Partition, Record, Refusal, SessionId, Time,
    command::Act,
    limits,
    session::{Hold, HoldEnd, Session},
    tree::At,
};

/// Is what an act comes to: what is done, whether as a capture that came too late, and what is taken or why not.
pub(crate) struct Ruled {
    pub(crate) act: Act,
    pub(crate) late: bool,
    pub(crate) ruling: Result<Amount, Hit>,
}

/// Decides what is no debit.
///
/// *Declines*: of a hold, those of a debit of amount and tolerance together, with `TooManyHolds` where its number puts it; of
/// a capture, `Revoked` where that voids holds, `CurrencyMismatch`, `HoldEnded`, `AboveHold`, and after its hold has expired
/// those of a debit; of a void, `HoldEnded`.
/// *Errors*: `Malformed`, `UnknownHold`, `HoldDue`.
pub(crate) fn rule_act(
    partition: &Partition,
    session: &Session,
    act: Act,
    ask: &Ask,
    now: Time,
) -> Result<Ruled, Refusal> {
    match act {
        Act::Debit => Ok(Ruled { act, late: false, ruling: rule(partition, session, ask, now) }),
        Act::Hold { tolerance, until } => place(partition, session, (tolerance, until), ask, now),
        Act::Capture { hold, .. } => capture(partition, session, (act, hold), ask, now),
        Act::Void { hold } => void(session, (act, hold), ask, now),
    }
}

fn place(
    partition: &Partition,
    session: &Session,
    (tolerance, asked): (Amount, Time),
    ask: &Ask,
    now: Time,
) -> Result<Ruled, Refusal> {
    let until = if asked == Time::ZERO { session.ends_at() } else { asked };
    let act = Act::Hold { tolerance, until };
    let malformed = |rule| Err(Refusal::malformed("capture_until", rule));
    let grace = session.ends_at().checked_add(limits::CAPTURE_GRACE).unwrap_or(session.ends_at());
    let funding = partition.accounts.get(session.account).and_then(|a| a.terms.external.as_ref());
    if asked != Time::ZERO && asked <= now {
        return malformed("must be after now");
    }
    if until > grace {
        return malformed("must be at most 7 days after its session's end");
    }
    if funding.is_some_and(|external| until > external.usable_until) {
        return malformed("must not be after the account's authority can no longer be used");
    }
    let whole = ask.amount.checked_add(tolerance).ok_or(Refusal::malformed(
        "tolerance_nanos",
        "must be at most 2^63-1 nanos together with amount_nanos",
    ))?;
    let ruling = rule(partition, session, &Ask { amount: whole, partial: false, ..*ask }, now);
    let ruling = match ruling {
        Err(hit) if hit.decline.code < DeclineCode::TooManyHolds => Err(hit),
        _ if session.open_holds() >= limits::HOLDS_PER_SESSION => {
            no(session, DeclineCode::TooManyHolds, Next::Nothing)
        }
        ruling => ruling.map(|_| ask.amount),
    };
    Ok(Ruled { act, late: false, ruling })
}

fn capture(
    partition: &Partition,
    session: &Session,
    (act, seq): (Act, u64),
    ask: &Ask,
    now: Time,
) -> Result<Ruled, Refusal> {
    let found = find(session, seq, ask, now)?;
    let late = matches!(found, Found::Ended(HoldEnd::Expired));
    if let Err(hit) = partition.keeps_promises(At::Session(session.id.slot())) {
        return Ok(Ruled { act, late, ruling: Err(hit) });
    }
    let ruling = match found {
        Found::Open(_) if !ask.currency.agrees_with(session.currency) => {
            no(session, DeclineCode::CurrencyMismatch, Next::Nothing)
        }
        Found::Open(hold) if ask.amount > hold.left => {
            no(session, DeclineCode::AboveHold, Next::SmallerAmount(hold.left))
        }
        Found::Open(_) => Ok(ask.amount),
        Found::Ended(HoldEnd::Expired) => rule(partition, session, ask, now),
        Found::Ended(HoldEnd::Done | HoldEnd::Voided) => no(session, DeclineCode::HoldEnded, Next::Nothing),
    };
    Ok(Ruled { act, late, ruling })
}

fn void(session: &Session, (act, seq): (Act, u64), ask: &Ask, now: Time) -> Result<Ruled, Refusal> {
    let ruling = match find(session, seq, ask, now)? {
        Found::Open(hold) => Ok(hold.left),
        Found::Ended(_) => no(session, DeclineCode::HoldEnded, Next::Nothing),
    };
    Ok(Ruled { act, late: false, ruling })
}

enum Found<'a> {
    Open(&'a Hold),
    Ended(HoldEnd),
}

/// Finds a hold, and tests that it is the payee's. *Errors*: `UnknownHold`, `HoldDue`, `Malformed`.
fn find<'a>(session: &'a Session, seq: u64, ask: &Ask, now: Time) -> Result<Found<'a>, Refusal> {
    let holds = session.holds().ok_or(Refusal::UnknownHold)?;
    let (payee, found) = match (holds.find_open(seq), holds.find_ended(seq)) {
        (Some(hold), _) if hold.until <= now => return Err(Refusal::HoldDue),
        (Some(hold), _) => (hold.payee, Found::Open(hold)),
        (None, Some((end, hold))) => (hold.payee, Found::Ended(end)),
        (None, None) => return Err(Refusal::UnknownHold),
    };
    if payee != ask.payee {
        return Err(Refusal::malformed("payee_id", "must be the hold's"));
    }
    Ok(found)
}

fn no(session: &Session, code: DeclineCode, next: Next) -> Result<Amount, Hit> {
    let limit_of = EnvelopeId::Session(session.id);
    Err(Hit { decline: Decline::new(code, session.id.level(), next), limit_of })
}

/// Decides the end of a hold of a session whose time is over, or that a revocation voids.
/// *Errors*: `UnknownSession`, `UnknownHold`.
pub fn lapse(partition: &Partition, id: SessionId, now: Time) -> Result<Record<'static>, Refusal> {
    let lapsing = partition.lapsing(partition.session(id)?, now).ok_or(Refusal::UnknownHold)?;
    Ok(Record::HoldLapsed(lapsing))
}
