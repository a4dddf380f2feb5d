//! Owns: what `survives_kill_nine` is made of: the callers' half of the tally (`book`), the callers (`load`), the retries
//! after a restart (`retry`), and the comparison of both halves (`audit`).
//! Never: looks into the server; all that is known was heard by a caller.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "`allow-unwrap-in-tests` does not reach modules of tests"
)]
#![allow(missing_docs, unreachable_pub, reason = "a module of a test binary")]

pub mod audit;
pub mod book;
pub mod line;
pub mod load;
pub mod moments;
pub mod retry;
pub mod stream;
