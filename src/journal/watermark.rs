//! Owns: how far the journal is durable, and who waits for it. Nothing undurable is heard: an answer waits here for the
//! seq it depends on. Std wakers only, so that any runtime, or none, can wait.
//! Never: knows what the answers are.

use crate::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::PoisonError,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Says that the journal cannot be written any more: whatever waited has an unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalFailed;

impl fmt::Display for JournalFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the journal cannot be written: outcome unknown, ask again with the same key after a restart",
        )
    }
}

impl std::error::Error for JournalFailed {}

/// Is the last durable seq, and those who wait for it to move.
#[derive(Debug, Default)]
pub struct Watermark {
    durable: AtomicU64,
    failed: AtomicBool,
    waiting: Mutex<BTreeMap<u64, Vec<Waker>>>,
    moved: Condvar,
}

impl Watermark {
    /// Begins at a seq that recovery found durable.
    pub fn new(durable: u64) -> Self {
        Self { durable: AtomicU64::new(durable), ..Self::default() }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<Waker>>> {
        // A panic while it was held leaves a map of wakers, which is whole at every step.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the last durable seq.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Returns whether the journal has failed.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Says what a wait for `seq` comes to now, if anything. What was durable before a failure stays durable.
    pub fn state(&self, seq: u64) -> Poll<Result<(), JournalFailed>> {
        if self.durable() >= seq {
            Poll::Ready(Ok(()))
        } else if self.has_failed() {
            Poll::Ready(Err(JournalFailed))
        } else {
            Poll::Pending
        }
    }

    /// Polls a wait for `seq`; when it is pending, the task is woken once the watermark has moved there or failed.
    pub fn poll(&self, seq: u64, cx: &Context<'_>) -> Poll<Result<(), JournalFailed>> {
        if let ready @ Poll::Ready(_) = self.state(seq) {
            return ready;
        }
        let mut waiting = self.waiting();
        // ORDER: looked at again under the lock, since `advance` stores first and takes the lock afterwards.
        let state = self.state(seq);
        if state.is_pending() {
            let wakers = waiting.entry(seq).or_default();
            if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                wakers.push(cx.waker().clone());
            }
        }
        state
    }

    /// Blocks the thread until `seq` is durable. *Errors*: `JournalFailed`.
    pub fn wait(&self, seq: u64) -> Result<(), JournalFailed> {
        let mut waiting = self.waiting();
        loop {
            if let Poll::Ready(state) = self.state(seq) {
                return state;
            }
            waiting = self.moved.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// As `wait`, for at most `span`; pending when that has passed.
    pub fn wait_timeout(&self, seq: u64, span: Duration) -> Poll<Result<(), JournalFailed>> {
        let waiting = self.waiting();
        let _waiting = self.moved.wait_timeout_while(waiting, span, |_| self.state(seq).is_pending());
        self.state(seq)
    }

    /// Moves the watermark, and wakes whoever waited for it. *Panics*: if it would run back.
    pub fn advance(&self, durable: u64) {
        let before = self.durable.swap(durable, Ordering::AcqRel);
        assert!(before <= durable, "bug: the watermark ran back from {before} to {durable}");
        let due = {
            let mut waiting = self.waiting();
            let later = waiting.split_off(&durable.saturating_add(1));
            mem::replace(&mut *waiting, later)
        };
        self.moved.notify_all();
        due.into_values().flatten().for_each(Waker::wake);
    }

    /// Fails all who wait, and all who will wait for more than is durable. There is no way back.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        let all = mem::take(&mut *self.waiting());
        self.moved.notify_all();
        all.into_values().flatten().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, task::Wake, thread};

    #[derive(Default)]
    struct Count(AtomicU64);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn only_what_is_durable_is_woken_and_only_once() {
        let (mark, count) = (Watermark::new(0), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        assert!(mark.poll(3, &cx).is_pending());
        assert!(mark.poll(3, &cx).is_pending());
        assert!(mark.poll(5, &cx).is_pending());
        mark.advance(2);
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        mark.advance(4);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(mark.poll(3, &cx), Poll::Ready(Ok(())));
    }

    #[test]
    fn a_failure_reaches_all_but_the_durable() {
        let (mark, count) = (Watermark::new(0), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        mark.advance(4);
        assert!(mark.poll(5, &cx).is_pending());
        mark.fail();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(mark.poll(5, &cx), Poll::Ready(Err(JournalFailed)));
        assert_eq!(mark.poll(4, &cx), Poll::Ready(Ok(())));
        assert_eq!(mark.wait(5), Err(JournalFailed));
    }

    #[test]
    fn a_wait_with_a_limit_ends_either_way() {
        let mark = Arc::new(Watermark::new(1));
        assert_eq!(mark.wait_timeout(1, Duration::ZERO), Poll::Ready(Ok(())));
        assert_eq!(mark.wait_timeout(2, Duration::from_millis(1)), Poll::Pending);
        let waiter = {
            let mark = Arc::clone(&mark);
            thread::spawn(move || mark.wait_timeout(2, Duration::from_secs(60)))
        };
        mark.advance(2);
        assert_eq!(waiter.join().unwrap(), Poll::Ready(Ok(())));
        mark.fail();
        assert_eq!(mark.wait_timeout(3, Duration::from_secs(60)), Poll::Ready(Err(JournalFailed)));
    }

    #[test]
    fn threads_wait_for_their_seq() {
        let mark = Arc::new(Watermark::new(0));
        let waiters: Vec<_> = (1..=8u64)
            .map(|seq| {
                let mark = Arc::clone(&mark);
                thread::spawn(move || mark.wait(seq).map(|()| mark.durable() >= seq))
            })
            .collect();
        (1..=8).for_each(|seq| mark.advance(seq));
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap() == Ok(true)));
    }
}
