//! Owns: the head: how far the journal has been followed, and what holds for all of the projection. One entry, without a key.
//! Never: written apart from the data it speaks of.

use super::HEAD;
use tallystick_core::{Time, hash::Seed};
use tallystick_journal::{Entry, ProjectionStore, StorageFault, wire::Put as _};

/// Is what the projection knows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// All up to here is followed: the last seq of a group.
    pub(crate) cursor: u64,
    /// That group's check, which the next one must name.
    pub(crate) check: u64,
    /// What came before this seq was gone when the projection began; 1 when nothing was.
    pub(crate) complete_from: u64,
    /// The secret behind keys' hashes.
    pub(crate) seed: Seed,
    /// The latest decision followed. It is the only time there is here.
    pub(crate) latest: Time,
}

impl Head {
    pub(crate) fn load(store: &dyn ProjectionStore) -> Result<Option<Self>, StorageFault> {
        store.get(HEAD.table, &[])?.map(|value| Self::decode(&value)).transpose()
    }

    pub(crate) fn entry(&self) -> Entry {
        let mut value = HEAD.begin();
        value.put_u64(self.cursor);
        value.put_u64(self.check);
        value.put_u64(self.complete_from);
        value.put(&self.seed.0);
        value.put_u64(self.latest.ns());
        HEAD.put(&[], value)
    }

    fn decode(value: &[u8]) -> Result<Self, StorageFault> {
        HEAD.read(&[], value, |take| {
            Ok(Self {
                cursor: take.u64("cursor")?,
                check: take.u64("check")?,
                complete_from: take.u64("complete from")?,
                seed: Seed(take.array("seed")?),
                latest: Time::from_ns(take.u64("latest")?),
            })
        })
    }
}

/// Returns how far a stored projection has followed the journal, if this entry of it says so. *Errors*: `Corrupt`; `Newer`.
pub fn cursor_of(table: u8, key: &[u8], value: &[u8]) -> Result<Option<u64>, StorageFault> {
    if table != HEAD.table || !key.is_empty() {
        return Ok(None);
    }
    Head::decode(value).map(|head| Some(head.cursor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(cursor: u64, check: u64, complete_from: u64, seed: [u8; 16], at: u64) {
            let head = Head { cursor, check, complete_from, seed: Seed(seed), latest: Time::from_ns(at) };
            prop_assert_eq!(Head::decode(&head.entry().value.unwrap()).unwrap(), head);
        }
    }

    #[test]
    fn refuses_a_wrong_size() {
        for length in (0..60).filter(|&length| length != 49) {
            assert!(Head::decode(&vec![1; length]).is_err(), "{length}");
        }
    }
}
