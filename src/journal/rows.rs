//! Owns: the bytes of checkpoint rows, heads, settlements and keys of commands: a version byte, then postcard's encoding of
//! core's values. Versions are counted for each shape. A changed shape is a new version, and the old one is still read.
//! Checksums are the store's.
//! Never: which rows belong into a checkpoint.

mod v1;
mod v2;

use crate::StorageFault;
use postcard::{take_from_bytes, to_extend};
use serde::{Serialize, de::DeserializeOwned};
use tallystick_core::{
    cut::RowValue,
    partition::{CommandKey, Head},
    settlement::Settlement,
};

/// Counts the versions of all shapes together: whatever is made of encoded rows compares only within one. Raised with the
/// version of any of them.
pub const SHAPES: u32 = 3;

/// Returns the number of the table a row belongs to. The numbers are stored. Place: 9 approvals.
pub fn table(row: &RowValue) -> u8 {
    match row {
        RowValue::Account(_) => 1,
        RowValue::Session(_) => 2,
        RowValue::Payee(_) => 3,
        RowValue::Notice(_) => 4,
        RowValue::Writer(_) => 5,
        RowValue::CommandKey(_) => 6,
        RowValue::Deposit(_) => 10,
        RowValue::Credential(_) => 11,
    }
}

fn encode<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    // Writing into memory has nothing to fail on.
    to_extend(value, vec![version]).unwrap_or_else(|fault| panic!("bug: a row has no bytes: {fault}"))
}

fn corrupt(what: &str, finding: String) -> StorageFault {
    StorageFault::Corrupt { place: format!("checkpoint {what}"), finding }
}

fn whole<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, StorageFault> {
    match take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, more)) => Err(corrupt(what, format!("{} bytes follow its end", more.len()))),
        Err(fault) => Err(corrupt(what, fault.to_string())),
    }
}

fn split<'a>(newest: u8, bytes: &'a [u8], what: &str) -> Result<(u8, &'a [u8]), StorageFault> {
    match bytes.split_first() {
        Some((0, _)) => Err(corrupt(what, "there is no format version 0".into())),
        Some((version, _)) if *version > newest => Err(StorageFault::Newer {
            place: format!("checkpoint {what}"),
            found: (*version).into(),
            known: newest.into(),
        }),
        Some((version, rest)) => Ok((*version, rest)),
        None => Err(corrupt(what, "no bytes".into())),
    }
}

/// Reads a shape that has not changed yet.
fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, StorageFault> {
    let (_, rest) = split(1, bytes, what)?;
    whole(rest, what)
}

/// Reads a shape in its second version, or in its first, which `newer` turns.
fn decode_second<First: DeserializeOwned, T: DeserializeOwned>(
    bytes: &[u8],
    what: &str,
    newer: fn(First) -> T,
) -> Result<T, StorageFault> {
    match split(2, bytes, what)? {
        (1, rest) => whole(rest, what).map(newer),
        (_, rest) => whole(rest, what),
    }
}

/// Turns an older shape.
type Newer<Old, T> = fn(Old) -> T;

/// Reads a shape in its third version, or in one before it.
fn decode_third<First: DeserializeOwned, Second: DeserializeOwned, T: DeserializeOwned>(
    bytes: &[u8],
    what: &str,
    (first, second): (Newer<First, T>, Newer<Second, T>),
) -> Result<T, StorageFault> {
    match split(3, bytes, what)? {
        (1, rest) => whole(rest, what).map(first),
        (2, rest) => whole(rest, what).map(second),
        (_, rest) => whole(rest, what),
    }
}

/// Encodes a row.
pub fn encode_row(row: &RowValue) -> Vec<u8> {
    match row {
        RowValue::Account(entry) => encode(3, entry),
        RowValue::Session(entry) => encode(3, entry),
        RowValue::Payee(entry) => encode(1, entry),
        RowValue::Notice(entry) => encode(1, entry),
        RowValue::Writer(entry) => encode(1, entry),
        RowValue::CommandKey(entry) => encode(2, entry),
        RowValue::Deposit(entry) => encode(1, entry),
        RowValue::Credential(entry) => encode(1, entry),
    }
}

