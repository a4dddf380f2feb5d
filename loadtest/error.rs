//! Owns: what ends a load run early. Never: a difference; that is a finding.

use std::path::PathBuf;
use tallystick_client::ClientError;

/// Ends a load run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A call failed.
    #[error("cannot {doing}: {source}")]
    Call {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: ClientError,
    },
    /// An answer is not what the load was set up to get.
    #[error("cannot {doing}: the server answered {found}")]
    Answer {
        /// What was tried.
        doing: &'static str,
        /// What came.
        found: String,
    },
    /// A histogram cannot hold or add what it was given.
    #[error("cannot keep latencies: {0}")]
    Histogram(String),
    /// The report cannot be written.
    #[error("cannot write the report: {0}")]
    Io(#[from] std::io::Error),
    /// A file of ghz cannot be read.
    #[error("cannot read {}: {reason}", file.display())]
    Ghz {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A connection of the lean driver failed.
    #[error("cannot {doing}: {reason}")]
    Wire {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// What was asked for does not go together.
    #[error("{0}")]
    Unfit(&'static str),
    /// The thread that keeps the schedule ended before the schedule did.
    #[error("the schedule's thread has stopped")]
    Pacer,
}

impl LoadError {
    pub(crate) fn call(doing: &'static str) -> impl FnOnce(ClientError) -> Self {
        move |source| Self::Call { doing, source }
    }

    #[allow(clippy::needless_pass_by_value, reason = "an error is handed over, as to `map_err`")]
    pub(crate) fn wire(doing: &'static str, reason: impl ToString) -> Self {
        Self::Wire { doing, reason: reason.to_string() }
    }

    pub(crate) fn answer(doing: &'static str, found: impl Into<String>) -> Self {
        Self::Answer { doing, found: found.into() }
    }
}
