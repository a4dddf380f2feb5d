//! Owns: the layout of what happens to sessions, short of debits and settlements. Never: where they stand in the tree.

use super::{
    piece::{amount, cap, decline, id, keyed, put_decline, put_keyed, time, yes_or_no},
    velocity::{put_limits, take_limits},
};
use crate::wire::{Damage, Put as _, Take};
use tallystick_core::{
    AccountId, EnvelopeId, SessionId,
    command::Scope,
    record::{CommandDeclined, OpenDeclined, SessionOpened, ToppedUp},
    session::{Bounds, Clauses, Mode, SecretHash},
};

/// Says that a session's parent is its account.
const PARENT_ACCOUNT: u8 = 0;
/// Says that a session's parent is a session, whose id follows. Place: 2 a token, likewise.
const PARENT_SESSION: u8 = 1;

pub(super) fn put_opened(r: &SessionOpened<'_>, out: &mut Vec<u8>) {
    out.put_u128(r.id.bits());
    out.put_u128(r.account.bits());
    match r.parent {
        None => out.put_u8(PARENT_ACCOUNT),
        Some(parent) => {
            out.put_u8(PARENT_SESSION);
            out.put_u128(parent.bits());
        }
    }
    out.put_u8(r.mode as u8);
    put_bounds(&r.bounds, out);
    put_limits(&r.clauses.velocity, out);
    out.put_small(r.clauses.approval_above.nanos_or_zero());
    out.put_small(r.payees.len() as u64);
    for (slot, cap) in &r.payees {
        out.put_small((*slot).into());
        out.put_small(cap.nanos_or_zero());
    }
    out.put_text(r.principal);
    out.put_text(r.method);
    out.put_hash(r.evidence_hash.as_ref());
    out.put_u64(r.approved_at.ns());
    out.put_text(r.reference);
    put_keyed(&r.keyed, out);
    out.put_hash(r.clauses.secret.as_ref().map(|secret| &secret.0));
    out.put_u8(u8::from(r.clauses.carry));
}

pub(super) fn take_opened<'a>(version: u8, take: &mut Take<'a>) -> Result<SessionOpened<'a>, Damage> {
    let (session, account) = (id(take, SessionId::from_bits)?, id(take, AccountId::from_bits)?);
    let parent = match take.u8("parent")? {
        PARENT_ACCOUNT => None,
        PARENT_SESSION => Some(id(take, SessionId::from_bits)?),
        _ => return Err(take.damage("parent")),
    };
    let mode = take.u8("mode")?;
    let mode = Mode::from_number(mode).ok_or(take.damage("mode"))?;
    let bounds = bounds(take)?;
    // Before the second version there were places here, and nothing in them.
    let velocity = take_limits(take)?;
    let mut clauses = Clauses { velocity, approval_above: cap(take)?, ..Clauses::default() };
    let count = take.count(2, "payees")?;
    let payees = (0..count).map(|_| Ok((take.narrow("slot")?, cap(take)?))).collect::<Result<_, _>>()?;
    let mut opened = SessionOpened {
        id: session,
        account,
        parent,
        mode,
        bounds,
        clauses: Clauses::default(),
        token: None,
        payees,
        principal: take.text("principal")?,
        method: take.text("method")?,
        evidence_hash: take.hash("evidence")?,
        approved_at: time(take)?,
        reference: take.text("reference")?,
        keyed: keyed(take)?,
    };
    if version > 1 {
        clauses.secret = take.hash("secret")?.map(SecretHash);
        clauses.carry = yes_or_no(take, "carry")?;
    } else if clauses != Clauses::default() {
        return Err(take.damage("clauses"));
    }
    opened.clauses = clauses;
    Ok(opened)
}

pub(super) fn put_bounds(bounds: &Bounds, out: &mut Vec<u8>) {
    out.put_small(bounds.cap.nanos());
    out.put_u64(bounds.not_before.ns());
    out.put_u64(bounds.ends_at.ns());
    out.put_small(bounds.default_payee_cap.nanos_or_zero());
    out.put_small(bounds.debit_min.nanos());
    out.put_small(bounds.debit_max.nanos_or_zero());
    out.put_u8(u8::from(bounds.payees_restricted));
}

pub(super) fn bounds(take: &mut Take<'_>) -> Result<Bounds, Damage> {
    Ok(Bounds {
        cap: amount(take)?,
        not_before: time(take)?,
        ends_at: time(take)?,
        default_payee_cap: cap(take)?,
        debit_min: amount(take)?,
        debit_max: cap(take)?,
        payees_restricted: yes_or_no(take, "restricted")?,
    })
}

pub(super) fn put_open_declined(r: &OpenDeclined, out: &mut Vec<u8>) {
    out.put_u128(r.account.bits());
    put_decline(&r.decline, out);
    put_keyed(&r.keyed, out);
}

pub(super) fn take_open_declined(take: &mut Take<'_>) -> Result<OpenDeclined, Damage> {
    let account = id(take, AccountId::from_bits)?;
    Ok(OpenDeclined { account, decline: decline(take)?, keyed: keyed(take)? })
}

pub(super) fn put_command_declined(r: &CommandDeclined, out: &mut Vec<u8>) {
    out.put_u8(r.command as u8);
    out.put_u128(r.on.bits());
    put_decline(&r.decline, out);
    put_keyed(&r.keyed, out);
}

pub(super) fn take_command_declined(take: &mut Take<'_>) -> Result<CommandDeclined, Damage> {
    let command = take.u8("command")?;
    let command = Scope::from_number(command).ok_or(take.damage("command"))?;
    // An id says of which kind it is.
    let on = id(take, |bits| {
        let session = |_| SessionId::from_bits(bits).map(EnvelopeId::Session);
        AccountId::from_bits(bits).map(EnvelopeId::Account).or_else(session)
    })?;
    Ok(CommandDeclined { command, on, decline: decline(take)?, keyed: keyed(take)? })
}

pub(super) fn put_topped_up(r: &ToppedUp, out: &mut Vec<u8>) {
    out.put_u128(r.session.bits());
    out.put_small(r.add.nanos());
    out.put_u64(r.ends_at.ns());
    put_keyed(&r.keyed, out);
}

pub(super) fn take_topped_up(take: &mut Take<'_>) -> Result<ToppedUp, Damage> {
    let session = id(take, SessionId::from_bits)?;
    Ok(ToppedUp { session, add: amount(take)?, ends_at: time(take)?, keyed: keyed(take)? })
}
