//! Owns: settling what was revoked, and all that stands below it: in small steps, so that debits of others go on between them.
//! Never: what a settlement says; more in one lock hold than a debit may wait for.

use crate::{Engine, shard::Shard};
use tallystick_core::{Time, tree::Step};

/// Bounds what is done in one lock hold.
const STEPS_PER_HOLD: usize = 16;
/// Bounds the rows that are looked at in one lock hold.
const ROWS_PER_HOLD: u32 = 256;

/// Says how far a partition was looked through for what stands below something that was revoked. Never stored: after a start,
/// all of it is looked through again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Looking {
    /// The count of lookings that this is for.
    known: u64,
    /// The next slot; `None` when the end was reached.
    from: Option<u32>,
}

/// Is what a partition has next.
enum Found {
    /// Something to do.
    Step(Step),
    /// Nothing among the rows that were looked at, but there are more.
    NotYet,
    /// Nothing more.
    Nothing,
}

impl Engine {
    /// Settles what was revoked in a partition, in at most `holds` lock holds. Returns how many steps were done, and whether
    /// there may be more to do.
    pub(crate) fn unwind(&self, partition: u16, holds: usize) -> (usize, bool) {
        let (mut done, mut is_left) = (0, true);
        for _ in 0..holds {
            let mut shard = self.lock(partition);
            let (steps, more) = self.unwind_locked(&mut shard, partition);
            (done, is_left) = (done + steps, more);
            if !is_left {
                break;
            }
        }
        if done > 0 {
            self.deliver(partition);
            self.wake_committer();
        }
        (done, is_left)
    }

    fn unwind_locked(&self, shard: &mut Shard, partition: u16) -> (usize, bool) {
        if shard.partition(partition).stops() == 0 {
            return (0, false);
        }
        for done in 0..STEPS_PER_HOLD {
            let now = shard.partition(partition).decision_time(self.now());
            match look(shard, partition, now) {
                Found::Step(step) => {
                    if self.step(shard, step, now).is_none() {
                        return (done, false);
                    }
                }
                Found::NotYet => return (done, true),
                Found::Nothing => return (done, false),
            }
        }
        (STEPS_PER_HOLD, true)
    }
}

/// Finds something to do: what is known to be ready, then by looking through the table from where that stopped.
fn look(shard: &mut Shard, partition: u16, now: Time) -> Found {
    let home = shard.partition(partition);
    if let Some(step) = home.ready_step(now) {
        return Found::Step(step);
    }
    let mut looking = shard.looking(partition);
    if looking.known != home.lookings() {
        looking = Looking { known: home.lookings(), from: Some(0) };
    }
    let Some(from) = looking.from else { return Found::Nothing };
    let (step, next) = home.look_for_revoked(from, ROWS_PER_HOLD, now);
    looking.from = next;
    shard.set_looking(partition, looking);
    match (step, next) {
        (Some(step), _) => Found::Step(step),
        (None, Some(_)) => Found::NotYet,
        (None, None) => Found::Nothing,
    }
}
