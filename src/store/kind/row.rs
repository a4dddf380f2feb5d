//! Owns: a checkpoint's row. Family `checkpoint`; key `kind 1 | partition 2 | table 1 | slot 4`, big-endian, so that byte
//! order is the order of tables and slots; payload: the encoded row.
//! Never: what a row says.

use tallystick_journal::StorageFault;

use super::ROW;
use crate::sealed::Seal;

const SEAL: Seal = Seal { name: "checkpoint row", kind: ROW, version: 1 };
/// Is the length of a key.
pub(crate) const KEY_BYTES: usize = 8;
const PREFIX_BYTES: usize = 3;

/// Names a row's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The partition the row belongs to.
    pub partition: u16,
    /// The kind of row.
    pub table: u8,
    /// Its place in that table.
    pub slot: u32,
}

impl Place {
    /// Gives the number under which `Checkpoints::rows` shows the row: `table << 32 | slot`.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.table) << 32 | u64::from(self.slot)
    }
}

/// Encodes what all keys of a partition's rows start with.
pub(crate) fn prefix(partition: u16) -> [u8; PREFIX_BYTES] {
    let [high, low] = partition.to_be_bytes();
    [ROW, high, low]
}

/// Encodes a row's key.
pub(crate) fn encode_key(place: Place) -> [u8; KEY_BYTES] {
    let [kind, high, low] = prefix(place.partition);
    let [a, b, c, d] = place.slot.to_be_bytes();
    [kind, high, low, place.table, a, b, c, d]
}

/// Encodes a row as it is stored.
pub(crate) fn encode_value(place: Place, row: &[u8]) -> Vec<u8> {
    SEAL.seal(&encode_key(place), &[row])
}

/// Decodes a stored key and value to the row's place and the row.
pub(crate) fn decode<'a>(key: &[u8], stored: &'a [u8]) -> Result<(Place, &'a [u8]), StorageFault> {
    let [_, high, low, table, a, b, c, d] = SEAL.key::<KEY_BYTES>(key)?;
    let place =
        Place { partition: u16::from_be_bytes([high, low]), table, slot: u32::from_be_bytes([a, b, c, d]) };
    let row = SEAL.open(key, stored, || {
        format!("at partition {}, table {}, slot {}", place.partition, place.table, place.slot)
    })?;
    Ok((place, row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(partition: u16, table: u8, slot: u32, row: Vec<u8>) {
            let place = Place { partition, table, slot };
            let (key, stored) = (encode_key(place), encode_value(place, &row));
            prop_assert_eq!(decode(&key, &stored).unwrap(), (place, &row[..]));
            prop_assert!(key.starts_with(&prefix(partition)));
        }

        #[test]
        fn orders_by_table_then_slot(a: (u8, u32), b: (u8, u32)) {
            let [x, y] = [a, b].map(|(table, slot)| Place { partition: 3, table, slot });
            prop_assert_eq!(encode_key(x).cmp(&encode_key(y)), a.cmp(&b));
            prop_assert_eq!(x.number().cmp(&y.number()), a.cmp(&b));
        }
    }

    #[test]
    fn refuses_a_wrong_size() {
        let place = Place { partition: 1, table: 2, slot: 3 };
        let stored = encode_value(place, b"row");
        assert!(decode(&encode_key(place)[..7], &stored).is_err());
        let fault = decode(&encode_key(place), &stored[..stored.len() - 1]).unwrap_err().to_string();
        assert!(fault.contains("checkpoint row at partition 1, table 2, slot 3"), "{fault}");
    }
}
