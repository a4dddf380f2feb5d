//! Owns: idempotency keys that nobody gave: drawn at random, so that a command without one is still safe to repeat with it.
//! Never: uses a key twice.

use crate::Failure;
use clap::Args;
use rand::{TryRng as _, rngs::SysRng};
use tallystick_client::Secret;

/// Takes an idempotency key.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct KeyArg {
    /// The idempotency key: the same key never does the same thing twice. Drawn at random when absent, and shown when
    /// the command fails, so that it can be sent again.
    #[arg(long, value_name = "KEY", value_parser = read)]
    key: Option<String>,
}

impl KeyArg {
    /// Returns the key that was given, or draws one. *Errors*: the operating system has no randomness to give.
    pub(crate) fn take(self) -> Result<String, Failure> {
        if let Some(key) = self.key {
            return Ok(key);
        }
        let mut bits = [0; 16];
        SysRng.try_fill_bytes(&mut bits).map_err(|error| Failure::Failed {
            doing: "draw a key",
            why: format!("the operating system gives no randomness: {error}"),
        })?;
        Ok(format!("cli-{:032x}", u128::from_le_bytes(bits)))
    }
}

/// Takes a session's secret.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SecretArg {
    /// The session's secret, if it was opened with one.
    #[arg(long, value_name = "SECRET", env = "TALLYSTICK_SECRET", hide_env_values = true)]
    secret: Option<String>,
}

impl SecretArg {
    /// Returns it as it is sent; nothing when none was given.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.given().map(|secret| secret.to_bytes()).unwrap_or_default()
    }

    /// Returns it for a stream.
    pub(crate) fn given(&self) -> Option<Secret> {
        self.secret.clone().map(Secret::new)
    }
}

/// Takes the secret of what a session stands under.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ParentSecretArg {
    /// The secret of what it stands under, if that was opened with one.
    #[arg(long, value_name = "SECRET", env = "TALLYSTICK_PARENT_SECRET", hide_env_values = true)]
    parent_secret: Option<String>,
}

impl ParentSecretArg {
    /// Returns it as it is sent; nothing when none was given.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.parent_secret.clone().unwrap_or_default().into_bytes()
    }
}

/// Reads a key. *Errors*: the contract's rule.
pub(crate) fn read(text: &str) -> Result<String, String> {
    match text.len() {
        1..=255 => Ok(text.to_owned()),
        _ => Err("a key is 1 to 255 bytes".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_keys_differ_and_given_ones_stay() {
        let drawn = [KeyArg::default().take().unwrap(), KeyArg::default().take().unwrap()];
        assert_ne!(drawn[0], drawn[1]);
        assert!(drawn.iter().all(|key| read(key).is_ok()));
        assert_eq!(KeyArg { key: Some("k".into()) }.take().unwrap(), "k");
        assert!(read("").is_err() && read(&"k".repeat(256)).is_err());
    }
}
