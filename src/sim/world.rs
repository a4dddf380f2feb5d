//! Owns: one world: its state, who moves next, and what must hold after every move.
//! Never: a lock of its own while the engine is asked: what it stands on asks back.
//!
//! While the disk works, others go on: a step may have steps inside it, a few deep. `Inside` says what of the engine is
//! under way further out, so that nobody waits for himself.

mod asking;
mod ending;
mod hearing;
mod index;
mod keeping;
mod living;
mod starting;

pub(crate) use starting::start_apart;

use crate::{
    actor::Actor,
    asked::{Asked, Heard, Told},
    audit::Auditor,
    client::Clients,
    disk::{Around, Deed, Disk, Image},
    log::{Log, Trace},
    mirror::Mirror,
    model::{CallNo, Model, Span},
    rng::Rng,
    settings::{Faults, Settings},
    time::{MORNING, SECOND, SimClock, SimIds},
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, TryLockError, Weak},
};
use tallystick_core::SessionId;
use tallystick_engine::{CheckpointSummary, Engine, Stepped, Ticket};
use tallystick_journal::NeededFrom;
use tallystick_projection::{Follower, Lookups};

/// How deep steps may lie in each other.
const DEPTH: u32 = 3;
/// Every so many steps the engine's whole state is tested.
const SOUND_EVERY: u64 = 24;

/// Says what is under way further out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Inside {
    /// The committer appends.
    pub(crate) append: bool,
    /// A checkpoint is made, or the floor moved.
    pub(crate) checkpoint: bool,
    /// The follower steps or syncs.
    pub(crate) follow: bool,
    /// A call reads the index and has decided nothing yet: nobody else may decide either, or his records would be taken
    /// for the call's.
    pub(crate) find: bool,
    /// Nothing else moves.
    pub(crate) quiet: bool,
}

/// Is a call that was decided and not heard yet.
pub(crate) struct Call {
    pub(crate) client: usize,
    pub(crate) asked: Asked,
    pub(crate) ticket: Ticket<Told>,
    /// When it was decided. The model was told of it; `None` when it was not.
    pub(crate) modelled: Option<Span>,
}

/// Is an answer that the model cannot judge yet.
#[derive(Debug)]
pub(crate) struct Early {
    pub(crate) decided: Span,
    /// Up to here the journal had come when it was heard.
    pub(crate) heard_at: u64,
    /// The partition that it speaks of: nothing of it may come to the disk between the two.
    pub(crate) partition: Option<u16>,
    pub(crate) call: CallNo,
    pub(crate) asked: Asked,
    pub(crate) heard: Heard,
}

/// Counts what happened.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named by what they count")]
pub struct Counts {
    pub steps: u64,
    pub calls: u64,
    pub heard: u64,
    pub groups: u64,
    pub records: u64,
    pub restarts: u64,
    pub checkpoints: u64,
    pub compares: u64,
    pub look_ups: u64,
    pub damages: u64,
}

/// Reads settlements, each once, over any number of restarts.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) after_seq: u64,
    pub(crate) read: usize,
}

pub(crate) struct State {
    pub(crate) settings: Settings,
    /// What still goes wrong.
    pub(crate) faults: Faults,
    pub(crate) rng: Rng,
    pub(crate) log: Log,
    pub(crate) depth: u32,
    pub(crate) inside: Inside,
    /// How often a checkpoint that is under way, and nothing inside it, has read its stopwatch.
    pub(crate) holds: Option<u64>,
    /// What the engine had drawn when the innermost call began, while one is decided.
    pub(crate) asking: Option<u64>,
    pub(crate) is_calm: bool,
    pub(crate) disk: Arc<Disk>,
    pub(crate) stepped: Option<Arc<Stepped>>,
    pub(crate) follower: Option<Follower>,
    pub(crate) lookups: Option<Lookups>,
    pub(crate) needed_from: Arc<NeededFrom>,
    pub(crate) covered: Option<CheckpointSummary>,
    pub(crate) calls: BTreeMap<CallNo, Call>,
    pub(crate) clients: Clients,
    pub(crate) model: Model,
    pub(crate) auditor: Auditor,
    pub(crate) mirror: Mirror,
    /// Every group that was ever durable.
    pub(crate) archive: BTreeMap<u64, Arc<[u8]>>,
    pub(crate) reader: Reader,
    /// What was heard while the journal had not come to where it was decided: an answer waits for its own shard alone, and
    /// the model for all of them.
    pub(crate) heard_early: Vec<Early>,
    pub(crate) failure: Option<String>,
    /// The process has died; what goes on only unwinds.
    pub(crate) is_dead: bool,
    /// The last time anything was decided, over all groups: it never runs back in a partition.
    pub(crate) durable_before: u64,
    pub(crate) floor_before: u64,
    pub(crate) counts: Counts,
}

