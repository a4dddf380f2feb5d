//! Owns: what an engine's threads would do: commits, checkpoints, trimming, the floor, the sweeper; and the comparison of
//! what is in memory with what the journal says.
//! Never: a step that the engine does not offer.

use super::{Inside, State, World};
use crate::{disk::Deed, mirror::head_bytes, time::SECOND};
use std::{collections::BTreeMap, task::Poll, time::Duration};
use tallystick_engine::{Aside, CheckpointSummary};
use tallystick_journal::{JournalFailed, StorageFault, TrimStep, Watermark, rows};

/// Bounds the commits that a checkpoint waits for.
const COMMITS_MOST: usize = 100_000;

/// Is what a checkpoint calls when it gives way.
struct GivesWay<'a>(&'a World);

impl Aside for GivesWay<'_> {
    fn pause(&self, span: Duration) {
        if !self.0.st().inside.find {
            self.0.clock.pass(u64::try_from(span.as_nanos()).unwrap_or(SECOND));
        }
        self.0.meanwhile(Deed::Save);
    }

    fn wait(&self, watermark: &Watermark, seq: u64) -> Result<(), JournalFailed> {
        for _ in 0..COMMITS_MOST {
            if let Poll::Ready(state) = watermark.state(seq) {
                return state;
            }
            self.0.meanwhile(Deed::Save);
            if watermark.state(seq).is_pending() {
                self.0.commit();
            }
        }
        self.0.wrong(format!("a checkpoint waits for seq {seq} for ever"));
        Err(JournalFailed)
    }
}

impl World {
    /// Does something while `Inside` says so.
    pub(super) fn with<T>(&self, set: impl FnOnce(&mut Inside), work: impl FnOnce() -> T) -> T {
        let before = {
            let mut state = self.st();
            let before = state.inside;
            set(&mut state.inside);
            before
        };
        let done = work();
        self.st().inside = before;
        done
    }

    /// The committer steps.
    pub(crate) fn commit(&self) {
        // One that died is asked once more, so that whoever waits for it learns that it did.
        let Some(stepped) = self.st().stepped.clone() else { return };
        let holds = self.st().holds.take();
        let done = stepped.commit_giving_way(|| self.between_lanes());
        self.st().holds = holds;
        if let Err(fault) = done {
            self.tell(format_args!("a commit fails: {fault}"));
        }
    }

    /// The committer goes from one lane to the next: what is decided now may be in one that it has visited.
    fn between_lanes(&self) {
        let is_drawn = { self.st().rng.chance(1, 6) };
        if is_drawn {
            self.meanwhile(Deed::Append);
        }
    }

    /// Says whether a fault in the background may be: something was on order, or the process is dying.
    fn may_fail(&self, what: &str, fault: &StorageFault) {
        self.tell(format_args!("{what} fails: {fault}"));
        let has_failed = self.stepped().is_none_or(|stepped| stepped.engine().has_failed());
        let may = {
            let state = self.st();
            has_failed || state.is_dead || state.faults.index_fails
        };
        self.must(may, || format!("{what} failed, and nothing was wrong: {fault}"));
    }

    /// A checkpoint is made.
    pub(crate) fn checkpoint(&self) {
        let _ = self.checkpointed();
    }

    fn checkpointed(&self) -> Option<CheckpointSummary> {
        let stepped = self.stepped().filter(|stepped| !stepped.engine().has_failed())?;
        self.tell(format_args!("a checkpoint begins"));
        let outer = self.st().holds.replace(0);
        let made = self.with(|inside| inside.checkpoint = true, || stepped.checkpoint(&GivesWay(self)));
        self.st().holds = outer;
        match made {
            Ok(summary) => {
                self.tell(format_args!(
                    "a checkpoint covers {} and has {} rows",
                    summary.covered_seq, summary.rows
                ));
                let mut state = self.st();
                state.counts.checkpoints += 1;
                state.covered = Some(summary);
                Some(summary)
            }
            Err(fault) => {
                self.may_fail("a checkpoint", &fault);
                None
            }
        }
    }

