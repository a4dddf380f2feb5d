//! Owns: the envelope of every value in the index: `version 1 | check 8 | payload`, all sizes in bytes.
//! Never: what a payload means. Journal values are not sealed: a group carries its own checksum and chain.

use tallystick_journal::StorageFault;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

const VERSION_BYTES: usize = 1;
const CHECK_BYTES: usize = 8;
const HEAD_BYTES: usize = VERSION_BYTES + CHECK_BYTES;

/// Identifies a stored key kind to its envelope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seal {
    /// The kind's name in faults.
    pub name: &'static str,
    /// The kind's number; part of the checksum, so that a value of one kind never passes for another's.
    pub kind: u8,
    /// The version this build writes, and the only one there has been.
    pub version: u8,
}

impl Seal {
    /// Seals `payload` for `key`. The key is part of the checksum: a value found under a wrong key is damage too.
    pub(crate) fn seal(&self, key: &[u8], payload: &[&[u8]]) -> Vec<u8> {
        let payload_bytes: usize = payload.iter().map(|p| p.len()).sum();
        let mut stored = Vec::with_capacity(HEAD_BYTES + payload_bytes);
        stored.push(self.version);
        stored.extend_from_slice(&[0; CHECK_BYTES]);
        for part in payload {
            stored.extend_from_slice(part);
        }
        let check = self.check(self.version, key, &stored[HEAD_BYTES..]);
        stored[VERSION_BYTES..HEAD_BYTES].copy_from_slice(&check.to_le_bytes());
        stored
    }

    /// Seals as `seal` does, in a buffer that is used again, in the place of what it held: for many values in a row.
    pub(crate) fn seal_in<'a>(&self, key: &[u8], payload: &[u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
        // What the checksum covers lies in one piece; then the head takes the place of the end of version and key.
        let covered_at = HEAD_BYTES.saturating_sub(VERSION_BYTES + key.len());
        buffer.clear();
        buffer.resize(covered_at, 0);
        buffer.push(self.version);
        buffer.extend_from_slice(key);
        let head_at = buffer.len() - HEAD_BYTES;
        buffer.extend_from_slice(payload);
        let check = xxh3_64_with_seed(&buffer[covered_at..], u64::from(self.kind));
        buffer[head_at] = self.version;
        buffer[head_at + VERSION_BYTES..head_at + HEAD_BYTES].copy_from_slice(&check.to_le_bytes());
        &buffer[head_at..]
    }

    /// Opens what was stored under `key`; `place` names it in a fault.
    pub(crate) fn open<'a>(
        &self,
        key: &[u8],
        stored: &'a [u8],
        place: impl Fn() -> String,
    ) -> Result<&'a [u8], StorageFault> {
        let Some((&[version], rest)) = stored.split_first_chunk::<VERSION_BYTES>() else {
            return Err(self.corrupt(&place(), "expected a version byte, found an empty value".to_owned()));
        };
        let Some((check, payload)) = rest.split_first_chunk::<CHECK_BYTES>() else {
            let finding = format!("expected at least {HEAD_BYTES} bytes, found {}", stored.len());
            return Err(self.corrupt(&place(), finding));
        };
        let expected = u64::from_le_bytes(*check);
        let found = self.check(version, key, payload);
        if expected != found {
            let finding = format!(
                "expected checksum {expected:#018x}, found {found:#018x} over {} bytes of version {version}",
                payload.len()
            );
            return Err(self.corrupt(&place(), finding));
        }
        if version > self.version {
            let place = format!("{} {}", self.name, place());
            return Err(StorageFault::Newer { place, found: version.into(), known: self.version.into() });
        }
        if version != self.version {
            let finding = format!(
                "expected version {}, found version {version}, whose checksum is right",
                self.version
            );
            return Err(self.corrupt(&place(), finding));
        }
        Ok(payload)
    }

    /// Takes the fixed part off a payload.
    pub(crate) fn split<'a, const N: usize>(
        &self,
        payload: &'a [u8],
        place: impl Fn() -> String,
    ) -> Result<(&'a [u8; N], &'a [u8]), StorageFault> {
        payload.split_first_chunk::<N>().ok_or_else(|| {
            self.corrupt(&place(), format!("expected at least {N} bytes of payload, found {}", payload.len()))
        })
    }

    /// Reads a key of exactly `N` bytes.
    pub(crate) fn key<const N: usize>(&self, key: &[u8]) -> Result<[u8; N], StorageFault> {
        <[u8; N]>::try_from(key).map_err(|_| {
            let finding = format!("expected a key of {N} bytes, found {}", key.len());
            self.corrupt(&format!("key {}", hex(key)), finding)
        })
    }

    /// Is a fault at `place` within this kind.
    pub(crate) fn corrupt(&self, place: &str, finding: String) -> StorageFault {
        StorageFault::Corrupt { place: format!("{} {place}", self.name), finding }
    }

    fn check(&self, version: u8, key: &[u8], payload: &[u8]) -> u64 {
        let mut hash = Xxh3::with_seed(u64::from(self.kind));
        hash.update(&[version]);
        hash.update(key);
        hash.update(payload);
        hash.digest()
    }
}

/// Writes bytes as an operator would search for them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEAL: Seal = Seal { name: "probe", kind: 9, version: 1 };

    fn open(seal: &Seal, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, StorageFault> {
        seal.open(key, stored, || "7".to_owned()).map(<[u8]>::to_vec)
    }

    proptest! {
        #[test]
        fn opens_what_it_seals_and_no_flipped_bit(payload: Vec<u8>, key: [u8; 8], bit in 0_usize..1_000_000) {
            let mut stored = SEAL.seal(&key, &[&payload]);
            prop_assert_eq!(open(&SEAL, &key, &stored).unwrap(), payload);
            let bit = bit % (stored.len() * 8);
            stored[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(open(&SEAL, &key, &stored).is_err());
        }
    }

    proptest! {
        #[test]
        fn seals_alike_in_a_buffer(all: Vec<(Vec<u8>, Vec<u8>)>) {
            let mut buffer = Vec::new();
            for (key, payload) in all {
                prop_assert_eq!(SEAL.seal_in(&key, &payload, &mut buffer), SEAL.seal(&key, &[&payload]));
            }
        }
    }

    #[test]
    fn refuses_another_key_another_kind_and_another_version() {
        let stored = SEAL.seal(b"here", &[b"value"]);
        assert!(open(&SEAL, b"there", &stored).is_err());
        assert!(open(&Seal { kind: 8, ..SEAL }, b"here", &stored).is_err());
        let newer = Seal { version: 2, ..SEAL }.seal(b"here", &[b"value"]);
        let fault = open(&SEAL, b"here", &newer).unwrap_err();
        assert_eq!(fault, StorageFault::Newer { place: "probe 7".into(), found: 2, known: 1 });
        let none = Seal { version: 0, ..SEAL }.seal(b"here", &[b"value"]);
        let fault = open(&SEAL, b"here", &none).unwrap_err().to_string();
        assert!(fault.ends_with("expected version 1, found version 0, whose checksum is right"), "{fault}");
    }

    #[test]
    fn refuses_every_cut() {
        let stored = SEAL.seal(b"here", &[b"value"]);
        for length in 0..stored.len() {
            assert!(open(&SEAL, b"here", &stored[..length]).is_err(), "{length}");
        }
    }
}
