//! Owns: what is asked of credentials. Never: a key; only its hash.

use super::{Command, Scope, check_key, check_length, check_name, hash_optional, hash_texts};
use crate::{
    PayeeId, Refusal,
    hash::{FieldHash, KeyHash, Seed},
    limits,
    role::Roles,
};
use alloc::vec::Vec;

/// Asks for a credential. Whoever asks has drawn the key, and keeps it.
#[derive(Debug, Clone, Copy)]
pub struct CreateCredential<'a> {
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// SHA-256 of the API key.
    pub hash: [u8; 32],
    /// How the API key begins.
    pub prefix: &'a str,
    /// What its holder may do.
    pub roles: Roles,
    /// For the one that is made at the first start.
    pub is_development: bool,
    /// Whose debits it may collect.
    pub payee: Option<PayeeId>,
    /// Whose accounts are in view; empty for all.
    pub front_end: &'a str,
    /// What people call it.
    pub name: &'a str,
}

/// Refuses a front-end's name that is too long or cannot be read aloud.
pub(crate) fn check_front_end(name: &str) -> Result<(), Refusal> {
    check_length(name.len(), 0, limits::FRONT_END_BYTES, ("front_end", "must be at most 64 bytes"))?;
    if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Refusal::malformed("front_end", "must have no spaces and no control characters"));
    }
    Ok(())
}

impl Command for CreateCredential<'_> {
    const FIELDS: &'static [&'static str] =
        &["key_hash", "prefix", "roles", "payee_id", "front_end", "name", "development"];

    fn check(&self) -> Result<(), Refusal> {
        check_key(self.key)?;
        let is_shown = self.prefix.bytes().all(|byte| byte.is_ascii_graphic());
        if !(4..=limits::KEY_PREFIX_BYTES).contains(&self.prefix.len()) || !is_shown {
            return Err(Refusal::malformed("prefix", "must be the key's first 4 to 16 characters"));
        }
        if self.is_development {
            if self.roles != Roles::ALL || self.payee.is_some() || !self.front_end.is_empty() {
                return Err(Refusal::malformed("roles", "must be all of them for development"));
            }
        } else {
            self.roles.check(self.payee.is_some())?;
        }
        check_front_end(self.front_end)?;
        if self.payee.is_some() && !self.front_end.is_empty() {
            return Err(Refusal::malformed("front_end", "must be empty for a payee"));
        }
        check_name(self.name, "name", 1)
    }

    fn key_hash(&self, seed: Seed) -> KeyHash {
        Scope::CreateCredential.hash(seed, 0, self.key)
    }

    fn content(&self, seed: Seed) -> Vec<FieldHash> {
        let payee = self.payee.map(|payee| payee.bits().to_le_bytes());
        [
            seed.field(&self.hash),
            seed.field(self.prefix.as_bytes()),
            hash_optional(seed, self.roles.bits().into()),
            seed.field(payee.as_ref().map_or(&[][..], |bits| bits)),
            hash_texts(seed, &[self.front_end]),
            seed.field(self.name.as_bytes()),
            hash_optional(seed, self.is_development.into()),
        ]
        .into()
    }
}
