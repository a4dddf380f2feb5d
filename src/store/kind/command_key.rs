//! Owns: a command's remembered key. Family `command_key`; key `partition 2 | hash 16`, the partition big-endian; payload:
//! what was encoded.
//! Never: what came of the command; a deletion, since such keys are kept for good.

use tallystick_journal::StorageFault;

use super::COMMAND_KEY;
use crate::sealed::{Seal, hex};

const SEAL: Seal = Seal { name: "command key", kind: COMMAND_KEY, version: 1 };
const HASH_BYTES: usize = 16;
/// Is the length of a key.
pub(crate) const KEY_BYTES: usize = 2 + HASH_BYTES;

/// Encodes the key under which a partition's command is remembered.
pub(crate) fn encode_key(partition: u16, hash: [u8; HASH_BYTES]) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..2].copy_from_slice(&partition.to_be_bytes());
    key[2..].copy_from_slice(&hash);
    key
}

/// Decodes the key under which a partition's command is remembered.
pub(crate) fn decode_key(key: &[u8]) -> Result<(u16, [u8; HASH_BYTES]), StorageFault> {
    let [high, low, hash @ ..] = SEAL.key::<KEY_BYTES>(key)?;
    Ok((u16::from_be_bytes([high, low]), hash))
}

/// Encodes what came of the command as it is stored.
pub(crate) fn encode_value(partition: u16, hash: [u8; HASH_BYTES], encoded: &[u8]) -> Vec<u8> {
    SEAL.seal(&encode_key(partition, hash), &[encoded])
}

/// Decodes what is stored.
pub(crate) fn decode(partition: u16, hash: [u8; HASH_BYTES], stored: &[u8]) -> Result<&[u8], StorageFault> {
    let place = || format!("{} of partition {partition}", hex(&hash));
    SEAL.open(&encode_key(partition, hash), stored, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(partition: u16, hash: [u8; 16], encoded: Vec<u8>) {
            let stored = encode_value(partition, hash, &encoded);
            prop_assert_eq!(decode(partition, hash, &stored).unwrap(), &encoded[..]);
            prop_assert_eq!(decode_key(&encode_key(partition, hash)).unwrap(), (partition, hash));
        }
    }

    #[test]
    fn refuses_a_wrong_size_and_another_partition() {
        let (hash, stored) = ([0xab; 16], encode_value(1, [0xab; 16], b"made"));
        for length in 0..stored.len() {
            assert!(decode(1, hash, &stored[..length]).is_err(), "{length}");
        }
        let fault = decode(2, hash, &stored).unwrap_err().to_string();
        assert!(fault.contains("command key abababab") && fault.contains("of partition 2"), "{fault}");
    }
}
