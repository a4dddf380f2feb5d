//! Owns: the layout of each kind of record's body, writing and reading side by side. Never: the frame around it.

use crate::wire::{Damage, Put as _, Take};
use tallystick_core::{
    AccountId, Amount, Cap, Currency, Decline, DeclineCode, Level, Next, PayeeId, Record, SessionId,
    SettlementId, Time, Total, WriterId,
    account::Funding,
    hash::{FieldHash, KeyHash, Seed},
    id::IdFault,
    keys::Verdict,
    payee::PayeeStatus,
    record::{
        AccountCreated, Debited, Deposited, Genesis, Keyed, OpenDeclined, OutboxDelivered, PayeeCreated,
        PayeeNoticed, PayeeShared, PayeeStatusSet, SessionOpened, SessionSettled, SettlementPosted,
        StoredIntent, WriterOpened, WriterPositioned,
    },
    session::Bounds,
    settlement::{Line, Outgoing, Reason},
    writer::Numbered,
};

/// Is the state of a deposit. Places: 1 pending, 3 returned.
const DEPOSIT_AVAILABLE: u8 = 2;
/// Says that a session's parent is its account. Places: 1 a session, 2 a token; then 16 bytes of id follow.
const PARENT_ACCOUNT: u8 = 0;
/// Says that a session's cap is set aside in its parent. Place: 2 shared.
const MODE_RESERVED: u8 = 1;

pub(super) fn put(record: &Record<'_>, out: &mut Vec<u8>) {
    match record {
        Record::Genesis(r) => {
            out.put(&r.seed.0);
            out.put_small(r.partitions.into());
        }
        Record::AccountCreated(r) => {
            out.put_u128(r.id.bits());
            out.put_small(r.currency.number().into());
            out.put_u8(r.funding as u8);
            out.put_text(r.reference);
            put_keyed(&r.keyed, out);
        }
        Record::Deposited(r) => {
            out.put_u128(r.account.bits());
            out.put_u8(DEPOSIT_AVAILABLE);
            out.put_small(r.amount.nanos());
            out.put_u128(r.deposited_after.nanos());
            put_keyed(&r.keyed, out);
        }
        Record::PayeeCreated(r) => {
            out.put_u128(r.id.bits());
            out.put_u8(r.status as u8);
            out.put_text(r.name);
            put_keyed(&r.keyed, out);
        }
        Record::PayeeStatusSet(r) => {
            out.put_u128(r.id.bits());
            out.put_u8(r.status as u8);
            out.put_small(r.version.into());
        }
        Record::PayeeShared(r) => {
            out.put_u128(r.id.bits());
            out.put_small(r.with.into());
        }
        Record::PayeeNoticed(r) => {
            out.put_u128(r.id.bits());
            out.put_small(r.slot.into());
            out.put_u8(r.status as u8);
            out.put_small(r.version.into());
        }
        Record::SessionOpened(r) => put_opened(r, out),
        Record::OpenDeclined(r) => {
            out.put_u128(r.account.bits());
            put_decline(&r.decline, out);
            put_keyed(&r.keyed, out);
        }
        Record::Debited(r) => put_debited(r, out),
        Record::WriterOpened(r) => {
            out.put_u128(r.id.bits());
            out.put_small(r.epoch.into());
        }
        Record::WriterPositioned(r) => {
            out.put_u128(r.session.bits());
            out.put_u128(r.writer.bits());
            out.put_small(r.epoch.into());
        }
        Record::SessionSettled(r) => {
            out.put_u128(r.session.bits());
            out.put_u8(r.reason as u8);
            out.put_small(r.lines.len() as u64);
            r.lines.iter().for_each(|line| put_line(line, out));
            out.put_small(r.total.nanos());
            out.put_small(r.released.nanos());
        }
        Record::SettlementPosted(r) => {
            out.put_small(r.source.into());
            out.put_small(r.outgoing.no);
            out.put_u128(r.outgoing.settlement.bits());
            out.put_small(r.outgoing.currency.number().into());
            put_line(&r.outgoing.line, out);
        }
        Record::OutboxDelivered(r) => out.put_small(r.through),
    }
}

