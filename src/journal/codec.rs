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
    verify(bytes)?;
    let mut found = None;
    let len = visit(bytes, |stamp, record| found = Some((*stamp, record)))?;
    let (stamp, record) = found.ok_or(Damage { what: "a record", at: 0 })?;
    Ok((stamp, record, len))
}

/// Splits what a record's check covers from the check and what follows.
fn frame(bytes: &[u8]) -> Result<(&[u8], &[u8]), Damage> {
    let len = usize::from(Take::new(bytes).array("a record's length").map(u16::from_le_bytes)?);
    let short = Damage { what: "a record's length", at: 0 };
    if len < FIXED_BYTES + CHECK_BYTES || len > bytes.len() {
        return Err(short);
    }
    bytes.split_at_checked(len - CHECK_BYTES).ok_or(short)
}

/// Says whether the check of the record at the front of `bytes` holds. *Errors*: if it does not.
pub(crate) fn verify(bytes: &[u8]) -> Result<(), Damage> {
    let (covered, rest) = frame(bytes)?;
    let stored = Take::new(rest).array("a record's checksum").map(u32::from_le_bytes)?;
    if stored == check(covered) {
        Ok(())
    } else {
        Err(Damage { what: "a record's checksum", at: covered.len() })
    }
}

/// Says kind, version and the newest known version of the record at the front of `bytes`, if its check holds and this build
/// is too old for it; a kind that is not known has version zero here.
pub(crate) fn newer(bytes: &[u8]) -> Option<(u8, u8, u8)> {
    let (covered, _) = frame(bytes).ok()?;
    let &[_, _, kind, found, ..] = covered else { return None };
    let known = if body::is_known(kind) { body::version(kind) } else { 0 };
    (found > known && verify(bytes).is_ok()).then_some((kind, found, known))
}

/// Shows the record at the front of `bytes`, whatever its check is. Returns how many bytes it takes.
/// *Errors*: as `decode`, but for the check.
pub(crate) fn visit<'a>(bytes: &'a [u8], visit: impl FnOnce(&Stamp, Record<'a>)) -> Result<usize, Damage> {
    let (covered, _) = frame(bytes)?;
    let mut take = Take::new(covered);
    let [_, _, kind, version] = take.array("a record's header")?;
    if version == 0 || version > body::version(kind) {
        return Err(Damage { what: "a record's version", at: 3 });
    }
    let at = Time::from_ns(take.u64("a record's time")?);
    let partition = take.narrow("a record's partition")?;
    let actor = take.narrow("a record's actor")?;
    let stamp = Stamp { partition, at, actor };
    // Most records are debits, and these are small where others are large: they are not moved as one of them.
    if kind == body::DEBITED {
        let debited = body::take_debited(version, &mut take)?;
        take.end("a record's end")?;
        visit(&stamp, Record::Debited(debited));
    } else {
        let record = body::take(kind, version, &mut take)?;
        take.end("a record's end")?;
        visit(&stamp, record);
    }
    Ok(covered.len() + CHECK_BYTES)
}

/// Says where a record belongs, before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// How many bytes it takes.
    pub len: u16,
    /// The partition it is of; there may be no such one.
    pub partition: u16,
}

/// Outlines the record at the front of `bytes`: its checksum is not tested, and what it says is not read.
/// *Errors*: it has no length, or is cut off.
pub fn outline(bytes: &[u8]) -> Result<Outline, Damage> {
    let mut take = Take::new(bytes);
    let len = take.array("a record's length").map(u16::from_le_bytes)?;
    if usize::from(len) < FIXED_BYTES + CHECK_BYTES || usize::from(len) > bytes.len() {
        return Err(Damage { what: "a record's length", at: 0 });
    }
    take.array::<2>("a record's header")?;
    take.u64("a record's time")?;
    let partition = take.narrow("a record's partition")?;
    Ok(Outline { len, partition })
}

#[cfg(test)]
mod tests;
