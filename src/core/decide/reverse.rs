//! Owns: the decision to take back a debit before its session settles. Never: writes; looks up what the debit was.

use super::Decided;
use crate::{
    Amount, Partition, Record, Refusal,
    command::{Command as _, Reverse},
    limits,
    partition::CommandKey,
    record::Reversed,
};

/// Decides to take back a debit, all of it or in part. Until its session settles, whether or not its end has come.
/// *Errors*: `Malformed` (more than is left of the debit, too), `UnknownSession`, for a settled one too; `KeyReused`,
/// `PayeeNotHere`, `UnknownDebit`, `ReversalsExhausted`.
pub fn reverse<'a>(
    partition: &Partition,
    command: &Reverse<'a>,
    filed: Option<&CommandKey>,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    let keyed = match partition.recognise(command, filed)? {
        Ok(keyed) => keyed,
        Err(before) => return Ok(Decided::Replay(before)),
    };
    let session = partition.session(command.session)?;
    let (payee, _) = partition.notice(command.payee)?;
    let before = session.reversed(command.debit_seq);
    let left = command.taken.minus_or_zero(before.unwrap_or_default());
    let amount = if command.amount.is_zero() { left } else { command.amount };
    if amount.is_zero() || amount > left {
        return Err(Refusal::malformed("amount_nanos", "must be at most what is left of the debit"));
    }
    // What the caller looked up must be a debit that this session has: it has taken that much for this payee.
    let spent = session.part(payee).map_or(Amount::ZERO, |part| part.spent);
    if command.debit_seq > partition.seq || amount > spent {
        return Err(Refusal::UnknownDebit);
    }
    if before.is_none() && session.reversed_count() >= limits::REVERSALS_PER_SESSION {
        return Err(Refusal::ReversalsExhausted);
    }
    let overflow = Refusal::malformed("amount_nanos", "must be at most what is left of the debit");
    let reversed_after = before.unwrap_or(Amount::ZERO).checked_add(amount).ok_or(overflow)?;
    Ok(Decided::Record(Record::Reversed(Reversed {
        session: command.session,
        debit_seq: command.debit_seq,
        payee,
        amount,
        reversed_after,
        keyed,
    })))
}
