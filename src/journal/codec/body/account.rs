//! Owns: the layout of what happens to accounts and their money. Never: adds up.

use super::{
    piece::{amount, currency, id, keyed, put_keyed, time, total, yes_or_no},
    velocity::{put_limits, take_limits},
};
use crate::wire::{Damage, Put as _, Take};
use tallystick_core::{
    AccountId, Amount, DepositId, Span, Total,
    account::Funding,
    deposit::DepositState,
    record::{
        AccountCreated, CreditLimitSet, DepositMade, DepositMoved, Deposited, ExternalFacts, MethodFacts,
        Repaid, Withdrawn,
    },
};

/// Is what the first layout of a deposit says of its state: no other was ever written there.
const DEPOSIT_AVAILABLE: u8 = DepositState::Available as u8;

pub(super) fn put_created(r: &AccountCreated<'_>, out: &mut Vec<u8>) {
    out.put_u128(r.id.bits());
    out.put_small(r.currency.number().into());
    out.put_u8(r.funding as u8);
    out.put_small(r.limit.nanos());
    out.put_u8(u8::from(r.external.is_some()));
    if let Some(external) = r.external {
        out.put_text(external.reference);
        out.put_u64(external.usable_until.ns());
        out.put_small(external.margin.ns());
    }
    out.put_text(r.method.kind);
    out.put_text(r.method.brand);
    out.put_text(r.method.last_four);
    out.put_text(r.method.funding_type);
    out.put_text(r.reference);
    out.put_text(r.front_end);
    put_keyed(&r.keyed, out);
    put_limits(&r.velocity, out);
}

pub(super) fn take_created<'a>(version: u8, take: &mut Take<'a>) -> Result<AccountCreated<'a>, Damage> {
    let (id, currency, funding) = (id(take, AccountId::from_bits)?, currency(take)?, funding(take)?);
    let (limit, external, method) = match (version, funding) {
        (1, Funding::Prepaid) => (Amount::ZERO, None, MethodFacts::default()),
        (1, _) => return Err(take.damage("funding")),
        (_, _) => (amount(take)?, external(take)?, method(take)?),
    };
    let reference = take.text("reference")?;
    let front_end = if version < 3 { "" } else { take.text("front-end")? };
    let keyed = keyed(take)?;
    let velocity = if version < 3 { Vec::new() } else { take_limits(take)? };
    Ok(AccountCreated {
        id,
        currency,
        funding,
        limit,
        external,
        method,
        reference,
        front_end,
        velocity,
        keyed,
    })
}

fn funding(take: &mut Take<'_>) -> Result<Funding, Damage> {
    let number = take.u8("funding")?;
    Funding::from_number(number).ok_or(take.damage("funding"))
}

fn external<'a>(take: &mut Take<'a>) -> Result<Option<ExternalFacts<'a>>, Damage> {
    if !yes_or_no(take, "authority")? {
        return Ok(None);
    }
    Ok(Some(ExternalFacts {
        reference: take.text("authority")?,
        usable_until: time(take)?,
        margin: take.small("margin").map(Span::from_ns)?,
    }))
}

fn method<'a>(take: &mut Take<'a>) -> Result<MethodFacts<'a>, Damage> {
    Ok(MethodFacts {
        kind: take.text("method")?,
        brand: take.text("brand")?,
        last_four: take.text("last four")?,
        funding_type: take.text("funding type")?,
    })
}

pub(super) fn put_deposited(r: &Deposited, out: &mut Vec<u8>) {
    out.put_u128(r.account.bits());
    out.put_u8(DEPOSIT_AVAILABLE);
    put_sum(r.amount, r.deposited_after, out);
    put_keyed(&r.keyed, out);
}

pub(super) fn take_deposited(take: &mut Take<'_>) -> Result<Deposited, Damage> {
    let account = id(take, AccountId::from_bits)?;
    if take.u8("deposit state")? != DEPOSIT_AVAILABLE {
        return Err(take.damage("deposit state"));
    }
    let (amount, deposited_after) = sum(take)?;
    Ok(Deposited { account, amount, deposited_after, keyed: keyed(take)? })
}

pub(super) fn put_made(r: &DepositMade, out: &mut Vec<u8>) {
    out.put_u128(r.id.bits());
    out.put_u128(r.account.bits());
    out.put_u8(r.state as u8);
    put_sum(r.amount, r.total_after, out);
    put_keyed(&r.keyed, out);
}

pub(super) fn take_made(take: &mut Take<'_>) -> Result<DepositMade, Damage> {
    let (id, account) = (id(take, DepositId::from_bits)?, id(take, AccountId::from_bits)?);
    let state = state(take)?;
    let (amount, total_after) = sum(take)?;
    Ok(DepositMade { id, account, amount, state, total_after, keyed: keyed(take)? })
}

pub(super) fn put_moved(r: &DepositMoved, out: &mut Vec<u8>) {
    out.put_u128(r.id.bits());
    out.put_u8(r.to as u8);
    out.put_u128(r.deposited_after.nanos());
}

pub(super) fn take_moved(take: &mut Take<'_>) -> Result<DepositMoved, Damage> {
    let (id, to) = (id(take, DepositId::from_bits)?, state(take)?);
    Ok(DepositMoved { id, to, deposited_after: total(take)? })
}

fn state(take: &mut Take<'_>) -> Result<DepositState, Damage> {
    let number = take.u8("deposit state")?;
    DepositState::from_number(number).ok_or(take.damage("deposit state"))
}

pub(super) fn put_withdrawn(r: &Withdrawn, out: &mut Vec<u8>) {
    out.put_u128(r.account.bits());
    put_sum(r.amount, r.withdrawn_after, out);
    put_keyed(&r.keyed, out);
}

pub(super) fn take_withdrawn(take: &mut Take<'_>) -> Result<Withdrawn, Damage> {
    let account = id(take, AccountId::from_bits)?;
    let (amount, withdrawn_after) = sum(take)?;
    Ok(Withdrawn { account, amount, withdrawn_after, keyed: keyed(take)? })
}

pub(super) fn put_repaid(r: &Repaid, out: &mut Vec<u8>) {
    out.put_u128(r.account.bits());
    put_sum(r.amount, r.repaid_after, out);
    put_keyed(&r.keyed, out);
}

pub(super) fn take_repaid(take: &mut Take<'_>) -> Result<Repaid, Damage> {
    let account = id(take, AccountId::from_bits)?;
    let (amount, repaid_after) = sum(take)?;
    Ok(Repaid { account, amount, repaid_after, keyed: keyed(take)? })
}

pub(super) fn put_limit_set(r: &CreditLimitSet, out: &mut Vec<u8>) {
    out.put_u128(r.account.bits());
    out.put_small(r.limit.nanos());
    put_keyed(&r.keyed, out);
}

pub(super) fn take_limit_set(take: &mut Take<'_>) -> Result<CreditLimitSet, Damage> {
    let account = id(take, AccountId::from_bits)?;
    Ok(CreditLimitSet { account, limit: amount(take)?, keyed: keyed(take)? })
}

/// Writes an amount and what it brought its sum to.
fn put_sum(amount: Amount, after: Total, out: &mut Vec<u8>) {
    out.put_small(amount.nanos());
    out.put_u128(after.nanos());
}

fn sum(take: &mut Take<'_>) -> Result<(Amount, Total), Damage> {
    Ok((amount(take)?, total(take)?))
}
