//! Owns: the projection beside the engine: opened before the engine starts, so that the journal is not trimmed under it,
//! started when the watermark is there, stopped when nothing more becomes durable. And what it tells, as lines of the log.
//! Never: a reason not to serve: without it, only look-ups fail.

use crate::ServeFault;
use std::{path::Path, sync::Arc};
use tallystick_engine::Running;
use tallystick_journal::{NeededFrom, StorageFault};
use tallystick_projection::{Events, Follower, Following, Options, Parts, Stepped};
use tallystick_store::Store;
use tokio::task::spawn_blocking;

/// Writes the log.
#[derive(Debug, Clone, Copy, Default)]
struct LoggedSteps;

impl Events for LoggedSteps {
    fn stepped(&self, step: &Stepped) {
        let Stepped { cursor, lag, records, bytes } = *step;
        tracing::trace!(cursor, lag, records, bytes, "the projection followed");
    }

    fn begun_anew(&self, finding: &str) {
        tracing::warn!(finding, "the projection speaks of another journal, and is derived anew");
    }

    fn stopped(&self, fault: &StorageFault) {
        tracing::error!(%fault, "the projection stopped: look-ups fail and the journal grows until a restart; nothing is lost");
    }
}

/// Opens the follower. *Ordering*: before the engine starts with the same `needed_from`.
pub(crate) fn open(
    folder: &Path,
    store: &Store,
    needed_from: &Arc<NeededFrom>,
) -> Result<Follower, ServeFault> {
    let index = store.index();
    let parts = Parts {
        journal: store.journal(),
        checkpoints: Arc::clone(&index) as _,
        store: index,
        needed_from: Arc::clone(needed_from),
        events: Arc::new(LoggedSteps),
    };
    Follower::open(parts, Options::default())
        .map_err(|fault| ServeFault::Open { folder: folder.into(), fault })
}

/// Starts the follower's thread beside a running engine.
pub(crate) fn start(follower: Follower, running: &Running) -> Result<Following, ServeFault> {
    Ok(Following::start(follower, Arc::clone(running.engine().watermark()))?)
}

/// Stops it with a durable cursor. *Ordering*: after the engine has stopped.
pub(crate) async fn stop(following: Following) -> Result<(), ServeFault> {
    // Its fault has been told; what it did not come to is followed after the next start.
    let _ = spawn_blocking(move || following.stop()).await?;
    Ok(())
}
