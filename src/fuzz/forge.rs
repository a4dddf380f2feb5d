//! Owns: checks that hold around bytes that lie: no fuzzer finds a hash, and behind the hashes is where a bug would be.
//! Never: calls what it forges for.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Puts a length before what is covered and a check behind it, as a record has them.
pub(crate) fn record(covered: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(covered.len() + 6);
    bytes.extend_from_slice(&u16::try_from(covered.len() + 6).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend_from_slice(covered);
    let check = xxh3_64(&bytes) as u32;
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes
}

/// Puts a header before a body, as a group has it.
pub(crate) fn group(first_seq: u64, count: u32, previous: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40 + body.len());
    bytes.extend_from_slice(b"TSgr\x01\0\0\0");
    bytes.extend_from_slice(&first_seq.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&previous.to_le_bytes());
    let check = xxh3_64_with_seed(body, xxh3_64(&bytes));
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Frames a record of RocksDB's write-ahead log; with a number, of a recycled one.
pub(crate) fn log_record(kind: u8, number: Option<u32>, payload: &[u8]) -> Vec<u8> {
    let mut covered = vec![kind];
    covered.extend(number.iter().flat_map(|number| number.to_le_bytes()));
    covered.extend_from_slice(payload);
    let check = crc32c(&covered);
    let mut bytes = (check.rotate_right(15).wrapping_add(0xa282_ead8)).to_le_bytes().to_vec();
    bytes.extend_from_slice(&u16::try_from(payload.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend_from_slice(&covered);
    bytes
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}
