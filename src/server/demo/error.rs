//! Owns: everything that can end a demo early, in words for the person who started it. Never: retries.

use std::path::PathBuf;
use tallystick_client::ClientError;

/// Ends a demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A line of the trace cannot be used.
    #[error("{}, line {line}, column {column}: {problem}", file.display())]
    Trace {
        /// The trace.
        file: PathBuf,
        /// Counted from 1; the header is line 1.
        line: u64,
        /// Counted from 1, with the column's name.
        column: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A file or folder cannot be used.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The workload cannot be planned.
    #[error("this workload cannot be run: {problem}")]
    Workload {
        /// What is wrong with it.
        problem: String,
    },
    /// The server's process did not do as it should.
    #[error("the server {problem}{log}")]
    Server {
        /// What it did, or did not.
        problem: String,
        /// The last lines it logged, if any.
        log: String,
    },
    /// A call failed.
    #[error("cannot {doing}: {source}")]
    Call {
        /// What was tried.
        doing: String,
        /// Why it failed.
        source: ClientError,
    },
    /// An answer lacks what the contract promises.
    #[error("cannot {doing}: the server's answer has no {missing}")]
    Answer {
        /// What was tried.
        doing: String,
        /// What should have been there.
        missing: &'static str,
    },
    /// Money or debits do not match.
    #[error("the audit found {count} differences, {nanos} nanos in all; the first: {first}")]
    Difference {
        /// Places that do not match.
        count: usize,
        /// The sum of the differences in money.
        nanos: u128,
        /// Where the first one is.
        first: String,
    },
    /// Somebody asked to stop.
    #[error("stopped before the end; the server was stopped too")]
    Interrupted,
}

impl DemoError {
    pub(super) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    pub(super) fn call(doing: impl Into<String>) -> impl FnOnce(ClientError) -> Self {
        let doing = doing.into();
        move |source| Self::Call { doing, source }
    }

    pub(super) fn answer(doing: &str, missing: &'static str) -> Self {
        Self::Answer { doing: doing.to_owned(), missing }
    }
}
