//! Owns: measuring how long something took. Never: tells the time, or decides by it.

use std::time::{Duration, Instant};

/// Measures a span on the monotonic clock; what load tools take latencies with.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts a span now.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "a latency is a difference of two readings; nothing is decided by them"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the span since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Returns the span since the start in whole microseconds.
    #[must_use]
    pub fn elapsed_us(&self) -> u64 {
        u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
