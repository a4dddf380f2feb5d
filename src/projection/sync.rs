//! Owns: which locks, atomics and threads this crate stands on: std's; or, in a build with `--cfg shuttle`, those of which a
//! test's scheduler chooses every step. Never: anything of its own.

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Mutex, atomic},
    thread,
};
#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Mutex, atomic},
    thread,
};
