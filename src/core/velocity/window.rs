//! Owns: a rolling window: what was taken, in parts. A part is what was taken in one sub-bucket of absolute time, and is in
//! force for all of the window's length after the last debit in it. So a debit alone in its sub-bucket counts exactly as
//! long as it should, another for less than a sub-bucket too long, and none too short.
//! Never: begins anew; forgets a part while a debit in it is in force.

use super::{VelocityLimit, Wait};
use crate::{Span, Time};
use alloc::{boxed::Box, collections::VecDeque};
use serde::{Deserialize, Serialize};

/// A window's length is cut into at least this many sub-buckets, and less than twice as many, so that each is a power of two
/// of nanoseconds long, and no debit has to divide.
const LEAST_PARTS: u64 = 64;

/// Is what was taken in one sub-bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    last_at: Time,
    units: u64,
}

impl Part {
    const NONE: Self = Self { last_at: Time::ZERO, units: 0 };

    /// Returns from when on it is in force no more; `None` past the end of time.
    const fn over_at(&self, per: Span) -> Option<Time> {
        self.last_at.checked_add(per)
    }

    fn is_over(&self, per: Span, at: Time) -> bool {
        self.over_at(per).is_some_and(|over_at| over_at <= at)
    }
}

/// Is what was taken of a window: at most 128 parts and the newest, the newest in place, so that most debits touch no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window {
    /// The sum of all parts, with those that are over and not yet dropped.
    taken: u64,
    /// Nothing, or what was taken last.
    newest: Part,
    /// Those before it, in order; `None` until there is one.
    #[expect(clippy::box_collection, reason = "few windows have one at hand, and each has room for this")]
    older: Option<Box<VecDeque<Part>>>,
}

impl Window {
    pub(super) const EMPTY: Self = Self { taken: 0, newest: Part::NONE, older: None };

    pub(super) const fn touch(&self) -> u64 {
        self.taken ^ self.newest.units
    }

    #[inline]
    pub(super) fn test(&self, limit: &VelocityLimit, units: u64, at: Time) -> Result<(), Wait> {
        // Parts that are over are looked for only where they matter.
        if fits(self.taken, units, limit.most) {
            return Ok(());
        }
        self.test_in_force(limit, units, at)
    }

    #[cold]
    fn test_in_force(&self, limit: &VelocityLimit, units: u64, at: Time) -> Result<(), Wait> {
        let Some(most_before) = limit.most.checked_sub(units) else { return Err(Wait::Never) };
        let mut taken = self.taken;
        for part in self.parts() {
            if taken <= most_before {
                break;
            }
            if !part.is_over(limit.per, at) && taken - part.units <= most_before {
                return Err(part.over_at(limit.per).map_or(Wait::Never, Wait::Until));
            }
            taken -= part.units;
        }
        Ok(())
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.older.iter().flat_map(|older| older.iter()).chain([&self.newest])
    }

    #[inline]
    pub(super) fn take(&mut self, limit: &VelocityLimit, units: u64, at: Time) {
        // Decisions' time never runs back; if it did, a debit would count from the last one on.
        let at = at.max(self.newest.last_at);
        let wide = sub_bucket_log2(limit.per);
        if at.ns() >> wide != self.newest.last_at.ns() >> wide || !fits(self.taken, units, limit.most) {
            self.drop_what_is_over(limit.per, at);
        }
        if at.ns() >> wide != self.newest.last_at.ns() >> wide && self.newest.units != 0 {
            self.older.get_or_insert_default().push_back(self.newest);
            self.newest = Part::NONE;
        }
        assert!(
            fits(self.taken, units, limit.most),
            "bug: {units} units pass a window that has no room for them"
        );
        self.newest = Part { last_at: at, units: self.newest.units + units };
        self.taken += units;
    }

    fn drop_what_is_over(&mut self, per: Span, at: Time) {
        if let Some(older) = &mut self.older {
            while let Some(part) = older.pop_front_if(|part| part.is_over(per, at)) {
                self.taken -= part.units;
            }
        }
        if self.newest.is_over(per, at) {
            self.taken -= self.newest.units;
            self.newest = Part::NONE;
        }
    }

    /// Returns the units that count at `at`.
    pub(super) fn in_force(&self, per: Span, at: Time) -> u64 {
        let over = self.parts().take_while(|part| part.is_over(per, at));
        self.taken - over.map(|part| part.units).sum::<u64>()
    }

    pub(super) fn idle_at(&self, per: Span) -> Option<Time> {
        if self.newest.units == 0 { Some(Time::ZERO) } else { self.newest.over_at(per) }
    }

    #[cfg(test)]
    pub(super) fn part_count(&self) -> usize {
        self.older.iter().map(|older| older.len()).sum::<usize>() + usize::from(self.newest.units != 0)
    }

    pub(super) fn is_sound(&self) -> bool {
        let sum = self.parts().try_fold(0u64, |sum, part| sum.checked_add(part.units));
        sum == Some(self.taken) && self.parts().is_sorted_by_key(|part| part.last_at)
    }
}

const fn fits(taken: u64, units: u64, most: u64) -> bool {
    match taken.checked_add(units) {
        Some(sum) => sum <= most,
        None => false,
    }
}

/// Returns how wide a sub-bucket is: this power of two of nanoseconds.
const fn sub_bucket_log2(per: Span) -> u32 {
    let widest = per.ns() / LEAST_PARTS;
    if widest == 0 { 0 } else { widest.ilog2() }
}
