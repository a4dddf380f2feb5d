//! Owns: waking a task at an instant, to within some 60 us. Never: a thread of its own.
//!
//! NOTE: tokio's timers wake on whole milliseconds; the system's timer, watched as a file, is as exact as a parked thread
//! and costs the task no hand-off.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::{
    io,
    os::fd::OwnedFd,
    task::{Context, Poll},
    time::Duration,
};
use tokio::io::{Interest, unix::AsyncFd};

/// Wakes one task.
#[derive(Debug)]
pub(super) struct Timer {
    file: AsyncFd<OwnedFd>,
    /// What it is set to.
    at: Option<Duration>,
}

impl Timer {
    /// *Errors*: the system gives no timer.
    #[allow(
        deprecated,
        reason = "deprecated for files that somebody else may close: this one is ours, and its successor is unsafe"
    )]
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let file = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { file: AsyncFd::with_interest(file, Interest::READABLE)?, at: None })
    }

    /// Has the task woken at an instant, which lies `left` ahead; an earlier wish is forgotten.
    pub(super) fn wake_at(
        &mut self,
        context: &mut Context<'_>,
        at: Duration,
        left: Duration,
    ) -> io::Result<()> {
        // ORDER: what it fell due to before is taken off first, and the task noted; what falls due from here on wakes it.
        while let Poll::Ready(mut due) = self.file.poll_read_ready(context)? {
            due.clear_ready();
            self.at = None;
        }
        if self.at == Some(at) {
            return Ok(());
        }
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Nothing at all would switch it off.
        let it_value = Timespec::try_from(left.max(Duration::from_nanos(1))).map_err(io::Error::other)?;
        let span = Itimerspec { it_interval: never, it_value };
        timerfd_settime(self.file.get_ref(), TimerfdTimerFlags::empty(), &span)?;
        self.at = Some(at);
        Ok(())
    }
}
