//! Owns: the pieces that a backup is made of, and their bytes: integers little-endian, then what is opaque here, to the end.
//!
//! ```text
//! 1 row          partition 2 | table 1 | slot 4 | row
//! 2 head         partition 2 | head
//! 3 settlement   id 16 | seq 8 | settlement
//! 4 command key  partition 2 | hash 16 | key
//! 5 projected    table 1 | key length 2 | key | value
//! 6 group        first seq 8 | group
//! ```
//!
//! Never: looks into what is opaque. A number once used stays reserved.

use tallystick_journal::{
    Damage,
    wire::{Put as _, Take},
};

/// Is one thing that a data folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in `tallystick_journal::Checkpoints` and its like")]
pub enum Piece<'a> {
    /// A checkpoint's row. The rows of a partition come before its head, in order of table and slot.
    Row { partition: u16, table: u8, slot: u32, value: &'a [u8] },
    /// A checkpoint's head.
    Head { partition: u16, value: &'a [u8] },
    /// A settlement that was filed.
    Settlement { id: [u8; 16], seq: u64, value: &'a [u8] },
    /// A command's key that was filed.
    CommandKey { partition: u16, hash: [u8; 16], value: &'a [u8] },
    /// An entry of the projection.
    Projected { table: u8, key: &'a [u8], value: &'a [u8] },
    /// A group of the journal.
    Group { first_seq: u64, value: &'a [u8] },
}

impl<'a> Piece<'a> {
    /// Returns the number of its kind.
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Row { .. } => 1,
            Self::Head { .. } => 2,
            Self::Settlement { .. } => 3,
            Self::CommandKey { .. } => 4,
            Self::Projected { .. } => 5,
            Self::Group { .. } => 6,
        }
    }

    /// Writes its bytes to the end of `out`.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let value = match *self {
            Self::Row { partition, table, slot, value } => {
                out.put(&partition.to_le_bytes());
                out.put_u8(table);
                out.put(&slot.to_le_bytes());
                value
            }
            Self::Head { partition, value } => {
                out.put(&partition.to_le_bytes());
                value
            }
            Self::Settlement { id, seq, value } => {
                out.put(&id);
                out.put_u64(seq);
                value
            }
            Self::CommandKey { partition, hash, value } => {
                out.put(&partition.to_le_bytes());
                out.put(&hash);
                value
            }
            Self::Projected { table, key, value } => {
                let Ok(length) = u16::try_from(key.len()) else {
                    panic!("bug: a key of {} bytes", key.len())
                };
                out.put_u8(table);
                out.put(&length.to_le_bytes());
                out.put(key);
                value
            }
            Self::Group { first_seq, value } => {
                out.put_u64(first_seq);
                value
            }
        };
        out.put(value);
    }

    /// Reads the bytes of a kind. *Errors*: where they do not hold. A kind that is not known is damage, too: what knows more
    /// kinds is a newer version of the whole backup.
    pub(super) fn read(kind: u8, bytes: &'a [u8]) -> Result<Self, Damage> {
        let mut take = Take::new(bytes);
        let partition = |take: &mut Take<'a>| take.array("a partition").map(u16::from_le_bytes);
        Ok(match kind {
            1 => Self::Row {
                partition: partition(&mut take)?,
                table: take.u8("a table")?,
                slot: take.array("a slot").map(u32::from_le_bytes)?,
                value: take.rest(),
            },
            2 => Self::Head { partition: partition(&mut take)?, value: take.rest() },
            3 => Self::Settlement {
                id: take.array("a settlement's id")?,
                seq: take.u64("a seq")?,
                value: take.rest(),
            },
            4 => Self::CommandKey {
                partition: partition(&mut take)?,
                hash: take.array("a key's hash")?,
                value: take.rest(),
            },
            5 => {
                let table = take.u8("a table")?;
                let length = take.array("a key's length").map(u16::from_le_bytes)?;
                Self::Projected { table, key: take.take(length.into(), "a key")?, value: take.rest() }
            }
            6 => Self::Group { first_seq: take.u64("a seq")?, value: take.rest() },
            _ => return Err(take.damage("a piece's kind")),
        })
    }

    /// Says what it is and where it belongs, for a finding.
    pub fn name(&self) -> String {
        match self {
            Self::Row { partition, table, slot, .. } => {
                format!("the row at partition {partition}, table {table}, slot {slot}")
            }
            Self::Head { partition, .. } => format!("the head of partition {partition}"),
            Self::Settlement { seq, .. } => format!("the settlement of seq {seq}"),
            Self::CommandKey { partition, .. } => format!("a command's key of partition {partition}"),
            Self::Projected { table, .. } => format!("an index entry of table {table}"),
            Self::Group { first_seq, .. } => format!("the group at seq {first_seq}"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns one of each kind.
    pub(in super::super) fn each(value: &[u8]) -> [Piece<'_>; 6] {
        [
            Piece::Row { partition: 255, table: 2, slot: 7, value },
            Piece::Head { partition: 3, value },
            Piece::Settlement { id: [9; 16], seq: 1 << 40, value },
            Piece::CommandKey { partition: 4, hash: [8; 16], value },
            Piece::Projected { table: 5, key: b"key", value },
            Piece::Group { first_seq: 77, value },
        ]
    }

    proptest! {
        #[test]
        fn each_kind_comes_back(value: Vec<u8>) {
            for (kind, piece) in (1..).zip(each(&value)) {
                let mut bytes = Vec::new();
                piece.put(&mut bytes);
                prop_assert_eq!(piece.kind(), kind);
                prop_assert_eq!(Piece::read(kind, &bytes), Ok(piece));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(kind: u8, bytes: Vec<u8>) {
            let _ = Piece::read(kind, &bytes);
        }
    }

    #[test]
    fn refuses_a_wrong_size_and_an_unknown_kind() {
        for (kind, piece) in (1..).zip(each(b"")) {
            let mut bytes = Vec::new();
            piece.put(&mut bytes);
            for length in 0..bytes.len() {
                assert!(Piece::read(kind, &bytes[..length]).is_err(), "{kind} cut to {length}");
            }
        }
        assert!(Piece::read(0, &[0; 64]).is_err() && Piece::read(7, &[0; 64]).is_err());
    }
}
