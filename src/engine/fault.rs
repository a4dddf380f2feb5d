//! Owns: how an operation can fail without a decision. Never: a decline; that is an answer.

use std::fmt;
use tallystick_core::Refusal;
use tallystick_journal::{JournalFailed, StorageFault};

/// Says why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The request was refused: nothing happened.
    Refused(Refusal),
    /// The journal cannot be written: the outcome is unknown. The same key will tell after a restart.
    JournalFailed,
    /// Something that had left memory could not be read: nothing happened.
    Storage(StorageFault),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<JournalFailed> for Fault {
    fn from(_: JournalFailed) -> Self {
        Self::JournalFailed
    }
}

impl From<StorageFault> for Fault {
    fn from(fault: StorageFault) -> Self {
        Self::Storage(fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "refused: {refusal:?}"),
            Self::JournalFailed => JournalFailed.fmt(f),
            Self::Storage(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}
