//! Owns: when one connection may begin its next call or message. Never: what is in it; moves or drops an arrival.

use super::timer::Timer;
use crate::{LoadError, schedule::Schedule};
use std::{
    iter::{Peekable, Skip, StepBy},
    task::Context,
    time::Duration,
};

/// A timer is set no nearer than this after the last start: arrivals closer together than a wake-up costs begin together,
/// each with its own intended start.
const REST: Duration = Duration::from_micros(50);

/// Gives starts one by one. Times count from the start of the run.
#[derive(Debug)]
pub(super) struct Pace {
    kind: Kind,
    /// As many as may be outstanding.
    places: u32,
    outstanding: u32,
    /// When there was last a place after there was none.
    free: Duration,
    began: Duration,
}

#[derive(Debug)]
enum Kind {
    /// One whenever there is a place, until the time is up.
    Closed { until: Duration },
    /// One whenever the schedule says so; of all arrivals, those that are this connection's in turn.
    Open { arrivals: Peekable<StepBy<Skip<Schedule>>>, timer: Timer },
}

/// Allows one call or message to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// When it should begin; in a closed loop, when it does.
    pub(super) intended: Duration,
    /// When there was last a place for it.
    pub(super) free: Duration,
}

impl Pace {
    pub(super) fn closed(places: u32, until: Duration) -> Self {
        Self::new(Kind::Closed { until }, places)
    }

    /// Takes the arrivals `first`, `first + step`, `first + 2 step` … of a schedule.
    ///
    /// *Errors*: the system gives no timer.
    pub(super) fn open(
        schedule: Schedule,
        first: usize,
        step: usize,
        places: u32,
    ) -> Result<Self, LoadError> {
        let arrivals = schedule.skip(first).step_by(step).peekable();
        Ok(Self::new(Kind::Open { arrivals, timer: Timer::new()? }, places))
    }

    fn new(kind: Kind, places: u32) -> Self {
        Self { kind, places, outstanding: 0, free: Duration::ZERO, began: Duration::ZERO }
    }

    /// Allows no more than so many to be outstanding, whatever was asked.
    pub(super) fn limit(&mut self, places: u32) {
        self.places = self.places.min(places.max(1));
    }

    /// Returns the next start, if it is due and there is a place.
    pub(super) fn next(&mut self, now: Duration) -> Option<Start> {
        if self.outstanding == self.places {
            return None;
        }
        let start = match &mut self.kind {
            Kind::Closed { until } => (now < *until).then_some(Start { intended: now, free: now }),
            Kind::Open { arrivals, .. } => {
                let intended = arrivals.next_if(|intended| *intended <= now)?;
                Some(Start { intended, free: self.free })
            }
        }?;
        self.outstanding += 1;
        self.began = now;
        Some(start)
    }

    /// Gives places back.
    pub(super) fn land(&mut self, count: u32, now: Duration) {
        if self.outstanding == self.places && count > 0 {
            self.free = now;
        }
        self.outstanding -= count;
    }

    /// Notes that what kept the next one from beginning, other than the places, has ended.
    pub(super) fn freed(&mut self, now: Duration) {
        self.free = now;
    }

    /// Returns whether everything has begun and has landed.
    pub(super) fn is_over(&mut self, now: Duration) -> bool {
        self.outstanding == 0
            && match &mut self.kind {
                Kind::Closed { until } => now >= *until,
                Kind::Open { arrivals, .. } => arrivals.peek().is_none(),
            }
    }

    /// Has the task woken when the next arrival is due. What is due already waits for an answer, which will wake it.
    pub(super) fn sleep(&mut self, context: &mut Context<'_>, now: Duration) -> Result<(), LoadError> {
        let Kind::Open { arrivals, timer } = &mut self.kind else { return Ok(()) };
        let Some(intended) = arrivals.peek() else { return Ok(()) };
        if *intended > now && self.outstanding < self.places {
            let at = (*intended).max(self.began + REST);
            timer.wake_at(context, at, at.saturating_sub(now))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arrivals;
    use std::future::poll_fn;
    use std::task::Poll;
    use tallystick_client::Stopwatch;

    const MS: Duration = Duration::from_millis(1);

    fn schedule(rate: u32, until: Duration) -> Schedule {
        Schedule::new(Arrivals::Constant, rate, until, 0)
    }

    #[tokio::test]
    async fn connections_share_a_schedule_and_every_arrival_begins_once() {
        let mut got = Vec::new();
        for first in 0..3 {
            let mut pace = Pace::open(schedule(1_000, MS * 100), first, 3, 100).unwrap();
            while let Some(start) = pace.next(MS * 100) {
                got.push(start.intended);
            }
            assert!(!pace.is_over(MS * 100), "nothing has landed");
        }
        got.sort_unstable();
        assert_eq!(got, schedule(1_000, MS * 100).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn arrivals_beyond_the_bound_wait_and_keep_their_intended_start() {
        let mut pace = Pace::open(schedule(1_000, MS * 3), 0, 1, 1).unwrap();
        let start = |intended, free| Some(Start { intended: MS * intended, free: MS * free });
        assert_eq!(pace.next(MS), start(0, 0));
        assert_eq!(pace.next(MS * 30), None, "the only place is taken");
        pace.land(1, MS * 30);
        assert_eq!(pace.next(MS * 30), start(1, 30));
        pace.land(1, MS * 31);
        assert_eq!(pace.next(MS * 31), start(2, 31));
        assert!(!pace.is_over(MS * 31));
        pace.land(1, MS * 32);
        assert!(pace.is_over(MS * 32) && pace.next(MS * 40).is_none(), "and that was all");
    }

    #[tokio::test]
    async fn no_arrival_begins_before_its_time_and_the_timer_wakes_for_each() {
        let mut pace = Pace::open(schedule(200, MS * 50), 0, 1, 100).unwrap();
        let clock = Stopwatch::start();
        let mut got = Vec::new();
        poll_fn(|context| {
            let now = clock.elapsed();
            while let Some(start) = pace.next(now) {
                assert!(start.intended <= now);
                got.push(start.intended);
                pace.land(1, now);
            }
            if pace.is_over(now) {
                return Poll::Ready(());
            }
            pace.sleep(context, now).unwrap();
            Poll::Pending
        })
        .await;
        assert_eq!(got, schedule(200, MS * 50).collect::<Vec<_>>());
    }

    #[test]
    fn a_closed_loop_begins_when_there_is_a_place_and_ends_with_the_time() {
        let mut pace = Pace::closed(2, MS * 10);
        assert!(pace.next(MS).is_some() && pace.next(MS).is_some() && pace.next(MS).is_none());
        pace.land(1, MS * 2);
        assert!(pace.next(MS * 9).is_some());
        pace.land(2, MS * 10);
        assert!(pace.next(MS * 10).is_none() && pace.is_over(MS * 10));
    }
}
