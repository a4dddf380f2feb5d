//! Owns: telling, where a log's whole records end, what was never written or torn off from what was damaged.
//! Never: what lies before that place.

use super::record::{BLOCK_BYTES, Framing, Piece, Record, block, is_one_bit_off, read};

/// Says where the damage is, and what it is.
pub(super) type Damage = (usize, &'static str);

const LENGTH: &str = "expected a log record within its block, found a length beyond it";
const MISMATCH: &str = "expected a log record, found a checksum mismatch";
const ONE_BIT: &str = "expected a log record, found a checksum mismatch that one flipped bit explains";
const FOLLOWED: &str =
    "expected a log record, found a checksum mismatch with whole records of the same log after it";
const FOREIGN: &str = "expected a record of a recycled log, found one of a log that is not";
const BEYOND: &str =
    "expected a log record, found a length beyond the file's end with whole records after it";
/// Is what a disk writes wholly or not at all; those of 4,096 bytes are several of these.
const SECTOR_BYTES: usize = 512;

/// Judges the end of a file that only ever grew. A crash leaves it cut short; or it leaves some sectors of the last batch,
/// in any order, and zeros where the others should be, since a file's length may last before what is in it. Other bytes
/// in the place of a whole record are damage.
///
/// Each batch is synced before the next is written, as in a recycled log: what is followed by another batch was durable.
pub(super) fn grown(bytes: &[u8], at: usize, log: u32) -> Result<(), Damage> {
    let (block, base) = (block(bytes, at), at - at % BLOCK_BYTES);
    let Some(header) = bytes[at..].first_chunk::<7>() else { return Ok(()) };
    if *header == [0; 7] {
        return last(bytes, at, log);
    }
    match read(Framing::Grown, block, at - base) {
        Record::PastEnd if block.len() == BLOCK_BYTES => Err((at, LENGTH)),
        Record::PastEnd => {
            if (at + 1..base + block.len()).any(|later| is_grown_record(bytes, later)) {
                return Err((at, BEYOND));
            }
            one_bit(Framing::Grown, bytes, at)
        }
        Record::Mismatch | Record::Whole { .. } => {
            one_bit(Framing::Grown, bytes, at)?;
            let length = usize::from(u16::from_le_bytes([header[4], header[5]]));
            if !lacks_a_sector(bytes, at, header.len() + length) {
                return Err((at, MISMATCH));
            }
            last(bytes, at, log)
        }
    }
}

/// Tells whether one of the sectors that a record lies in is missing, as far as the record lies in it.
fn lacks_a_sector(bytes: &[u8], at: usize, length: usize) -> bool {
    let end = bytes.len().min(at + length);
    (at - at % SECTOR_BYTES..end)
        .step_by(SECTOR_BYTES)
        .any(|from| bytes[from.max(at)..end.min(from + SECTOR_BYTES)].iter().all(|byte| *byte == 0))
}

/// Refuses a place that a batch begins behind. What is left of this one in later blocks stands at their beginning, and is
/// no batch of its own.
fn last(bytes: &[u8], at: usize, log: u32) -> Result<(), Damage> {
    let framings = [Framing::Grown, Framing::Recycled { log }];
    let begins =
        |later| framings.iter().any(|of| whole(*of, bytes, later).is_some_and(|(of, _)| of.begins()));
    let mut later = at + 1;
    while later < bytes.len() {
        let block_end = later - later % BLOCK_BYTES + BLOCK_BYTES;
        if (later..bytes.len().min(block_end)).any(begins) {
            return Err((at, FOLLOWED));
        }
        later = block_end;
        while let Some((piece, end)) = framings.iter().find_map(|of| whole(*of, bytes, later)) {
            if piece.begins() {
                return Err((at, FOLLOWED));
            }
            later = end;
        }
    }
    Ok(())
}

/// Reads the piece at `at` and where it ends, if there is a whole one.
fn whole(framing: Framing, bytes: &[u8], at: usize) -> Option<(Piece, usize)> {
    let base = at - at % BLOCK_BYTES;
    if at >= bytes.len() {
        return None;
    }
    match read(framing, block(bytes, at), at - base) {
        Record::Whole { piece, payload } => Some((piece, base + payload.end)),
        Record::PastEnd | Record::Mismatch => None,
    }
}

/// Judges the end of a file that may have been another log before. A crash leaves the last batch torn: some of its pages
/// are there, in any order, and where the others should be, and behind it all, is what the file held before.
///
/// Each batch is synced before the next is written. So a batch that begins further on says that this one was durable,
/// and what is wrong with it is damage. If no batch does, it is the last one, and only a single flipped bit is told from
/// a torn write: that leaves everything else as it was.
pub(super) fn recycled(bytes: &[u8], at: usize, log: u32) -> Result<(), Damage> {
    if at >= bytes.len() {
        return Ok(());
    }
    let framing = Framing::Recycled { log };
    one_bit(framing, bytes, at)?;
    // RocksDB takes these wherever it finds one, and callers choose some of the bytes in a file's past.
    if is_grown_record(bytes, at) {
        return Err((at, FOREIGN));
    }
    let mut has_ended = false;
    for later in at + 1..bytes.len() {
        let Some(piece) = piece_of(framing, log, bytes, later) else { continue };
        if piece.begins() || has_ended {
            return Err((at, FOLLOWED));
        }
        has_ended = piece.ends();
    }
    Ok(())
}

/// Refuses a log whose first record looks as if another log had been there before, when whole records after it say that
/// none has.
pub(super) fn never_grown(bytes: &[u8]) -> Result<(), Damage> {
    one_bit(Framing::Grown, bytes, 0)?;
    let later = (1..BLOCK_BYTES.min(bytes.len())).chain((BLOCK_BYTES..bytes.len()).step_by(BLOCK_BYTES));
    let mut whole = later.filter(|at| is_grown_record(bytes, *at));
    if whole.next().is_some() { Err((0, MISMATCH)) } else { Ok(()) }
}

fn is_grown_record(bytes: &[u8], at: usize) -> bool {
    whole(Framing::Grown, bytes, at).is_some()
}

pub(super) fn one_bit(framing: Framing, bytes: &[u8], at: usize) -> Result<(), Damage> {
    if is_one_bit_off(framing, block(bytes, at), at % BLOCK_BYTES) { Err((at, ONE_BIT)) } else { Ok(()) }
}

/// Reads the piece at `at`, if there is a whole one. The log's number is looked at first: nearly no place has it.
fn piece_of(framing: Framing, log: u32, bytes: &[u8], at: usize) -> Option<Piece> {
    if bytes.get(at + 7..at + 11)? != log.to_le_bytes() {
        return None;
    }
    whole(framing, bytes, at).map(|(piece, _)| piece)
}