pub(super) fn take<'a>(kind: u8, take: &mut Take<'a>) -> Result<Record<'a>, Damage> {
    Ok(match kind {
        1 => Record::Genesis(Genesis {
            seed: Seed(take.array("seed")?),
            partitions: take.narrow("partitions")?,
        }),
        10 => Record::AccountCreated(AccountCreated {
            id: id(take, AccountId::from_bits)?,
            currency: currency(take)?,
            funding: match take.u8("funding")? {
                1 => Funding::Prepaid,
                _ => return Err(take.damage("funding")),
            },
            reference: take.text("reference")?,
            keyed: keyed(take)?,
        }),
        11 => take_deposited(take)?,
        20 => Record::PayeeCreated(PayeeCreated {
            id: id(take, PayeeId::from_bits)?,
            status: status(take)?,
            name: take.text("name")?,
            keyed: keyed(take)?,
        }),
        21 => Record::PayeeStatusSet(PayeeStatusSet {
            id: id(take, PayeeId::from_bits)?,
            status: status(take)?,
            version: take.narrow("version")?,
        }),
        22 => Record::PayeeShared(PayeeShared {
            id: id(take, PayeeId::from_bits)?,
            with: take.narrow("partition")?,
        }),
        23 => Record::PayeeNoticed(PayeeNoticed {
            id: id(take, PayeeId::from_bits)?,
            slot: take.narrow("slot")?,
            status: status(take)?,
            version: take.narrow("version")?,
        }),
        30 => Record::SessionOpened(take_opened(take)?),
        31 => Record::OpenDeclined(OpenDeclined {
            account: id(take, AccountId::from_bits)?,
            decline: decline(take)?,
            keyed: keyed(take)?,
        }),
        40 => Record::Debited(take_debited(take)?),
        45 => Record::WriterOpened(WriterOpened {
            id: id(take, WriterId::from_bits)?,
            epoch: take.narrow("epoch")?,
        }),
        46 => Record::WriterPositioned(WriterPositioned {
            session: id(take, SessionId::from_bits)?,
            writer: id(take, WriterId::from_bits)?,
            epoch: take.narrow("epoch")?,
        }),
        50 => Record::SessionSettled(take_settled(take)?),
        51 => Record::SettlementPosted(SettlementPosted {
            source: take.narrow("source")?,
            outgoing: Outgoing {
                no: take.small("outbox number")?,
                settlement: id(take, SettlementId::from_bits)?,
                currency: currency(take)?,
                line: line(take)?,
            },
        }),
        52 => Record::OutboxDelivered(OutboxDelivered { through: take.small("outbox number")? }),
        _ => return Err(take.damage("a record's kind")),
    })
}

fn id<T>(take: &mut Take<'_>, from_bits: fn(u128) -> Result<T, IdFault>) -> Result<T, Damage> {
    let bits = take.u128("id")?;
    from_bits(bits).map_err(|_| take.damage("id"))
}

fn currency(take: &mut Take<'_>) -> Result<Currency, Damage> {
    take.narrow("currency").map(Currency::from_number)
}

fn amount(take: &mut Take<'_>) -> Result<Amount, Damage> {
    take.small("amount").map(Amount::from_nanos)
}

fn cap(take: &mut Take<'_>) -> Result<Cap, Damage> {
    take.small("cap").map(Cap::from_nanos_or_none)
}

fn time(take: &mut Take<'_>) -> Result<Time, Damage> {
    take.u64("time").map(Time::from_ns)
}

fn status(take: &mut Take<'_>) -> Result<PayeeStatus, Damage> {
    let number = take.u8("payee status")?;
    PayeeStatus::from_number(number).ok_or(take.damage("payee status"))
}

