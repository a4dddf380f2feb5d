//! Owns: a look at RocksDB's write-ahead logs before RocksDB opens them, which tells a torn tail from damage.
//! It also reads what else RocksDB frames as a log: its list of files, for `manifest`.
//! Never: changes a log; understands what a batch holds, but for the numbers in front of it.
//!
//! None of RocksDB's ways to recover does by itself (11.8). Tolerating nothing but a corrupted tail, it takes a flipped bit
//! in a record's *length* for a record that the file ends in, and cuts all that follows; it can spin for ever on one in a
//! record's *type*; and it refuses a batch that a power cut left some pages of. Recovering to a point in time, which is how
//! both instances are opened, it takes whatever is wrong for the end, and drops what follows. So what it must not drop is
//! refused here.

mod record;
mod tail;

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use tallystick_journal::StorageFault;

use self::{
    record::{BLOCK_BYTES, Framing, Record},
    tail::Damage,
};
use crate::fault;

/// Says how the batches of one log go on from those of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Every write is logged, so that each batch takes up the number where the one before it left off.
    Unbroken,
    /// Some writes are not logged.
    Gaps,
}

/// Checks every log in `folder`. A tail that is torn off, or was never written, is no fault.
pub(crate) fn check(folder: &Path, numbers: Numbers) -> Result<(), StorageFault> {
    let mut before: Option<(PathBuf, Extent)> = None;
    for (log, path) in logs(folder)? {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // Another process has the folder open, and its lock is about to tell us so.
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(fault::from_os(&path, &e)),
        };
        let mut extent = extent(&bytes, log).map_err(|damage| corrupt(&path, damage))?;
        if let Some((earlier, ended)) = &before {
            let goes_on = ended.is_tidy || extent.first.is_none() || extent.first == ended.next;
            if numbers == Numbers::Unbroken && !goes_on {
                return Err(corrupt(earlier, (ended.end, LOST_END)));
            }
            extent.next = extent.next.or(ended.next);
        }
        before = Some((path, extent));
    }
    Ok(())
}

/// Returns the number of the newest log in `folder`.
pub(crate) fn newest(folder: &Path) -> Result<Option<u64>, StorageFault> {
    Ok(logs(folder)?.last().map(|(number, _)| *number))
}

/// Returns what the whole records of a file that is framed as a log came to, up to the first that is not whole.
pub(crate) fn payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
    let framing = Framing::Grown;
    let (mut found, mut at, mut reading) = (Vec::new(), 0, Vec::new());
    loop {
        if BLOCK_BYTES - at % BLOCK_BYTES < framing.header_bytes() {
            at += BLOCK_BYTES - at % BLOCK_BYTES;
        }
        if at >= bytes.len() {
            return found;
        }
        let (block, base) = (record::block(bytes, at), at - at % BLOCK_BYTES);
        let Record::Whole { piece, payload } = record::read(framing, block, at - base) else { return found };
        reading.extend_from_slice(&block[payload.clone()]);
        at = base + payload.end;
        if piece.ends() {
            found.push(std::mem::take(&mut reading));
        }
    }
}

const LOST_END: &str = "expected a log record before those of the next log, found none";
const OUT_OF_PLACE: &str = "expected a log record to go on where the one before it ended, found another";

/// Finds the logs in `folder`, oldest first.
fn logs(folder: &Path) -> Result<Vec<(u64, PathBuf)>, StorageFault> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| fault::from_os(folder, &e))? {
        let path = entry.map_err(|e| fault::from_os(folder, &e))?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            // RocksDB reads only what it has numbered.
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            found.extend(number.map(|number| (number, path)));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn corrupt(path: &Path, (at, finding): Damage) -> StorageFault {
    let place = format!("{} at byte {at}", path.display());
    StorageFault::Corrupt { place, finding: finding.to_owned() }
}

/// Is what a log that is not damaged holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    /// Where the last whole batch ends.
    end: usize,
    /// Whether the file ends there, too.
    is_tidy: bool,
    /// The number of the first batch, if there is one.
    first: Option<u64>,
    /// The number that comes after the last batch.
    next: Option<u64>,
}

