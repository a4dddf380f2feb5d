//! Owns: the layout of settlements and of their lines on the way. Never: adds lines up.

use super::piece::{amount, currency, id};
use crate::wire::{Damage, Put as _, Take};
use tallystick_core::{
    PayeeId, SessionId, SettlementId,
    record::{SessionSettled, SettlementPosted},
    settlement::{Line, Outgoing, Reason},
};

/// Is the least that a line takes. *Units*: bytes.
const LINE_BYTES_MIN: usize = 18;

pub(super) fn put_settled(r: &SessionSettled, out: &mut Vec<u8>) {
    out.put_u128(r.session.bits());
    out.put_u8(r.reason as u8);
    out.put_small(r.lines.len() as u64);
    r.lines.iter().for_each(|line| put_line(line, out));
    out.put_small(r.total.nanos());
    out.put_small(r.released.nanos());
}

pub(super) fn take_settled(take: &mut Take<'_>) -> Result<SessionSettled, Damage> {
    let session = id(take, SessionId::from_bits)?;
    let number = take.u8("reason")?;
    let reason = Reason::from_number(number).ok_or(take.damage("reason"))?;
    let count = take.count(LINE_BYTES_MIN, "lines")?;
    let lines = (0..count).map(|_| line(take)).collect::<Result<_, _>>()?;
    Ok(SessionSettled { session, reason, lines, total: amount(take)?, released: amount(take)? })
}

pub(super) fn put_posted(r: &SettlementPosted, out: &mut Vec<u8>) {
    out.put_small(r.source.into());
    out.put_small(r.outgoing.no);
    out.put_u128(r.outgoing.settlement.bits());
    out.put_small(r.outgoing.currency.number().into());
    put_line(&r.outgoing.line, out);
}

pub(super) fn take_posted(take: &mut Take<'_>) -> Result<SettlementPosted, Damage> {
    Ok(SettlementPosted {
        source: take.narrow("source")?,
        outgoing: Outgoing {
            no: take.small("outbox number")?,
            settlement: id(take, SettlementId::from_bits)?,
            currency: currency(take)?,
            line: line(take)?,
        },
    })
}

fn put_line(line: &Line, out: &mut Vec<u8>) {
    out.put_u128(line.payee.bits());
    out.put_small(line.amount.nanos());
    out.put_small(line.debit_count);
}

fn line(take: &mut Take<'_>) -> Result<Line, Damage> {
    Ok(Line {
        payee: id(take, PayeeId::from_bits)?,
        amount: amount(take)?,
        debit_count: take.small("count")?,
    })
}
