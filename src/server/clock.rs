//! Owns: what time it is: the wall clock as read once at the start, and the monotonic clock since.
//! A wall clock that is set while we run therefore moves no decision; `divergence_ns` says how far it has moved away.
//! Never: reads the wall clock for a decision after the start.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tallystick_core::{Clock, Time};

/// Tells the time from one reading of the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct AnchoredClock {
    wall_at_start: Time,
    started: Instant,
}

impl AnchoredClock {
    /// Reads the wall clock, for once.
    pub fn start() -> Self {
        Self { wall_at_start: wall(), started: monotonic() }
    }

    /// Returns how far the wall clock has moved away since the start. *Units*: nanoseconds; above 0 when it is ahead.
    pub fn divergence_ns(&self) -> i128 {
        divergence_ns(wall(), self.now())
    }
}

impl Clock for AnchoredClock {
    fn now(&self) -> Time {
        let since = monotonic().duration_since(self.started).as_nanos();
        Time::from_ns(self.wall_at_start.ns().saturating_add(u64::try_from(since).unwrap_or(u64::MAX)))
    }
}

fn divergence_ns(wall: Time, anchored: Time) -> i128 {
    i128::from(wall.ns()) - i128::from(anchored.ns())
}

/// Reads the wall clock. Before 1970 it is 1970, which the clock watch then shows as a divergence once it is set right.
#[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else is handed")]
fn wall() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Time::from_ns(u64::try_from(since).unwrap_or(u64::MAX))
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else is handed")]
fn monotonic() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_runs_back() {
        let clock = AnchoredClock::start();
        let times: Vec<Time> = (0..1_000).map(|_| clock.now()).collect();
        assert!(times.is_sorted());
    }

    #[test]
    fn begins_at_the_wall_clock() {
        let before = wall();
        let clock = AnchoredClock::start();
        assert!(clock.now() >= before);
        assert!(clock.divergence_ns().abs() < 1_000_000_000, "{} ns", clock.divergence_ns());
    }

    #[test]
    fn divergence_has_a_sign() {
        assert_eq!(divergence_ns(Time::from_ns(7), Time::from_ns(5)), 2);
        assert_eq!(divergence_ns(Time::from_ns(5), Time::from_ns(7)), -2);
        assert_eq!(divergence_ns(Time::from_ns(u64::MAX), Time::ZERO), i128::from(u64::MAX));
    }

    #[test]
    fn shows_a_wall_clock_that_was_set() {
        let hour = 3_600_000_000_000;
        let anchored =
            AnchoredClock { wall_at_start: Time::from_ns(wall().ns() - hour), started: monotonic() };
        assert!(anchored.divergence_ns() >= i128::from(hour));
    }
}
