//! Owns: when each arrival of an open loop is intended to begin. Never: reads a clock, or knows of answers: that is what
//! makes the loop open.

use crate::Arrivals;
use rand::{SeedableRng as _, rngs::SmallRng};
use rand_distr::{Distribution as _, Exp1};
use std::time::Duration;

const NANOS_PER_S: u64 = 1_000_000_000;

/// Gives the intended starts one by one, counted from the start of the run, until its end.
///
/// *Ordering*: never decreasing.
#[derive(Debug)]
pub(crate) struct Schedule {
    rate: u32,
    until: Duration,
    next: Duration,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The nth starts at n / rate, computed anew each time: rounding never adds up.
    Constant { nth: u64 },
    /// Gaps are exponential.
    Poisson { dice: SmallRng },
}

impl Schedule {
    /// Plans `rate` arrivals a second until `until`.
    pub(crate) fn new(arrivals: Arrivals, rate: u32, until: Duration, seed: u64) -> Self {
        let step = match arrivals {
            Arrivals::Constant => Step::Constant { nth: 0 },
            Arrivals::Poisson => Step::Poisson { dice: SmallRng::seed_from_u64(seed) },
        };
        let mut schedule = Self { rate: rate.max(1), until, next: Duration::ZERO, step };
        if matches!(schedule.step, Step::Poisson { .. }) {
            schedule.advance();
        }
        schedule
    }

    fn advance(&mut self) {
        match &mut self.step {
            Step::Constant { nth } => {
                *nth += 1;
                let (seconds, rest) = (*nth / u64::from(self.rate), *nth % u64::from(self.rate));
                let nanos = rest * NANOS_PER_S / u64::from(self.rate);
                self.next = Duration::from_secs(seconds) + Duration::from_nanos(nanos);
            }
            Step::Poisson { dice } => {
                let gap: f64 = Exp1.sample(dice);
                self.next += Duration::from_secs_f64(gap / f64::from(self.rate));
            }
        }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let intended = self.next;
        if intended >= self.until {
            return None;
        }
        self.advance();
        Some(intended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_S: Duration = Duration::from_secs(2);

    fn poisson(seed: u64) -> Vec<Duration> {
        Schedule::new(Arrivals::Poisson, 5_000, TWO_S, seed).collect()
    }

    #[test]
    fn constant_arrivals_are_evenly_spaced() {
        let all: Vec<_> = Schedule::new(Arrivals::Constant, 1_000, TWO_S, 0).collect();
        assert_eq!(all.len(), 2_000);
        for (nth, intended) in (0_u64..).zip(&all) {
            assert_eq!(*intended, Duration::from_millis(nth));
        }
    }

    #[test]
    fn a_rate_that_does_not_divide_a_second_does_not_drift() {
        let all: Vec<_> = Schedule::new(Arrivals::Constant, 7, Duration::from_secs(3_600), 0).collect();
        assert_eq!(all.len(), 7 * 3_600);
        for (seconds, intended) in (0_u64..).zip(all.iter().step_by(7)) {
            assert_eq!(*intended, Duration::from_secs(seconds), "the first of each second is exact");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_poisson_schedule_and_another_another() {
        assert_eq!(poisson(7), poisson(7));
        assert_ne!(poisson(7), poisson(8));
    }

    #[test]
    fn poisson_arrivals_come_at_the_rate_and_are_not_even() {
        for seed in 0..20 {
            let all = poisson(seed);
            // 10,000 are expected; their deviation is 100.
            assert!((9_500..=10_500).contains(&all.len()), "{} arrivals", all.len());
            assert!(all.is_sorted() && all.iter().all(|intended| *intended < TWO_S));
            // Of exponential gaps, one in e is longer than the mean.
            let mean = Duration::from_micros(200);
            let longer = all.windows(2).filter(|pair| pair[1] - pair[0] > mean).count();
            assert!((3_400..=3_960).contains(&longer), "{longer} gaps longer than their mean");
        }
    }
}
