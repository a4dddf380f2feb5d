//! Owns: what the engine tells, as lines of the log, and the bell that rings when the journal has failed.
//! Never: ends the process; `serve` listens to the bell and does.

use crate::background;
use tallystick_core::SessionId;
use tallystick_engine::{CheckpointSummary, Committed, Events, RecoverySummary};
use tallystick_journal::StorageFault;
use tokio::sync::watch;

/// Writes the log, and rings.
#[derive(Debug)]
pub struct LoggedEvents {
    journal_failed: watch::Sender<bool>,
}

/// Is heard once the journal has failed, also by those who begin to listen afterwards.
#[derive(Debug, Clone)]
pub struct JournalBell(watch::Receiver<bool>);

impl LoggedEvents {
    /// Makes both ends.
    pub fn new() -> (Self, JournalBell) {
        let (journal_failed, bell) = watch::channel(false);
        (Self { journal_failed }, JournalBell(bell))
    }
}

impl JournalBell {
    /// Waits until the journal has failed; for ever if the engine ends without.
    pub async fn rung(&mut self) {
        if self.0.wait_for(|failed| *failed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns whether the journal has failed.
    pub fn has_rung(&self) -> bool {
        *self.0.borrow()
    }
}

impl Events for LoggedEvents {
    fn background_begins(&self) {
        background::give_way();
    }

    fn committed(&self, group: &Committed) {
        let Committed { records, bytes, sync_ns, .. } = *group;
        tracing::trace!(records, bytes, sync_ns, "group is durable");
    }

    fn journal_failed(&self, fault: &StorageFault) {
        // ORDER: ring first. A log that cannot be written either must not hold up the end.
        self.journal_failed.send_replace(true);
        tracing::error!(%fault, "the journal failed: nothing is approved any more, and the process ends");
    }

    fn checkpointed(&self, summary: &CheckpointSummary) {
        let CheckpointSummary { covered_seq, floor_seq, rows, settlements, command_keys, bytes, hold_ns_max } =
            *summary;
        tracing::info!(
            covered_seq,
            floor_seq,
            rows,
            settlements,
            command_keys,
            bytes,
            hold_ns_max,
            "checkpoint is stored"
        );
    }

    fn family_revoked(&self, standing: SessionId) {
        tracing::warn!(%standing, "a spent refresh secret was used again: its family is revoked, two may have had it");
    }

    fn background_failed(&self, what: &str, fault: &StorageFault) {
        tracing::error!(what, %fault, "failed in the background; will be tried again, nothing is lost");
    }

    fn recovered(&self, summary: &RecoverySummary) {
        tracing::debug!(?summary, "the past is read");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_journal_is_heard_before_and_after() {
        let (events, mut bell) = LoggedEvents::new();
        assert!(!bell.has_rung());
        let mut early = bell.clone();
        let listening = tokio::spawn(async move { early.rung().await });
        events.journal_failed(&StorageFault::Io("no space".into()));
        listening.await.unwrap();
        drop(events);
        bell.rung().await;
        assert!(bell.has_rung());
    }

    #[tokio::test]
    async fn an_engine_that_ends_well_does_not_ring() {
        let (events, mut bell) = LoggedEvents::new();
        drop(events);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), bell.rung()).await;
        assert!(waited.is_err());
    }
}

/// Writes what the projection tells into the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoggedProjection;

impl tallystick_projection::Events for LoggedProjection {
    fn begins(&self) {
        background::give_way();
    }

    fn stepped(&self, step: &tallystick_projection::Stepped) {
        let tallystick_projection::Stepped { cursor, lag, records, bytes } = *step;
        tracing::trace!(cursor, lag, records, bytes, "the index has followed");
    }

    fn begun_anew(&self, finding: &str) {
        tracing::warn!(finding, "the index spoke of another journal and is made anew");
    }

    fn stopped(&self, fault: &StorageFault) {
        tracing::error!(%fault, "the index follows no further before a restart; decisions go on, look-ups fall behind");
    }
}
