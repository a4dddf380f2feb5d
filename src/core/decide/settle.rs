//! Owns: the close of a session: what each payee is owed, and what goes back. Never: writes; rounds.

use super::Decided;
use crate::{
    Amount, Partition, Record, Refusal, SessionId, Time,
    record::{SessionClosing, SessionSettled},
    session::{Mode, PayeePart, Token},
    settlement::{Line, Reason},
};
use alloc::vec::Vec;

/// Decides the settlement of an open session that nothing is open below. Whoever asks, the reason is that it was revoked
/// before its end, or that its end came if it has come; `cascading` says that a session above is being settled.
/// *Errors*: `UnknownSession`, for a settled one too: a session settles once; `OpenChildren`, `OpenHolds`.
pub fn settle(
    partition: &Partition,
    id: SessionId,
    now: Time,
    cascading: bool,
) -> Result<Record<'static>, Refusal> {
    let session = partition.session(id)?;
    if session.open_children() > 0 {
        return Err(Refusal::OpenChildren);
    }
    if session.open_holds() > 0 {
        return Err(Refusal::OpenHolds);
    }
    let paid = session.payees().filter(|part| part.debit_count > 0);
    let line = |part: PayeePart| {
        let payee = partition.notices.get(part.payee)?.id;
        Some(Line { payee, amount: part.spent, debit_count: part.debit_count })
    };
    let mut lines: Vec<Line> = paid.filter_map(line).collect();
    lines.sort_unstable_by_key(|line| line.payee);
    let token = session.token();
    let reason = if token.is_some_and(Token::is_revoked)
        || partition.revocations(session).any(|word| word.at < session.ends_at())
    {
        Reason::Revoked
    } else if token.is_some_and(Token::is_consumed) {
        Reason::Consumed
    } else if now >= session.ends_at() {
        Reason::Expired
    } else if cascading {
        Reason::Cascade
    } else {
        Reason::Closed
    };
    let released = match session.mode {
        Mode::Reserved => session.remaining(),
        Mode::Shared => Amount::ZERO,
    };
    let total = session.spent_own;
    Ok(Record::SessionSettled(SessionSettled { session: id, reason, lines, total, released }))
}

/// Decides that a session takes no more debits while those below it are settled; replays when that was decided.
/// *Errors*: `UnknownSession`.
pub fn close(partition: &Partition, id: SessionId) -> Result<Decided<'static, ()>, Refusal> {
    let session = partition.session(id)?;
    if session.closing_at() != Time::ZERO {
        return Ok(Decided::Replay(()));
    }
    Ok(Decided::Record(Record::SessionClosing(SessionClosing { session: id })))
}
