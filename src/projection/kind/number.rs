//! Owns: in which chunk a writer's numbers of a settled session lie: one entry a chunk and writer. Key: the session's id 16,
//! the writer's id 16, its first number there 8, big-endian; value: the chunk's first seq.
//! Never: kept beyond the retry window; chunks say for good which numbers they have.

use super::NUMBER;
use tallystick_core::{SessionId, WriterId};
use tallystick_journal::{Entry, ProjectionStore, StorageFault, wire::Put as _};

const KEY_BYTES: usize = 40;

fn key(session: SessionId, writer: WriterId, number: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..16].copy_from_slice(&session.bits().to_be_bytes());
    key[16..32].copy_from_slice(&writer.bits().to_be_bytes());
    key[32..].copy_from_slice(&number.to_be_bytes());
    key
}

pub(crate) fn entry(session: SessionId, writer: WriterId, number: u64, first_seq: u64) -> Entry {
    let mut value = NUMBER.begin();
    value.put_small(first_seq);
    NUMBER.put(&key(session, writer, number), value)
}

/// Finds the first seq of the chunk that has a number, if any has.
pub(crate) fn find(
    store: &dyn ProjectionStore,
    session: SessionId,
    writer: WriterId,
    number: u64,
) -> Result<Option<u64>, StorageFault> {
    let wanted = key(session, writer, number);
    let found = store.last_through(NUMBER.table, &wanted)?;
    found
        .filter(|(key, _)| key.starts_with(&wanted[..32]))
        .map(|(key, value)| decode(&key, &value))
        .transpose()
}

fn decode(key: &[u8], value: &[u8]) -> Result<u64, StorageFault> {
    let _: [u8; KEY_BYTES] = NUMBER.key(key)?;
    NUMBER.read(key, value, |take| take.small("first seq"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_core::id::Place;
    use tallystick_journal::memory::MemoryProjection;

    #[test]
    fn a_number_leads_to_the_chunk_that_begins_at_or_before_it() {
        let place = Place { partition: 1, slot: 2, generation: 3 };
        let (session, writer) = (SessionId::new(place, 1), |n| WriterId::new(place, n));
        let store = MemoryProjection::default();
        store.write(&[entry(session, writer(5), 10, 100), entry(session, writer(5), 20, 200)]).unwrap();
        let found = |of, number| find(&store, session, writer(of), number).unwrap();
        assert_eq!(
            [found(5, 9), found(5, 10), found(5, 19), found(5, 20)],
            [None, Some(100), Some(100), Some(200)]
        );
        assert_eq!([found(4, 15), found(6, 15)], [None, None]);
    }

    #[test]
    fn refuses_a_wrong_size() {
        assert!(decode(&[0; 39], &[1, 5]).is_err());
        assert!(decode(&[0; 40], &[1]).is_err());
        assert!(decode(&[0; 40], &[1, 5, 5]).is_err());
        assert_eq!(decode(&[0; 40], &[1, 5]).unwrap(), 5);
    }
}
