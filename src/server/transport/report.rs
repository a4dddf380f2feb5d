//! Owns: what the log says of those who were turned away: one line a second at most, however many they were.
//! Never: a line for each.

use super::{Counts, counts::Why};
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

/// How often is looked.
const TICK: Duration = Duration::from_millis(100);
/// Is how many looks pass between two lines.
const QUIET_TICKS: u64 = 10;

/// Writes the log until it is aborted. `refused` counts calls that were refused for want of room or for slowness.
pub(crate) async fn report(counts: Arc<Counts>, refused: impl Fn() -> u64) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut before, mut failures, mut calls) = (counts.turned_away(), 0, 0);
    let mut quiet = QUIET_TICKS;
    loop {
        tick.tick().await;
        quiet += 1;
        if quiet < QUIET_TICKS {
            continue;
        }
        let now = (counts.turned_away(), counts.accept_failures(), refused());
        let more = |why: Why| now.0[why as usize].1 - before[why as usize].1;
        if now != (before, failures, calls) {
            tracing::warn!(
                full = more(Why::Full),
                address_full = more(Why::AddressFull),
                handshake = more(Why::Handshake),
                unread = more(Why::Unread),
                hung_up = more(Why::HungUp),
                accept_failures = now.1 - failures,
                calls_refused = now.2 - calls,
                "turned connections or calls away"
            );
            quiet = 0;
        }
        (before, failures, calls) = now;
    }
}
