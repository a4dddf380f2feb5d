//! Owns: what `survives_kill_nine` and `loses_nothing_when_the_disk_forgets` are made of: many lives of one folder
//! (`rounds`) and where that is (`ground`), the callers' half of the tally (`book`), the callers (`load`), the retries after
//! a restart (`retry`), and the comparison of both halves (`audit`; `glance` for a folder that does not live on).
//! Never: looks into the server; all that is known was heard by a caller.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "`allow-unwrap-in-tests` does not reach modules of tests"
)]
#![allow(missing_docs, unreachable_pub, reason = "a module of a test binary")]

pub mod audit;
pub mod book;
pub mod glance;
pub mod ground;
pub mod line;
pub mod load;
pub mod moments;
pub mod retry;
pub mod rounds;
pub mod stream;
