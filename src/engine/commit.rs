//! Owns: how lanes become groups and groups become durable, one `step` at a time. Whoever calls `step` is the committer:
//! a thread of its own for now, behind this one function so that another scheme can take its place.
//!
//! ORDER: shards are visited one after another, so a lane visited early may lack a record that is older than one found in
//! a lane visited late. Only the unbroken beginning, by seq, goes into the group; the rest waits for the next step. So the
//! watermark never passes a record that is not written.
//! Never: retries an append. After a failed one nothing is known about what the disk holds.

use crate::{Committed, Engine, Tally, lane::Lane};
use std::{sync::atomic::Ordering, thread};
use tallystick_journal::{Chain, Floor, GroupWriter, StorageFault};

/// Turns lanes into durable groups.
#[derive(Debug)]
pub(crate) struct Committer {
    pending: Vec<Lane>,
    group: GroupWriter,
    decisions: Tally,
    chain: Chain,
}

/// Says what a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A group is durable.
    Committed,
    /// There was nothing to do.
    Idle,
}

impl Committer {
    pub(crate) fn new(chain: Chain, shards: usize) -> Self {
        let pending = (0..shards).map(|_| Lane::default()).collect();
        Self { pending, group: GroupWriter::default(), decisions: Tally::default(), chain }
    }

    /// Returns the end of the chain: what the durable floor may be set to.
    pub(crate) fn floor(&self) -> Floor {
        Floor { seq: self.chain.last_seq(), check: self.chain.check() }
    }

    /// Drains the lanes into one group, makes it durable and moves the watermark.
    /// *Errors*: the disk's. The watermark has failed everyone by then, and the process must stop.
    pub(crate) fn step(&mut self, engine: &Engine) -> Result<Step, StorageFault> {
        for (index, pending) in self.pending.iter_mut().enumerate() {
            pending.take_over(&mut engine.shard(index).lane);
        }
        let first_seq = self.chain.last_seq() + 1;
        self.group.begin(first_seq);
        self.decisions = Tally::default();
        let last_seq = self.gather(first_seq, engine.options.group_bytes) - 1;
        if last_seq < first_seq {
            return Ok(Step::Idle);
        }
        let records = self.group.count();
        let (bytes, check) = self.group.finish(self.chain.check());
        let began_ns = engine.events.stopwatch_ns();
        if let Err(fault) = engine.journal.append(first_seq, bytes) {
            engine.watermark.fail();
            engine.events.journal_failed(&fault);
            return Err(fault);
        }
        let sync_ns = engine.events.stopwatch_ns().saturating_sub(began_ns);
        self.chain.extend(last_seq, check);
        // ORDER: told once it is durable and before anybody hears of it: see `Events::committed`.
        engine.events.committed(&Committed {
            records,
            bytes: bytes.len(),
            sync_ns,
            decisions: self.decisions,
        });
        engine.watermark.advance(last_seq);
        Ok(Step::Committed)
    }

    /// Merges runs into the group as long as the next seq is there; returns the first seq that is not in it.
    fn gather(&mut self, mut next: u64, bytes_max: usize) -> u64 {
        loop {
            let (group, decisions) = (&mut self.group, &mut self.decisions);
            let moved = self.pending.iter_mut().find_map(|lane| lane.move_run(next, group, decisions));
            match moved {
                Some(after) => next = after,
                None => return next,
            }
            if self.group.bytes() >= bytes_max {
                return next;
            }
        }
    }

    /// Steps until told to stop, then until nothing is left; tells `publish` how far the chain has come. *Errors*: as `step`.
    pub(crate) fn run(
        &mut self,
        engine: &Engine,
        stopping: impl Fn() -> bool,
        publish: impl Fn(Floor),
    ) -> Result<(), StorageFault> {
        loop {
            // ORDER: the flag is cleared before the lanes are looked at; who adds afterwards sets it and unparks us.
            engine.committer_woken.store(false, Ordering::Release);
            let last = stopping();
            if self.step(engine)? == Step::Committed {
                publish(self.floor());
                continue;
            }
            if last {
                return Ok(());
            }
            thread::park();
        }
    }
}
