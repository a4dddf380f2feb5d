//! Owns: the journal's only key kind: `first seq 8`, big-endian, so that byte order is seq order. The value is the group.
//! Never: looks into a group.

use rocksdb::DB;
use tallystick_journal::StorageFault;

use super::PLACE;
use crate::{fault, instance, sealed};

/// Is the length of a key.
pub(super) const BYTES: usize = 8;

/// Encodes the key of the group whose first seq is given.
pub(super) fn encode(first_seq: u64) -> [u8; BYTES] {
    first_seq.to_be_bytes()
}

/// Decodes a group's first seq.
pub(super) fn decode(key: &[u8]) -> Result<u64, StorageFault> {
    let bytes = <[u8; BYTES]>::try_from(key).map_err(|_| StorageFault::Corrupt {
        place: format!("{PLACE} key {}", sealed::hex(key)),
        finding: format!("expected a key of {BYTES} bytes, found {}", key.len()),
    })?;
    Ok(u64::from_be_bytes(bytes))
}

/// Reads the first seq of the last group; `None` in an empty journal.
pub(super) fn last(db: &DB) -> Result<Option<u64>, StorageFault> {
    let mut walk = db.raw_iterator_opt(instance::read_options());
    walk.seek_to_last();
    walk.status().map_err(|error| fault::from_rocks(PLACE, error))?;
    walk.key().map(decode).transpose()
}

/// Reads the first seq of the group after the one at `first_seq`; `None` when that is the last.
pub(super) fn next(db: &DB, first_seq: u64) -> Result<Option<u64>, StorageFault> {
    let Some(above) = first_seq.checked_add(1) else { return Ok(None) };
    let mut walk = db.raw_iterator_opt(instance::read_options());
    walk.seek(encode(above));
    walk.status().map_err(|error| fault::from_rocks(PLACE, error))?;
    walk.key().map(decode).transpose()
}

#[cfg(test)]
mod tests {
    use super::{BYTES, decode, encode};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips_in_order(a: u64, b: u64) {
            prop_assert_eq!(decode(&encode(a)).unwrap(), a);
            prop_assert_eq!(encode(a).cmp(&encode(b)), a.cmp(&b));
        }
    }

    #[test]
    fn refuses_a_wrong_size() {
        for length in (0..20).filter(|&l| l != BYTES) {
            assert!(decode(&vec![0; length]).is_err(), "{length}");
        }
    }
}
