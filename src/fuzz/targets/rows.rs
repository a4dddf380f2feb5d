//! Is the readers of a checkpoint's head and rows, of settlements and of commands' keys, in every version they have.

use super::nothing;
use crate::{Target, bytes::Choices};
use std::fmt::Debug;
use tallystick_journal::{StorageFault, rows};

/// Lists the tables there are, and one there is not.
pub(crate) const TABLES: [u8; 8] = [1, 2, 3, 4, 5, 6, 10, 7];

pub(super) const TARGET: Target = Target {
    name: "rows",
    // A list's length is believed for at most 1 MiB of items before they come (serde's own bound), at each of a few levels;
    // what does come takes at most a few hundred bytes for one on the wire, and is read twice.
    bytes_most: (8 << 20, 2_048),
    prepare: nothing,
    read,
};

fn read(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let kind = choices.below(TABLES.len() + 3);
    let value = choices.rest();
    match TABLES.get(kind) {
        Some(table) => {
            let settled = settle(value, |bytes| rows::decode_row(*table, bytes), rows::encode_row);
            assert!(settled.is_none_or(|row| rows::table(&row) == *table));
        }
        None if kind == TABLES.len() => drop(settle(value, rows::decode_head, rows::encode_head)),
        None if kind == TABLES.len() + 1 => {
            settle(value, rows::decode_settlement, rows::encode_settlement);
        }
        None => drop(settle(value, rows::decode_command_key, rows::encode_command_key)),
    }
}

/// Reads a value, writes it and reads it again, which must change nothing.
fn settle<T: PartialEq + Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, StorageFault>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Option<T> {
    let value = decode(bytes).ok()?;
    let written = encode(&value);
    let again = decode(&written).unwrap_or_else(|fault| panic!("{fault}: {value:?}"));
    assert_eq!(value, again);
    assert_eq!(written, encode(&again));
    Some(value)
}
