//! Owns: a histogram that many threads may write at once: buckets that double, each an atomic count.
//! Never: a lock; whoever measures holds up nobody.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts values by size.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// The first bucket's bound; each next one is twice as large.
    base: u64,
    /// How many of a value's unit are one of the exporter's.
    scale: f64,
    /// The last one has no bound.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// Is a histogram at one moment, in the exporter's unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub(crate) sum: f64,
    pub(crate) count: u64,
    /// Upper bounds, and how many values lie between each and the one before.
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// Makes one for times. *Units*: nanoseconds in, seconds out; bounds from 1 us to 16.8 s.
    pub(crate) fn times() -> Self {
        Self::new(1_000, 25, 1e9)
    }

    /// Makes one for counts: bounds from 1 to 131,072.
    pub(crate) fn counts() -> Self {
        Self::new(1, 18, 1.0)
    }

    /// Makes one for sizes. *Units*: bytes; bounds from 256 B to 64 MiB.
    pub(crate) fn sizes() -> Self {
        Self::new(256, 19, 1.0)
    }

    fn new(base: u64, bounds: usize, scale: f64) -> Self {
        let buckets = (0..=bounds).map(|_| AtomicU64::new(0)).collect();
        Self { base, scale, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts one value. *Cost*: a few nanoseconds.
    pub(crate) fn observe(&self, value: u64) {
        let at = bucket(value.div_ceil(self.base)).min(self.buckets.len() - 1);
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Reads it while others write: the count is that of the buckets, the sum may be of a moment later.
    #[expect(
        clippy::cast_precision_loss,
        reason = "2^53 ns are 104 days of waiting, and nobody needs the last one"
    )]
    pub(crate) fn read(&self) -> Reading {
        let counts: Vec<u64> = self.buckets.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let bound = |at: usize| match at + 1 == counts.len() {
            true => f64::INFINITY,
            false => (self.base << at) as f64 / self.scale,
        };
        Reading {
            sum: self.sum.load(Ordering::Relaxed) as f64 / self.scale,
            count: counts.iter().sum(),
            buckets: counts.iter().enumerate().map(|(at, count)| (bound(at), *count)).collect(),
        }
    }
}

/// Returns the first power of two that is not below `units`.
fn bucket(units: u64) -> usize {
    if units <= 1 { 0 } else { (units - 1).ilog2() as usize + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_the_first_bucket_whose_bound_it_keeps() {
        let histogram = Histogram::counts();
        for value in [0, 1, 2, 3, 4, 5, 131_072, 131_073, u64::MAX / 2] {
            histogram.observe(value);
        }
        let reading = histogram.read();
        let filled: Vec<(f64, u64)> = reading.buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        let expected = [(1.0, 2), (2.0, 1), (4.0, 2), (8.0, 1), (131_072.0, 1), (f64::INFINITY, 2)];
        assert_eq!(filled, expected);
        assert_eq!(reading.count, 9);
    }

    #[test]
    fn times_come_out_in_seconds_and_reach_from_microseconds_beyond_ten() {
        let histogram = Histogram::times();
        histogram.observe(10_000_000_000);
        histogram.observe(1_500);
        let reading = histogram.read();
        assert_eq!((reading.count, reading.sum), (2, 10.000_001_5));
        assert_eq!((reading.buckets[0].0, reading.buckets[1]), (1e-6, (2e-6, 1)));
        assert_eq!(reading.buckets[24], (16.777_216, 1));
        assert_eq!(reading.buckets.last(), Some(&(f64::INFINITY, 0)));
    }
}
