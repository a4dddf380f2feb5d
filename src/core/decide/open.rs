//! Owns: the ladder of opening a session under an account or another session, and how far it may reach there.
//! Never: writes.

use super::{Decided, check_secret, declined};
use crate::{
    AccountId, Amount, Cap, Currency, Decline, DeclineCode, EnvelopeId, Next, Partition, PayeeId, Record,
    Refusal, SessionId, Span, Time,
    command::{Command as _, OpenSession, Scope},
    hash::KeyHash,
    id::Place,
    limits,
    partition::CommandKey,
    record::{Keyed, SessionOpened},
    session::{Bounds, Clauses, Mode, Session},
    tree::At,
};
use alloc::vec::Vec;

/// Bounds a session's life, and how far ahead it begins.
const SESSION_LIFE: (Span, &str) = (limits::SESSION_LIFE, "must be at most 30 days ahead");
/// As `SESSION_LIFE`, of a token.
const TOKEN_LIFE: (Span, &str) = (limits::TOKEN_LIFE, "must be at most 5 years ahead");
const NO_CARRY: Refusal =
    Refusal::malformed("carry", "must be given only to a RESERVED session under the token of a period");

/// Is what a new session finds above it.
struct Above<'a> {
    account: AccountId,
    parent: Option<&'a Session>,
    at: At,
    currency: Currency,
    children: u32,
    children_most: u32,
    depth: u8,
    /// No session may end later; of an external authority or a parent.
    ends_by: Option<(Time, &'static str)>,
}

/// Decides whether a session opens: `draw` is the unguessable part of its id.
///
/// *Declines*, in this order: `Revoked`, `Paused`, `SessionEnded` (the parent's), `CurrencyMismatch`, `Cap` (what is above cannot give that
/// much), `TooManyChildren`, `TooDeep`.
/// *Errors*: `Malformed` (wider than its parent, too, naming the field), `UnknownAccount`, `UnknownSession`, `KeyReused`,
/// `PayeeNotHere`, `TableFull`.
pub fn open_session<'a>(
    partition: &Partition,
    command: &OpenSession<'a>,
    filed: Option<&CommandKey>,
    (now, draw): (Time, u64),
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    let keyed = match partition.recognise(command, filed)? {
        Ok(keyed) => keyed,
        Err(before) => return Ok(Decided::Replay(before)),
    };
    let opened = match opening(partition, command, (now, draw), false)? {
        Ok(opened) => opened,
        Err(decline) => return Ok(declined(Scope::OpenSession, command.parent, decline, keyed)),
    };
    Ok(Decided::Record(Record::SessionOpened(SessionOpened { keyed, ..opened })))
}

/// Climbs the ladder of an opening, of a session or of a token, whose key was not seen before.
pub(super) fn opening<'a>(
    partition: &Partition,
    command: &OpenSession<'a>,
    (now, draw): (Time, u64),
    is_token: bool,
) -> Result<Result<SessionOpened<'a>, Decline>, Refusal> {
    let above = above(partition, command)?;
    if let Some(parent) = above.parent {
        check_secret(parent, command.parent_proof)?;
    }
    if let Err(hit) = partition.goes_on(above.at) {
        return Ok(Err(hit.decline));
    }
    if let Some((code, limit_of)) = above.parent.and_then(|parent| partition.revoked_above(parent)) {
        return Ok(Err(Decline::new(code, limit_of.level(), Next::Nothing)));
    }
    let ended = above.parent.is_some_and(|parent| partition.has_ended(parent, now));
    if ended {
        return Ok(Err(Decline::new(DeclineCode::SessionEnded, command.parent.level(), Next::Nothing)));
    }
    let life = if is_token { TOKEN_LIFE } else { SESSION_LIFE };
    let bounds = bounds(command, &above, now, life)?;
    let clauses = clauses(command, &above)?;
    let payees = payees(partition, command, &above, bounds.default_payee_cap)?;
    if command.currency != above.currency {
        return Ok(Err(Decline::new(DeclineCode::CurrencyMismatch, command.parent.level(), Next::Nothing)));
    }
    if let Err(decline) = fits(partition, command, &above) {
        return Ok(Err(decline));
    }
    let (slot, generation) = partition.sessions.next_place();
    if slot >= limits::ROWS_PER_TABLE {
        return Err(Refusal::TableFull);
    }
    // From here on the session must open.
    let place = Place { partition: partition.number, slot, generation };
    let id = if is_token { SessionId::new_token(place, draw) } else { SessionId::new(place, draw) };
    Ok(Ok(SessionOpened {
        id,
        account: above.account,
        parent: above.parent.map(|parent| parent.id),
        mode: command.mode,
        bounds,
        clauses,
        payees,
        principal: command.principal,
        method: command.method,
        evidence_hash: command.evidence_hash,
        approved_at: command.approved_at,
        reference: command.reference,
        token: None,
        keyed: Keyed { key: KeyHash(0), content: Vec::new() },
    }))
}

