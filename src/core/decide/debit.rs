//! Owns: the ladder of a debit: early returns in published order, so that the first limit hit is the one that is named.
//! Never: writes. What is returned approved must succeed in `apply`.

use super::{Decided, Scope};
use crate::{
    Amount, Decline, DeclineCode, Level, Next, Partition, Record, Refusal, Time,
    command::{Debit, Intent},
    keys::{Said, Verdict},
    limits,
    payee::PayeeStatus,
    record::{Debited, StoredIntent},
    session::Session,
    writer::Turn,
};

/// Is the answer that was given before, under the same key or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DebitReplay {
    /// The journal position of the decision.
    pub seq: u64,
    /// How much was asked.
    pub amount: Amount,
    /// What was decided.
    pub verdict: Verdict,
    /// The payee's notice.
    pub payee: u32,
}

/// Decides one debit.
///
/// *Declines*, in this order: `SessionEnded`, `NotYetValid`, `CurrencyMismatch`, `PayeeBlocked`, `PayeeNotAllowed`,
/// `TooManyPayees`, `BelowDebitMin`, `AboveDebitMax`, `PayeeCap`, `Cap`. The places of the codes not given yet are where
/// their numbers put them.
/// *Errors*: `Malformed`, `UnknownSession`, `PayeeNotHere`, then those of the key or number.
/// *Cost*: two rows by slot, one small map.
pub fn debit<'a>(
    partition: &Partition,
    command: &Debit<'a>,
    now: Time,
) -> Result<(Decided<'a, DebitReplay>, Option<Decline>), Refusal> {
    command.check()?;
    let session = partition.session(command.session)?;
    let (payee, _) = partition.notice(command.payee)?;
    let said = Said {
        amount: command.amount,
        payee,
        currency: command.currency,
        reference: partition.seed.field(command.reference.as_bytes()),
        evidence: partition.seed.field(command.evidence.as_ref().map_or(&[], |hash| hash.as_slice())),
    };
    let (intent, before) = recognise(partition, session, command, &said)?;
    if let Some(replay) = before {
        return Ok((Decided::Replay(replay), None));
    }
    let decline = ladder(partition, session, command, (payee, now)).err();
    let record = Debited {
        session: command.session,
        payee,
        amount: command.amount,
        currency: command.currency,
        verdict: decline.map(|no| (no.code, no.level)),
        intent,
        reference: command.reference,
        evidence: command.evidence,
    };
    Ok((Decided::Record(Record::Debited(record)), decline))
}

/// Finds out whether this intent was decided before, and refuses it if it said something else then (I3).
fn recognise(
    partition: &Partition,
    session: &Session,
    command: &Debit<'_>,
    said: &Said,
) -> Result<(StoredIntent, Option<DebitReplay>), Refusal> {
    let (intent, before) = match command.intent {
        Intent::Key(key) => {
            let hash = partition.key_hash(Scope::Debit, command.session.bits(), key);
            let before = session.keys.get(hash).copied();
            if before.is_none() && session.keys.len() >= limits::KEYS_PER_SESSION {
                return Err(Refusal::KeysExhausted);
            }
            (StoredIntent::Key(hash), before)
        }
        Intent::Number(at) => {
            let turn = match session.window(at.writer) {
                Some(window) => window.turn(&at)?,
                None if session.writers.len() >= limits::WRITERS_PER_SESSION => {
                    return Err(Refusal::TooManyWriters);
                }
                None if at.number != 1 => return Err(Refusal::NumberGap { expected: 1 }),
                None => Turn::Next,
            };
            let before = match turn {
                Turn::Next => None,
                Turn::Was(debit) => Some(debit),
            };
            (StoredIntent::Number(at), before)
        }
    };
    let Some(before) = before else { return Ok((intent, None)) };
    match before.said.differs_from(said) {
        Some(field) => Err(Refusal::KeyReused { field }),
        None => {
            let (payee, amount) = (before.said.payee, before.said.amount);
            Ok((intent, Some(DebitReplay { seq: before.seq, amount, verdict: before.verdict, payee })))
        }
    }
}

fn ladder(
    partition: &Partition,
    session: &Session,
    command: &Debit<'_>,
    (payee, now): (u32, Time),
) -> Result<(), Decline> {
    use DeclineCode as Code;
    let (bounds, amount) = (&session.bounds, command.amount);
    let no = |code, level, next| Err(Decline::new(code, level, next));
    if now >= bounds.ends_at {
        return no(Code::SessionEnded, Level::Session, Next::Nothing);
    }
    if now < bounds.not_before {
        return no(Code::NotYetValid, Level::Session, Next::WaitUntil(bounds.not_before));
    }
    if !command.currency.agrees_with(session.currency) {
        return no(Code::CurrencyMismatch, Level::Session, Next::Nothing);
    }
    if partition.payee_status(payee) != PayeeStatus::Active {
        return no(Code::PayeeBlocked, Level::Payee, Next::Nothing);
    }
    if session.part(payee).is_none() {
        if bounds.payees_restricted {
            return no(Code::PayeeNotAllowed, Level::Session, Next::Nothing);
        }
        if session.is_full_of_payees() {
            return no(Code::TooManyPayees, Level::Session, Next::Nothing);
        }
    }
    if amount < bounds.debit_min {
        return no(Code::BelowDebitMin, Level::Session, Next::Nothing);
    }
    if let Some(most) = bounds.debit_max.get()
        && amount > most
    {
        let most = session.payee_remaining(payee).map_or(most, |remaining| most.min(remaining));
        return no(Code::AboveDebitMax, Level::Session, smaller(session, most));
    }
    if let Some(remaining) = session.payee_remaining(payee)
        && amount > remaining
    {
        return no(Code::PayeeCap, Level::Payee, smaller(session, remaining));
    }
    let remaining = session.remaining();
    if amount > remaining {
        let account = partition.account_available(session).at_most_amount();
        let next = if account.is_zero() { smaller(session, remaining) } else { Next::TopUp(account) };
        return no(Code::Cap, Level::Session, next);
    }
    // From here on the debit must succeed.
    Ok(())
}

/// Offers what is left, where that would pass the rungs above.
fn smaller(session: &Session, remaining: Amount) -> Next {
    let most = remaining.min(session.remaining());
    if most.is_zero() || most < session.bounds.debit_min { Next::Nothing } else { Next::SmallerAmount(most) }
}
