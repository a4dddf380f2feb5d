//! Owns: the bytes of checkpoint rows, heads and settlements: a version byte, then postcard's encoding of core's values.
//! A changed shape is a new version, and the old one is still read. Checksums are the store's.
//! Never: which rows belong into a checkpoint.

use crate::StorageFault;
use postcard::{take_from_bytes, to_extend};
use serde::{Serialize, de::DeserializeOwned};
use tallystick_core::{cut::RowValue, partition::Head, settlement::Settlement};

const VERSION: u8 = 1;

/// Returns the number of the table a row belongs to. The numbers are stored. Places: 7 tokens, 8 holds, 9 approvals.
pub fn table(row: &RowValue) -> u8 {
    match row {
        RowValue::Account(_) => 1,
        RowValue::Session(_) => 2,
        RowValue::Payee(_) => 3,
        RowValue::Notice(_) => 4,
        RowValue::Writer(_) => 5,
        RowValue::CommandKey(_) => 6,
    }
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Writing into memory has nothing to fail on.
    to_extend(value, vec![VERSION]).unwrap_or_else(|fault| panic!("bug: a row has no bytes: {fault}"))
}

fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, StorageFault> {
    let corrupt = |finding: String| StorageFault::Corrupt { place: format!("checkpoint {what}"), finding };
    match bytes.split_first() {
        Some((&VERSION, rest)) => match take_from_bytes(rest) {
            Ok((value, [])) => Ok(value),
            Ok((_, more)) => Err(corrupt(format!("{} bytes follow its end", more.len()))),
            Err(fault) => Err(corrupt(fault.to_string())),
        },
        Some((version, _)) => Err(corrupt(format!("format version {version} is newer than {VERSION}"))),
        None => Err(corrupt("no bytes".into())),
    }
}

/// Encodes a row.
pub fn encode_row(row: &RowValue) -> Vec<u8> {
    match row {
        RowValue::Account(entry) => encode(entry),
        RowValue::Session(entry) => encode(entry),
        RowValue::Payee(entry) => encode(entry),
        RowValue::Notice(entry) => encode(entry),
        RowValue::Writer(entry) => encode(entry),
        RowValue::CommandKey(entry) => encode(entry),
    }
}

/// Decodes a row of a table. *Errors*: `Corrupt`.
pub fn decode_row(table: u8, bytes: &[u8]) -> Result<RowValue, StorageFault> {
    Ok(match table {
        1 => RowValue::Account(decode(bytes, "row of an account")?),
        2 => RowValue::Session(decode(bytes, "row of a session")?),
        3 => RowValue::Payee(decode(bytes, "row of a payee")?),
        4 => RowValue::Notice(decode(bytes, "row of a notice")?),
        5 => RowValue::Writer(decode(bytes, "row of a writer")?),
        6 => RowValue::CommandKey(decode(bytes, "row of a command key")?),
        _ => {
            let place = format!("checkpoint table {table}");
            return Err(StorageFault::Corrupt { place, finding: "there is no such table".into() });
        }
    })
}

/// Encodes a head.
pub fn encode_head(head: &Head) -> Vec<u8> {
    encode(head)
}

/// Decodes a head. *Errors*: `Corrupt`.
pub fn decode_head(bytes: &[u8]) -> Result<Head, StorageFault> {
    decode(bytes, "head")
}

/// Encodes a settlement.
pub fn encode_settlement(settlement: &Settlement) -> Vec<u8> {
    encode(settlement)
}

/// Decodes a settlement. *Errors*: `Corrupt`.
pub fn decode_settlement(bytes: &[u8]) -> Result<Settlement, StorageFault> {
    decode(bytes, "settlement")
}
