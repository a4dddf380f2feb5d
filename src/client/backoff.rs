//! Owns: how long to wait before the next try. Never: decides whether there is one.

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use std::{hash::BuildHasher as _, time::Duration};

/// Doubles its pauses up to a bound, each between half and all of it, so that clients that fell together do not come
/// back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    least: Duration,
    most: Duration,
    next: Duration,
    jitter: SmallRng,
}

impl Backoff {
    pub(crate) fn new(least: Duration, most: Duration) -> Self {
        Self { least, most, next: least.min(most), jitter: SmallRng::seed_from_u64(seed_of_this_process()) }
    }

    /// Returns the next pause.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let bound = self.next;
        self.next = bound.saturating_mul(2).min(self.most);
        let bound_us = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.jitter.random_range(bound_us / 2..=bound_us))
    }

    /// Waits for the next pause.
    pub(crate) async fn pause(&mut self) {
        let pause = self.next_pause();
        tokio::time::sleep(pause).await;
    }

    /// Starts again from the shortest pause, after a success.
    pub(crate) fn reset(&mut self) {
        self.next = self.least.min(self.most);
    }
}

/// Draws a seed that other processes do not have; nothing that is remembered depends on it.
#[allow(clippy::disallowed_types, reason = "jitter has to differ between processes, or it spreads nothing")]
fn seed_of_this_process() -> u64 {
    std::hash::RandomState::new().hash_one("jitter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_start_again() {
        let (least, most) = (Duration::from_millis(10), Duration::from_millis(80));
        let mut backoff = Backoff::new(least, most);
        for bound_ms in [10, 20, 40, 80, 80, 80] {
            let pause = backoff.next_pause();
            assert!(pause >= Duration::from_millis(bound_ms / 2), "{pause:?} below half of {bound_ms} ms");
            assert!(pause <= Duration::from_millis(bound_ms), "{pause:?} above {bound_ms} ms");
        }
        backoff.reset();
        assert!(backoff.next_pause() <= least);
    }
}
