//! Owns: the figures of one turn, their spread over several, and the ratio of two. Never: rounds a ratio up.

use crate::error::CompareError;
use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};
use std::{fmt, time::Duration};

const HOUR_US: u64 = 3_600_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// Is what one contender did in one turn, without its warm-up.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Turn {
    pub(crate) debits_per_s: u64,
    /// Of a call, statement or message; absent where the tool does not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_us_mean: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_us_p50: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_us_p99: Option<u64>,
    pub(crate) audit: Audit,
}

/// Lays what a contender's sessions lost beside what was debited, the warm-up included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Audit {
    /// Debits that the contender has on record.
    pub(crate) debits: u64,
    /// Absent where the load tool compared session by session and payee by payee.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) sums: Option<Sums>,
    /// Everything that is not as it must be, in words.
    pub(crate) differences: Vec<String>,
}

/// Is one sum beside the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Sums {
    /// Of all debits on record.
    pub(crate) debited_nanos: u128,
    /// Of what the sessions lost.
    pub(crate) lost_nanos: u128,
}

impl Audit {
    /// Compares the two sums, and the debits on record with the answers heard.
    pub(crate) fn new(debits: u64, heard: u64, debited_nanos: u128, lost_nanos: u128) -> Self {
        let mut differences = Vec::new();
        if debited_nanos != lost_nanos {
            differences
                .push(format!("debits add up to {debited_nanos} nanos, the sessions lost {lost_nanos}"));
        }
        if debits != heard {
            differences.push(format!("{debits} debits are on record, {heard} were heard"));
        }
        if debits == 0 {
            differences.push("there are no debits".to_owned());
        }
        Self { debits, sums: Some(Sums { debited_nanos, lost_nanos }), differences }
    }
}

/// Gathers what a load of our own measures of a peer, by the rules of our load tool: a message counts when it began after the
/// warm-up, and time runs until the last answer.
#[derive(Clone, Debug)]
pub(crate) struct Measures {
    warmup: Duration,
    last_heard: Duration,
    debit_count: u64,
    latency_us: Histogram<u64>,
}

impl Measures {
    pub(crate) fn new(warmup: Duration) -> Result<Self, CompareError> {
        let latency_us = Histogram::new_with_bounds(1, HOUR_US, SIGNIFICANT_DIGITS)
            .map_err(|error| CompareError::Histogram(error.to_string()))?;
        Ok(Self { warmup, last_heard: warmup, debit_count: 0, latency_us })
    }

    /// Takes one message; both times count from the start of the turn.
    pub(crate) fn add(&mut self, began: Duration, heard: Duration, debits: u64) {
        if began < self.warmup {
            return;
        }
        self.last_heard = self.last_heard.max(heard);
        self.debit_count += debits;
        let latency = heard.saturating_sub(began).as_micros();
        self.latency_us.saturating_record(u64::try_from(latency).unwrap_or(u64::MAX));
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), CompareError> {
        self.last_heard = self.last_heard.max(other.last_heard);
        self.debit_count += other.debit_count;
        let added = self.latency_us.add(&other.latency_us);
        added.map_err(|error| CompareError::Histogram(error.to_string()))
    }

    /// Draws up the figures; `planned` is how long the measured part was to take.
    pub(crate) fn turn(&self, planned: Duration, audit: Audit) -> Turn {
        let span = self.last_heard.saturating_sub(self.warmup).max(planned);
        let rate = u128::from(self.debit_count) * 1_000_000_000 / span.as_nanos().max(1);
        Turn {
            debits_per_s: u64::try_from(rate).unwrap_or(u64::MAX),
            latency_us_mean: None,
            latency_us_p50: Some(self.latency_us.value_at_quantile(0.5)),
            latency_us_p99: Some(self.latency_us.value_at_quantile(0.99)),
            audit,
        }
    }
}

/// Summarises one figure over all turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Spread<T> {
    pub(crate) median: T,
    pub(crate) min: T,
    pub(crate) max: T,
}

impl<T: Copy + Default + Ord> Spread<T> {
    pub(crate) fn of(values: impl Iterator<Item = T>) -> Self {
        let mut values: Vec<T> = values.collect();
        values.sort_unstable();
        let (Some(min), Some(max)) = (values.first().copied(), values.last().copied()) else {
            return Self::default();
        };
        Self { median: values[values.len() / 2], min, max }
    }
}

/// Says how many times as fast one is as another. *Units*: hundredths, rounded down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ratio(u32);

impl Ratio {
    pub(crate) const fn hundredths(hundredths: u32) -> Self {
        Self(hundredths)
    }

    /// Divides; by nothing, the ratio is nothing too: there is no comparison.
    pub(crate) fn of(ours: u64, theirs: u64) -> Self {
        let hundredths = (u128::from(ours) * 100).checked_div(u128::from(theirs)).unwrap_or(0);
        Self(u32::try_from(hundredths).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_rounded_down_so_that_a_target_just_missed_is_missed() {
        assert_eq!(Ratio::of(1_799_999, 1_000_000), Ratio::hundredths(179));
        assert_eq!(Ratio::of(1_800_000, 1_000_000), Ratio::hundredths(180));
        assert!(Ratio::of(20, 1) >= Ratio::hundredths(2_000));
        assert_eq!(Ratio::of(5, 0), Ratio::default());
        assert_eq!(Ratio::of(2, 3).to_string(), "0.66");
        assert_eq!(serde_json::to_string(&Ratio::of(183, 100)).unwrap(), "1.83");
    }

    #[test]
    fn a_spread_is_median_and_range() {
        let spread = Spread::of([30_u64, 10, 20].into_iter());
        assert_eq!(spread, Spread { median: 20, min: 10, max: 30 });
        assert_eq!(Spread::<u64>::of(std::iter::empty()), Spread::default());
    }

    #[test]
    fn the_warm_up_is_not_measured_and_time_runs_until_the_last_answer() {
        let ms = Duration::from_millis;
        let mut measures = Measures::new(ms(100)).unwrap();
        measures.add(ms(99), ms(101), 1_000);
        measures.add(ms(100), ms(200), 500);
        let mut other = Measures::new(ms(100)).unwrap();
        other.add(ms(1_000), ms(2_100), 500);
        measures.merge(&other).unwrap();
        let turn = measures.turn(ms(1_000), Audit::default());
        assert_eq!(turn.debits_per_s, 500, "1,000 in the 2 s until the last answer");
        assert_eq!(turn.latency_us_p99.unwrap() / 10_000, 110, "1.1 s");
        assert_eq!(Measures::new(ms(1)).unwrap().turn(ms(9), Audit::default()).debits_per_s, 0);
    }

    #[test]
    fn one_nano_or_one_debit_is_a_difference() {
        assert!(Audit::new(3, 3, 1_803, 1_803).differences.is_empty());
        assert_eq!(Audit::new(3, 3, 1_803, 1_804).differences.len(), 1);
        assert_eq!(Audit::new(3, 4, 1_803, 1_803).differences.len(), 1);
        assert_eq!(Audit::new(0, 0, 0, 0).differences.len(), 1);
    }
}
