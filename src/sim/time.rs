//! Owns: simulated time and simulated ids. Never: a wall clock, entropy.

use crate::rng::Rng;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use tallystick_core::{Clock, IdSource, PARTITIONS, Time};

/// Is when worlds begin. *Units*: nanoseconds since 1970.
pub const MORNING: u64 = 1_800_000_000_000_000_000;
/// Is a second. *Units*: nanoseconds.
pub const SECOND: u64 = 1_000_000_000;
/// Is a minute. *Units*: nanoseconds.
pub const MINUTE: u64 = 60 * SECOND;

/// Tells the time it was told.
#[derive(Debug)]
pub struct SimClock(AtomicU64);

impl Default for SimClock {
    fn default() -> Self {
        Self(AtomicU64::new(MORNING))
    }
}

impl SimClock {
    /// Returns the present. *Units*: nanoseconds since 1970.
    pub fn ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it.
    pub fn set(&self, ns: u64) {
        self.0.store(ns, Ordering::Relaxed);
    }

    /// Lets time pass.
    pub fn pass(&self, ns: u64) {
        self.set(self.ns().saturating_add(ns));
    }
}

impl Clock for SimClock {
    fn now(&self) -> Time {
        Time::from_ns(self.ns())
    }
}

/// Draws ids from the seed, in a few partitions or in all: the fewer, the more of what happens meets.
#[derive(Debug)]
pub struct SimIds {
    rng: Mutex<Rng>,
    partitions: u64,
}

impl SimIds {
    /// Begins. `partitions`: in how many partitions things are made.
    pub fn new(rng: Rng, partitions: u64) -> Self {
        Self { rng: Mutex::new(rng), partitions: partitions.clamp(1, PARTITIONS.into()) }
    }
}

impl IdSource for SimIds {
    fn draw(&self) -> u64 {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let all = u64::from(PARTITIONS);
        // Whoever makes something puts it where the draw's remainder says. 37 has no factor in common with 256.
        let partition = rng.below(self.partitions) * 37 % all;
        (rng.draw() & !(all - 1)) | partition
    }
}
