//! Owns: the layout of debits and their reversals. A debit is most of any journal, so it says only what is not the rule.
//! Never: decides what was taken.

use super::{
    CAPTURE, HOLD,
    piece::{amount, currency, id, keyed, put_keyed, put_verdict, time, verdict},
};
use crate::wire::{Damage, Put as _, Take};
use tallystick_core::{
    Amount, SessionId, Time, WriterId,
    command::Act,
    hash::KeyHash,
    keys::Verdict,
    record::{Debited, HoldLapsed, Reversed, StoredIntent},
    writer::Numbered,
};

/// The intent is a key. In the flags, exactly one of this and the next is set; version 1 had no other flags.
const BY_KEY: u8 = 1;
/// The intent is a writer's number.
const BY_NUMBER: u8 = 2;
/// Less would have done.
const PARTIAL: u8 = 4;
/// What was taken follows: less than was asked, but not nothing.
const TOOK_LESS: u8 = 8;
/// A capture that came late; its hold follows. Since version 3.
const LATE: u8 = 16;
/// A hold's end is the one that was asked for it, and not its session's.
const ASKED_UNTIL: u8 = 1;
/// A capture gives the rest back.
const LAST: u8 = 1;

/// Returns what was taken where nothing else is said.
fn taken_by_rule(asked: Amount, verdict: Verdict) -> Amount {
    if verdict.is_none() { asked } else { Amount::ZERO }
}

pub(super) fn put_debited(r: &Debited<'_>, out: &mut Vec<u8>) {
    match r.act {
        Act::Debit => {}
        Act::Capture { .. } if r.late => {}
        act => return put_held(act, r, out),
    }
    let took_less = r.taken != taken_by_rule(r.amount, r.verdict);
    let odd = took_less && (r.verdict.is_some() || r.taken.is_zero() || r.taken > r.amount);
    assert!(!odd, "bug: a debit of {} took {} with the verdict {:?}", r.amount, r.taken, r.verdict);
    out.put_u128(r.session.bits());
    out.put_small(r.payee.into());
    out.put_small(r.amount.nanos());
    out.put_small(r.currency.number().into());
    put_verdict(r.verdict, out);
    let flags = if r.partial { PARTIAL } else { 0 } | if took_less { TOOK_LESS } else { 0 };
    put_intent(r.intent, flags | if r.late { LATE } else { 0 }, out);
    if took_less {
        out.put_small(r.taken.nanos());
    }
    if r.late {
        put_act(r.act, out);
    }
    out.put_text(r.reference);
    out.put_hash(r.evidence.as_ref());
}

fn put_intent(intent: StoredIntent, flags: u8, out: &mut Vec<u8>) {
    match intent {
        StoredIntent::Key(key) => {
            out.put_u8(BY_KEY | flags);
            out.put_u128(key.0);
        }
        StoredIntent::Number(at) => {
            out.put_u8(BY_NUMBER | flags);
            out.put_u128(at.writer.bits());
            out.put_small(at.epoch.into());
            out.put_small(at.number);
            out.put_small(at.number - at.acked_through);
        }
    }
}

/// Writes what a hold, a capture or a void says of itself.
fn put_act(act: Act, out: &mut Vec<u8>) {
    match act {
        Act::Debit => {}
        Act::Hold { tolerance, until } => {
            out.put_small(tolerance.nanos());
            out.put_u64(until.ns());
        }
        Act::Capture { hold, last } => {
            out.put_small(hold);
            out.put_u8(if last { LAST } else { 0 });
        }
        Act::Void { hold } => out.put_small(hold),
    }
}

fn put_held(act: Act, r: &Debited<'_>, out: &mut Vec<u8>) {
    out.put_u128(r.session.bits());
    put_act(act, out);
    let asked = r.asked_until != Time::ZERO;
    assert!(!asked || matches!(act, Act::Hold { until, .. } if until == r.asked_until), "bug: another end");
    out.put_u8(if asked { ASKED_UNTIL } else { 0 });
    out.put_small(r.payee.into());
    out.put_small(r.amount.nanos());
    out.put_small(r.currency.number().into());
    put_verdict(r.verdict, out);
    put_intent(r.intent, 0, out);
    out.put_small(r.taken.nanos());
    out.put_text(r.reference);
    out.put_hash(r.evidence.as_ref());
}