/// Returns the payees that an opening lists or caps, with their caps.
pub(super) fn listed_payees(
    partition: &Partition,
    command: &OpenSession<'_>,
    default_cap: Cap,
) -> Result<Vec<(u32, Cap)>, Refusal> {
    payees(partition, command, &above(partition, command)?, default_cap)
}

/// Takes the clauses that few mandates have: a threshold for approval is the parent's where none is asked.
/// *Errors*: `Malformed`, when it is above the parent's.
fn clauses(command: &OpenSession<'_>, above: &Above<'_>) -> Result<Clauses, Refusal> {
    let mut clauses = command.clauses.clone();
    let most = above.parent.and_then(Session::guard).map_or(Cap::NONE, |guard| guard.approval_above);
    if clauses.approval_above.is_none() {
        clauses.approval_above = most;
    } else if most.get().is_some_and(|most| clauses.approval_above.get() > Some(most)) {
        return Err(Refusal::malformed("approval_above_nanos", "must be at most the parent's"));
    }
    Ok(clauses)
}

fn above<'p>(partition: &'p Partition, command: &OpenSession<'_>) -> Result<Above<'p>, Refusal> {
    match command.parent {
        EnvelopeId::Account(_) if command.clauses.carry => Err(NO_CARRY),
        EnvelopeId::Account(id) => {
            let account = partition.account(id)?;
            let rule = "must end the session the authority's margin before it can no longer be used";
            Ok(Above {
                account: id,
                parent: None,
                at: At::Account(id.slot()),
                currency: account.currency,
                children: account.open_children,
                children_most: limits::ACCOUNT_CHILDREN,
                depth: 0,
                ends_by: account.terms.external.as_ref().map(|external| (external.sessions_end_by(), rule)),
            })
        }
        EnvelopeId::Session(id) => {
            let parent = partition.session(id)?;
            if parent.is_standing() {
                let rule = "must not be a standing mandate: refresh it, and use its period's token";
                return Err(Refusal::malformed("parent_token_id", rule));
            }
            let ends_by = match command.clauses.carry {
                false => (parent.ends_at(), "must end the session no later than its parent"),
                true if !parent.is_period() || command.mode != Mode::Reserved => return Err(NO_CARRY),
                true => {
                    let standing =
                        partition.sessions_above(parent).next().map_or(parent.ends_at(), Session::ends_at);
                    (standing, "must end the session no later than its standing mandate")
                }
            };
            let account = partition.accounts.get(parent.account).ok_or(Refusal::UnknownAccount)?;
            Ok(Above {
                account: account.id,
                parent: Some(parent),
                at: At::Session(id.slot()),
                currency: parent.currency,
                children: parent.open_children(),
                children_most: limits::SESSION_CHILDREN,
                depth: parent.depth,
                ends_by: Some(ends_by),
            })
        }
    }
}

/// Tests what is counted: the money above, how many children, how deep.
fn fits(partition: &Partition, command: &OpenSession<'_>, above: &Above<'_>) -> Result<(), Decline> {
    if command.mode == Mode::Reserved {
        room_for(partition, above.at, command.cap)?;
    }
    let no = |code| Err(Decline::new(code, command.parent.level(), Next::Nothing));
    if above.children >= above.children_most {
        return no(DeclineCode::TooManyChildren);
    }
    if above.depth >= limits::DEPTH {
        return no(DeclineCode::TooDeep);
    }
    Ok(())
}

/// Tests whether a cap can be set aside at an envelope and all that it counts in.
pub(crate) fn room_for(partition: &Partition, at: At, cap: Amount) -> Result<(), Decline> {
    let (left, limit_of) = partition.room(at);
    if cap <= left {
        return Ok(());
    }
    let short = partition.counting(at).find(|above| above.remaining() < cap).map_or(limit_of, |s| s.id());
    let level = short.level();
    let next = if left.is_zero() { Next::Nothing } else { Next::SmallerAmount(left) };
    Err(Decline::new(DeclineCode::Cap, level, next))
}

