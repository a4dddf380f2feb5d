//! Owns: what ends a measurement early. Never: a figure that misses its target; that is a finding.

use std::io;
use tallystick_loadtest::LoadError;

/// Ends a measurement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The system refused.
    #[error("cannot {doing}: {source}")]
    Io { doing: String, source: io::Error },
    /// A load ended early.
    #[error("the load on {addr}: {source}")]
    Load { addr: String, source: LoadError },
    /// Something was found that cannot be measured, or should not be reported.
    #[error("{what}: {found}")]
    Unfit { what: String, found: String },
}

impl Fault {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing: doing.into(), source }
    }

    #[expect(clippy::needless_pass_by_value, reason = "what was found is most often an error at its end")]
    pub(crate) fn unfit(what: impl Into<String>, found: impl ToString) -> Self {
        Self::Unfit { what: what.into(), found: found.to_string() }
    }
}
