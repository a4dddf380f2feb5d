//! Owns: how lanes become groups and groups become durable, one `step` at a time, and who does it. A step is done by the
//! committer's own thread, or by the caller who waits for the only answer there is (`lead`): that spares it two hand-offs
//! between threads, each of which can cost as much as half a sync.
//!
//! ORDER: shards are visited one after another, so a lane visited early may lack a record that is older than one found in
//! a lane visited late. Only the unbroken beginning, by seq, goes into the group; the rest waits for the next step. So the
//! watermark never passes a record that is not written.
//! LOCK: `work` before any shard's; whoever holds a shard's never asks for it.
//! Never: retries an append. After a failed one nothing is known about what the disk holds.

use crate::{
    Committed, Events, Tally,
    engine::{Shards, stop_after_bug},
    lane::Lane,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
        thread::{self, Thread},
    },
};
use crossbeam_utils::CachePadded;
use std::sync::{Arc, OnceLock, PoisonError, TryLockError};
use tallystick_journal::{Chain, Floor, GroupWriter, Journal, StorageFault, Watermark};

/// Turns lanes into durable groups.
pub(crate) struct Committer {
    shards: Arc<Shards>,
    journal: Arc<dyn Journal>,
    events: Arc<dyn Events>,
    watermark: Arc<Watermark>,
    /// The engine's: the last seq drawn.
    last_seq: Arc<CachePadded<AtomicU64>>,
    group_bytes: usize,
    work: Mutex<Work>,
    floor: Mutex<Floor>,
    thread: OnceLock<Thread>,
    woken: AtomicBool,
}

/// Is what one step at a time works with.
#[derive(Debug)]
struct Work {
    pending: Vec<Lane>,
    group: GroupWriter,
    decisions: Tally,
    chain: Chain,
}

/// Says what a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A group is durable.
    Committed,
    /// There was nothing to do.
    Idle,
}

impl Committer {
    pub(crate) fn new(
        shards: &Arc<Shards>,
        (journal, events): (&Arc<dyn Journal>, &Arc<dyn Events>),
        watermark: &Arc<Watermark>,
        last_seq: &Arc<CachePadded<AtomicU64>>,
        (group_bytes, chain): (usize, Chain),
    ) -> Self {
        let pending = (0..shards.len()).map(|_| Lane::default()).collect();
        let floor = Floor { seq: chain.last_seq(), check: chain.check() };
        Self {
            shards: Arc::clone(shards),
            journal: Arc::clone(journal),
            events: Arc::clone(events),
            watermark: Arc::clone(watermark),
            last_seq: Arc::clone(last_seq),
            group_bytes,
            work: Mutex::new(Work {
                pending,
                group: GroupWriter::default(),
                decisions: Tally::default(),
                chain,
            }),
            floor: Mutex::new(floor),
            thread: OnceLock::new(),
            woken: AtomicBool::new(false),
        }
    }

