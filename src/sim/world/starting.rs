//! Owns: the process's life: it starts from what the disk has, dies, and comes back. Never: what the disk keeps.

use super::{Inside, State, World};
use crate::{
    damage,
    disk::{Deed, Disk, Image, Ordered},
    time::{MINUTE, SECOND},
};
use std::sync::{Arc, Weak};
use tallystick_engine::{Events, Options, Parts, Silent, StartFault, Stepped};
use tallystick_journal::NeededFrom;
use tallystick_projection::{Follower, Parts as ProjectionParts, Silent as ProjectionSilent};

/// Bounds the starts that are cut short, one after another.
const STARTS_MOST: u32 = 20;

/// Is a stopwatch that stands still, and a moment at which others move: no lock is held at every second reading of a
/// checkpoint's.
struct Moments(Weak<World>);

impl Events for Moments {
    fn stopwatch_ns(&self) -> u64 {
        if let Some(world) = self.0.upgrade() {
            world.moment();
        }
        0
    }
}

/// Draws an engine's options.
pub(crate) fn options(shards: usize, group_bytes: usize, recovery_threads: usize) -> Options {
    Options { shards, group_bytes, recovery_threads, ..Options::default() }
}

impl World {
    /// A checkpoint reads its stopwatch: under the lock when it has taken it, and again when it has let it go.
    fn moment(&self) {
        let is_free = {
            let mut state = self.st();
            match &mut state.holds {
                Some(readings) => {
                    *readings += 1;
                    let is_second = readings.is_multiple_of(2);
                    is_second && state.rng.chance(1, 150)
                }
                None => false,
            }
        };
        if is_free {
            self.meanwhile(Deed::Save);
        }
    }

    /// Returns what an engine stands on.
    fn parts(&self) -> Parts {
        let state = self.st();
        let disk = Arc::clone(&state.disk);
        Parts {
            journal: disk.clone(),
            checkpoints: disk.clone(),
            tables: disk,
            journal_needed_from: Arc::clone(&state.needed_from),
            clock: Arc::clone(&self.clock) as _,
            ids: Arc::clone(&self.ids) as _,
            events: Arc::new(Moments(Weak::clone(&self.me))),
        }
    }

    /// Starts the process, as often as it takes. Where it is killed while it starts, it starts again.
    pub(crate) fn start(&self) {
        for _ in 0..STARTS_MOST {
            if self.started() || self.failure().is_some() {
                return;
            }
            self.bury();
        }
        self.wrong("the process does not start".into());
    }

    fn started(&self) -> bool {
        let shards = { self.st().rng.index(8) + 1 };
        self.started_with(shards)
    }

    /// Starts with so many shards. Returns whether it lives.
    pub(crate) fn started_with(&self, shards: usize) -> bool {
        let (group_bytes, threads) = {
            let state = self.st();
            (state.settings.group_bytes, state.settings.recovery_threads)
        };
        let followed = self.st().mirror.seq();
        match Stepped::start(self.parts(), options(shards, group_bytes, threads)) {
            Ok((stepped, summary)) => {
                self.tell(format_args!("started with {shards} shards: {summary:?}"));
                let is_whole = summary.last_seq == followed.max(1);
                self.must(is_whole, || {
                    format!("it came back to seq {}, and {followed} was on the disk", summary.last_seq)
                });
                self.check_sound(stepped.engine());
                self.st().stepped = Some(Arc::new(stepped));
            }
            Err(fault) => {
                self.tell(format_args!("it does not start: {fault}"));
                let is_off = self.st().disk.is_off();
                self.must(is_off, || format!("it does not start: {fault}"));
                return false;
            }
        }
        self.open_index()
    }