fn extent(bytes: &[u8], log: u64) -> Result<Extent, Damage> {
    // RocksDB keeps the lower half of the number, too.
    let number = u32::try_from(log & u64::from(u32::MAX)).unwrap_or_default();
    if is_given_up(bytes, number) {
        // Nothing has to go on from what is not needed any more.
        return Ok(Extent { end: 0, is_tidy: true, first: None, next: None });
    }
    match framing(bytes, number)? {
        Framing::Grown => {
            let (extent, at) = walk(Framing::Grown, bytes)?;
            tail::grown(bytes, at, number).map(|()| extent)
        }
        framing @ Framing::Recycled { .. } => {
            let (extent, at) = walk(framing, bytes)?;
            tail::recycled(bytes, at, number).map(|()| extent)
        }
    }
}

/// Tells whether the file has become a later log already. RocksDB renames a log that it needs no more, writes over it,
/// syncs it, and only then its folder: a power cut in between leaves the new content under the old name. Nobody has heard
/// of the batch that is in it.
fn is_given_up(bytes: &[u8], log: u32) -> bool {
    let Some(&[a, b, c, d]) = bytes.get(7..).and_then(<[u8]>::first_chunk) else { return false };
    let named = u32::from_le_bytes([a, b, c, d]);
    let first = || record::read(Framing::Recycled { log: named }, record::block(bytes, 0), 0);
    named > log && matches!(first(), Record::Whole { piece, .. } if piece.begins())
}

/// Tells how a log is framed by its first record, which in a recycled file may be of another log.
fn framing(bytes: &[u8], log: u32) -> Result<Framing, Damage> {
    let recycled = Framing::Recycled { log };
    for framing in [recycled, Framing::Grown] {
        if matches!(record::read(framing, record::block(bytes, 0), 0), Record::Whole { .. }) {
            return Ok(framing);
        }
    }
    if !bytes.get(6).is_some_and(|kind| Framing::RECYCLED_TYPES.contains(kind)) {
        // One bit of the type may have made the one look like the other.
        tail::one_bit(recycled, bytes, 0)?;
        return Ok(Framing::Grown);
    }
    tail::never_grown(bytes)?;
    Ok(recycled)
}

/// Walks over whole records.
///
/// *Returns*: what they come to, and where they end.
fn walk(framing: Framing, bytes: &[u8]) -> Result<(Extent, usize), Damage> {
    let mut extent = Extent { end: 0, is_tidy: bytes.is_empty(), first: None, next: None };
    let (mut at, mut batch) = (0, None::<Batch>);
    loop {
        if BLOCK_BYTES - at % BLOCK_BYTES < framing.header_bytes() {
            at += BLOCK_BYTES - at % BLOCK_BYTES;
        }
        if at >= bytes.len() {
            return Ok((extent, bytes.len()));
        }
        let (block, base) = (record::block(bytes, at), at - at % BLOCK_BYTES);
        let Record::Whole { piece, payload } = record::read(framing, block, at - base) else {
            return Ok((extent, at));
        };
        if piece.begins() == batch.is_some() {
            return Err((at, OUT_OF_PLACE));
        }
        let mut reading = batch.take().unwrap_or_default();
        reading.take(&block[payload.clone()]);
        at = base + payload.end;
        if !piece.ends() {
            batch = Some(reading);
            continue;
        }
        let numbers = reading.numbers();
        extent = Extent {
            end: at,
            is_tidy: at == bytes.len(),
            first: extent.first.or(numbers.map(|(first, _)| first)),
            next: numbers.map(|(_, next)| next).or(extent.next),
        };
    }
}

/// Is the beginning of a batch: `number 8 | count 4`.
#[derive(Debug, Default)]
struct Batch {
    head: [u8; 12],
    filled: usize,
}

impl Batch {
    fn take(&mut self, payload: &[u8]) {
        let room = &mut self.head[self.filled..];
        let taken = room.len().min(payload.len());
        room[..taken].copy_from_slice(&payload[..taken]);
        self.filled += taken;
    }

    /// Returns the batch's number, and the one after it.
    fn numbers(&self) -> Option<(u64, u64)> {
        let [a, b, c, d, e, f, g, h, count @ ..] = self.head;
        let (first, count) = (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u32::from_le_bytes(count));
        (self.filled == self.head.len()).then(|| (first, first.saturating_add(u64::from(count))))
    }
}

#[cfg(test)]
mod tests;
