//! Owns: a checkpoint's head. Family `checkpoint`; key `kind 1 | partition 2`; payload: the encoded head.
//! Never: what a head says.

use tallystick_journal::StorageFault;

use super::HEAD;
use crate::sealed::Seal;

const SEAL: Seal = Seal { name: "checkpoint head", kind: HEAD, version: 1 };
/// Is the length of a key.
pub(crate) const KEY_BYTES: usize = 3;
/// Is what all keys of this kind start with.
pub(crate) const PREFIX: [u8; 1] = [HEAD];

/// Encodes the key of a partition's head.
pub(crate) fn encode_key(partition: u16) -> [u8; KEY_BYTES] {
    let [high, low] = partition.to_be_bytes();
    [HEAD, high, low]
}

/// Encodes a head as it is stored.
pub(crate) fn encode_value(partition: u16, head: &[u8]) -> Vec<u8> {
    SEAL.seal(&encode_key(partition), &[head])
}

/// Decodes a stored key and value to the partition and its head.
pub(crate) fn decode<'a>(key: &[u8], stored: &'a [u8]) -> Result<(u16, &'a [u8]), StorageFault> {
    let [_, high, low] = SEAL.key::<KEY_BYTES>(key)?;
    let partition = u16::from_be_bytes([high, low]);
    let head = SEAL.open(key, stored, || format!("of partition {partition}"))?;
    Ok((partition, head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(partition: u16, head: Vec<u8>) {
            let (key, stored) = (encode_key(partition), encode_value(partition, &head));
            prop_assert_eq!(decode(&key, &stored).unwrap(), (partition, &head[..]));
        }
    }

    #[test]
    fn refuses_a_wrong_size() {
        let stored = encode_value(7, b"head");
        assert!(decode(&[HEAD, 0], &stored).is_err());
        assert!(decode(&[HEAD, 0, 7, 0], &stored).is_err());
        let fault = decode(&encode_key(7), &stored[..5]).unwrap_err().to_string();
        assert!(fault.contains("checkpoint head of partition 7"), "{fault}");
    }
}
