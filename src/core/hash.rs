//! Owns: the keyed hashes of what callers choose. Never: a hash whose seed a caller could know (they must not be able to
//! choose collisions), or one used as proof (these are not cryptographic).

use core::hash::Hasher as _;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

/// Is the secret behind every hash of one journal; drawn once and kept in the genesis record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seed(pub [u8; 16]);

/// Is an idempotency key hashed together with its scope. *Units*: 128 bits of SipHash-2-4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
// Aligned as two words, as ids are.
#[repr(Rust, packed(8))]
pub struct KeyHash(pub u128);

/// Is the hash of one field of a request; zero when the field is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FieldHash(pub u32);

impl Seed {
    /// Hashes a key within a scope: the kind of command and what it acts on.
    pub fn key(&self, scope: &[u8], key: &[u8]) -> KeyHash {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        // A fixed width: what is hashed here is stored, and read on other machines.
        hasher.write_u64(scope.len() as u64);
        hasher.write(scope);
        hasher.write(key);
        KeyHash(hasher.finish128().as_u128())
    }

    /// Hashes one field's content.
    pub fn field(&self, content: &[u8]) -> FieldHash {
        if content.is_empty() {
            return FieldHash(0);
        }
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(content);
        #[expect(clippy::cast_possible_truncation, reason = "32 of the 128 bits are what is kept")]
        let low = hasher.finish128().as_u128() as u32;
        FieldHash(low.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_key_and_seed_all_matter() {
        let seed = Seed([7; 16]);
        assert_ne!(seed.key(b"a", b"bc"), seed.key(b"ab", b"c"));
        assert_ne!(seed.key(b"a", b"b"), Seed([8; 16]).key(b"a", b"b"));
        assert_eq!(seed.key(b"a", b"b"), seed.key(b"a", b"b"));
    }

    #[test]
    fn only_an_empty_field_hashes_to_zero() {
        let seed = Seed([7; 16]);
        assert_eq!(seed.field(b""), FieldHash(0));
        assert_ne!(seed.field(b"x"), FieldHash(0));
    }
}