/// Is a world.
pub struct World {
    state: Mutex<State>,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) ids: Arc<SimIds>,
    me: Weak<Self>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// Is the world as its disk sees it.
struct Window(Weak<World>);

impl Around for Window {
    fn meanwhile(&self, deed: Deed) {
        if let Some(world) = self.0.upgrade() {
            world.meanwhile(deed);
        }
    }

    fn durable(&self, first_seq: u64, group: &[u8]) {
        if let Some(world) = self.0.upgrade() {
            world.durable(first_seq, group);
        }
    }

    fn died(&self, deed: Deed) {
        if let Some(world) = self.0.upgrade() {
            world.tell(format_args!("the power goes at {deed:?}"));
            world.st().is_dead = true;
        }
    }
}

impl World {
    /// Makes a world with settings, whose engine has not started yet.
    pub fn new(settings: Settings, mut rng: Rng, trace: Trace) -> Arc<Self> {
        let ids = Arc::new(SimIds::new(rng.fork(), settings.partitions));
        let clients = Clients::new(&settings, rng.fork());
        Arc::new_cyclic(|me: &Weak<Self>| {
            let disk = Arc::new(Disk::new(Image::default(), Box::new(Window(Weak::clone(me)))));
            let state = State {
                faults: settings.faults,
                settings,
                rng,
                log: Log::new(trace),
                depth: 0,
                inside: Inside::default(),
                holds: None,
                asking: None,
                is_calm: false,
                disk,
                stepped: None,
                follower: None,
                lookups: None,
                needed_from: Arc::default(),
                covered: None,
                calls: BTreeMap::new(),
                clients,
                model: Model::default(),
                auditor: Auditor::default(),
                mirror: Mirror::default(),
                archive: BTreeMap::new(),
                reader: Reader::default(),
                heard_early: Vec::new(),
                failure: None,
                is_dead: false,
                durable_before: 0,
                floor_before: 0,
                counts: Counts::default(),
            };
            Self { state: Mutex::new(state), clock: Arc::default(), ids, me: Weak::clone(me) }
        })
    }

