//! Owns: where the keys of a settled session led: many keys a value, in order of their hashes. Key: the session's id 16, the
//! first hash 16, big-endian; value: a count, then hash and seq of each.
//! Never: kept beyond the retry window; the debits themselves have their keys for good.

use super::KEYS;
use tallystick_core::{SessionId, hash::KeyHash};
use tallystick_journal::{Entry, ProjectionStore, StorageFault, projection::Stored, wire::Put as _};

/// Bounds the keys in one value: about 10 KiB.
const KEYS_PER_VALUE: usize = 512;

fn key(session: SessionId, first: KeyHash) -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(&session.bits().to_be_bytes());
    key[16..].copy_from_slice(&first.0.to_be_bytes());
    key
}

/// Encodes all keys of a session. They come in order of their hashes.
pub(crate) fn entries(session: SessionId, all: &[(KeyHash, u64)]) -> impl Iterator<Item = Entry> {
    all.chunks(KEYS_PER_VALUE).filter_map(move |some| {
        let mut value = KEYS.begin();
        value.put_small(some.len() as u64);
        for (hash, seq) in some {
            value.put(&hash.0.to_be_bytes());
            value.put_small(*seq);
        }
        some.first().map(|(first, _)| KEYS.put(&key(session, *first), value))
    })
}

/// Finds where a key led.
pub(crate) fn find(
    store: &dyn ProjectionStore,
    session: SessionId,
    hash: KeyHash,
) -> Result<Option<u64>, StorageFault> {
    let found = store.last_through(KEYS.table, &key(session, hash))?;
    let of_session = |(key, _): &Stored| key.starts_with(&session.bits().to_be_bytes());
    let Some((key, value)) = found.filter(of_session) else { return Ok(None) };
    let all = decode(&key, &value)?;
    Ok(all
        .binary_search_by_key(&hash, |(hash, _)| *hash)
        .ok()
        .and_then(|at| all.get(at))
        .map(|(_, seq)| *seq))
}

fn decode(key: &[u8], value: &[u8]) -> Result<Vec<(KeyHash, u64)>, StorageFault> {
    let _: [u8; 32] = KEYS.key(key)?;
    KEYS.read(key, value, |take| {
        let count = take.count(17, "count")?;
        (0..count)
            .map(|_| Ok((KeyHash(u128::from_be_bytes(take.array("hash")?)), take.small("seq")?)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_core::id::Place;
    use tallystick_journal::memory::MemoryProjection;

    #[test]
    fn each_key_of_many_is_found_and_no_other() {
        let session = |random| SessionId::new(Place { partition: 1, slot: 2, generation: 3 }, random);
        let all: Vec<_> = (1..=2_000u128).map(|n| (KeyHash(n << 100), u64::try_from(n).unwrap())).collect();
        let store = MemoryProjection::default();
        store.write(&entries(session(5), &all).collect::<Vec<_>>()).unwrap();
        assert_eq!(store.dump().len(), 4);
        for (hash, seq) in &all {
            assert_eq!(find(&store, session(5), *hash).unwrap(), Some(*seq));
            assert_eq!(find(&store, session(5), KeyHash(hash.0 + 1)).unwrap(), None);
            assert_eq!(find(&store, session(6), *hash).unwrap(), None);
        }
        assert_eq!(find(&store, session(5), KeyHash(0)).unwrap(), None);
    }

    #[test]
    fn refuses_a_wrong_size() {
        let session = SessionId::new(Place { partition: 1, slot: 2, generation: 3 }, 4);
        let entry = entries(session, &[(KeyHash(7), 9)]).next().unwrap();
        let value = entry.value.unwrap();
        assert_eq!(decode(&entry.key, &value).unwrap(), [(KeyHash(7), 9)]);
        assert!(decode(&entry.key[1..], &value).is_err());
        for length in 0..value.len() {
            assert!(decode(&entry.key, &value[..length]).is_err(), "{length}");
        }
    }
}
