//! Owns: an entry of a projection. Family `projection`; key `table 1 | key`; payload: the entry's value.
//! Never: what an entry means, the projection's cursor among them.

use tallystick_journal::StorageFault;

use super::PROJECTED;
use crate::sealed::{Seal, hex};

const SEAL: Seal = Seal { name: "projection", kind: PROJECTED, version: 1 };

/// Encodes the key of an entry.
pub(crate) fn encode_key(table: u8, key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(1 + key.len());
    encode_key_into(table, key, &mut stored);
    stored
}

/// Encodes the key of an entry into a buffer, in the place of what it held.
pub(crate) fn encode_key_into(table: u8, key: &[u8], stored: &mut Vec<u8>) {
    stored.clear();
    stored.push(table);
    stored.extend_from_slice(key);
}

/// Encodes an entry's value as it is stored under an encoded key, into a buffer, in the place of what it held.
pub(crate) fn encode_value_in<'a>(key: &[u8], value: &[u8], stored: &'a mut Vec<u8>) -> &'a [u8] {
    SEAL.seal_in(key, value, stored)
}

/// Decodes what is stored under an encoded key.
pub(crate) fn decode<'a>(key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], StorageFault> {
    SEAL.open(key, stored, || match key.split_first() {
        Some((table, key)) => format!("table {table}, key {}", hex(key)),
        None => "without a table".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips_in_order(table: u8, key: Vec<u8>, value: Vec<u8>, other: (u8, Vec<u8>)) {
            let place = encode_key(table, &key);
            let mut buffer = Vec::new();
            let stored = encode_value_in(&place, &value, &mut buffer);
            prop_assert_eq!(decode(&place, stored).unwrap(), &value[..]);
            let order = place.cmp(&encode_key(other.0, &other.1));
            prop_assert_eq!(order, (table, key).cmp(&other));
        }
    }

    #[test]
    fn refuses_a_wrong_size_and_another_table() {
        let key = encode_key(2, &[0xab; 4]);
        let mut buffer = Vec::new();
        let stored = encode_value_in(&key, b"value", &mut buffer);
        for length in 0..stored.len() {
            assert!(decode(&key, &stored[..length]).is_err(), "{length}");
        }
        let fault = decode(&encode_key(3, &[0xab; 4]), stored).unwrap_err().to_string();
        assert!(fault.contains("projection table 3, key abababab"), "{fault}");
    }
}
