//! Owns: the follower's thread: it waits for the watermark, steps, lets records gather when it has caught up, and ends with
//! a durable cursor.
//! Never: tries again after a fault: whoever waits is told, the journal is kept from its cursor on, a restart goes on.

use crate::{
    follower::{Follower, Step},
    lookup::Lookups,
    pace::Pace,
    shared::Shared,
    sync::{
        atomic::{AtomicBool, Ordering},
        thread::{self, JoinHandle, Thread},
    },
};
use std::{
    io,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};
use tallystick_journal::{StorageFault, Watermark};

/// Wakes a parked thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Fails those who wait, however the thread ends: nobody will move the cursor any more.
struct Farewell(Arc<Shared>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.cursor.fail();
    }
}

impl Follower {
    /// Follows on this thread until told to stop, then to the end of what is durable. It is told by `stopping` and woken by
    /// an unpark. *Errors*: as `step`; there is nothing to go on with before a restart.
    pub fn run(&mut self, watermark: &Watermark, stopping: impl Fn() -> bool) -> Result<(), StorageFault> {
        let _farewell = Farewell(Arc::clone(&self.shared));
        self.shared.set_follower(thread::current());
        let ended = self.follow(watermark, stopping);
        if let Err(fault) = &ended {
            self.events().stopped(fault);
        }
        ended
    }

    fn follow(&mut self, watermark: &Watermark, stopping: impl Fn() -> bool) -> Result<(), StorageFault> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut pace = Pace::new(&self.options);
        loop {
            // ORDER: looked at before the step: what was durable when told to stop is followed.
            let last = stopping();
            let durable = watermark.durable();
            if self.step(durable)? == Step::Followed {
                let pause = pace.after(self.gathered.bytes);
                // What has become durable during the step gathers as well: under load, something always has.
                let is_behind = self.cursor() < durable;
                if !is_behind && !last && !self.shared.is_wanted() {
                    thread::park_timeout(pause);
                }
                continue;
            }
            if last {
                return self.sync();
            }
            match watermark.poll(self.cursor() + 1, &Context::from_waker(&waker)) {
                Poll::Pending => thread::park(),
                Poll::Ready(Ok(())) => {}
                // The journal has failed: nothing more will ever be durable.
                Poll::Ready(Err(_)) => return self.sync(),
            }
        }
    }
}

/// Is a follower on a thread of its own. Dropping it stops it, as `stop` does.
#[expect(missing_debug_implementations, reason = "as `Follower`")]
pub struct Following {
    lookups: Lookups,
    watermark: Arc<Watermark>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), StorageFault>>>,
}

impl Following {
    /// Starts the thread. `watermark` is that of the journal which the follower was opened with.
    pub fn start(mut follower: Follower, watermark: Arc<Watermark>) -> io::Result<Self> {
        let (lookups, stop) = (follower.lookups(), Arc::new(AtomicBool::new(false)));
        let (told, mark) = (Arc::clone(&stop), Arc::clone(&watermark));
        let work = move || {
            follower.events().begins();
            follower.run(&mark, || told.load(Ordering::Acquire))
        };
        let thread = Some(thread::Builder::new().name("projection".into()).spawn(work)?);
        Ok(Self { lookups, watermark, stop, thread })
    }

    /// Returns what answers look-ups.
    pub fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    /// Returns how far the cursor is behind what is durable. *Units*: records.
    pub fn lag(&self) -> u64 {
        self.lookups.lag(self.watermark.durable())
    }

    /// Stops at the end of what is durable, with a durable cursor there. Called when nothing more will become durable: after
    /// the engine has stopped. *Errors*: what the follower ended with, now or before.
    ///
    /// *Panics*: if the follower did.
    pub fn stop(mut self) -> Result<(), StorageFault> {
        self.end()
    }

    fn end(&mut self) -> Result<(), StorageFault> {
        self.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.thread().unpark();
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if !thread::panicking() {
            // `Events::stopped` has been told.
            let _ = self.end();
        }
    }
}
