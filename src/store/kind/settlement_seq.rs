//! Owns: a settlement's place by seq. Family `settlement_seq`; key `seq 8 | id 16`, big-endian (one record may settle a
//! whole cascade, so a seq alone is not unique); payload: nothing.
//! Never: the settlement itself, which is stored once, by id.

use tallystick_journal::StorageFault;

use super::{SETTLEMENT_SEQ, settlement};
use crate::sealed::Seal;

const SEAL: Seal = Seal { name: "settlement by seq", kind: SETTLEMENT_SEQ, version: 1 };
const SEQ_BYTES: usize = 8;
/// Is the length of a key.
pub(crate) const KEY_BYTES: usize = SEQ_BYTES + settlement::KEY_BYTES;

/// Encodes the key of a settlement's place.
pub(crate) fn encode_key(seq: u64, id: [u8; settlement::KEY_BYTES]) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..SEQ_BYTES].copy_from_slice(&seq.to_be_bytes());
    key[SEQ_BYTES..].copy_from_slice(&id);
    key
}

/// Encodes what is stored under a place: an empty payload, sealed, so that a damaged key is noticed.
pub(crate) fn encode_value(seq: u64, id: [u8; settlement::KEY_BYTES]) -> Vec<u8> {
    SEAL.seal(&encode_key(seq, id), &[])
}

/// Decodes a stored key and value to the seq and the settlement's id.
pub(crate) fn decode(key: &[u8], stored: &[u8]) -> Result<(u64, [u8; settlement::KEY_BYTES]), StorageFault> {
    let key = SEAL.key::<KEY_BYTES>(key)?;
    let (seq, rest) = SEAL.split::<SEQ_BYTES>(&key, String::new)?;
    let seq = u64::from_be_bytes(*seq);
    let place = || format!("{seq}");
    let payload = SEAL.open(&key, stored, place)?;
    if !payload.is_empty() {
        return Err(SEAL.corrupt(&place(), format!("expected no payload, found {} bytes", payload.len())));
    }
    let (id, _) = SEAL.split::<{ settlement::KEY_BYTES }>(rest, place)?;
    Ok((seq, *id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips_in_order(seq: u64, id: [u8; 16], other: u64) {
            prop_assert_eq!(decode(&encode_key(seq, id), &encode_value(seq, id)).unwrap(), (seq, id));
            if seq != other {
                prop_assert_eq!(encode_key(seq, id).cmp(&encode_key(other, [7; 16])), seq.cmp(&other));
            }
        }
    }

    #[test]
    fn refuses_a_wrong_size() {
        let (key, stored) = (encode_key(1, [2; 16]), encode_value(1, [2; 16]));
        assert!(decode(&key[..23], &stored).is_err());
        assert!(decode(&key, &stored[..8]).is_err());
        assert!(decode(&key, &SEAL.seal(&key, &[b"x"])).is_err());
    }
}
