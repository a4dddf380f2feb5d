//! Owns: which locks, atomics and threads the engine stands on: std's; or, in a build with `--cfg shuttle`, those of which a
//! test's scheduler chooses every step. Never: anything of its own.

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};
#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};
