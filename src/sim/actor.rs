//! Owns: who can move in a world, and how often each is drawn. Never: what they do.

use crate::{rng::Rng, settings::Faults};

/// Names who moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A client asks for something anew.
    Send,
    /// A client asks again, or gives up.
    Retry,
    /// An answer is looked for, and reaches its client or is lost.
    Deliver,
    /// The committer steps.
    Commit,
    /// A checkpoint is made.
    Checkpoint,
    /// Some of the journal goes.
    Trim,
    /// The durable floor moves.
    Floor,
    /// The sweeper sweeps.
    Sweep,
    /// The projection follows.
    Follow,
    /// The projection syncs.
    Sync,
    /// Somebody looks a debit up in the index.
    Look,
    /// Somebody lists a session's debits.
    List,
    /// Somebody reads settlements.
    Settlements,
    /// A little time passes.
    Tick,
    /// The clock jumps forward.
    Jump,
    /// The process dies.
    Crash,
    /// The process will die at some write to come.
    Doom,
    /// The disk will fail at some deed to come.
    Order,
    /// What the engine has in memory is compared with what the journal says.
    Compare,
}

impl Actor {
    /// Lists all.
    pub const ALL: [Self; 19] = [
        Self::Send,
        Self::Retry,
        Self::Deliver,
        Self::Commit,
        Self::Checkpoint,
        Self::Trim,
        Self::Floor,
        Self::Sweep,
        Self::Follow,
        Self::Sync,
        Self::Look,
        Self::List,
        Self::Settlements,
        Self::Tick,
        Self::Jump,
        Self::Crash,
        Self::Doom,
        Self::Order,
        Self::Compare,
    ];

    /// Draws how often it moves in a world.
    pub fn weight(self, rng: &mut Rng, faults: &Faults) -> u32 {
        let most = match self {
            Self::Send => 800,
            Self::Deliver => 900,
            Self::Retry => 300,
            Self::Commit => 400,
            Self::Tick => 150,
            Self::Follow => 80,
            Self::Sweep | Self::Look | Self::List | Self::Settlements => 40,
            Self::Sync | Self::Trim => 30,
            Self::Floor => 10,
            Self::Checkpoint => 16,
            Self::Jump => {
                if faults.clock_jumps {
                    12
                } else {
                    0
                }
            }
            Self::Crash => {
                if faults.crashes {
                    10
                } else {
                    0
                }
            }
            Self::Doom => {
                if faults.crashes {
                    12
                } else {
                    0
                }
            }
            Self::Order => {
                let any =
                    faults.append_fails || faults.index_fails || faults.projection_fails || faults.finds_fail;
                if any { 12 } else { 0 }
            }
            Self::Compare => 4,
        };
        // Rare things stay rare and common ones common, each by its own draw.
        u32::try_from(rng.between(most / 8, most)).unwrap_or(0)
    }

    /// Returns whether it moves in the second phase, in which nothing goes wrong.
    pub fn is_calm(self) -> bool {
        !matches!(self, Self::Send | Self::Jump | Self::Crash | Self::Doom | Self::Order)
    }
}