fn put_keyed(keyed: &Keyed, out: &mut Vec<u8>) {
    out.put_u128(keyed.key.0);
    out.put_small(keyed.content.len() as u64);
    keyed.content.iter().for_each(|hash| out.put(&hash.0.to_le_bytes()));
}

fn keyed(take: &mut Take<'_>) -> Result<Keyed, Damage> {
    let key = KeyHash(take.u128("key")?);
    let count = take.count(4, "content")?;
    let content = (0..count).map(|_| take.array("content").map(|bytes| FieldHash(u32::from_le_bytes(bytes))));
    Ok(Keyed { key, content: content.collect::<Result<_, _>>()? })
}

fn take_deposited<'a>(take: &mut Take<'a>) -> Result<Record<'a>, Damage> {
    let account = id(take, AccountId::from_bits)?;
    if take.u8("deposit state")? != DEPOSIT_AVAILABLE {
        return Err(take.damage("deposit state"));
    }
    let amount = amount(take)?;
    let deposited_after = Total::from_nanos(take.u128("total")?);
    Ok(Record::Deposited(Deposited { account, amount, deposited_after, keyed: keyed(take)? }))
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

fn take_settled(take: &mut Take<'_>) -> Result<SessionSettled, Damage> {
    let session = id(take, SessionId::from_bits)?;
    let number = take.u8("reason")?;
    let reason = Reason::from_number(number).ok_or(take.damage("reason"))?;
    let count = take.count(18, "lines")?;
    let lines = (0..count).map(|_| line(take)).collect::<Result<_, _>>()?;
    Ok(SessionSettled { session, reason, lines, total: amount(take)?, released: amount(take)? })
}

fn put_opened(r: &SessionOpened<'_>, out: &mut Vec<u8>) {
    out.put_u128(r.id.bits());
    out.put_u128(r.account.bits());
    out.put(&[PARENT_ACCOUNT, MODE_RESERVED]);
    out.put_small(r.bounds.cap.nanos());
    out.put_u64(r.bounds.not_before.ns());
    out.put_u64(r.bounds.ends_at.ns());
    out.put_small(r.bounds.default_payee_cap.nanos_or_zero());
    out.put_small(r.bounds.debit_min.nanos());
    out.put_small(r.bounds.debit_max.nanos_or_zero());
    out.put_u8(u8::from(r.bounds.payees_restricted));
    // Places: how many velocity clauses follow, and the approval threshold.
    out.put_small(0);
    out.put_small(0);
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
}

fn take_opened<'a>(take: &mut Take<'a>) -> Result<SessionOpened<'a>, Damage> {
    let session = id(take, SessionId::from_bits)?;
    let account = id(take, AccountId::from_bits)?;
    if take.array("parent and mode")? != [PARENT_ACCOUNT, MODE_RESERVED] {
        return Err(take.damage("parent and mode"));
    }
    let bounds = Bounds {
        cap: amount(take)?,
        not_before: time(take)?,
        ends_at: time(take)?,
        default_payee_cap: cap(take)?,
        debit_min: amount(take)?,
        debit_max: cap(take)?,
        payees_restricted: match take.u8("restricted")? {
            0 => false,
            1 => true,
            _ => return Err(take.damage("restricted")),
        },
    };
    if take.small("velocity clauses")? != 0 || take.small("approval threshold")? != 0 {
        return Err(take.damage("clauses"));
    }
    let count = take.count(2, "payees")?;
    let payees = (0..count).map(|_| Ok((take.narrow("slot")?, cap(take)?))).collect::<Result<_, _>>()?;
    Ok(SessionOpened {
        id: session,
        account,
        bounds,
        payees,
        principal: take.text("principal")?,
        method: take.text("method")?,
        evidence_hash: take.hash("evidence")?,
        approved_at: time(take)?,
        reference: take.text("reference")?,
        keyed: keyed(take)?,
    })
}

