//! Owns: the bytes of a record. They are read for ever: a changed layout is a new version, and the old one is still read.
//!
//! ```text
//! len:u16 | kind:u8 | version:u8 | at:u64 | partition:small | actor:small | body | check:u32
//! ```
//!
//! `len` counts all of it; `check` is the low half of the XXH3 of all before it; `small` is seven bits a byte. Versions are
//! counted for each kind.
//! Never: what a record means; a record decoded here is applied, or refused, elsewhere.

mod body;

use crate::wire::{Damage, Put as _, Take};
use tallystick_core::{Record, Stamp, Time};
use xxhash_rust::xxh3::xxh3_64;

/// Bounds an encoded record. *Units*: bytes.
pub const RECORD_BYTES_MAX: usize = u16::MAX as usize;

const CHECK_BYTES: usize = 4;
const FIXED_BYTES: usize = 12;

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is kept")]
fn check(bytes: &[u8]) -> u32 {
    xxh3_64(bytes) as u32
}

/// Writes one record to the end of `out`. *Panics*: past `RECORD_BYTES_MAX`; commands are bounded far below it.
pub fn encode(stamp: &Stamp, record: &Record<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.put(&[0, 0, record.kind(), body::version(record.kind())]);
    out.put_u64(stamp.at.ns());
    out.put_small(stamp.partition.into());
    out.put_small(stamp.actor.into());
    body::put(record, out);
    let len = out.len() - start + CHECK_BYTES;
    let Ok(len) = u16::try_from(len) else { panic!("bug: a record of {len} bytes") };
    if let Some(place) = out.get_mut(start..start + 2) {
        place.copy_from_slice(&len.to_le_bytes());
    }
    let check = check(out.get(start..).unwrap_or_default());
    out.put(&check.to_le_bytes());
}

/// Reads the record at the front of `bytes`, and returns how many bytes it takes.
/// *Errors*: anything that is not exactly as it was written.
pub fn decode(bytes: &[u8]) -> Result<(Stamp, Record<'_>, usize), Damage> {
    let len = usize::from(Take::new(bytes).array("a record's length").map(u16::from_le_bytes)?);
    let short = Damage { what: "a record's length", at: 0 };
    if len < FIXED_BYTES + CHECK_BYTES {
        return Err(short);
    }
    let (covered, rest) = bytes.split_at_checked(len - CHECK_BYTES).ok_or(short)?;
    let stored = Take::new(rest).array("a record's checksum").map(u32::from_le_bytes)?;
    if stored != check(covered) {
        return Err(Damage { what: "a record's checksum", at: len - CHECK_BYTES });
    }
    let mut take = Take::new(covered);
    let [_, _, kind, version] = take.array("a record's header")?;
    if version == 0 || version > body::version(kind) {
        return Err(Damage { what: "a record's version", at: 3 });
    }
    let at = Time::from_ns(take.u64("a record's time")?);
    let partition = take.narrow("a record's partition")?;
    let actor = take.narrow("a record's actor")?;
    let record = body::take(kind, version, &mut take)?;
    take.end("a record's end")?;
    Ok((Stamp { partition, at, actor }, record, len))
}

#[cfg(test)]
mod tests;
