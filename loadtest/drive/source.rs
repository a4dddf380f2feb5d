//! Owns: when a loop may begin its next call or message. Never: what is in it.

use std::{sync::Arc, time::Duration};
use tallystick_client::Stopwatch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Allows one call or message to begin. Times count from the start of the run.
#[derive(Debug)]
pub(super) struct Start {
    /// When it should begin.
    pub(super) intended: Duration,
    /// When there was last a place for it.
    pub(super) free: Duration,
    /// Its place among the outstanding, given back when it is dropped.
    pub(super) place: OwnedSemaphorePermit,
}

/// Gives starts one by one.
#[derive(Debug)]
pub(super) enum Source {
    /// One whenever there is a place, until the time is up: answers decide.
    Closed {
        /// As many as may be outstanding.
        room: Arc<Semaphore>,
        /// Started with the run.
        clock: Stopwatch,
        /// When the time is up.
        until: Duration,
    },
    /// One whenever the pacer says so: the schedule decides.
    Open(mpsc::Receiver<Start>),
}

impl Source {
    pub(super) fn closed(places: u32, clock: Stopwatch, until: Duration) -> Self {
        Self::Closed { room: Arc::new(Semaphore::new(places as usize)), clock, until }
    }

    /// Waits for the next start; `None` when there is no more.
    pub(super) async fn next(&mut self) -> Option<Start> {
        match self {
            Self::Closed { room, clock, until } => {
                let place = Arc::clone(room).acquire_owned().await.ok()?;
                let now = clock.elapsed();
                (now < *until).then_some(Start { intended: now, free: now, place })
            }
            Self::Open(starts) => starts.recv().await,
        }
    }
}