    /// Returns the end of the chain: what the durable floor may be set to.
    pub(crate) fn floor(&self) -> Floor {
        *self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whose thread `run` is called in, so that it can be woken.
    pub(crate) fn set_thread(&self, thread: Thread) {
        // A second thread would be a bug of `running`; the first one stays.
        let _ = self.thread.set(thread);
    }

    /// Lets the thread know that there is something in a lane. Called without any lock.
    pub(crate) fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Does a step in the caller's thread if only one record waits for it and nobody is at a step; otherwise, or if that
    /// leaves something, wakes the thread: with more callers than one, theirs have other work to do meanwhile.
    /// *Cost*: a sync.
    pub(crate) fn lead(&self) {
        if self.last_seq.load(Ordering::Acquire).saturating_sub(self.watermark.durable()) > 1 {
            return self.wake();
        }
        let committed_seq = match self.work.try_lock() {
            Ok(mut work) => {
                // A failed append has been told to everyone who waits, and to `Events`.
                let _ = self.step(&mut work, || {});
                work.chain.last_seq()
            }
            Err(TryLockError::WouldBlock) => 0,
            Err(TryLockError::Poisoned(_)) => stop_after_bug(),
        };
        // ORDER: after the lock is let go: who drew a seq meanwhile found it taken, or was too late for this step.
        if self.last_seq.load(Ordering::Acquire) > committed_seq {
            self.wake();
        }
    }

    /// Does a step, whoever waits. Returns whether a group became durable. *Errors*: as `step`.
    pub(crate) fn step_alone(&self, between: impl Fn()) -> Result<bool, StorageFault> {
        Ok(self.step(&mut self.work(), between)? == Step::Committed)
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(|_| stop_after_bug())
    }

    /// Drains the lanes into one group, makes it durable and moves the watermark. `between` is called before each lane is
    /// visited, without any shard's lock.
    /// *Errors*: the disk's. The watermark has failed everyone by then, and the process must stop.
    fn step(&self, work: &mut Work, between: impl Fn()) -> Result<Step, StorageFault> {
        if self.watermark.has_failed() {
            return Ok(Step::Idle);
        }
        for (shard, pending) in self.shards.iter().zip(&mut work.pending) {
            between();
            pending.take_over(&mut shard.lock().unwrap_or_else(|_| stop_after_bug()).lane);
        }
        let first_seq = work.chain.last_seq() + 1;
        let last_seq = work.gather(first_seq, self.group_bytes) - 1;
        if last_seq < first_seq {
            return Ok(Step::Idle);
        }
        let records = work.group.count();
        let (bytes, check) = work.group.finish(work.chain.check());
        let began_ns = self.events.stopwatch_ns();
        if let Err(fault) = self.journal.append(first_seq, bytes) {
            self.watermark.fail();
            self.events.journal_failed(&fault);
            return Err(fault);
        }
        let sync_ns = self.events.stopwatch_ns().saturating_sub(began_ns);
        work.chain.extend(last_seq, check);
        *self.floor.lock().unwrap_or_else(PoisonError::into_inner) = Floor { seq: last_seq, check };
        let (bytes, decisions) = (bytes.len(), work.decisions);
        // ORDER: told once it is durable and before anybody hears of it: see `Events::committed`.
        self.events.committed(&Committed { records, bytes, sync_ns, decisions });
        self.watermark.advance(last_seq);
        Ok(Step::Committed)
    }

    /// Steps until told to stop, then until nothing is left. *Errors*: as `step`.
    pub(crate) fn run(&self, stopping: impl Fn() -> bool) -> Result<(), StorageFault> {
        loop {
            // ORDER: the flag is cleared before the lanes are looked at; who adds afterwards sets it and unparks us.
            self.woken.store(false, Ordering::Release);
            let last = stopping();
            if self.step(&mut self.work(), || {})? == Step::Committed {
                continue;
            }
            if last {
                return Ok(());
            }
            thread::park();
        }
    }
}

impl Work {
    /// Merges runs into a group as long as the next seq is there; returns the first seq that is not in it.
    fn gather(&mut self, first_seq: u64, bytes_max: usize) -> u64 {
        let Self { pending, group, decisions, .. } = self;
        group.begin(first_seq);
        *decisions = Tally::default();
        let mut next = first_seq;
        loop {
            let moved = pending.iter_mut().find_map(|lane| lane.move_run(next, group, decisions));
            match moved {
                Some(after) => next = after,
                None => return next,
            }
            if group.bytes() >= bytes_max {
                return next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Engine, Options, Parts, Silent, Ticket, recovery};
    use std::{
        pin::Pin,
        sync::Arc,
        task::{Context, Poll, Waker},
    };
    use tallystick_core::{Clock, IdSource, Time};
    use tallystick_journal::memory::{MemoryIndex, MemoryJournal};

    struct Same;

    impl Clock for Same {
        fn now(&self) -> Time {
            Time::from_ns(1)
        }
    }

    impl IdSource for Same {
        fn draw(&self) -> u64 {
            7
        }
    }

    /// Makes an engine without any thread: what becomes durable here, some caller has made so.
    fn engine() -> Engine {
        let index = Arc::new(MemoryIndex::default());
        let parts = Parts {
            journal: Arc::new(MemoryJournal::default()),
            checkpoints: Arc::clone(&index) as _,
            tables: index,
            journal_needed_from: Arc::default(),
            clock: Arc::new(Same),
            ids: Arc::new(Same),
            events: Arc::new(Silent),
        };
        let options = Options { shards: 4, ..Options::default() };
        let recovered = recovery::recover(&parts, &options).unwrap();
        Engine::new(parts, options, recovered.shards, recovered.chain, recovered.time_floor)
    }

    /// Decides something, and returns the seq that its answer waits for.
    fn decide(engine: &Engine) -> Ticket<u64> {
        let seq = engine.open_writer(None).seq();
        engine.leading_ticket(seq, Ok(seq))
    }

    fn poll<T: Unpin>(ticket: &mut Ticket<T>) -> Poll<Result<T, crate::Fault>> {
        Future::poll(Pin::new(ticket), &mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_only_one_who_waits_commits_when_it_is_polled_again() {
        let engine = engine();
        let mut ticket = decide(&engine);
        assert!(poll(&mut ticket).is_pending(), "what else is ready is decided first");
        assert!(poll(&mut ticket).is_ready());
        assert_eq!(engine.committer.floor().seq, engine.committer.last_seq.load(super::Ordering::Acquire));
    }

    #[test]
    fn with_more_than_one_the_thread_commits() {
        let engine = engine();
        let (mut first, mut second) = (decide(&engine), decide(&engine));
        engine.committer.woken.store(false, super::Ordering::Release);
        for _ in 0..3 {
            assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        }
        assert!(engine.committer.woken.load(super::Ordering::Acquire));
        engine.committer.run(|| true).unwrap();
        assert!(poll(&mut first).is_ready() && poll(&mut second).is_ready(), "one step for both");
    }

    #[test]
    fn whoever_blocks_commits_at_once() {
        let engine = engine();
        let ticket = decide(&engine);
        let seq = ticket.seq();
        assert_eq!(ticket.wait(), Ok(seq));
    }

    #[test]
    fn a_ticket_that_is_let_go_of_wakes_the_thread() {
        let engine = engine();
        let ticket = decide(&engine);
        engine.committer.woken.store(false, super::Ordering::Release);
        drop(ticket);
        assert!(engine.committer.woken.load(super::Ordering::Acquire));
    }
}
