//! Owns: what is measured of each call or message: its latency, and whether it began when it should. Never: an answer's
//! content; a figure of the warm-up.

use crate::LoadError;
use hdrhistogram::Histogram;
use std::time::Duration;

/// How long after its intended start a call or message may begin and still count as on time: what a timer is late by.
pub(crate) const ON_TIME: Duration = Duration::from_millis(1);
const HOUR_US: u64 = 3_600_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// Is a call or message from its intended start to its answer. Times count from the start of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Landed {
    /// When it should have begun; in a closed loop, when it did.
    pub(crate) intended: Duration,
    /// When there was last a place for it among the outstanding.
    pub(crate) free: Duration,
    /// When it began.
    pub(crate) began: Duration,
    /// When its answer was heard.
    pub(crate) heard: Duration,
    /// How many began and were heard together: 1, or more if they share all of the above.
    pub(crate) message_count: u64,
    /// Debits in them.
    pub(crate) debit_count: u64,
}

/// Gathers what was measured after the warm-up.
#[derive(Clone, Debug)]
pub(crate) struct Measures {
    warmup: Duration,
    last_heard: Duration,
    pub(crate) message_count: u64,
    pub(crate) debit_count: u64,
    /// Each debit's, from its message's intended start to its answer.
    pub(crate) latency_us: Histogram<u64>,
    /// Each message's, from its intended start to its start, for whatever reason.
    pub(crate) start_lag_us: Histogram<u64>,
    /// The part of it that is the generator's own: what passed after the start was due and there was a place.
    pub(crate) sender_lag_us: Histogram<u64>,
    /// Messages that met the bound on outstanding ones.
    pub(crate) held_count: u64,
    /// Messages that began later than [`ON_TIME`] allows, for whatever reason.
    pub(crate) late_count: u64,
    /// Messages that were later than that by the generator's own doing.
    pub(crate) sender_late_count: u64,
}

impl Measures {
    pub(crate) fn new(warmup: Duration) -> Result<Self, LoadError> {
        let histogram = || {
            Histogram::new_with_bounds(1, HOUR_US, SIGNIFICANT_DIGITS)
                .map_err(|error| LoadError::Histogram(error.to_string()))
        };
        Ok(Self {
            warmup,
            last_heard: warmup,
            message_count: 0,
            debit_count: 0,
            latency_us: histogram()?,
            start_lag_us: histogram()?,
            sender_lag_us: histogram()?,
            held_count: 0,
            late_count: 0,
            sender_late_count: 0,
        })
    }

    /// Takes a call or message; those intended for the warm-up are left out.
    pub(crate) fn add(&mut self, landed: Landed) {
        let Landed { intended, free, began, heard, message_count, debit_count } = landed;
        if intended < self.warmup {
            return;
        }
        let start_lag = began.saturating_sub(intended);
        let sender_lag = began.saturating_sub(intended.max(free));
        self.message_count += message_count;
        self.debit_count += debit_count;
        self.last_heard = self.last_heard.max(heard);
        self.latency_us.saturating_record_n(micros(heard.saturating_sub(intended)), debit_count);
        self.start_lag_us.saturating_record_n(micros(start_lag), message_count);
        self.sender_lag_us.saturating_record_n(micros(sender_lag), message_count);
        self.held_count += if free > intended { message_count } else { 0 };
        self.late_count += if start_lag > ON_TIME { message_count } else { 0 };
        self.sender_late_count += if sender_lag > ON_TIME { message_count } else { 0 };
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), LoadError> {
        self.last_heard = self.last_heard.max(other.last_heard);
        self.message_count += other.message_count;
        self.debit_count += other.debit_count;
        self.held_count += other.held_count;
        self.late_count += other.late_count;
        self.sender_late_count += other.sender_late_count;
        let pairs = [
            (&mut self.latency_us, &other.latency_us),
            (&mut self.start_lag_us, &other.start_lag_us),
            (&mut self.sender_lag_us, &other.sender_lag_us),
        ];
        for (sum, other) in pairs {
            sum.add(other).map_err(|error| LoadError::Histogram(error.to_string()))?;
        }
        Ok(())
    }

    /// Returns the span from the end of the warm-up to the last answer, and not less than was planned: whoever is early
    /// was not faster.
    pub(crate) fn span(&self, planned: Duration) -> Duration {
        self.last_heard.saturating_sub(self.warmup).max(planned)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn landed(intended: u32, free: u32, began: u32, heard: u32) -> Landed {
        Landed {
            intended: MS * intended,
            free: MS * free,
            began: MS * began,
            heard: MS * heard,
            message_count: 1,
            debit_count: 10,
        }
    }

    #[test]
    fn latency_counts_from_the_intended_start_and_the_warm_up_is_left_out() {
        let mut measures = Measures::new(MS * 1_000).unwrap();
        measures.add(landed(999, 0, 999, 5_000));
        measures.add(landed(1_000, 0, 1_040, 1_050));
        assert_eq!((measures.message_count, measures.debit_count), (1, 10));
        assert_eq!(measures.latency_us.len(), 10, "each debit counts");
        assert!(measures.latency_us.equivalent(measures.latency_us.max(), 50_000));
        assert_eq!(measures.span(MS * 10), MS * 50);
        assert_eq!(measures.span(MS * 100), MS * 100);
    }

    #[test]
    fn a_wait_for_a_place_is_in_the_start_lag_and_not_in_the_senders() {
        let mut measures = Measures::new(Duration::ZERO).unwrap();
        measures.add(landed(10, 90, 92, 100));
        assert_eq!((measures.held_count, measures.late_count, measures.sender_late_count), (1, 1, 1));
        assert!(measures.start_lag_us.equivalent(measures.start_lag_us.max(), 82_000));
        assert!(measures.sender_lag_us.equivalent(measures.sender_lag_us.max(), 2_000));
        measures.add(landed(100, 90, 101, 110));
        assert_eq!(
            (measures.held_count, measures.late_count),
            (1, 1),
            "a millisecond is what a timer may take"
        );
    }
}