/// Intersects what was asked with what the parent allows. *Errors*: `Malformed`, naming the field that is wider.
fn bounds(
    command: &OpenSession<'_>,
    above: &Above<'_>,
    now: Time,
    (life, rule): (Span, &'static str),
) -> Result<Bounds, Refusal> {
    if command.not_before.since(now) > life {
        return Err(Refusal::malformed("not_before", rule));
    }
    let parent = above.parent.map(Session::bounds);
    let begins = parent.map_or(Time::ZERO, |parent| parent.not_before);
    if command.not_before != Time::ZERO && command.not_before < begins {
        return Err(Refusal::malformed("not_before", "must not be before the parent session's"));
    }
    let not_before = command.not_before.max(begins);
    let ends_at = match (command.ttl.ns(), parent) {
        // A token may last longer than what is opened under it.
        (0, Some(parent)) => now.max(not_before).checked_add(life).map(|most| most.min(parent.ends_at)),
        // What it does not say begins with its parent, and cannot be used before; a life does not begin before it is decided.
        (_, _) if command.not_before == Time::ZERO => now.max(begins).checked_add(command.ttl),
        (_, _) => command.not_before.checked_add(command.ttl),
    };
    let ends_at = ends_at.filter(|ends_at| *ends_at > now.max(not_before));
    let ends_at = ends_at.ok_or(Refusal::malformed("ttl", "must end the session after now"))?;
    if let Some((ends_by, rule)) = above.ends_by
        && ends_at > ends_by
    {
        return Err(Refusal::malformed("ttl", rule));
    }
    let (debit_min, debit_max) = debit_bounds(command, parent.as_ref())?;
    Ok(Bounds {
        cap: command.cap,
        not_before,
        ends_at,
        default_payee_cap: Cap::from_nanos_or_none(command.default_payee_cap.nanos()),
        debit_min,
        debit_max,
        payees_restricted: !command.payees.is_empty()
            || parent.is_some_and(|parent| parent.payees_restricted),
    })
}

fn debit_bounds(command: &OpenSession<'_>, parent: Option<&Bounds>) -> Result<(Amount, Cap), Refusal> {
    let least = parent.map_or(Amount::ZERO, |parent| parent.debit_min);
    if !command.debit_min.is_zero() && command.debit_min < least {
        return Err(Refusal::malformed("debit_min_nanos", "must be at least the parent session's"));
    }
    let debit_min = command.debit_min.max(least);
    let asked = Cap::from_nanos_or_none(command.debit_max.nanos());
    let most = parent.map_or(Cap::NONE, |parent| parent.debit_max);
    let debit_max = match (asked.get(), most.get()) {
        (Some(asked), Some(most)) if asked > most => {
            return Err(Refusal::malformed("debit_max_nanos", "must be at most the parent session's"));
        }
        (Some(asked), _) if asked < least => {
            let rule = "must be at least the parent session's debit_min_nanos";
            return Err(Refusal::malformed("debit_max_nanos", rule));
        }
        (None, _) => most,
        (Some(_), _) => asked,
    };
    if debit_max.get().is_some_and(|most| most < debit_min) {
        return Err(Refusal::malformed(
            "debit_min_nanos",
            "must be at most the parent session's debit_max_nanos",
        ));
    }
    Ok((debit_min, debit_max))
}

fn is_barred(parent: &Session, payee: u32) -> bool {
    parent.token().is_some_and(|token| token.barred.binary_search(&payee).is_ok())
}

/// Resolves the payees that the session begins with: the allow-list, its own or its parent's, and those with caps of their
/// own.
fn payees(
    partition: &Partition,
    command: &OpenSession<'_>,
    above: &Above<'_>,
    default_cap: Cap,
) -> Result<Vec<(u32, Cap)>, Refusal> {
    let allowed = above.parent.filter(|parent| parent.bounds().payees_restricted);
    let find = |payee: PayeeId, field| {
        let (slot, _) = partition.notice(payee)?;
        match allowed {
            Some(parent) if parent.part(slot).is_none() || is_barred(parent, slot) => {
                Err(Refusal::malformed(field, "must be on the parent session's allow-list"))
            }
            Some(_) | None => Ok(slot),
        }
    };
    let mut parts = Vec::with_capacity(command.payees.len().max(command.payee_caps.len()));
    for payee in &command.payees {
        parts.push((find(*payee, "payee_ids")?, default_cap));
    }
    if let Some(parent) = allowed.filter(|_| command.payees.is_empty()) {
        let listed = parent.payees().filter(|part| !is_barred(parent, part.payee));
        parts.extend(listed.map(|part| (part.payee, default_cap)));
    }
    let listed = parts.len();
    for (payee, cap) in &command.payee_caps {
        parts.push((find(*payee, "payee_caps.payee_id")?, Cap::of(*cap)));
    }
    // A stable sort by slot puts a payee's own cap before the default one that an allow-list brought.
    parts.rotate_left(listed);
    parts.sort_by_key(|(slot, _)| *slot);
    parts.dedup_by_key(|(slot, _)| *slot);
    Ok(parts)
}
