//! Owns: a rate: the generic cell rate algorithm (GCRA), which is a bucket that drains evenly, kept as the one instant at
//! which it would be empty. Over any stretch of time t at most burst + most * t / per is approved.
//! Never: rounds. Time is counted in `most`-ths of a nanosecond, in which a unit is exactly `per` long.

use super::{VelocityLimit, Wait};
use crate::Time;
use serde::{Deserialize, Serialize};

/// Is what was taken of a rate. *Units*: 1/`most` of a nanosecond since 1970.
///
/// Nothing here can overflow: an instant is below 2^64 * 2^63, and a bucket holds at most 2^63 units of 2^36.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
// Aligned as two words: what has one is not padded for it.
#[repr(Rust, packed(8))]
pub(super) struct Rate {
    empty_at: u128,
}

/// Multiplies. Two words never pass four: so it is one instruction, without the test that a product of four words needs.
const fn times(a: u64, b: u64) -> u128 {
    (a as u128).wrapping_mul(b as u128)
}

const fn instant(limit: &VelocityLimit, at: Time) -> u128 {
    times(at.ns(), limit.most)
}

const fn length(limit: &VelocityLimit, units: u64) -> u128 {
    times(units, limit.per.ns())
}

impl Rate {
    pub(super) const EMPTY: Self = Self { empty_at: 0 };

    #[expect(clippy::cast_possible_truncation, reason = "any of it will do")]
    pub(super) const fn touch(&self) -> u64 {
        self.empty_at as u64
    }

    #[inline]
    pub(super) fn test(&self, limit: &VelocityLimit, units: u64, at: Time) -> Result<(), Wait> {
        let (now, whole) = (instant(limit, at), length(limit, limit.at_once()));
        if self.empty_at.max(now) + length(limit, units) - now <= whole {
            return Ok(());
        }
        Err(self.wait(limit, units))
    }

    /// Returns the first instant at which what is in the bucket by then leaves room.
    #[cold]
    fn wait(&self, limit: &VelocityLimit, units: u64) -> Wait {
        let Some(room) = limit.at_once().checked_sub(units) else { return Wait::Never };
        let at = self.empty_at.saturating_sub(length(limit, room));
        first_ns(limit, at).map_or(Wait::Never, Wait::Until)
    }

    #[inline]
    pub(super) fn take(&mut self, limit: &VelocityLimit, units: u64, at: Time) {
        let (now, whole) = (instant(limit, at), length(limit, limit.at_once()));
        self.empty_at = self.empty_at.max(now) + length(limit, units);
        let level = self.empty_at - now;
        assert!(level <= whole, "bug: {units} units pass a rate that has no room for them");
    }

    pub(super) fn left(&self, limit: &VelocityLimit, at: Time) -> u64 {
        limit.at_once().saturating_sub(self.units_in(limit, at))
    }

    /// Returns the units in the bucket, a begun one as a whole one.
    fn units_in(&self, limit: &VelocityLimit, at: Time) -> u64 {
        let level = self.empty_at.saturating_sub(instant(limit, at));
        u64::try_from(level.div_ceil(limit.per.ns().max(1).into())).unwrap_or(u64::MAX)
    }

    pub(super) fn idle_at(&self, limit: &VelocityLimit) -> Option<Time> {
        first_ns(limit, self.empty_at)
    }

    /// Keeps the units that are in the bucket.
    pub(super) fn amended(self, from: &VelocityLimit, to: &VelocityLimit, at: Time) -> Self {
        Self { empty_at: instant(to, at) + length(to, self.units_in(from, at)) }
    }
}

/// Returns the first whole nanosecond from an instant on; `None` past the end of time.
fn first_ns(limit: &VelocityLimit, instant: u128) -> Option<Time> {
    u64::try_from(instant.div_ceil(limit.most.max(1).into())).ok().map(Time::from_ns)
}
