//! Owns: what happened to credentials, as data. Never: a key.

use super::Keyed;
use crate::{PayeeId, id::CredentialId, role::Roles};

/// A credential was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialMade<'a> {
    /// Its id.
    pub id: CredentialId,
    /// SHA-256 of its key.
    pub hash: [u8; 32],
    /// How its key begins.
    pub prefix: &'a str,
    /// What it may do.
    pub roles: Roles,
    /// True for the one that is made at the first start.
    pub is_development: bool,
    /// Whose debits it may collect.
    pub payee: Option<PayeeId>,
    /// Whose accounts are in view; empty for all.
    pub front_end: &'a str,
    /// What people call it.
    pub name: &'a str,
    /// The command's key.
    pub keyed: Keyed,
}

/// A credential was revoked: nobody is heard with its key from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialRevoked {
    /// Which credential.
    pub id: CredentialId,
}
