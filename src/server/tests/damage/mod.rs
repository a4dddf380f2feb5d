//! Owns: what `finds_damage_anywhere` is made of: a folder with a past (`past`), what can happen to its files (`fault`), and
//! what came of it (`outcome`).
//! Never: mends a folder; knows which faults are found by what.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "`allow-unwrap-in-tests` does not reach modules of tests"
)]
#![allow(missing_docs, unreachable_pub, reason = "a module of a test binary")]

pub mod fault;
pub mod outcome;
pub mod past;