    /// Opens the projection. Returns whether the process lives.
    fn open_index(&self) -> bool {
        let (disk, needed_from, options) = {
            let state = self.st();
            (Arc::clone(&state.disk), Arc::clone(&state.needed_from), state.settings.projection())
        };
        let parts = ProjectionParts {
            journal: disk.clone(),
            checkpoints: disk.clone(),
            store: disk,
            needed_from,
            events: Arc::new(ProjectionSilent),
        };
        // Nobody trims before it says what it needs.
        match self.with(|inside| inside.quiet = true, || Follower::open(parts, options)) {
            Ok(follower) => {
                self.tell(format_args!("the index begins at {}", follower.cursor()));
                let mut state = self.st();
                state.lookups = Some(follower.lookups());
                state.follower = Some(follower);
                true
            }
            Err(fault) => {
                self.tell(format_args!("the index does not open: {fault}"));
                let is_off = self.st().disk.is_off();
                self.must(is_off, || format!("the index does not open: {fault}"));
                false
            }
        }
    }

    /// The process dies.
    pub(crate) fn crash(&self) {
        self.tell(format_args!("the process dies"));
        let mut state = self.st();
        state.disk.cut_power();
        state.is_dead = true;
    }

    /// Returns the last seq that was drawn.
    pub(crate) fn decided(&self) -> u64 {
        self.stepped().map_or(0, |stepped| super::last_seq(stepped.engine()))
    }

    /// The process dies while all that was decided is appended; the disk has it up to a seq.
    pub(crate) fn dies_after(&self, seq: u64) {
        {
            self.st().disk.lose_power_after(0, false);
        }
        self.commit();
        let kept = self.st().disk.image().keep_through(seq);
        self.tell(format_args!("what is on the disk: {kept:?}"));
        self.bury();
    }

    /// The process will die at some write to come.
    pub(super) fn doom(&self) {
        let mut state = self.st();
        let (writes, lands) = (state.rng.below(40), state.rng.chance(1, 2));
        state.disk.lose_power_after(writes, lands);
        drop(state);
        self.tell(format_args!("the power will go after {writes} writes"));
    }

    /// The disk will fail at some deed to come.
    pub(super) fn order(&self) {
        let mut state = self.st();
        let faults = state.faults;
        let kinds = [
            (faults.append_fails, Deed::Append, "Input/output error (simulated)"),
            (faults.append_fails, Deed::Append, "No space left on device (simulated)"),
            (faults.index_fails, Deed::Save, "No space left on device (simulated)"),
            (faults.index_fails, Deed::Floor, "Input/output error (simulated)"),
            (faults.index_fails, Deed::Trim, "Input/output error (simulated)"),
            (faults.projection_fails, Deed::Derive, "No space left on device (simulated)"),
            (faults.projection_fails, Deed::Sync, "Input/output error (simulated)"),
            (faults.projection_fails, Deed::Read, "Input/output error (simulated)"),
            (faults.finds_fail, Deed::Find, "Input/output error (simulated)"),
        ];
        let may: Vec<_> = kinds.into_iter().filter(|(on, _, _)| *on).collect();
        let chosen = state.rng.pick(&may).copied();
        let after = state.rng.below(10);
        let Some((_, deed, text)) = chosen else { return };
        state.disk.order(Ordered { deed, after, text });
        drop(state);
        self.tell(format_args!("{deed:?} will fail after {after} more: {text}"));
    }

    /// The clock jumps forward.
    pub(super) fn jump(&self) {
        let now = self.clock.ns();
        let span = {
            let mut state = self.st();
            let State { settings, rng, clients, .. } = &mut *state;
            let known = rng.pick(&clients.roster.sessions);
            let mut edges =
                known.map_or_else(Vec::new, |known| vec![known.ends_at.ns(), known.not_before.ns()]);
            edges.extend(clients.roster.holds.iter().map(|hold| hold.until.ns()));
            edges.retain(|edge| *edge > now);
            let edge = rng.pick(&edges).copied();
            match (rng.below(4), edge) {
                // To the very moment, or to the one before it.
                (0, Some(edge)) => edge - now,
                (1, Some(edge)) => edge - now - 1,
                (2, _) => rng.below(settings.ttl_most_ns / 20),
                _ => rng.below(settings.ttl_most_ns.saturating_mul(2)),
            }
        };
        self.tell(format_args!("the clock jumps by {span} ns"));
        self.clock.pass(span);
    }

