//! Owns: the ladder of opening a session under an account. Never: writes.

use super::{Decided, Scope};
use crate::{
    Cap, Decline, DeclineCode, Level, Next, Partition, Record, Refusal, SessionId, Time, Total,
    command::OpenSession,
    id::Place,
    limits,
    partition::CommandKey,
    record::{Keyed, OpenDeclined, SessionOpened},
    session::Bounds,
};
use alloc::vec::Vec;

/// Decides whether a session opens: `draw` is the unguessable part of its id.
///
/// *Declines*, in this order: `CurrencyMismatch`, `Cap` (the account cannot give that much), `TooManyChildren`.
/// *Errors*: `Malformed`, `UnknownAccount`, `KeyReused`, `PayeeNotHere`, `TableFull`.
pub fn open_session<'a>(
    partition: &Partition,
    command: &OpenSession<'a>,
    now: Time,
    draw: u64,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    let account = partition.account(command.account)?;
    let key = partition.key_hash(Scope::OpenSession, command.account.bits(), command.key);
    let content = command.content(partition.seed);
    if let Some(before) = partition.find_command(key, &content, OpenSession::FIELDS)? {
        return Ok(Decided::Replay(before.clone()));
    }
    let keyed = Keyed { key, content };
    let bounds = bounds(command, now)?;
    let payees = payees(partition, command, bounds.default_payee_cap)?;
    let decline = |code, next| {
        let decline = Decline::new(code, Level::Account, next);
        Decided::Record(Record::OpenDeclined(OpenDeclined {
            account: command.account,
            decline,
            keyed: keyed.clone(),
        }))
    };
    if command.currency != account.currency {
        return Ok(decline(DeclineCode::CurrencyMismatch, Next::Nothing));
    }
    let available = account.available();
    if Total::from(command.cap) > available {
        let most = available.at_most_amount();
        return Ok(decline(
            DeclineCode::Cap,
            if most.is_zero() { Next::Nothing } else { Next::SmallerAmount(most) },
        ));
    }
    if account.open_children >= limits::OPEN_CHILDREN {
        return Ok(decline(DeclineCode::TooManyChildren, Next::Nothing));
    }
    let (slot, generation) = partition.sessions.next_place();
    if slot >= limits::ROWS_PER_TABLE {
        return Err(Refusal::TableFull);
    }
    // From here on the session must open.
    let place = Place { partition: partition.number, slot, generation };
    Ok(Decided::Record(Record::SessionOpened(SessionOpened {
        id: SessionId::new(place, draw),
        account: command.account,
        bounds,
        payees,
        principal: command.principal,
        method: command.method,
        evidence_hash: command.evidence_hash,
        approved_at: command.approved_at,
        reference: command.reference,
        keyed,
    })))
}

fn bounds(command: &OpenSession<'_>, now: Time) -> Result<Bounds, Refusal> {
    if command.not_before.since(now) > limits::SESSION_LIFE {
        return Err(Refusal::malformed("not_before", "must be at most 30 days ahead"));
    }
    let begins_at = if command.not_before == Time::ZERO { now } else { command.not_before };
    let ends_at = begins_at.checked_add(command.ttl).filter(|ends_at| *ends_at > now);
    Ok(Bounds {
        cap: command.cap,
        not_before: command.not_before,
        ends_at: ends_at.ok_or(Refusal::malformed("ttl", "must end the session after now"))?,
        default_payee_cap: Cap::from_nanos_or_none(command.default_payee_cap.nanos()),
        debit_min: command.debit_min,
        debit_max: Cap::from_nanos_or_none(command.debit_max.nanos()),
        payees_restricted: !command.payees.is_empty(),
    })
}

/// Resolves the payees that the session begins with: the allow-list, and those with caps of their own.
fn payees(
    partition: &Partition,
    command: &OpenSession<'_>,
    default_cap: Cap,
) -> Result<Vec<(u32, Cap)>, Refusal> {
    let mut parts = Vec::with_capacity(command.payees.len().max(command.payee_caps.len()));
    for (payee, cap) in &command.payee_caps {
        parts.push((partition.notice(*payee)?.0, Cap::of(*cap)));
    }
    for payee in &command.payees {
        let (slot, _) = partition.notice(*payee)?;
        parts.push((slot, default_cap));
    }
    // A stable sort by slot keeps a payee's own cap before the default one that the allow-list brought.
    parts.sort_by_key(|(slot, _)| *slot);
    parts.dedup_by_key(|(slot, _)| *slot);
    Ok(parts)
}
