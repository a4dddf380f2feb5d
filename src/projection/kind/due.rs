//! Owns: when the keys and numbers of a settled session go. Key: the instant 8, the session's id 16, big-endian: they sort
//! by time; no value but the version.
//! Never: the debits; they stay.

use super::DUE;
use tallystick_core::{SessionId, Time};
use tallystick_journal::{Entry, StorageFault, wire::Damage};

const KEY_BYTES: usize = 24;

fn key(at: Time, session: SessionId) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..8].copy_from_slice(&at.ns().to_be_bytes());
    key[8..].copy_from_slice(&session.bits().to_be_bytes());
    key
}

pub(crate) fn entry(at: Time, session: SessionId) -> Entry {
    DUE.put(&key(at, session), DUE.begin())
}

pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<(Time, SessionId), StorageFault> {
    let [a, b, c, d, e, f, g, h, rest @ ..] = DUE.key::<KEY_BYTES>(key)?;
    DUE.read(key, value, |_| Ok(()))?;
    let session = SessionId::from_bits(u128::from_be_bytes(rest))
        .map_err(|_| DUE.corrupt(key, Damage { what: "the session's id", at: 8 }))?;
    Ok((Time::from_ns(u64::from_be_bytes([a, b, c, d, e, f, g, h])), session))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tallystick_core::id::Place;

    proptest! {
        #[test]
        fn round_trips_in_order_of_time(at: u64, other: u64) {
            let session = SessionId::new(Place { partition: 1, slot: 2, generation: 3 }, at);
            let (a, b) = (entry(Time::from_ns(at), session), entry(Time::from_ns(other), session));
            prop_assert_eq!(decode(&a.key, &a.value.unwrap()).unwrap(), (Time::from_ns(at), session));
            prop_assert_eq!(a.key.cmp(&b.key), at.cmp(&other));
        }
    }

    #[test]
    fn refuses_a_wrong_size() {
        let session = SessionId::new(Place { partition: 1, slot: 2, generation: 3 }, 4);
        let key = key(Time::ZERO, session);
        assert!(decode(&key[1..], &[1]).is_err());
        assert!(decode(&key, &[]).is_err());
        assert!(decode(&key, &[1, 1]).is_err());
        assert!(decode(&[0; 24], &[1]).is_err());
    }
}