    /// Takes what the process left, and all that died with it.
    pub(crate) fn bury(&self) {
        let mut state = self.st();
        let dead = (state.stepped.take(), state.follower.take(), state.lookups.take());
        let calls = std::mem::take(&mut state.calls);
        state.disk.cut_power();
        drop(state);
        // Their last words go to a disk without power.
        drop((calls, dead));
        let mut state = self.st();
        let old = Arc::clone(&state.disk);
        let (mut image, kept) = old.image().survivors(&mut state.rng);
        if state.faults.projection_wiped && state.rng.chance(1, 3) {
            image.wipe_projection();
        }
        state.counts.restarts += 1;
        state.is_dead = false;
        state.inside = Inside::default();
        (state.asking, state.holds, state.covered, state.depth) = (None, None, None, 0);
        state.needed_from = Arc::new(NeededFrom::default());
        let last_group = image.last_group();
        let group = image.groups.get(&last_group).cloned();
        let is_new = last_group > state.mirror.seq();
        state.disk = Arc::new(Disk::new(image, self.window()));
        drop(state);
        self.tell(format_args!("what was being appended: {kept:?}"));
        if let Some(group) = group.filter(|_| is_new) {
            self.durable(last_group, &group);
        }
        let mut state = self.st();
        let last_seq = state.mirror.seq();
        state.heard_early.clear();
        state.mirror.starts();
        state.model.crashed(last_seq);
        state.clients.crashed();
    }

    /// Brings a dead process back, at another time of day, after a look at what damage would have done.
    pub(crate) fn restart(&self) {
        self.bury();
        let (back, forward, damaged, doomed) = {
            let mut state = self.st();
            let faults = state.faults;
            let back = faults.clock_set_back && state.rng.chance(1, 3);
            let forward = faults.clock_jumps && state.rng.chance(1, 3);
            let damaged = faults.damage && state.rng.chance(1, 3);
            let doomed = faults.crashes && state.rng.chance(1, 6);
            (back, forward, damaged, doomed)
        };
        let drawn = self.st().rng.between(10 * MINUTE, 30 * MINUTE);
        if back {
            self.tell(format_args!("the clock is set back by {drawn} ns"));
            self.clock.set(self.clock.ns().saturating_sub(drawn));
        } else if forward {
            self.clock.pass(drawn / MINUTE * SECOND);
        }
        if damaged {
            self.try_damage();
        }
        if doomed {
            let writes = self.st().rng.below(4);
            self.st().disk.lose_power_after(writes, true);
        }
        self.start();
    }

    /// Starts a copy of the disk that was harmed.
    fn try_damage(&self) {
        let (image, mut rng, threads) = {
            let mut state = self.st();
            state.counts.damages += 1;
            let image = state.disk.image().clone();
            (image, state.rng.fork(), state.settings.recovery_threads)
        };
        match damage::try_one(&image, &mut rng, &self.clock, threads) {
            Ok(found) => self.tell(format_args!("damage: {found}")),
            Err(finding) => self.wrong(finding),
        }
    }
}

/// Starts an engine apart from any world, on an image. *Errors*: as `Stepped::start`.
pub(crate) fn start_apart(
    image: Image,
    clock: &Arc<crate::time::SimClock>,
    (shards, threads): (usize, usize),
    order: &[Ordered],
) -> Result<(Arc<Disk>, Stepped), StartFault> {
    let disk = Arc::new(Disk::new(image, Box::new(crate::disk::Nobody)));
    order.iter().for_each(|fault| disk.order(*fault));
    let parts = Parts {
        journal: disk.clone(),
        checkpoints: disk.clone(),
        tables: disk.clone(),
        journal_needed_from: Arc::default(),
        clock: Arc::clone(clock) as _,
        ids: Arc::new(crate::time::SimIds::new(crate::rng::Rng::new(1), 256)),
        events: Arc::new(Silent),
    };
    let (stepped, _) = Stepped::start(parts, options(shards, 1 << 20, threads))?;
    Ok((disk, stepped))
}
