//! Owns: what the follower and those who look up share: the cursor, who waits for it, and what holds for the whole index.
//! Never: an entry.

use crate::{
    kind::head::Head,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
        thread::Thread,
    },
};
use std::{
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tallystick_core::hash::Seed;
use tallystick_journal::Watermark;

/// Says that the projection follows no further: what it has can be looked up, what came later cannot before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the projection has stopped and follows no further before a restart; nothing is lost")
    }
}

impl std::error::Error for Stopped {}

#[derive(Debug)]
pub(crate) struct Shared {
    /// All up to here can be looked up. A watermark, since it is one: it only moves up, and is waited for.
    pub(crate) cursor: Watermark,
    /// The greatest seq that somebody waits for.
    wanted: AtomicU64,
    complete_from: AtomicU64,
    seed: Mutex<Option<Seed>>,
    follower: OnceLock<Thread>,
}

impl Shared {
    pub(crate) fn new(head: Option<&Head>) -> Self {
        let shared = Self {
            cursor: Watermark::new(head.map_or(0, |head| head.cursor)),
            wanted: AtomicU64::new(0),
            complete_from: AtomicU64::new(1),
            seed: Mutex::default(),
            follower: OnceLock::new(),
        };
        if let Some(head) = head {
            shared.begun(head);
        }
        shared
    }

    /// Takes over what holds for the whole index, before the cursor moves.
    pub(crate) fn begun(&self, head: &Head) {
        self.complete_from.store(head.complete_from, Ordering::Release);
        *self.seed.lock().unwrap_or_else(PoisonError::into_inner) = Some(head.seed);
    }

    pub(crate) fn seed(&self) -> Option<Seed> {
        *self.seed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn complete_from(&self) -> u64 {
        self.complete_from.load(Ordering::Acquire)
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire) > self.cursor.durable()
    }

    /// Lets the follower know that somebody waits for `seq`, so that it does not pause.
    pub(crate) fn want(&self, seq: u64) {
        // ORDER: first the wish, then the wake: whoever wakes up finds it.
        if self.wanted.fetch_max(seq, Ordering::AcqRel) < seq
            && let Some(thread) = self.follower.get()
        {
            thread.unpark();
        }
    }

    pub(crate) fn set_follower(&self, thread: Thread) {
        // A projection has one follower; the first one stays.
        let _ = self.follower.set(thread);
    }

    /// Blocks until the cursor has come to `seq`, for at most `span`. Returns whether it has.
    pub(crate) fn wait(&self, seq: u64, span: Duration) -> Result<bool, Stopped> {
        self.want(seq);
        match self.cursor.wait_timeout(seq, span) {
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(_)) => Err(Stopped),
            Poll::Pending => Ok(false),
        }
    }
}

/// Is a wait for the cursor, as a plain future: any runtime, and any time limit around it, will do.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Reach {
    shared: Arc<Shared>,
    seq: u64,
}

impl Reach {
    pub(crate) fn new(shared: &Arc<Shared>, seq: u64) -> Self {
        Self { shared: Arc::clone(shared), seq }
    }
}

impl Future for Reach {
    type Output = Result<(), Stopped>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.shared.cursor.poll(self.seq, cx);
        if polled.is_pending() {
            self.shared.want(self.seq);
        }
        polled.map_err(|_| Stopped)
    }
}
