//! Owns: the figures of one run, and their spread over several. Never: a float; a rate is a whole number of things a second.

use crate::{
    audit::Audit,
    drive::{Heard, Measures},
};
use serde::Serialize;
use std::time::Duration;

/// Less than this of the offered rate answered, and the schedule was not kept. *Units*: per cent.
const ACHIEVED_LEAST: u128 = 99;
/// More than this of the arrivals begun late by the generator itself, and the schedule was not kept. *Units*: per cent.
const SENDER_LATE_MOST: u64 = 1;

/// One run's figures, without its warm-up. Latency is each debit's, from its message's start to its answer; in an open loop
/// from the intended start.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    /// Decided after the warm-up.
    pub(crate) debits: u64,
    pub(crate) debits_per_s: u64,
    /// Open loop: calls or messages a second that the schedule held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offered_rate: Option<u64>,
    /// Calls or messages answered a second, until the last answer.
    pub(crate) achieved_rate: u64,
    pub(crate) latency_us_p50: u64,
    pub(crate) latency_us_p90: u64,
    pub(crate) latency_us_p99: u64,
    pub(crate) latency_us_p999: u64,
    pub(crate) latency_us_max: u64,
    /// How the schedule was kept; with an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<Kept>,
    /// Answers audited, those of the warm-up included.
    pub(crate) approved: u64,
    pub(crate) declined: u64,
    pub(crate) replayed: u64,
    pub(crate) audit_difference_nanos: u128,
}

/// Says how an open loop kept its schedule.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Kept {
    /// False when too few answers came, or too many arrivals began late by the generator's own doing.
    pub(crate) kept: bool,
    pub(crate) arrivals: u64,
    /// Arrivals that met the bound on outstanding ones, and waited.
    pub(crate) held_count: u64,
    /// Arrivals begun more than a millisecond after their intended start, for whatever reason.
    pub(crate) late_count: u64,
    /// Those of them that were late by the generator's own doing.
    pub(crate) sender_late_count: u64,
    /// From the intended start to the start.
    pub(crate) start_lag_us_p50: u64,
    pub(crate) start_lag_us_p99: u64,
    pub(crate) start_lag_us_max: u64,
    /// The generator's own part of it.
    pub(crate) sender_lag_us_p50: u64,
    pub(crate) sender_lag_us_p99: u64,
    pub(crate) sender_lag_us_max: u64,
}

/// Summarises one figure over all runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = u64>) -> Self {
        let mut values: Vec<u64> = values.collect();
        values.sort_unstable();
        let (Some(min), Some(max)) = (values.first().copied(), values.last().copied()) else {
            return Self::default();
        };
        Self { median: values[values.len() / 2], min, max }
    }
}

impl Run {
    /// Draws up the figures; `planned` is how long the measured part was to take.
    pub(crate) fn new(heard: &Heard, planned: Duration, open: bool, audit: &Audit) -> Self {
        let measures = &heard.measures;
        let answers = heard.ledger.answers();
        let at = |quantile| measures.latency_us.value_at_quantile(quantile);
        let span = measures.span(planned);
        let (offered, achieved) =
            (per_second(measures.message_count, planned), per_second(measures.message_count, span));
        Self {
            debits: measures.debit_count,
            debits_per_s: per_second(measures.debit_count, span),
            offered_rate: open.then_some(offered),
            achieved_rate: achieved,
            latency_us_p50: at(0.5),
            latency_us_p90: at(0.9),
            latency_us_p99: at(0.99),
            latency_us_p999: at(0.999),
            latency_us_max: measures.latency_us.max(),
            schedule: open.then(|| Kept::new(measures, planned)),
            approved: answers.approved,
            declined: answers.declined,
            replayed: answers.replayed,
            audit_difference_nanos: audit.difference_nanos(),
        }
    }
}

impl Kept {
    fn new(measures: &Measures, planned: Duration) -> Self {
        let (start, sender) = (&measures.start_lag_us, &measures.sender_lag_us);
        let answered_in_time = planned.as_nanos() * 100 >= measures.span(planned).as_nanos() * ACHIEVED_LEAST;
        let sent_in_time = measures.sender_late_count * 100 <= measures.message_count * SENDER_LATE_MOST;
        Self {
            kept: answered_in_time && sent_in_time,
            arrivals: measures.message_count,
            held_count: measures.held_count,
            late_count: measures.late_count,
            sender_late_count: measures.sender_late_count,
            start_lag_us_p50: start.value_at_quantile(0.5),
            start_lag_us_p99: start.value_at_quantile(0.99),
            start_lag_us_max: start.max(),
            sender_lag_us_p50: sender.value_at_quantile(0.5),
            sender_lag_us_p99: sender.value_at_quantile(0.99),
            sender_lag_us_max: sender.max(),
        }
    }
}

fn per_second(count: u64, span: Duration) -> u64 {
    let rate = u128::from(count) * 1_000_000_000 / span.as_nanos().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::Landed;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns how a schedule of 1,000 a second was kept when each began and was heard so much after its time.
    fn kept(began_after: Duration, heard_after: Duration, free_after: Duration) -> Kept {
        let mut measures = Measures::new(Duration::ZERO).unwrap();
        for nth in 0..1_000 {
            let intended = Duration::from_millis(nth);
            let (free, began) = (intended + free_after, intended + began_after);
            measures.add(Landed {
                intended,
                free,
                began,
                heard: intended + heard_after,
                message_count: 1,
                debit_count: 1,
            });
        }
        Kept::new(&measures, SECOND)
    }

    #[test]
    fn a_spread_is_median_and_range() {
        assert_eq!(Spread::of([3, 1, 2].into_iter()), Spread { median: 2, min: 1, max: 3 });
        assert_eq!(Spread::of(std::iter::empty()), Spread::default());
    }

    #[test]
    fn a_schedule_is_kept_when_starts_are_on_time_and_answers_keep_up() {
        let us = Duration::from_micros;
        assert!(kept(us(80), us(900), us(0)).kept);
    }

    #[test]
    fn a_generator_that_lags_says_so_and_one_that_waits_for_the_server_does_too() {
        let ms = Duration::from_millis;
        let own_fault = kept(ms(3), ms(4), ms(0));
        assert!(!own_fault.kept && own_fault.sender_late_count == 1_000 && own_fault.held_count == 0);
        let held = kept(ms(100), ms(101), ms(100));
        assert!(!held.kept, "a tenth of a second too late to be the offered rate");
        assert_eq!((held.held_count, held.late_count, held.sender_late_count), (1_000, 1_000, 0));
    }

    #[test]
    fn rates_are_over_the_whole_span_and_never_above_what_was_planned() {
        assert_eq!(per_second(1_000, SECOND * 2), 500);
        assert_eq!(per_second(1_000, Duration::ZERO), 1_000_000_000_000);
    }
}
