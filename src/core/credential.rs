//! Owns: a credential: what is kept of an API key, and the actor that it makes of whoever presents it.
//! Never: the key itself; only its hash ever comes here.

use crate::{
    PayeeId, Time,
    id::CredentialId,
    role::{Actor, Roles},
};
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// Is the partition that all credentials are in: who asks must be known wherever it is asked.
pub const HOME: u16 = 0;

/// Is one credential. It is never deleted, so that what was done under it stays told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// SHA-256 of the whole key. Keys are drawn at random and long: nothing slower is needed.
    pub hash: [u8; 32],
    /// How the key begins, for support.
    pub prefix: Box<str>,
    /// What it may do.
    pub roles: Roles,
    /// True for the one that is made at the first start: it holds every role, and is heard from this machine only.
    pub is_development: bool,
    /// Whose debits it may collect; with `collect` alone.
    pub payee: Option<PayeeId>,
    /// Whose accounts are in view; empty for all.
    pub front_end: Box<str>,
    /// What people call it.
    pub name: Box<str>,
    /// When it was made.
    pub created_at: Time,
    /// When it was revoked; zero until then.
    pub revoked_at: Time,
}

impl Credential {
    /// Returns whether it is heard no more.
    pub fn is_revoked(&self) -> bool {
        self.revoked_at != Time::ZERO
    }

    /// Returns who asks with it.
    pub fn actor(&self) -> Actor {
        let (roles, payee, front_end) = (self.roles, self.payee, self.front_end.clone());
        Actor { number: self.id.actor(), roles, payee, front_end }
    }
}

impl CredentialId {
    /// Returns the number that records name its holder by. A slot is never taken twice, so neither is a number.
    pub const fn actor(self) -> u32 {
        self.slot() + Actor::FIRST_CREDENTIAL
    }
}
