//! Owns: the layout of what happens to credentials. Never: a key; a record has its hash.

use super::piece::{id, keyed, put_keyed, yes_or_no};
use crate::wire::{Damage, Put as _, Take};
use tallystick_core::{
    CredentialId, PayeeId,
    record::{CredentialMade, CredentialRevoked},
    role::Roles,
};

pub(super) fn put_made(r: &CredentialMade<'_>, out: &mut Vec<u8>) {
    out.put_u128(r.id.bits());
    out.put(&r.hash);
    out.put_text(r.prefix);
    out.put_small(r.roles.bits().into());
    out.put_u8(r.is_development.into());
    out.put_u8(r.payee.is_some().into());
    if let Some(payee) = r.payee {
        out.put_u128(payee.bits());
    }
    out.put_text(r.front_end);
    out.put_text(r.name);
    put_keyed(&r.keyed, out);
}

pub(super) fn take_made<'a>(take: &mut Take<'a>) -> Result<CredentialMade<'a>, Damage> {
    let id_ = id(take, CredentialId::from_bits)?;
    let (hash, prefix) = (take.array("a key's hash")?, take.text("a key's prefix")?);
    let roles = Roles::from_bits(take.narrow("roles")?).ok_or(take.damage("roles"))?;
    let is_development = yes_or_no(take, "development")?;
    let payee = if yes_or_no(take, "payee")? { Some(id(take, PayeeId::from_bits)?) } else { None };
    let (front_end, name) = (take.text("front-end")?, take.text("name")?);
    let keyed = keyed(take)?;
    Ok(CredentialMade { id: id_, hash, prefix, roles, is_development, payee, front_end, name, keyed })
}

pub(super) fn put_revoked(r: &CredentialRevoked, out: &mut Vec<u8>) {
    out.put_u128(r.id.bits());
}

pub(super) fn take_revoked(take: &mut Take<'_>) -> Result<CredentialRevoked, Damage> {
    Ok(CredentialRevoked { id: id(take, CredentialId::from_bits)? })
}
