//! Owns: a look at RocksDB's write-ahead logs before RocksDB opens them, which tells a torn tail from damage.
//! Never: changes a log; understands what a record holds.
//!
//! RocksDB 11.8, even when it tolerates nothing but a corrupted tail, takes some damage for a torn tail or worse: a
//! flipped bit in a record's *length*, in the last block, looks like a record that the file ends in, and all that follows
//! is silently cut; one in a record's *type* can make the open spin for ever; and a zeroed header skips to the next block.
//! *Source*: RocksDB's `db/log_format.h` and `db/log_reader.cc`: blocks of 32 KiB, records `crc 4 | length 2 | type 1 |
//! payload` that never cross a block, the checksum (CRC-32C, masked) over type and payload.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    path::Path,
};

use tallystick_journal::StorageFault;

use crate::fault;

const BLOCK_BYTES: usize = 32 << 10;
const HEADER_BYTES: usize = 7;
/// Full, first, middle and last: no option that we set makes RocksDB write another type.
const TYPES: std::ops::RangeInclusive<u8> = 1..=4;

/// Checks every log in `folder`. A tail that is torn off, or was never written and reads as zeros, is no fault.
pub(crate) fn check(folder: &Path) -> Result<(), StorageFault> {
    for entry in fs::read_dir(folder).map_err(|e| fault::from_os(folder, &e))? {
        let path = entry.map_err(|e| fault::from_os(folder, &e))?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            check_log(&path)?;
        }
    }
    Ok(())
}

fn check_log(path: &Path) -> Result<(), StorageFault> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        // Another process has the folder open, and its lock is about to tell us so.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(fault::from_os(path, &e)),
    };
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let (mut block_at, mut ended) = (0_usize, false);
    loop {
        block.clear();
        let mut next = file.by_ref().take(BLOCK_BYTES as u64);
        next.read_to_end(&mut block).map_err(|e| fault::from_os(path, &e))?;
        if block.is_empty() {
            return Ok(());
        }
        let outcome = if ended { zeros(&block, 0) } else { check_block(&block) };
        match outcome {
            Ok(end) => ended = ended || end == End::Zeros,
            Err((at, finding)) => {
                let place = format!("{} at byte {}", path.display(), block_at + at);
                return Err(StorageFault::Corrupt { place, finding: finding.to_owned() });
            }
        }
        block_at += block.len();
    }
}

/// Says how a block that is not damaged ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With a record, or with one that the file ends in.
    Record,
    /// With zeros: so must all of the file that follows.
    Zeros,
}

/// Says where in a block the damage is, and what it is.
type Damage = (usize, &'static str);

fn check_block(block: &[u8]) -> Result<End, Damage> {
    let mut at = 0;
    while let Some((header, _)) = block[at..].split_first_chunk::<HEADER_BYTES>() {
        if *header == [0; HEADER_BYTES] {
            return zeros(block, at);
        }
        match record(block, at) {
            Record::Whole { end } => at = end,
            Record::Mismatch => return Err((at, "expected a log record, found a checksum mismatch")),
            Record::PastEnd if block.len() == BLOCK_BYTES => {
                return Err((at, "expected a log record within its block, found a length beyond it"));
            }
            Record::PastEnd => return torn(block, at),
        }
    }
    Ok(End::Record)
}

/// Decides about a record that the file ends in: torn if no whole record follows where its bytes lie.
fn torn(block: &[u8], at: usize) -> Result<End, Damage> {
    let follows = (at + 1..block.len()).any(|later| matches!(record(block, later), Record::Whole { .. }));
    if follows {
        return Err((
            at,
            "expected a log record, found a length beyond the file's end with whole records after it",
        ));
    }
    Ok(End::Record)
}

fn zeros(block: &[u8], at: usize) -> Result<End, Damage> {
    match block[at..].iter().position(|&byte| byte != 0) {
        // Fewer bytes than a header at a block's end are padding, and never come here.
        Some(offset) => {
            Err((at + offset, "expected zeros to the file's end after a zeroed log record, found data"))
        }
        None => Ok(End::Zeros),
    }
}

enum Record {
    Whole { end: usize },
    PastEnd,
    Mismatch,
}

fn record(block: &[u8], at: usize) -> Record {
    let Some((&[a, b, c, d, low, high, kind], rest)) = block[at..].split_first_chunk::<HEADER_BYTES>() else {
        return Record::PastEnd;
    };
    let length = usize::from(u16::from_le_bytes([low, high]));
    let Some(payload) = rest.get(..length) else { return Record::PastEnd };
    if !TYPES.contains(&kind) || u32::from_le_bytes([a, b, c, d]) != mask(crc32c(kind, payload)) {
        return Record::Mismatch;
    }
    Record::Whole { end: at + HEADER_BYTES + length }
}

/// Masks as RocksDB does, so that a checksum over data that contains checksums stays a good one.
fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn crc32c(kind: u8, payload: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8);
    !payload.iter().fold(step(u32::MAX, &kind), step)
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
    use super::*;

    fn log(payloads: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for payload in payloads {
            bytes.extend_from_slice(&mask(crc32c(1, payload)).to_le_bytes());
            bytes.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_le_bytes());
            bytes.push(1);
            bytes.extend_from_slice(payload);
        }
        bytes
    }

    #[test]
    fn computes_the_published_check_value() {
        // CRC-32C of "123456789" (RFC 3720's polynomial).
        assert_eq!(crc32c(b'1', b"23456789"), 0xe306_9283);
    }

    #[test]
    fn refuses_every_flipped_bit_before_the_last_record() {
        let whole = log(&[b"first one", b"second", b"the third"]);
        assert_eq!(check_block(&whole), Ok(End::Record));
        let last_at = whole.len() - HEADER_BYTES - b"the third".len();
        for bit in 0..last_at * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(check_block(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn takes_every_cut_for_a_torn_tail() {
        let whole = log(&[b"first one", b"second"]);
        for length in 0..whole.len() {
            assert_eq!(check_block(&whole[..length]), Ok(End::Record), "{length}");
        }
    }

    #[test]
    fn takes_zeros_for_a_tail_that_was_never_written_but_nothing_after_them() {
        let mut bytes = log(&[b"first one"]);
        bytes.extend_from_slice(&[0; 100]);
        assert_eq!(check_block(&bytes), Ok(End::Zeros));
        bytes.extend_from_slice(&log(&[b"second"]));
        assert!(check_block(&bytes).is_err());
    }
}
