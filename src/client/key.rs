//! Owns: API keys: drawing one, what is sent of a new one, and how a call says it. Never: shows or stores one by itself.

use crate::ClientError;
use rand::{TryRng as _, rngs::SysRng};
use sha2::{Digest as _, Sha256};
use std::fmt::{self, Write as _};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
};

/// Begins every key.
const MARK: &str = "tsk_";
/// Is how many random bytes a key has: too many to guess, so that a plain hash keeps it.
const KEY_BYTES: usize = 32;
/// Is how many characters of a key are shown, for support.
const PREFIX_CHARS: usize = 12;

/// Is a key, to be heard with.
#[derive(Clone)]
pub struct ApiKey(MetadataValue<Ascii>);

impl ApiKey {
    /// Takes a key's text. *Errors*: it has spaces or characters that no header can have.
    pub fn new(text: &str) -> Result<Self, ClientError> {
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let value = is_plain.then(|| format!("Bearer {text}").parse().ok()).flatten();
        let mut value: MetadataValue<Ascii> = value.ok_or(ClientError::Key)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(crate) fn sign<T>(&self, request: &mut Request<T>) {
        request.metadata_mut().insert("authorization", self.0.clone());
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

/// Is a key that was just drawn: its text is to be shown once, its hash and prefix are to be sent.
pub struct DrawnKey {
    /// The key.
    pub text: String,
    /// SHA-256 of it.
    pub hash: [u8; 32],
    /// How it begins.
    pub prefix: String,
}

impl DrawnKey {
    /// Draws one. *Errors*: the operating system has no randomness to give.
    pub fn draw() -> Result<Self, rand::rngs::SysError> {
        let mut bytes = [0; KEY_BYTES];
        SysRng.try_fill_bytes(&mut bytes)?;
        Ok(Self::of(&bytes))
    }

    fn of(bytes: &[u8; KEY_BYTES]) -> Self {
        let text = bytes.iter().fold(MARK.to_owned(), |mut text, byte| {
            // Writing into memory has nothing to fail on.
            let _ = write!(text, "{byte:02x}");
            text
        });
        let (hash, prefix) = (secret_hash(text.as_bytes()), text.chars().take(PREFIX_CHARS).collect());
        Self { text, hash, prefix }
    }
}

impl fmt::Debug for DrawnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DrawnKey").field(&self.prefix).finish()
    }
}

/// Is a session's secret, to be presented.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret's text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns it as it is sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    /// Returns what is sent of it when a session is opened with it.
    pub fn hash(&self) -> [u8; 32] {
        secret_hash(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Hashes a key or a secret as the server does.
fn secret_hash(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_drawn_whole_and_shown_in_part() {
        let (one, other) = (DrawnKey::draw().unwrap(), DrawnKey::draw().unwrap());
        assert_ne!(one.text, other.text);
        assert_eq!((one.text.len(), one.prefix.len()), (68, 12));
        assert!(one.text.starts_with(&one.prefix) && one.hash != other.hash);
        assert!(!format!("{one:?} {:?}", ApiKey::new(&one.text)).contains(&one.text));
    }

    #[test]
    fn the_hash_is_sha_256() {
        let hex: String = secret_hash(b"abc").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn what_no_header_can_have_is_no_key() {
        for text in ["", "a b", "a\n", "ä"] {
            assert!(matches!(ApiKey::new(text), Err(ClientError::Key)), "{text:?}");
        }
    }
}
