//! Owns: the durable floor. Family `meta`; key `floor`; payload `seq 8 | check 8`.
//! Never: whether a journal reaches it.

use tallystick_journal::{Floor, StorageFault};

use super::FLOOR;
use crate::sealed::Seal;

const SEAL: Seal = Seal { name: "durable floor", kind: FLOOR, version: 1 };
const SEQ_BYTES: usize = 8;
const CHECK_BYTES: usize = 8;
/// Is the only key.
pub(crate) const KEY: &[u8] = b"floor";

/// Encodes the floor as it is stored.
pub(crate) fn encode_value(floor: Floor) -> Vec<u8> {
    SEAL.seal(KEY, &[&floor.seq.to_le_bytes(), &floor.check.to_le_bytes()])
}

/// Decodes what is stored.
pub(crate) fn decode(stored: &[u8]) -> Result<Floor, StorageFault> {
    let place = || "in meta".to_owned();
    let payload = SEAL.open(KEY, stored, place)?;
    let (seq, rest) = SEAL.split::<SEQ_BYTES>(payload, place)?;
    let (check, rest) = SEAL.split::<CHECK_BYTES>(rest, place)?;
    if !rest.is_empty() {
        return Err(
            SEAL.corrupt(&place(), format!("expected 16 bytes of payload, found {} more", rest.len()))
        );
    }
    Ok(Floor { seq: u64::from_le_bytes(*seq), check: u64::from_le_bytes(*check) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(seq: u64, check: u64) {
            let floor = Floor { seq, check };
            prop_assert_eq!(decode(&encode_value(floor)).unwrap(), floor);
        }
    }

    #[test]
    fn refuses_a_wrong_size() {
        for length in (0..24).filter(|&l| l != SEQ_BYTES + CHECK_BYTES) {
            assert!(decode(&SEAL.seal(KEY, &[&vec![1; length]])).is_err(), "{length}");
        }
    }
}
