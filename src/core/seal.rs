//! Owns: the seam through which secrets are derived: a name goes in, and a hash comes out that records can hold.
//! Never: a secret in clear, or the key behind it; those stay with whoever implements this.

use crate::{
    SessionId,
    session::{Kept, Prefix, SecretHash},
};

/// Says what a secret is for. The numbers go into secrets, and never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// To use a token.
    Token = 1,
    /// To refresh a standing mandate.
    Refresh = 2,
}

/// Names a derived secret: the same name is the same secret, as long as the key behind it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretName {
    /// Whose it is.
    pub token: SessionId,
    /// Of which generation of refreshes.
    pub generation: u32,
    /// What for.
    pub purpose: Purpose,
}

/// Derives secrets. Passed in, never reached for, as clocks and ids are.
pub trait Seal: Send + Sync {
    /// Returns the SHA-256 of the secret of this name, and the secret's first characters.
    fn seal(&self, name: &SecretName) -> (SecretHash, Prefix);
}

/// Returns what is kept of a secret: of the caller's, if there is one, or else of the one that is derived.
pub(crate) fn keep(seal: &dyn Seal, given: Option<(SecretHash, Prefix)>, name: &SecretName) -> Kept {
    let derived = given.is_none();
    let (hash, prefix) = given.unwrap_or_else(|| seal.seal(name));
    Kept { hash, prefix, derived }
}