/// Decodes a row of a table. *Errors*: `Corrupt`.
pub fn decode_row(table: u8, bytes: &[u8]) -> Result<RowValue, StorageFault> {
    Ok(match table {
        1 => RowValue::Account(decode_third(
            bytes,
            "row of an account",
            (v1::slot::<v1::Account, _>, v1::slot::<v2::Account, _>),
        )?),
        2 => RowValue::Session(decode_third(
            bytes,
            "row of a session",
            (v1::slot::<v1::Session, _>, v1::slot::<v2::Session, _>),
        )?),
        3 => RowValue::Payee(decode(bytes, "row of a payee")?),
        4 => RowValue::Notice(decode(bytes, "row of a notice")?),
        5 => RowValue::Writer(decode(bytes, "row of a writer")?),
        6 => {
            let key = decode_second(bytes, "row of a command key", v1::slot::<v1::CommandKey, _>)?;
            RowValue::CommandKey(key)
        }
        10 => RowValue::Deposit(decode(bytes, "row of a deposit")?),
        11 => RowValue::Credential(decode(bytes, "row of a credential")?),
        _ => {
            let place = format!("checkpoint table {table}");
            return Err(StorageFault::Corrupt { place, finding: "there is no such table".into() });
        }
    })
}

/// Encodes a head.
pub fn encode_head(head: &Head) -> Vec<u8> {
    encode(3, head)
}

/// Decodes a head. *Errors*: `Corrupt`.
pub fn decode_head(bytes: &[u8]) -> Result<Head, StorageFault> {
    decode_third(bytes, "head", (|first: v1::Head| first.into(), |second: v2::Head| second.into()))
}

/// Encodes a settlement.
pub fn encode_settlement(settlement: &Settlement) -> Vec<u8> {
    encode(2, settlement)
}

/// Decodes a settlement. *Errors*: `Corrupt`.
pub fn decode_settlement(bytes: &[u8]) -> Result<Settlement, StorageFault> {
    decode_second(bytes, "settlement", |first: v1::Settlement| first.into())
}

/// Encodes the key of a command, to be filed.
pub fn encode_command_key(key: &CommandKey) -> Vec<u8> {
    encode(2, key)
}

/// Decodes the filed key of a command. *Errors*: `Corrupt`.
pub fn decode_command_key(bytes: &[u8]) -> Result<CommandKey, StorageFault> {
    decode_second(bytes, "command key", |first: v1::CommandKey| first.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_core::{
        Amount, DeclineCode, Level, Next, Time,
        account::Funding,
        control::{Promises, State},
        deposit::DepositState,
        payee::PayeeStatus,
        session::{HoldEnd, Mode},
        settlement::Reason,
    };

    fn first_bytes<T: Serialize>(values: &[T]) -> Vec<u8> {
        values.iter().map(|value| encode(1, value)[1]).collect()
    }

    /// Postcard stores a variant by its place: a new one goes to the end of its enum, whatever its number is.
    #[test]
    fn variants_keep_their_places() {
        assert_eq!(
            first_bytes(&[Funding::Prepaid, Funding::CreditLine, Funding::ExternalAuthority]),
            [0, 1, 2]
        );
        assert_eq!(first_bytes(&[Mode::Reserved, Mode::Shared]), [0, 1]);
        let reasons = [Reason::Closed, Reason::Expired, Reason::Cascade, Reason::Revoked, Reason::Consumed];
        assert_eq!(first_bytes(&reasons), [0, 1, 2, 3, 4]);
        assert_eq!(first_bytes(&[Level::Account, Level::Token, Level::Session, Level::Payee]), [0, 1, 2, 3]);
        let states =
            [DepositState::Pending, DepositState::Available, DepositState::Returned, DepositState::Failed];
        assert_eq!(first_bytes(&states), [0, 1, 2, 3]);
        let statuses = [PayeeStatus::Pending, PayeeStatus::Active, PayeeStatus::Blocked, PayeeStatus::Closed];
        assert_eq!(first_bytes(&statuses), [0, 1, 2, 3]);
        let (amount, at) = (Amount::ZERO, Time::ZERO);
        let nexts = [
            Next::Nothing,
            Next::TopUp(amount),
            Next::WaitUntil(at),
            Next::SmallerAmount(amount),
            Next::NewKey,
            Next::AskApproval,
        ];
        assert_eq!(first_bytes(&nexts), [0, 1, 2, 3, 4, 5]);
        let controls = [State::Open, State::Paused, State::Revoked(Promises::Honour)];
        assert_eq!(first_bytes(&controls), [0, 1, 2]);
        assert_eq!(first_bytes(&[Promises::Honour, Promises::Void]), [0, 1]);
        assert_eq!(first_bytes(&[HoldEnd::Done, HoldEnd::Voided, HoldEnd::Expired]), [0, 1, 2]);
    }

    #[test]
    fn a_decline_is_stored_by_its_number() {
        for code in DeclineCode::ALL {
            let bytes = encode(2, code);
            assert_eq!(decode_second::<u16, u16>(&bytes, "code", |code| code), Ok(code.number()));
            assert_eq!(decode_second::<DeclineCode, DeclineCode>(&bytes, "code", |code| code), Ok(*code));
        }
        let unknown = encode(1, &199u16);
        assert!(decode::<DeclineCode>(&unknown, "code").is_err());
    }
}
