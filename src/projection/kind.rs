//! Owns: the list of what the projection stores, one file for each kind, and the numbers of its tables. Every value begins
//! with its version. Checksums are the store's.
//! Never: when something is stored. A number once used stays reserved when its kind retires.

pub(crate) mod chunk;
pub(crate) mod due;
pub(crate) mod head;
pub(crate) mod keys;
pub(crate) mod number;
pub(crate) mod payee;
pub(crate) mod reversal;
pub(crate) mod session;

use tallystick_core::SessionId;
use tallystick_journal::{
    Entry, StorageFault,
    wire::{Damage, Take},
};

/// Names a kind of entry, for its table and its faults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) table: u8,
    pub(crate) name: &'static str,
    version: u8,
}

pub(crate) const HEAD: Kind = Kind { table: 1, name: "head", version: 1 };
pub(crate) const PAYEE: Kind = Kind { table: 2, name: "payee", version: 1 };
pub(crate) const SESSION: Kind = Kind { table: 3, name: "session", version: 1 };
pub(crate) const CHUNK: Kind = Kind { table: 4, name: "debits", version: 2 };
pub(crate) const REVERSAL: Kind = Kind { table: 5, name: "reversal", version: 1 };
pub(crate) const KEYS: Kind = Kind { table: 6, name: "keys", version: 1 };
pub(crate) const NUMBER: Kind = Kind { table: 7, name: "number", version: 1 };
pub(crate) const DUE: Kind = Kind { table: 8, name: "due", version: 1 };

impl Kind {
    /// Begins a value.
    fn begin(self) -> Vec<u8> {
        vec![self.version]
    }

    /// Begins a value that will take so many bytes, about.
    fn begin_for(self, bytes: usize) -> Vec<u8> {
        let mut value = Vec::with_capacity(1 + bytes);
        value.push(self.version);
        value
    }

    /// Reads a whole value. *Errors*: `Corrupt`, naming the kind and the key.
    fn read<'a, T>(
        self,
        key: &[u8],
        value: &'a [u8],
        read: impl FnOnce(&mut Take<'a>) -> Result<T, Damage>,
    ) -> Result<T, StorageFault> {
        self.read_since(self.version, key, value, |_, take| read(take))
    }

    /// As `read`, of every version from `oldest` on; `read` is told which.
    fn read_since<'a, T>(
        self,
        oldest: u8,
        key: &[u8],
        value: &'a [u8],
        read: impl FnOnce(u8, &mut Take<'a>) -> Result<T, Damage>,
    ) -> Result<T, StorageFault> {
        if let Some(found) = value.first().filter(|found| **found > self.version) {
            let (place, known) = (format!("projection {}", self.name), self.version.into());
            return Err(StorageFault::Newer { place, found: (*found).into(), known });
        }
        let mut take = Take::new(value);
        let whole = || {
            let version = take.u8("version")?;
            if !(oldest..=self.version).contains(&version) {
                return Err(Damage { what: "version", at: 0 });
            }
            let found = read(version, &mut take)?;
            take.end("its end")?;
            Ok(found)
        };
        whole().map_err(|damage| self.corrupt(key, damage))
    }

    /// Reads a key of exactly `N` bytes. *Errors*: `Corrupt`.
    fn key<const N: usize>(self, key: &[u8]) -> Result<[u8; N], StorageFault> {
        key.try_into().map_err(|_| self.corrupt(key, Damage { what: "its key's length", at: key.len() }))
    }

    /// Is a fault at one entry.
    pub(crate) fn corrupt(self, key: &[u8], damage: Damage) -> StorageFault {
        use std::fmt::Write as _;
        let hex = key.iter().fold(String::new(), |mut text, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        StorageFault::Corrupt {
            place: format!("projection {} at {hex}", self.name),
            finding: damage.to_string(),
        }
    }

    pub(crate) fn put(self, key: &[u8], value: Vec<u8>) -> Entry {
        Entry { table: self.table, key: key.to_vec(), value: Some(value) }
    }

    pub(crate) fn gone(self, key: &[u8]) -> Entry {
        Entry { table: self.table, key: key.to_vec(), value: None }
    }
}

/// Is the length of what the keys of a session's place begin with: partition and slot.
pub(crate) const PLACE_BYTES: usize = 6;
/// Is the length of the key of something in a session's place at a seq.
pub(crate) const PLACED_BYTES: usize = PLACE_BYTES + 8;

/// Is where a session lives. Its slot had other sessions before it, and will have others after it; their seqs tell them
/// apart, and a debit's id needs no more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) partition: u16,
    pub(crate) slot: u32,
}

impl At {
    pub(crate) fn of(session: SessionId) -> Self {
        Self { partition: session.partition(), slot: session.slot() }
    }

    /// Encodes the key of something in this place at `seq`, big-endian: keys sort by place, then by seq.
    pub(crate) fn key(self, seq: u64) -> [u8; PLACED_BYTES] {
        let mut key = [0; PLACED_BYTES];
        key[..2].copy_from_slice(&self.partition.to_be_bytes());
        key[2..PLACE_BYTES].copy_from_slice(&self.slot.to_be_bytes());
        key[PLACE_BYTES..].copy_from_slice(&seq.to_be_bytes());
        key
    }

    /// Decodes such a key.
    fn read(kind: Kind, key: &[u8]) -> Result<(Self, u64), StorageFault> {
        let [a, b, c, d, e, f, rest @ ..] = kind.key::<PLACED_BYTES>(key)?;
        let at = Self { partition: u16::from_be_bytes([a, b]), slot: u32::from_be_bytes([c, d, e, f]) };
        Ok((at, u64::from_be_bytes(rest)))
    }
}
