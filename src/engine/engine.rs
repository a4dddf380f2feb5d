//! Owns: the handle that faces call, the shards behind their locks, and the counter that numbers decisions.
//!
//! LOCK: one shard at a time, never two. Whoever must touch two partitions does so one after the other, in records that
//! make the second step safe to repeat.
//! ORDER: a seq is drawn from one counter *under the shard's lock*, right before its record is applied and put into the
//! lane. So the order of seqs is the order of decisions, also between shards: what one decision saw of another has a
//! smaller seq. The committer only ever takes the unbroken beginning of what the lanes hold.

use crate::{
    Asker, Events, Fault, Options, Parts, Ticket,
    asking::{Askers, HOME},
    commit::Committer,
    shard::Shard,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use crossbeam_utils::CachePadded;
use std::{ops::Deref, sync::Arc};
use tallystick_core::{Clock, IdSource, PARTITIONS, Record, Refusal, Stamp, Time, hash::Seed, role::Actor};
use tallystick_journal::{Chain, Checkpoints, Durability, Journal, NeededFrom, Tables, Watermark};

/// Is the shards, each on cache lines of its own.
pub(crate) type Shards = [CachePadded<Mutex<Shard>>];

/// Decides, in memory, and answers once durable, on behalf of whoever asks: the system itself, or who it was handed to.
/// *Cost*: a clone shares everything.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "as what it stands on")]
pub struct Engine {
    pub(crate) works: Arc<Works>,
    pub(crate) asker: Arc<Asker>,
}

impl Deref for Engine {
    type Target = Works;

    fn deref(&self) -> &Works {
        &self.works
    }
}

/// Is what all that ask share.
#[expect(missing_debug_implementations, reason = "it holds traits without it, and money")]
pub struct Works {
    pub(crate) shards: Arc<Shards>,
    /// The last seq drawn.
    pub(crate) last_seq: Arc<CachePadded<AtomicU64>>,
    pub(crate) watermark: Arc<Watermark>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    pub(crate) tables: Arc<dyn Tables>,
    pub(crate) journal_needed_from: Arc<NeededFrom>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) options: Options,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    /// No decision is made before the latest one that recovery found, whatever the wall clock says now (I9).
    time_floor: Time,
    /// The secret behind the hashes of keys.
    seed: Seed,
    /// One a partition: counts the checkpoints that have filed keys of commands and let memory go of them.
    pub(crate) filings: Box<[AtomicU64]>,
    /// One a partition: who delivers its outbox does so alone, in order.
    pub(crate) postmen: Box<[Mutex<()>]>,
    checkpointing: Mutex<()>,
    pub(crate) committer: Arc<Committer>,
    pub(crate) sweeper_paused: AtomicBool,
    /// Who is heard with which key.
    pub(crate) askers: Askers,
    /// Asks for what nobody asked for.
    pub(crate) system: Arc<Asker>,
}

/// Is what can be counted at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineStats {
    /// Open sessions.
    pub open_sessions: u64,
    /// The last seq drawn.
    pub last_seq: u64,
    /// The last durable seq.
    pub durable_seq: u64,
    /// How many shards there are.
    pub shards: usize,
    /// About how many bytes the journal occupies.
    pub journal_bytes: u64,
}

/// Stops the process: a shard's state can no longer be trusted, since a bug was hit while it was being changed.
pub(crate) fn stop_after_bug() -> ! {
    std::process::abort()
}

impl Engine {
    pub(crate) fn new(
        parts: Parts,
        options: Options,
        shards: Vec<Shard>,
        chain: Chain,
        time_floor: Time,
    ) -> Self {
        let askers = Askers::of(shards.first().map(|shard| shard.partition(HOME)));
        let seed = shards.first().map(|shard| shard.partition(0).seed()).unwrap_or_default();
        let shards: Arc<Shards> =
            shards.into_iter().map(|shard| CachePadded::new(Mutex::new(shard))).collect();
        let watermark = Arc::new(Watermark::new(chain.last_seq()));
        let last_seq = Arc::new(CachePadded::new(AtomicU64::new(chain.last_seq())));
        let (told, grouped) = ((&parts.journal, &parts.events), (options.group_bytes, chain));
        let committer = Committer::new(&shards, told, &watermark, &last_seq, grouped);
        let system = Arc::new(Asker::without_credential(Actor::unbounded(Actor::SYSTEM)));
        let works = Works {
            shards,
            last_seq,
            watermark,
            journal: parts.journal,
            checkpoints: parts.checkpoints,
            tables: parts.tables,
            journal_needed_from: parts.journal_needed_from,
            events: parts.events,
            options,
            clock: parts.clock,
            ids: parts.ids,
            time_floor,
            seed,
            filings: (0..PARTITIONS).map(|_| AtomicU64::new(0)).collect(),
            postmen: (0..PARTITIONS).map(|_| Mutex::new(())).collect(),
            checkpointing: Mutex::new(()),
            committer: Arc::new(committer),
            sweeper_paused: AtomicBool::new(false),
            askers,
            system: Arc::clone(&system),
        };
        Self { works: Arc::new(works), asker: system }
    }

