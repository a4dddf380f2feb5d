//! Owns: the layout of what the bodies of several kinds hold: ids, money, times, keys, declines.
//! Never: a whole body.

use crate::wire::{Damage, Put as _, Take};
use tallystick_core::{
    Amount, Cap, Currency, Decline, DeclineCode, Level, Next, Time, Total,
    hash::{FieldHash, KeyHash},
    id::IdFault,
    keys::Verdict,
    record::Keyed,
};

pub(super) fn id<T>(take: &mut Take<'_>, from_bits: fn(u128) -> Result<T, IdFault>) -> Result<T, Damage> {
    let bits = take.u128("id")?;
    from_bits(bits).map_err(|_| take.damage("id"))
}

pub(super) fn currency(take: &mut Take<'_>) -> Result<Currency, Damage> {
    take.narrow("currency").map(Currency::from_number)
}

pub(super) fn amount(take: &mut Take<'_>) -> Result<Amount, Damage> {
    take.small("amount").map(Amount::from_nanos)
}

pub(super) fn total(take: &mut Take<'_>) -> Result<Total, Damage> {
    take.u128("total").map(Total::from_nanos)
}

pub(super) fn cap(take: &mut Take<'_>) -> Result<Cap, Damage> {
    take.small("cap").map(Cap::from_nanos_or_none)
}

pub(super) fn time(take: &mut Take<'_>) -> Result<Time, Damage> {
    take.u64("time").map(Time::from_ns)
}

pub(super) fn yes_or_no(take: &mut Take<'_>, what: &'static str) -> Result<bool, Damage> {
    match take.u8(what)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(take.damage(what)),
    }
}

pub(super) fn put_keyed(keyed: &Keyed, out: &mut Vec<u8>) {
    out.put_u128(keyed.key.0);
    out.put_small(keyed.content.len() as u64);
    keyed.content.iter().for_each(|hash| out.put(&hash.0.to_le_bytes()));
}

pub(super) fn keyed(take: &mut Take<'_>) -> Result<Keyed, Damage> {
    let key = KeyHash(take.u128("key")?);
    let count = take.count(4, "content")?;
    let content = (0..count).map(|_| take.array("content").map(|bytes| FieldHash(u32::from_le_bytes(bytes))));
    Ok(Keyed { key, content: content.collect::<Result<_, _>>()? })
}

pub(super) fn put_verdict(verdict: Verdict, out: &mut Vec<u8>) {
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

pub(super) fn verdict(take: &mut Take<'_>) -> Result<Verdict, Damage> {
    match take.narrow("decline code")? {
        0 => Ok(None),
        number => {
            let code = DeclineCode::from_number(number).ok_or(take.damage("decline code"))?;
            Ok(Some((code, level(take)?)))
        }
    }
}

pub(super) fn put_decline(decline: &Decline, out: &mut Vec<u8>) {
    put_verdict(Some((decline.code, decline.level)), out);
    let (number, value) = match decline.next {
        Next::Nothing => (1, 0),
        Next::TopUp(most) => (2, most.nanos()),
        Next::WaitUntil(at) => (3, at.ns()),
        Next::SmallerAmount(most) => (5, most.nanos()),
        Next::NewKey => (6, 0),
        Next::AskApproval => (4, 0),
    };
    out.put_u8(number);
    out.put_small(value);
}

pub(super) fn decline(take: &mut Take<'_>) -> Result<Decline, Damage> {
    let (code, level) = verdict(take)?.ok_or(take.damage("decline code"))?;
    let (number, value) = (take.u8("next")?, take.small("next")?);
    let next = match (number, value) {
        (1, 0) => Next::Nothing,
        (2, most) => Next::TopUp(Amount::from_nanos(most)),
        (3, at) => Next::WaitUntil(Time::from_ns(at)),
        (5, most) => Next::SmallerAmount(Amount::from_nanos(most)),
        (6, 0) => Next::NewKey,
        (4, 0) => Next::AskApproval,
        _ => return Err(take.damage("next")),
    };
    Ok(Decline { code, level, next })
}
