//! Owns: a session's row: where its debits begin and end. Key: the id's 16 bytes, big-endian.
//! Never: its money.

use super::SESSION;
use tallystick_core::{SessionId, Time};
use tallystick_journal::{
    Entry, ProjectionStore, StorageFault,
    wire::{Damage, Put as _},
};

/// Is what is known of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Session {
    /// Where it was opened; zero if the projection began later.
    pub(crate) opened_seq: u64,
    /// Where and when it was settled.
    pub(crate) settled: Option<(u64, Time)>,
}

impl Session {
    pub(crate) fn load(store: &dyn ProjectionStore, id: SessionId) -> Result<Option<Self>, StorageFault> {
        let key = id.bits().to_be_bytes();
        store.get(SESSION.table, &key)?.map(|value| Self::decode(&key, &value)).transpose()
    }

    pub(crate) fn entry(&self, id: SessionId) -> Entry {
        let mut value = SESSION.begin();
        value.put_small(self.opened_seq);
        let (seq, at) = self.settled.unwrap_or_default();
        value.put_small(seq);
        value.put_u64(at.ns());
        SESSION.put(&id.bits().to_be_bytes(), value)
    }

    /// Decodes a row with its session. *Errors*: `Corrupt`.
    pub(crate) fn read(key: &[u8], value: &[u8]) -> Result<(SessionId, Self), StorageFault> {
        let id = SessionId::from_bits(u128::from_be_bytes(SESSION.key::<16>(key)?));
        let id = id.map_err(|_| SESSION.corrupt(key, Damage { what: "the session's id", at: 0 }))?;
        Ok((id, Self::decode(key, value)?))
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, StorageFault> {
        SESSION.read(key, value, |take| {
            let opened_seq = take.small("opened")?;
            let (seq, at) = (take.small("settled")?, Time::from_ns(take.u64("settled at")?));
            Ok(Self { opened_seq, settled: (seq != 0).then_some((seq, at)) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tallystick_core::id::Place;

    proptest! {
        #[test]
        fn round_trips(opened_seq: u64, settled in prop::option::of((1u64.., any::<u64>()))) {
            let row = Session { opened_seq, settled: settled.map(|(seq, at)| (seq, Time::from_ns(at))) };
            let id = SessionId::new(Place { partition: 1, slot: 2, generation: 3 }, 4);
            let entry = row.entry(id);
            prop_assert_eq!(Session::read(&entry.key, &entry.value.unwrap()).unwrap(), (id, row));
        }
    }

    #[test]
    fn refuses_a_wrong_size() {
        for length in (0..20).filter(|&length| length != 11) {
            assert!(Session::decode(b"key", &vec![1; length]).is_err(), "{length}");
        }
    }
}
