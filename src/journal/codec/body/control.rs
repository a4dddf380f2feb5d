//! Owns: the layout of what happens to control words. The kind of the record says the state. Never: what a state means.

use super::piece::{id, time};
use crate::wire::{Damage, Put as _, Take};
use tallystick_core::{
    AccountId, EnvelopeId, SessionId,
    control::{Control, ControlOf, Promises, State},
    record::ControlSet,
};

pub(super) const PAUSED: u8 = 33;
pub(super) const OPEN: u8 = 34;
pub(super) const REVOKED: u8 = 35;

/// Stands where an id would: the word is of a front-end, whose name follows.
const OF_FRONT_END: u128 = 0;

pub(super) fn put_set(r: &ControlSet<'_>, out: &mut Vec<u8>) {
    match r.on {
        ControlOf::Envelope(id) => out.put_u128(id.bits()),
        ControlOf::FrontEnd(name) => {
            out.put_u128(OF_FRONT_END);
            out.put_text(name);
        }
    }
    let Control { state, epoch, by, at, note } = &r.control;
    out.put_small(*epoch);
    out.put_small((*by).into());
    out.put_u64(at.ns());
    out.put_text(note);
    if let State::Revoked(promises) = state {
        out.put_u8(u8::from(*promises == Promises::Void));
    }
}

pub(super) fn take_set<'a>(kind: u8, take: &mut Take<'a>) -> Result<ControlSet<'a>, Damage> {
    let envelope = id(take, |bits| {
        let session = |_| SessionId::from_bits(bits).map(EnvelopeId::Session);
        match bits {
            OF_FRONT_END => Ok(None),
            _ => AccountId::from_bits(bits).map(EnvelopeId::Account).or_else(session).map(Some),
        }
    })?;
    let on = match envelope {
        Some(id) => ControlOf::Envelope(id),
        None => ControlOf::FrontEnd(take.text("front-end")?),
    };
    let (epoch, by) = (take.small("control epoch")?, take.narrow("actor")?);
    let (at, note) = (time(take)?, take.text("note")?.into());
    let state = match kind {
        PAUSED => State::Paused,
        OPEN => State::Open,
        _ => match take.u8("promises")? {
            0 => State::Revoked(Promises::Honour),
            1 => State::Revoked(Promises::Void),
            _ => return Err(take.damage("promises")),
        },
    };
    Ok(ControlSet { on, control: Control { state, epoch, by, at, note } })
}