    /// Takes the state. It is never held while the engine, the follower or a ticket is asked for anything.
    pub(crate) fn st(&self) -> MutexGuard<'_, State> {
        match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                panic!("bug of the simulator: the state was held while others moved")
            }
        }
    }

    fn window(&self) -> Box<dyn Around> {
        Box::new(Window(Weak::clone(&self.me)))
    }

    /// Logs an event.
    pub fn tell(&self, event: fmt::Arguments<'_>) {
        let at = i128::from(self.clock.ns()) - i128::from(MORNING);
        let mut state = self.st();
        let depth = state.depth;
        state.log.add((at, depth), event);
    }

    /// Takes note of what should not be. The first is what is told.
    pub(crate) fn wrong(&self, finding: String) {
        self.tell(format_args!("WRONG: {finding}"));
        self.st().failure.get_or_insert(finding);
    }

    pub(crate) fn must(&self, holds: bool, rule: impl FnOnce() -> String) {
        if !holds {
            self.wrong(rule());
        }
    }

    /// Returns what was found wrong.
    pub fn failure(&self) -> Option<String> {
        self.st().failure.clone()
    }

    /// Returns the counts, and the hash and length of the log.
    pub fn counts(&self) -> (Counts, u64, u64) {
        let state = self.st();
        (state.counts, state.log.hash(), state.log.lines())
    }

    /// Returns the engine, if the process lives.
    pub(crate) fn stepped(&self) -> Option<Arc<Stepped>> {
        let state = self.st();
        state.stepped.clone().filter(|_| !state.is_dead)
    }

    pub(crate) fn is_over(&self) -> bool {
        let state = self.st();
        state.is_dead || state.failure.is_some()
    }

    /// Lets others go on while the disk works.
    fn meanwhile(&self, deed: Deed) {
        let Some((before, steps)) = self.may_move(deed) else { return };
        let holds = self.st().holds.take();
        for _ in 0..steps {
            if self.is_over() {
                break;
            }
            self.step();
        }
        let mut state = self.st();
        state.depth -= 1;
        state.inside = before;
        state.holds = holds;
    }

    /// Draws how many steps others take meanwhile.
    fn may_move(&self, deed: Deed) -> Option<(Inside, u64)> {
        let drawn = self.stepped().map(|stepped| last_seq(stepped.engine()))?;
        let mut state = self.st();
        let State { faults, rng, depth, inside, asking, failure, .. } = &mut *state;
        if !faults.slow_disk || inside.quiet || *depth >= DEPTH || failure.is_some() {
            return None;
        }
        let before = *inside;
        let chance = match deed {
            Deed::Append | Deed::Derive | Deed::Sync => 3,
            Deed::Save | Deed::Floor | Deed::Trim => 4,
            // Whoever has written a record already is not interrupted: what others write would be taken for his.
            Deed::Find if asking.is_some_and(|before| before != drawn) => return None,
            Deed::Find | Deed::Read => 1,
            Deed::Load => return None,
        };
        if !rng.chance(chance, 10) {
            return None;
        }
        match deed {
            Deed::Append => inside.append = true,
            Deed::Save | Deed::Floor => inside.checkpoint = true,
            Deed::Derive | Deed::Sync | Deed::Read => inside.follow = true,
            Deed::Find => inside.find |= asking.is_some(),
            Deed::Trim | Deed::Load => {}
        }
        *depth += 1;
        Some((before, rng.between(1, 8)))
    }

    /// Lets whoever is drawn move.
    pub(crate) fn step(&self) {
        let drawn = {
            let mut state = self.st();
            state.counts.steps += 1;
            let mut weights = state.settings.weights;
            for (weight, actor) in weights.iter_mut().zip(Actor::ALL) {
                if !state.may(actor) {
                    *weight = 0;
                } else if state.is_calm {
                    *weight = (*weight).max(20);
                }
            }
            state.rng.weighed(&weights).and_then(|at| Actor::ALL.get(at).copied())
        };
        if let Some(actor) = drawn {
            self.act(actor);
            self.after(actor);
        }
    }

    fn act(&self, actor: Actor) {
        match actor {
            Actor::Send => self.wish(),
            Actor::Retry => self.retry(),
            Actor::Deliver => self.deliver(),
            Actor::Commit => self.commit(),
            Actor::Checkpoint => self.checkpoint(),
            Actor::Trim => self.trim(),
            Actor::Floor => self.move_floor(),
            Actor::Sweep => self.sweep(),
            Actor::Follow => self.follow(),
            Actor::Sync => self.sync_index(),
            Actor::Look => self.look(),
            Actor::List => self.list(),
            Actor::Settlements => self.read_settlements(),
            Actor::Tick => {
                let span = self.st().rng.below(SECOND / 100);
                self.clock.pass(span);
            }
            Actor::Jump => self.jump(),
            Actor::Crash => self.crash(),
            Actor::Doom => self.doom(),
            Actor::Order => self.order(),
            Actor::Compare => self.compare(),
        }
    }

    /// Tests what must hold after every move.
    fn after(&self, actor: Actor) {
        let Some(stepped) = self.stepped() else { return };
        let engine = stepped.engine();
        let (drawn, durable) = (last_seq(engine), engine.durable_seq());
        let mut state = self.st();
        let floor = state.disk.image().read_floor();
        let (followed, before, floor_before) = (state.mirror.seq(), state.durable_before, state.floor_before);
        // An append under way further out may have reached the disk before the watermark moves.
        let is_between = state.inside.append;
        state.durable_before = durable;
        let floor_seq = floor.as_ref().map_or(0, |floor| floor.seq);
        state.floor_before = floor_seq;
        let is_due = state.depth == 0 && state.counts.steps.is_multiple_of(SOUND_EVERY);
        drop(state);
        self.must(durable <= followed && (is_between || durable == followed || engine.has_failed()), || {
            format!("after {actor:?}: the watermark is at {durable}, the disk's last record {followed}")
        });
        self.must(before <= durable, || format!("the watermark ran back from {before} to {durable}"));
        self.must(drawn >= durable, || format!("{durable} is durable, and {drawn} drawn"));
        self.must(floor_seq <= followed, || format!("the floor is at {floor_seq}, the disk at {followed}"));
        self.must(floor_before <= floor_seq, || {
            format!("the floor ran back from {floor_before} to {floor_seq}")
        });
        if is_due {
            self.check_sound(engine);
        }
    }

    pub(crate) fn check_sound(&self, engine: &Engine) {
        if let Err(finding) = engine.check_sound() {
            self.wrong(format!("the engine is not sound: {finding}"));
        }
    }

    /// A group is durable: it is followed before anybody is told.
    fn durable(&self, first_seq: u64, group: &[u8]) {
        let mut state = self.st();
        let State { mirror, model, archive, counts, heard_early, .. } = &mut *state;
        archive.insert(first_seq, group.into());
        counts.groups += 1;
        let followed = mirror.follow(first_seq, group, &mut |seq, stamp, record| {
            counts.records += 1;
            let speaks =
                |early: &&Early| early.decided.before >= seq && early.partition == Some(stamp.partition);
            if let Some(early) = heard_early.iter().find(speaks) {
                let Early { call, asked, heard_at, .. } = early;
                return Err(format!("#{call} {asked:?} was heard at {heard_at}, and rests on record {seq}"));
            }
            model.record(seq, stamp, record).map_err(|wrong| wrong.0)
        });
        let last_seq = mirror.seq();
        drop(state);
        self.tell(format_args!("durable: {first_seq} to {last_seq}"));
        if let Err(finding) = followed {
            self.wrong(finding);
        }
        self.judge_early(last_seq);
    }

    /// Returns every session that is open as far as the disk knows.
    pub fn open_sessions(&self) -> Vec<SessionId> {
        self.st().mirror.truth.open.keys().copied().collect()
    }
}

/// Returns the last seq drawn.
pub(crate) fn last_seq(engine: &Engine) -> u64 {
    engine.durable_seq() + engine.queue_depth()
}

impl State {
    /// Says whether somebody can move now.
    fn may(&self, actor: Actor) -> bool {
        let Inside { append, checkpoint, follow, find, .. } = self.inside;
        let is_free = match actor {
            Actor::Send | Actor::Retry | Actor::Sweep | Actor::Settlements => !find,
            Actor::Deliver => !self.calls.is_empty(),
            Actor::Commit => !append,
            Actor::Checkpoint => !append && !checkpoint,
            Actor::Floor => !checkpoint,
            Actor::Trim => self.covered.is_some(),
            Actor::Follow | Actor::Sync => !follow && self.follower.is_some(),
            Actor::Look | Actor::List => self.lookups.is_some(),
            Actor::Compare => self.depth == 0,
            // A call is decided at one moment: the one its asker was told.
            Actor::Tick | Actor::Jump => !find,
            Actor::Crash | Actor::Doom | Actor::Order => true,
        };
        is_free && (!self.is_calm || actor.is_calm())
    }
}
