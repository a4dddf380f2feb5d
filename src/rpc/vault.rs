//! Owns: the seam to whoever has the sealed key: what core is given hashes of, said in clear to the one caller whose it is.
//! Never: the key; a secret in a log, or kept.

use tallystick_core::{
    seal::{Seal, SecretName},
    session::{Prefix, SecretHash},
};

/// Derives secrets.
pub trait Vault: Seal {
    /// Returns the secret of a name, as text.
    fn secret(&self, name: &SecretName) -> String;

    /// Returns whether there is a key to derive from.
    fn is_open(&self) -> bool {
        true
    }
}

/// Has no key, so it derives nothing: whoever asks for a secret is refused before it comes here.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVault;

impl Seal for NoVault {
    fn seal(&self, _: &SecretName) -> (SecretHash, Prefix) {
        // No secret is known to have this hash.
        (SecretHash([0; 32]), Prefix::default())
    }
}

impl Vault for NoVault {
    fn secret(&self, _: &SecretName) -> String {
        String::new()
    }

    fn is_open(&self) -> bool {
        false
    }
}
