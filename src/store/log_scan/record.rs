//! Owns: how RocksDB frames a record in its write-ahead log, and whether the bytes at a place are one.
//! Never: which record may follow which; what a damaged one means.
//!
//! *Source*: RocksDB's `db/log_format.h` and `db/log_writer.cc`: blocks of 32 KiB, records that never cross one, `crc 4 |
//! length 2 | type 1 | payload`. Where log files are recycled, the number of the log stands between type and payload. The
//! checksum (CRC-32C, masked) covers all that follows the length.

use std::ops::{Range, RangeInclusive};

/// Is the length of a block.
pub(super) const BLOCK_BYTES: usize = 32 << 10;
const COVERED_FROM: usize = 6;
const HEADER_BYTES_MAX: usize = 11;

/// Says how the records of one log are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// For a file that only ever grew.
    Grown,
    /// For one that may have been another log before: its records name the log they belong to.
    Recycled { log: u32 },
}

impl Framing {
    /// The types of records in a recycled log.
    pub(super) const RECYCLED_TYPES: RangeInclusive<u8> = 5..=8;

    pub(super) fn header_bytes(self) -> usize {
        match self {
            Self::Grown => 7,
            Self::Recycled { .. } => HEADER_BYTES_MAX,
        }
    }

    fn piece(self, kind: u8) -> Option<Piece> {
        match (self, kind) {
            (Self::Grown, 1) | (Self::Recycled { .. }, 5) => Some(Piece::Full),
            (Self::Grown, 2) | (Self::Recycled { .. }, 6) => Some(Piece::First),
            (Self::Grown, 3) | (Self::Recycled { .. }, 7) => Some(Piece::Middle),
            (Self::Grown, 4) | (Self::Recycled { .. }, 8) => Some(Piece::Last),
            // No option that we set makes RocksDB write another type.
            _ => None,
        }
    }
}

/// Says which piece of a batch a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Full,
    First,
    Middle,
    Last,
}

impl Piece {
    pub(super) fn begins(self) -> bool {
        matches!(self, Self::Full | Self::First)
    }

    pub(super) fn ends(self) -> bool {
        matches!(self, Self::Full | Self::Last)
    }
}

/// Is what the bytes at a place are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Whole {
        piece: Piece,
        payload: Range<usize>,
    },
    /// Its length leads beyond the block's, or the file's, end.
    PastEnd,
    /// Another type, another log's, or a checksum that does not hold.
    Mismatch,
}

/// Returns the block, or the beginning of one that the file ends in, that holds the byte `at`.
pub(super) fn block(bytes: &[u8], at: usize) -> &[u8] {
    let from = at - at % BLOCK_BYTES;
    &bytes[from..bytes.len().min(from + BLOCK_BYTES)]
}

/// Reads the record at `at` in `block`.
pub(super) fn read(framing: Framing, block: &[u8], at: usize) -> Record {
    let header_bytes = framing.header_bytes();
    let Some(&[a, b, c, d, low, high, kind]) = block[at..].first_chunk() else { return Record::PastEnd };
    let from = at + header_bytes;
    let payload = from..from + usize::from(u16::from_le_bytes([low, high]));
    let Some(covered) = block.get(at + COVERED_FROM..payload.end) else { return Record::PastEnd };
    let Some(piece) = framing.piece(kind) else { return Record::Mismatch };
    if let Framing::Recycled { log } = framing
        && covered[1..5] != log.to_le_bytes()
    {
        return Record::Mismatch;
    }
    if u32::from_le_bytes([a, b, c, d]) != mask(crc32c(covered)) {
        return Record::Mismatch;
    }
    Record::Whole { piece, payload }
}

/// Tells whether the bytes at `at` are a whole record but for one flipped bit. Of what is no record at all, about one in
/// fifteen thousand looks so.
pub(super) fn is_one_bit_off(framing: Framing, block: &[u8], at: usize) -> bool {
    let header_bytes = framing.header_bytes();
    if block.len() < at + header_bytes {
        return false;
    }
    let mut tried = block[at..].to_vec();
    let in_header = (0..header_bytes * 8).any(|bit| {
        tried[bit / 8] ^= 1 << (bit % 8);
        let whole = matches!(read(framing, &tried, 0), Record::Whole { .. });
        tried[bit / 8] ^= 1 << (bit % 8);
        whole
    });
    in_header || is_one_payload_bit_off(framing, &tried)
}

/// A CRC is linear: a flipped bit changes it by what depends only on how far from the end the bit is.
fn is_one_payload_bit_off(framing: Framing, bytes: &[u8]) -> bool {
    let header_bytes = framing.header_bytes();
    let length = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
    let Some(covered) = bytes.get(COVERED_FROM..header_bytes + length) else { return false };
    let of_this_log = match framing {
        Framing::Grown => true,
        Framing::Recycled { log } => covered[1..5] == log.to_le_bytes(),
    };
    if framing.piece(covered[0]).is_none() || !of_this_log {
        return false;
    }
    let stored = unmask(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let difference = stored ^ crc32c(covered);
    (0..8).any(|bit| {
        let last_byte = TABLE[1 << bit];
        std::iter::successors(Some(last_byte), |crc| Some(step(*crc, 0)))
            .take(length)
            .any(|crc| crc == difference)
    })
}

/// Masks as RocksDB does, so that a checksum over data that contains checksums stays a good one.
pub(super) fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(MASK_DELTA)
}

fn unmask(masked: u32) -> u32 {
    masked.wrapping_sub(MASK_DELTA).rotate_left(15)
}

const MASK_DELTA: u32 = 0xa282_ead8;

pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| step(crc, *byte))
}

fn step(crc: u32, byte: u8) -> u32 {
    TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8)
}

static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut table = [0_u32; 256];
    let mut index = 0_u8;
    loop {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[index as usize] = crc;
        if index == u8::MAX {
            return table;
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{crc32c, mask, unmask};

    #[test]
    fn computes_the_published_check_value() {
        // CRC-32C of "123456789" (RFC 3720's polynomial).
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(unmask(mask(0xe306_9283)), 0xe306_9283);
    }
}