    /// Some of the journal goes.
    pub(super) fn trim(&self) {
        let (Some(stepped), Some(covered)) = (self.stepped(), self.st().covered) else { return };
        let steps = self.st().rng.between(1, 30);
        for _ in 0..steps {
            match stepped.trim(&covered) {
                Ok(step) => {
                    let first = self.st().disk.image().groups.first_key_value().map(|(seq, _)| *seq);
                    self.tell(format_args!("trimmed: {step:?}, the journal begins at {first:?}"));
                    if step == TrimStep::Done || self.is_over() {
                        return;
                    }
                }
                Err(fault) => return self.may_fail("trimming", &fault),
            }
        }
    }

    /// The durable floor moves.
    pub(super) fn move_floor(&self) {
        let Some(stepped) = self.stepped() else { return };
        let moved = self.with(|inside| inside.checkpoint = true, || stepped.move_floor());
        match moved {
            Ok(()) => self.tell(format_args!("the floor moves")),
            Err(fault) => self.may_fail("moving the floor", &fault),
        }
    }

    /// The sweeper sweeps.
    pub(super) fn sweep(&self) {
        let Some(stepped) = self.stepped() else { return };
        let swept = stepped.engine().sweep(4);
        self.tell(format_args!("swept: {swept}"));
    }

    /// Commits until nothing is left, and lets nobody else move.
    pub(crate) fn settle_down(&self) -> bool {
        for _ in 0..COMMITS_MOST {
            let Some(stepped) = self.stepped() else { return false };
            match self.with(|inside| inside.quiet = true, || stepped.commit()) {
                Ok(true) => {}
                Ok(false) => return !stepped.engine().has_failed(),
                Err(_) => return false,
            }
        }
        false
    }

    /// Compares, byte by byte, what a whole checkpoint of the live engine says with what the journal says.
    pub(crate) fn compare(&self) {
        if !self.settle_down() {
            return;
        }
        let made = self.with(|inside| inside.quiet = true, || self.checkpointed());
        if made.is_none() || self.is_over() {
            return;
        }
        self.st().counts.compares += 1;
        let same = self.st().same_rows();
        if let Err(finding) = same {
            self.wrong(format!("the engine is not what its journal says: {finding}"));
        }
    }
}

impl State {
    fn same_rows(&mut self) -> Result<(), String> {
        let Self { disk, mirror, .. } = self;
        let image = disk.image();
        let mut stored: BTreeMap<(u16, u8, u32), Vec<u8>> =
            image.rows.iter().map(|(key, row)| (*key, row.bytes().to_vec())).collect();
        for (partition, head) in &image.heads {
            let head = rows::decode_head(head.bytes()).map_err(|fault| fault.to_string())?;
            stored.insert((*partition, 0, 0), head_bytes(head));
        }
        let expected = mirror.rows();
        if stored != *expected {
            let differs = stored
                .iter()
                .find(|(key, row)| expected.get(*key) != Some(*row))
                .or_else(|| expected.iter().find(|(key, row)| stored.get(*key) != Some(*row)));
            let Some(((partition, table, slot), _)) = differs else { return Ok(()) };
            let key = (*partition, *table, *slot);
            let show = |row: Option<&Vec<u8>>| match (row, table) {
                (None, _) => "nothing".into(),
                (Some(bytes), 0) => format!("{:?}", rows::decode_head(bytes)),
                (Some(bytes), _) => format!("{:?}", rows::decode_row(*table, bytes)),
            };
            return Err(format!(
                "partition {partition}, table {table}, slot {slot}: it has {}, and should have {}",
                show(stored.get(&key)),
                show(expected.get(&key))
            ));
        }
        let filed: Vec<u64> = image.settled_at.keys().copied().collect();
        let settled: Vec<u64> = mirror.truth.settlements.keys().copied().collect();
        if filed == settled {
            return Ok(());
        }
        Err(format!("settlements are filed at {filed:?}, and were made at {settled:?}"))
    }
}
