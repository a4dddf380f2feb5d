//! Owns: the close of a session: what each payee is owed, and what goes back. Never: writes; rounds.

use crate::{
    Partition, Record, Refusal, SessionId, Time,
    record::SessionSettled,
    settlement::{Line, Reason},
};
use alloc::vec::Vec;

/// Decides the settlement of an open session. Whoever asks, the reason is that its end came if it has come.
/// *Errors*: `UnknownSession`, for a settled one too: a session settles once.
pub fn settle(partition: &Partition, id: SessionId, now: Time) -> Result<Record<'static>, Refusal> {
    let session = partition.session(id)?;
    let paid = session.payees.iter().filter(|part| part.debit_count > 0);
    let line = |part: &crate::session::PayeePart| {
        let payee = partition.notices.get(part.payee)?.id;
        Some(Line { payee, amount: part.spent, debit_count: part.debit_count })
    };
    let mut lines: Vec<Line> = paid.filter_map(line).collect();
    lines.sort_unstable_by_key(|line| line.payee);
    let ended = now >= session.bounds.ends_at;
    Ok(Record::SessionSettled(SessionSettled {
        session: id,
        reason: if ended { Reason::Expired } else { Reason::Closed },
        lines,
        total: session.spent_own,
        released: session.bounds.cap.minus_or_zero(session.spent_own),
    }))
}
