//! Owns: what can be wrong with a configuration, in words for whoever wrote it. Never: stops at the first.

use std::{fmt, net::SocketAddr, path::PathBuf};

/// Is one thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file cannot be used at all.
    #[error("the file {}: {finding}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        finding: String,
    },
    /// The file has a key that means nothing; most likely it is misspelt.
    #[error("{key}: unknown key, from the file {}; the keys are {known}", file.display())]
    UnknownKey {
        /// The key.
        key: String,
        /// The file.
        file: PathBuf,
        /// What it could be.
        known: String,
    },
    /// A value breaks its rule.
    #[error("{key}: {value}, from {origin}, must be {rule}")]
    Value {
        /// The key.
        key: &'static str,
        /// What was given.
        value: String,
        /// Where it was given.
        origin: String,
        /// What it must be.
        rule: String,
    },
    /// Whoever asks without a key would be heard from elsewhere.
    #[error(
        "{key}: {address} can be reached from other machines, where no call may come without a key; give an address of this machine, or anonymous = \"nobody\""
    )]
    Far {
        /// The key of the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Something that has no default was not given.
    #[error("{key}: not given; it must be {rule}, as {places}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What it must be.
        rule: String,
        /// Where it could be given.
        places: String,
    },
}

/// Is everything that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}
