//! Owns: an engine without threads: whoever holds it takes each step of the committer and the checkpointer himself, in any
//! order. It is what a simulation runs, so that one seed always gives one history.
//! Never: a step that `Running` would not take; another way to do one.

use crate::{Aside, CheckpointSummary, Engine, Options, Parts, RecoverySummary, StartFault, running};
use std::sync::Arc;
use tallystick_journal::{StorageFault, TrimStep};

/// Is an engine that stands still between the steps. Dropping it is a crash: what is not durable is gone.
///
/// A ticket must be polled, not waited for: nobody would wake who waits. One that leads may step the committer when polled.
#[expect(missing_debug_implementations, reason = "as `Engine`")]
pub struct Stepped {
    engine: Arc<Engine>,
}

impl Stepped {
    /// Recovers. *Errors*: as `Running::start`.
    pub fn start(parts: Parts, options: Options) -> Result<(Self, RecoverySummary), StartFault> {
        let (engine, _, summary) = running::begin(parts, options)?;
        engine.finish_what_a_crash_left();
        Ok((Self { engine }, summary))
    }

    /// Returns the handle.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Steps the committer: what the lanes hold becomes one durable group. Returns whether there was anything.
    /// *Errors*: the disk's; everyone who waits has failed by then.
    ///
    /// Called by the journal's own `append`, it would wait for itself.
    pub fn commit(&self) -> Result<bool, StorageFault> {
        self.engine.committer.step_alone(|| {})
    }

    /// As `commit`, for whoever lets others decide while the lanes are visited one after another: `between` is called before
    /// each. It must not commit.
    pub fn commit_giving_way(&self, between: impl Fn()) -> Result<bool, StorageFault> {
        self.engine.committer.step_alone(between)
    }

    /// Makes a checkpoint. *Errors*: the disk's, or that the journal failed. `aside` must see to it that what is waited for
    /// becomes durable.
    pub fn checkpoint(&self, aside: &dyn Aside) -> Result<CheckpointSummary, StorageFault> {
        self.engine.checkpoint(|| self.engine.committer.floor(), aside)
    }

    /// Gives back some of the journal that a checkpoint has made needless. *Errors*: the disk's.
    pub fn trim(&self, after: &CheckpointSummary) -> Result<TrimStep, StorageFault> {
        self.engine.journal.trim(self.engine.trimmed_before(after))
    }

    /// Moves the durable floor to the last group. *Errors*: the disk's.
    pub fn move_floor(&self) -> Result<(), StorageFault> {
        self.engine.move_floor()
    }
}