/// Reads the body of a hold (41), a capture (42) or a void (43).
pub(super) fn take_held<'a>(kind: u8, take: &mut Take<'a>) -> Result<Debited<'a>, Damage> {
    let session = id(take, SessionId::from_bits)?;
    let act = take_act(kind, take)?;
    let asked_until = match (take.u8("asked")?, act) {
        (0, _) => Time::ZERO,
        (ASKED_UNTIL, Act::Hold { until, .. }) if until != Time::ZERO => until,
        _ => return Err(take.damage("asked")),
    };
    let payee = take.narrow("payee")?;
    let (amount, currency, verdict) = (amount(take)?, currency(take)?, verdict(take)?);
    let intent = match take.u8("flags")? {
        BY_KEY => StoredIntent::Key(KeyHash(take.u128("key")?)),
        BY_NUMBER => StoredIntent::Number(numbered(take)?),
        _ => return Err(take.damage("flags")),
    };
    let taken = self::amount(take)?;
    let by_rule = match act {
        Act::Void { .. } => verdict.is_none() || taken.is_zero(),
        _ => taken == taken_by_rule(amount, verdict),
    };
    if !by_rule {
        return Err(take.damage("taken"));
    }
    Ok(Debited {
        session,
        act,
        asked_until,
        late: false,
        payee,
        amount,
        currency,
        partial: false,
        verdict,
        taken,
        intent,
        reference: take.text("reference")?,
        evidence: take.hash("evidence")?,
    })
}

fn take_act(kind: u8, take: &mut Take<'_>) -> Result<Act, Damage> {
    Ok(match kind {
        HOLD => Act::Hold { tolerance: amount(take)?, until: time(take)? },
        CAPTURE => {
            let hold = take.small("hold")?;
            let last = match take.u8("last")? {
                0 => false,
                LAST => true,
                _ => return Err(take.damage("last")),
            };
            Act::Capture { hold, last }
        }
        _ => Act::Void { hold: take.small("hold")? },
    })
}

pub(super) fn take_lapsed(take: &mut Take<'_>) -> Result<HoldLapsed, Damage> {
    let session = id(take, SessionId::from_bits)?;
    Ok(HoldLapsed { session, hold: take.small("hold")?, released: amount(take)? })
}

pub(super) fn put_lapsed(r: &HoldLapsed, out: &mut Vec<u8>) {
    out.put_u128(r.session.bits());
    out.put_small(r.hold);
    out.put_small(r.released.nanos());
}

pub(in crate::codec) fn take_debited<'a>(version: u8, take: &mut Take<'a>) -> Result<Debited<'a>, Damage> {
    let session = id(take, SessionId::from_bits)?;
    let payee = take.narrow("payee")?;
    let (amount, currency, verdict) = (amount(take)?, currency(take)?, verdict(take)?);
    let flags = take.u8("flags")?;
    let known = match version {
        1 => 0,
        2 => PARTIAL | TOOK_LESS,
        _ => PARTIAL | TOOK_LESS | LATE,
    };
    let intent = match flags & !known {
        BY_KEY => StoredIntent::Key(KeyHash(take.u128("key")?)),
        BY_NUMBER => StoredIntent::Number(numbered(take)?),
        _ => return Err(take.damage("flags")),
    };
    let taken = if flags & TOOK_LESS == 0 {
        taken_by_rule(amount, verdict)
    } else {
        take_less(amount, verdict, take)?
    };
    let late = flags & known & LATE != 0;
    Ok(Debited {
        session,
        act: if late { take_act(CAPTURE, take)? } else { Act::Debit },
        asked_until: Time::ZERO,
        late,
        payee,
        amount,
        currency,
        partial: flags & PARTIAL != 0,
        verdict,
        taken,
        intent,
        reference: take.text("reference")?,
        evidence: take.hash("evidence")?,
    })
}

/// Reads what was taken where that is not the rule: out of an approved debit, between nothing and what was asked.
fn take_less(asked: Amount, verdict: Verdict, take: &mut Take<'_>) -> Result<Amount, Damage> {
    let taken = amount(take)?;
    if verdict.is_some() || taken.is_zero() || taken >= asked {
        return Err(take.damage("taken"));
    }
    Ok(taken)
}

fn numbered(take: &mut Take<'_>) -> Result<Numbered, Damage> {
    let writer = id(take, WriterId::from_bits)?;
    let epoch = take.narrow("epoch")?;
    let number = take.small("number")?;
    let behind = take.small("acked")?;
    let acked_through = number.checked_sub(behind).ok_or(take.damage("acked"))?;
    Ok(Numbered { writer, epoch, number, acked_through })
}

pub(super) fn put_reversed(r: &Reversed, out: &mut Vec<u8>) {
    out.put_u128(r.session.bits());
    out.put_small(r.debit_seq);
    out.put_small(r.payee.into());
    out.put_small(r.amount.nanos());
    out.put_small(r.reversed_after.nanos());
    put_keyed(&r.keyed, out);
}

pub(super) fn take_reversed(take: &mut Take<'_>) -> Result<Reversed, Damage> {
    Ok(Reversed {
        session: id(take, SessionId::from_bits)?,
        debit_seq: take.small("debit")?,
        payee: take.narrow("payee")?,
        amount: amount(take)?,
        reversed_after: amount(take)?,
        keyed: keyed(take)?,
    })
}
