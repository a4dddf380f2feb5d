//! Owns: the key that secrets are derived from: a file of 32 bytes in the data folder, made at the first start, readable to its
//! owner alone. Whoever has it and the journal's ids has every derived secret; whoever loses it can derive none of them again, though
//! all go on working, since what is recorded are hashes.
//! Never: the key, or a secret, in a log, an error or a backup.

use data_encoding::BASE32_DNSSEC;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::{TryRng as _, rngs::SysRng};
use sha2::{Digest as _, Sha256};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};
use tallystick_core::{
    seal::{Purpose, Seal, SecretName},
    session::{Prefix, SecretHash},
};
use tallystick_rpc::Vault;

/// Is the file's name in the data folder.
pub const FILE: &str = "SEALED_KEY";
const BYTES: usize = 32;
/// Is how much SHA-256 takes at a time.
const BLOCK_BYTES: usize = 64;
/// Is how many characters of a secret are shown: six after what says its purpose, of fifty-two.
const SHOWN: usize = 10;

/// Derives secrets: HMAC-SHA256 of a name, under the key.
pub struct SealedKey([u8; BYTES]);

impl SealedKey {
    /// Reads the key of a data folder, or makes it. *Errors*: the file cannot be read or made, or is not 32 bytes.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => {
                let wrong =
                    || io::Error::new(io::ErrorKind::InvalidData, format!("{FILE} is not {BYTES} bytes"));
                bytes.try_into().map(Self).map_err(|_| wrong())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(folder),
            Err(error) => Err(error),
        }
    }

    /// Draws a key and stores it, whole or not at all.
    fn make(folder: &Path) -> io::Result<Self> {
        let mut key = [0; BYTES];
        SysRng.try_fill_bytes(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
        let (new, path) = (folder.join(format!("{FILE}.new")), folder.join(FILE));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&key)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()?;
        Ok(Self(key))
    }
}

impl Seal for SealedKey {
    fn seal(&self, name: &SecretName) -> (SecretHash, Prefix) {
        let secret = self.secret(name);
        let prefix = secret.get(..SHOWN).and_then(Prefix::of).unwrap_or_default();
        (SecretHash(Sha256::digest(secret.as_bytes()).into()), prefix)
    }
}

impl Vault for SealedKey {
    fn secret(&self, name: &SecretName) -> String {
        // A key shorter than a block is filled up with zeros: that is HMAC's own rule.
        let mut block = [0; BLOCK_BYTES];
        let (front, _) = block.split_at_mut(BYTES);
        front.copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(&name.token.bits().to_be_bytes());
        mac.update(&name.generation.to_be_bytes());
        mac.update(&[name.purpose as u8]);
        let kind = match name.purpose {
            Purpose::Token => "tks_",
            Purpose::Refresh => "tkr_",
        };
        format!("{kind}{}", BASE32_DNSSEC.encode(&mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use tallystick_core::{SessionId, id::Place};

    fn name(random: u64, generation: u32, purpose: Purpose) -> SecretName {
        let token = SessionId::new_token(Place { partition: 1, slot: 2, generation: 3 }, random);
        SecretName { token, generation, purpose }
    }

    fn hash(secret: &str) -> SecretHash {
        SecretHash(Sha256::digest(secret).into())
    }

    #[test]
    fn a_key_is_made_once_and_its_secrets_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let name = name(7, 0, Purpose::Token);
        let first = SealedKey::open(folder.path()).unwrap();
        let again = SealedKey::open(folder.path()).unwrap();
        assert_eq!(first.secret(&name), again.secret(&name));
        assert_eq!(first.seal(&name).0, hash(&first.secret(&name)));
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(format!("{first:?}"), "SealedKey(hidden)");
        fs::write(folder.path().join(FILE), [0; 31]).unwrap();
        assert!(SealedKey::open(folder.path()).is_err());
    }

    #[test]
    fn each_name_has_a_secret_of_its_own() {
        let key = SealedKey([7; BYTES]);
        let names = [
            name(1, 0, Purpose::Token),
            name(2, 0, Purpose::Token),
            name(1, 1, Purpose::Token),
            name(1, 0, Purpose::Refresh),
        ];
        let mut secrets: Vec<String> = names.iter().map(|name| key.secret(name)).collect();
        assert!(secrets.iter().all(|secret| secret.len() == 56));
        let (sealed, prefix) = key.seal(&names[0]);
        assert_eq!(prefix.as_str(), &secrets[0][..SHOWN]);
        assert_eq!(sealed, hash(&secrets[0]));
        secrets.sort();
        secrets.dedup();
        assert_eq!(secrets.len(), 4);
    }
}
