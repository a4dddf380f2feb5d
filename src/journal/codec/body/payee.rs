//! Owns: the layout of what happens to payees and to notices of them. Never: a payee's money.

use super::piece::{id, keyed, put_keyed};
use crate::wire::{Damage, Put as _, Take};
use tallystick_core::{
    PayeeId,
    payee::PayeeStatus,
    record::{PayeeCreated, PayeeNoticed, PayeeShared, PayeeStatusSet},
};

pub(super) fn put_created(r: &PayeeCreated<'_>, out: &mut Vec<u8>) {
    out.put_u128(r.id.bits());
    out.put_u8(r.status as u8);
    out.put_text(r.name);
    put_keyed(&r.keyed, out);
}

pub(super) fn take_created<'a>(take: &mut Take<'a>) -> Result<PayeeCreated<'a>, Damage> {
    Ok(PayeeCreated {
        id: id(take, PayeeId::from_bits)?,
        status: status(take)?,
        name: take.text("name")?,
        keyed: keyed(take)?,
    })
}

pub(super) fn put_status_set(r: &PayeeStatusSet, out: &mut Vec<u8>) {
    out.put_u128(r.id.bits());
    out.put_u8(r.status as u8);
    out.put_small(r.version.into());
}

pub(super) fn take_status_set(take: &mut Take<'_>) -> Result<PayeeStatusSet, Damage> {
    Ok(PayeeStatusSet {
        id: id(take, PayeeId::from_bits)?,
        status: status(take)?,
        version: take.narrow("version")?,
    })
}

pub(super) fn put_shared(r: &PayeeShared, out: &mut Vec<u8>) {
    out.put_u128(r.id.bits());
    out.put_small(r.with.into());
}

pub(super) fn take_shared(take: &mut Take<'_>) -> Result<PayeeShared, Damage> {
    Ok(PayeeShared { id: id(take, PayeeId::from_bits)?, with: take.narrow("partition")? })
}

pub(super) fn put_noticed(r: &PayeeNoticed, out: &mut Vec<u8>) {
    out.put_u128(r.id.bits());
    out.put_small(r.slot.into());
    out.put_u8(r.status as u8);
    out.put_small(r.version.into());
}

pub(super) fn take_noticed(take: &mut Take<'_>) -> Result<PayeeNoticed, Damage> {
    Ok(PayeeNoticed {
        id: id(take, PayeeId::from_bits)?,
        slot: take.narrow("slot")?,
        status: status(take)?,
        version: take.narrow("version")?,
    })
}

fn status(take: &mut Take<'_>) -> Result<PayeeStatus, Damage> {
    let number = take.u8("payee status")?;
    PayeeStatus::from_number(number).ok_or(take.damage("payee status"))
}