    /// Returns what every answer's durability is.
    pub fn durability(&self) -> Durability {
        self.journal.durability()
    }

    /// Returns the secret behind the hashes of keys: whoever looks debits up by key hashes them likewise.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Returns whether the journal has failed: nothing is decided any more.
    pub fn has_failed(&self) -> bool {
        self.watermark.has_failed()
    }

    /// Returns the watermark, for those who follow the journal: what it has passed may be read and shown.
    pub fn watermark(&self) -> &Arc<Watermark> {
        &self.watermark
    }

    /// Stops or lets go the sweeper: expired sessions stay closed to debits either way, they only settle later.
    pub fn pause_sweeper(&self, paused: bool) {
        self.sweeper_paused.store(paused, Ordering::Release);
    }

    /// Counts. *Cost*: each shard's lock for a moment.
    pub fn stats(&self) -> EngineStats {
        let open = |index: usize| -> u64 {
            self.shard(index).partitions().map(|p| u64::from(p.open_sessions())).sum()
        };
        EngineStats {
            open_sessions: (0..self.shards.len()).map(open).sum(),
            last_seq: self.last_seq.load(Ordering::Acquire),
            durable_seq: self.watermark.durable(),
            shards: self.shards.len(),
            journal_bytes: self.journal.size_bytes(),
        }
    }

    /// Checks every invariant of every partition, one after another.
    /// *Errors*: says which does not hold. *Cost*: walks every row; for tests, audits and after recovery.
    pub fn check_sound(&self) -> Result<(), &'static str> {
        (0..self.shards.len())
            .try_for_each(|index| self.shard(index).partitions().try_for_each(|p| p.check_sound()))
    }

    /// Returns the present, as decisions see it. For a decision, read under a shard's lock.
    pub fn now(&self) -> Time {
        self.clock.now().max(self.time_floor)
    }

    /// Draws the unguessable part of an id.
    pub(crate) fn draw(&self) -> u64 {
        self.ids.draw()
    }

    pub(crate) fn shard_of(&self, partition: u16) -> usize {
        usize::from(partition) % self.shards.len()
    }

    pub(crate) fn shard(&self, index: usize) -> MutexGuard<'_, Shard> {
        self.shards[index].lock().unwrap_or_else(|_| stop_after_bug())
    }

    pub(crate) fn lock(&self, partition: u16) -> MutexGuard<'_, Shard> {
        self.shard(self.shard_of(partition))
    }

    pub(crate) fn postman(&self, partition: u16) -> MutexGuard<'_, ()> {
        self.postmen[usize::from(partition)].lock().unwrap_or_else(|_| stop_after_bug())
    }

    pub(crate) fn checkpointing(&self) -> MutexGuard<'_, ()> {
        self.checkpointing.lock().unwrap_or_else(|_| stop_after_bug())
    }

    /// Returns whether the system itself asks.
    pub(crate) fn is_system(&self) -> bool {
        self.asked_for().number == Actor::SYSTEM
    }

    /// Numbers, applies and enqueues one record. Returns its seq.
    pub(crate) fn write(&self, shard: &mut Shard, partition: u16, at: Time, record: &Record<'_>) -> u64 {
        // ORDER: number, apply, enqueue, all under the shard's lock; see the module's header.
        let seq = self.last_seq.fetch_add(1, Ordering::AcqRel) + 1;
        let stamp = Stamp { partition, at, actor: self.asked_for().number };
        shard.write(seq, &stamp, record);
        seq
    }

    /// Lets the committer know that there is something in a lane. Called after the lock is released.
    pub(crate) fn wake_committer(&self) {
        self.committer.wake();
    }

    /// Makes an answer that depends on `seq`.
    pub(crate) fn ticket<T>(&self, seq: u64, value: Result<T, Fault>) -> Ticket<T> {
        Ticket::new(seq, value, &self.watermark)
    }

    /// As `ticket`, for one answer that somebody waits for: who waits may lead the commit, and nobody was woken to do it.
    pub(crate) fn leading_ticket<T>(&self, seq: u64, value: Result<T, Fault>) -> Ticket<T> {
        Ticket::leading(seq, value, &self.watermark, &self.committer)
    }

    /// Makes a refusal that depends on nothing that was decided.
    pub(crate) fn refuse<T>(&self, refusal: Refusal) -> Ticket<T> {
        self.ticket(0, Err(refusal.into()))
    }

    /// Refuses everything once the journal has failed: nothing may change that cannot be written (I8).
    pub(crate) fn failed<T>(&self) -> Option<Ticket<T>> {
        self.has_failed().then(|| self.ticket(0, Err(Fault::JournalFailed)))
    }
}
