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
const NOT_ZERO: &str = "expected zeros to the file's end after a zeroed log record, found data";

/// Judges the end of a file that only ever grew. A crash leaves it cut short or with zeros at its end: a whole record's
/// length of other bytes is damage.
pub(super) fn grown(bytes: &[u8], at: usize) -> Result<(), Damage> {
    let (block, base) = (block(bytes, at), at - at % BLOCK_BYTES);
    let Some(header) = bytes[at..].first_chunk::<7>() else { return Ok(()) };
    if *header == [0; 7] {
        return match bytes[at..].iter().position(|&byte| byte != 0) {
            Some(offset) => Err((at + offset, NOT_ZERO)),
            None => Ok(()),
        };
    }
    match read(Framing::Grown, block, at - base) {
        Record::PastEnd if block.len() == BLOCK_BYTES => Err((at, LENGTH)),
        Record::PastEnd => {
            if (at + 1..base + block.len()).any(|later| is_grown_record(bytes, later)) {
                return Err((at, BEYOND));
            }
            one_bit(Framing::Grown, bytes, at)
        }
        Record::Mismatch | Record::Whole { .. } => Err((at, MISMATCH)),
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
    matches!(read(Framing::Grown, block(bytes, at), at % BLOCK_BYTES), Record::Whole { .. })
}

pub(super) fn one_bit(framing: Framing, bytes: &[u8], at: usize) -> Result<(), Damage> {
    if is_one_bit_off(framing, block(bytes, at), at % BLOCK_BYTES) { Err((at, ONE_BIT)) } else { Ok(()) }
}

/// Reads the piece at `at`, if there is a whole one. The log's number is looked at first: nearly no place has it.
fn piece_of(framing: Framing, log: u32, bytes: &[u8], at: usize) -> Option<Piece> {
    if bytes.get(at + 7..at + 11)? != log.to_le_bytes() {
        return None;
    }
    match read(framing, block(bytes, at), at % BLOCK_BYTES) {
        Record::Whole { piece, .. } => Some(piece),
        Record::PastEnd | Record::Mismatch => None,
    }
}
