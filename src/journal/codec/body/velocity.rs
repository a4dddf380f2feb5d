//! Owns: the layout of limits in time, as accounts and sessions begin with them. Never: what was taken of them; that is in rows.

use super::piece::yes_or_no;
use crate::wire::{Damage, Put as _, Take};
use tallystick_core::{
    Span,
    velocity::{Measure, Pace, VelocityLimit},
};

/// Is how many bytes the shortest has.
const SHORTEST: usize = 6;

pub(super) fn put_limits(limits: &[VelocityLimit], out: &mut Vec<u8>) {
    out.put_small(limits.len() as u64);
    for limit in limits {
        out.put_u8(limit.pace as u8);
        out.put_u8(limit.measure as u8);
        out.put_u8(u8::from(limit.each_payee));
        out.put_small(limit.most);
        out.put_small(limit.per.ns());
        out.put_small(limit.burst);
    }
}

pub(super) fn take_limits(take: &mut Take<'_>) -> Result<Vec<VelocityLimit>, Damage> {
    let count = take.count(SHORTEST, "velocity clauses")?;
    (0..count).map(|_| limit(take)).collect()
}

fn limit(take: &mut Take<'_>) -> Result<VelocityLimit, Damage> {
    let (pace, measure) = (take.u8("velocity pace")?, take.u8("velocity measure")?);
    Ok(VelocityLimit {
        pace: Pace::from_number(pace).ok_or(take.damage("velocity pace"))?,
        measure: Measure::from_number(measure).ok_or(take.damage("velocity measure"))?,
        each_payee: yes_or_no(take, "velocity payees")?,
        most: take.small("velocity most")?,
        per: take.small("velocity per").map(Span::from_ns)?,
        burst: take.small("velocity burst")?,
    })
}