fn put_verdict(verdict: Verdict, out: &mut Vec<u8>) {
    match verdict {
        None => out.put_small(0),
        Some((code, level)) => {
            out.put_small(code.number().into());
            out.put_u8(level as u8);
        }
    }
}

fn level(take: &mut Take<'_>) -> Result<Level, Damage> {
    match take.u8("level")? {
        1 => Ok(Level::Account),
        2 => Ok(Level::Token),
        3 => Ok(Level::Session),
        4 => Ok(Level::Payee),
        _ => Err(take.damage("level")),
    }
}

fn verdict(take: &mut Take<'_>) -> Result<Verdict, Damage> {
    match take.narrow("decline code")? {
        0 => Ok(None),
        number => {
            let code = DeclineCode::from_number(number).ok_or(take.damage("decline code"))?;
            Ok(Some((code, level(take)?)))
        }
    }
}

fn put_decline(decline: &Decline, out: &mut Vec<u8>) {
    put_verdict(Some((decline.code, decline.level)), out);
    let (number, value) = match decline.next {
        Next::Nothing => (1, 0),
        Next::TopUp(most) => (2, most.nanos()),
        Next::WaitUntil(at) => (3, at.ns()),
        Next::SmallerAmount(most) => (5, most.nanos()),
        Next::NewKey => (6, 0),
    };
    out.put_u8(number);
    out.put_small(value);
}

fn decline(take: &mut Take<'_>) -> Result<Decline, Damage> {
    let (code, level) = verdict(take)?.ok_or(take.damage("decline code"))?;
    let (number, value) = (take.u8("next")?, take.small("next")?);
    let next = match number {
        1 => Next::Nothing,
        2 => Next::TopUp(Amount::from_nanos(value)),
        3 => Next::WaitUntil(Time::from_ns(value)),
        5 => Next::SmallerAmount(Amount::from_nanos(value)),
        6 => Next::NewKey,
        _ => return Err(take.damage("next")),
    };
    Ok(Decline { code, level, next })
}

fn put_debited(r: &Debited<'_>, out: &mut Vec<u8>) {
    out.put_u128(r.session.bits());
    out.put_small(r.payee.into());
    out.put_small(r.amount.nanos());
    out.put_small(r.currency.number().into());
    put_verdict(r.verdict, out);
    match r.intent {
        StoredIntent::Key(key) => {
            out.put_u8(1);
            out.put_u128(key.0);
        }
        StoredIntent::Number(at) => {
            out.put_u8(2);
            out.put_u128(at.writer.bits());
            out.put_small(at.epoch.into());
            out.put_small(at.number);
            out.put_small(at.number - at.acked_through);
        }
    }
    out.put_text(r.reference);
    out.put_hash(r.evidence.as_ref());
}

fn take_debited<'a>(take: &mut Take<'a>) -> Result<Debited<'a>, Damage> {
    Ok(Debited {
        session: id(take, SessionId::from_bits)?,
        payee: take.narrow("payee")?,
        amount: amount(take)?,
        currency: currency(take)?,
        verdict: verdict(take)?,
        intent: match take.u8("intent")? {
            1 => StoredIntent::Key(KeyHash(take.u128("key")?)),
            2 => StoredIntent::Number(numbered(take)?),
            _ => return Err(take.damage("intent")),
        },
        reference: take.text("reference")?,
        evidence: take.hash("evidence")?,
    })
}

fn numbered(take: &mut Take<'_>) -> Result<Numbered, Damage> {
    let writer = id(take, WriterId::from_bits)?;
    let epoch = take.narrow("epoch")?;
    let number = take.small("number")?;
    let behind = take.small("acked")?;
    let acked_through = number.checked_sub(behind).ok_or(take.damage("acked"))?;
    Ok(Numbered { writer, epoch, number, acked_through })
}
