//! Owns: the look, once a second, at how far the wall clock has moved away from ours.
//! Beyond the bound the sweeper stops (it would settle sessions by a time nobody else believes) and readiness is lost;
//! both come back with the clock. Never: sets a clock.

use crate::{
    AnchoredClock,
    readiness::{Readiness, Unready},
};
use std::{sync::Arc, time::Duration};
use tallystick_engine::Engine;
use tokio::time::MissedTickBehavior;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Says what a look changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Diverged,
    Returned,
}

/// Remembers what the last look found.
#[derive(Debug)]
struct Watch {
    bound: Duration,
    diverged: bool,
}

impl Watch {
    fn step(&mut self, divergence_ns: i128) -> Option<Change> {
        let diverged = divergence_ns.unsigned_abs() > self.bound.as_nanos();
        let changed = diverged != self.diverged;
        self.diverged = diverged;
        changed.then_some(if diverged { Change::Diverged } else { Change::Returned })
    }
}

/// Looks until it is dropped.
pub(crate) async fn watch(
    clock: Arc<AnchoredClock>,
    bound: Duration,
    engine: Arc<Engine>,
    readiness: Arc<Readiness>,
) {
    let mut watch = Watch { bound, diverged: false };
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let divergence_ns = clock.divergence_ns();
        match watch.step(divergence_ns) {
            Some(Change::Diverged) => {
                engine.pause_sweeper(true);
                readiness.lose(Unready::ClockDiverged).await;
                let bound_ms = bound.as_millis();
                tracing::error!(
                    divergence_ns,
                    bound_ms,
                    "the wall clock moved away: not ready, sweeper stopped"
                );
            }
            Some(Change::Returned) => {
                engine.pause_sweeper(false);
                readiness.regain(Unready::ClockDiverged).await;
                tracing::warn!(divergence_ns, "the wall clock came back: sweeper started");
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_only_when_the_bound_is_crossed() {
        let mut watch = Watch { bound: Duration::from_nanos(10), diverged: false };
        let steps = [0, 10, 11, 500, -11, -10, 3, -900].map(|divergence| watch.step(divergence));
        let (away, back) = (Some(Change::Diverged), Some(Change::Returned));
        assert_eq!(steps, [None, None, away, None, None, back, None, away]);
    }
}
