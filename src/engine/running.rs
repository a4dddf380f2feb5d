//! Owns: an engine's life: recovery, its threads (committer, sweeper, checkpointer), and the orderly end.
//! Never: a process's exit; the composition root listens to `Events` and decides.

use crate::{
    Aside, CheckpointSummary, Engine, Options, Parts, RecoverySummary, recovery,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
        thread::{self, JoinHandle},
    },
};
use std::{
    fmt, io, panic, process,
    sync::{Arc, PoisonError},
    time::Duration,
};
use tallystick_core::{PARTITIONS, payee::Notice};
use tallystick_journal::{StorageFault, TrimStep};

/// Bounds the sessions of one partition settled in one round of the sweeper.
const SWEEP_MOST: usize = 64;
/// How often the checkpointer looks whether it is due.
const CHECKPOINT_LOOK: Duration = Duration::from_millis(200);
/// How long between two steps of trimming: a delete may stall a sync.
const TRIM_PAUSE: Duration = Duration::from_millis(50);

/// Says why an engine does not start.
#[derive(Debug)]
pub enum StartFault {
    /// An option is out of its range; both are named.
    Option(&'static str),
    /// The past could not be read.
    Storage(StorageFault),
    /// A thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for StartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(rule) => f.write_str(rule),
            Self::Storage(fault) => fault.fmt(f),
            Self::Thread(fault) => write!(f, "a thread could not be started: {fault}"),
        }
    }
}

impl std::error::Error for StartFault {}

impl From<StorageFault> for StartFault {
    fn from(fault: StorageFault) -> Self {
        Self::Storage(fault)
    }
}

/// Tells threads to stop, and wakes those that wait.
#[derive(Debug, Default)]
struct Stop {
    told: AtomicBool,
    lock: Mutex<()>,
    bell: Condvar,
}

impl Stop {
    fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }

    fn tell(&self) {
        self.told.store(true, Ordering::Release);
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.bell.notify_all();
    }

    /// Waits for `span`, or until told. Returns whether it was told.
    fn wait(&self, span: Duration) -> bool {
        let held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let _held = self.bell.wait_timeout_while(held, span, |()| !self.is_told());
        self.is_told()
    }
}

/// Checks the options, recovers, and makes an engine that nobody steps yet. Returns it, up to where no partition needs the
/// journal, and what was found.
pub(crate) fn begin(
    parts: Parts,
    options: Options,
) -> Result<(Arc<Engine>, u64, RecoverySummary), StartFault> {
    if options.shards == 0 || options.shards > usize::from(PARTITIONS) {
        return Err(StartFault::Option("shards must be 1 to 256"));
    }
    if options.checkpoint_records == 0 || options.checkpoint_records > 16_000_000 {
        return Err(StartFault::Option("checkpoint_records must be 1 to 16,000,000"));
    }
    if options.recovery_threads == 0 || options.recovery_threads > usize::from(PARTITIONS) {
        return Err(StartFault::Option("recovery_threads must be 1 to 256"));
    }
    let recovered = recovery::recover(&parts, &options)?;
    parts.events.recovered(&recovered.summary);
    let engine = Engine::new(parts, options, recovered.shards, recovered.chain, recovered.time_floor);
    Ok((Arc::new(engine), recovered.covered, recovered.summary))
}

/// Is an engine with its threads. Dropping it stops them, as `stop` does, without the last checkpoint.
#[expect(missing_debug_implementations, reason = "as `Engine`")]
pub struct Running {
    engine: Arc<Engine>,
    /// Stops the sweeper and the checkpointer.
    workers_stop: Arc<Stop>,
    /// Stops the committer, last of all.
    committer_stop: Arc<Stop>,
    workers: Vec<JoinHandle<()>>,
    committer: Option<JoinHandle<()>>,
}

impl Running {
    /// Recovers and starts. *Errors*: options out of range, storage that is damaged or in use.
    pub fn start(parts: Parts, options: Options) -> Result<(Self, RecoverySummary), StartFault> {
        let (engine, covered, summary) = begin(parts, options)?;
        let mut running = Self {
            engine,
            workers_stop: Arc::default(),
            committer_stop: Arc::default(),
            workers: Vec::new(),
            committer: None,
        };
        running.start_committer()?;
        running.engine.finish_what_a_crash_left();
        running.start_sweeper()?;
        running.start_checkpointer(covered)?;
        Ok((running, summary))
    }

    /// Returns the handle.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Makes a checkpoint now, giving way to those who decide meanwhile. *Errors*: the disk's.
    pub fn checkpoint(&self) -> Result<CheckpointSummary, StorageFault> {
        checkpoint(&self.engine, &self.workers_stop)
    }

    fn start_committer(&mut self) -> Result<(), StartFault> {
        let (committer, stop) = (Arc::clone(&self.engine.committer), Arc::clone(&self.committer_stop));
        let handle = spawn("committer", move || {
            // A fault has been told to everyone who waits and to `Events`; there is nothing left to commit with.
            let _ = committer.run(|| stop.is_told());
        })?;
        self.engine.committer.set_thread(handle.thread().clone());
        self.committer = Some(handle);
        Ok(())
    }

    fn start_sweeper(&mut self) -> Result<(), StartFault> {
        let (engine, stop) = (Arc::clone(&self.engine), Arc::clone(&self.workers_stop));
        let every = engine.options.sweep_every;
        self.workers.push(spawn("sweeper", move || {
            while !stop.wait(every) {
                sweep(&engine, &stop);
            }
        })?);
        Ok(())
    }

    /// `covered`: up to here no partition needs the journal. What recovery had to read counts like what came since.
    fn start_checkpointer(&mut self, mut covered: u64) -> Result<(), StartFault> {
        let (engine, stop) = (Arc::clone(&self.engine), Arc::clone(&self.workers_stop));
        self.workers.push(spawn("checkpointer", move || {
            engine.events.background_begins();
            let mut idle = Idle { seq: engine.watermark.durable(), span: Duration::ZERO, is_done: false };
            while !stop.wait(CHECKPOINT_LOOK) {
                if engine.has_failed() {
                    continue;
                }
                if idle.is_due(&engine)
                    && let Err(fault) = engine.move_floor()
                {
                    engine.events.background_failed("durable floor", &fault);
                }
                if engine.watermark.durable() - covered < engine.options.checkpoint_records {
                    continue;
                }
                match checkpoint(&engine, &stop) {
                    Ok(summary) => {
                        covered = summary.covered_seq;
                        trim(&engine, engine.trimmed_before(&summary), &stop);
                    }
                    Err(fault) => engine.events.background_failed("checkpoint", &fault),
                }
            }
        })?);
        Ok(())
    }

    /// Stops: makes a last checkpoint, commits what is decided, ends every thread. Faces must have stopped asking before.
    /// *Errors*: the last checkpoint's; nothing is lost by it, recovery only reads more of the journal.
    pub fn stop(mut self) -> Result<(), StorageFault> {
        self.workers_stop.tell();
        self.workers.drain(..).for_each(join);
        let last = if self.engine.has_failed() { Ok(()) } else { self.checkpoint().map(|_| ()) };
        self.end_committer();
        last
    }

    fn end_committer(&mut self) {
        self.committer_stop.tell();
        if let Some(committer) = self.committer.take() {
            committer.thread().unpark();
            join(committer);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.workers_stop.tell();
        self.workers.drain(..).for_each(join);
        self.end_committer();
    }
}

/// Notices when the journal has rested for a while.
struct Idle {
    /// The last durable seq when it was looked at last.
    seq: u64,
    /// How long it has been that.
    span: Duration,
    /// That was told already.
    is_done: bool,
}

impl Idle {
    /// Returns true once each time the journal has rested for `Options::floor_idle`. Called every `CHECKPOINT_LOOK`.
    fn is_due(&mut self, engine: &Engine) -> bool {
        let seq = engine.watermark.durable();
        if seq != self.seq {
            *self = Self { seq, span: Duration::ZERO, is_done: false };
            return false;
        }
        self.span += CHECKPOINT_LOOK;
        let is_due = !self.is_done && self.span >= engine.options.floor_idle;
        self.is_done |= is_due;
        is_due
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartFault> {
    thread::Builder::new().name(name.into()).spawn(|| or_abort(work)).map_err(StartFault::Thread)
}

/// Does a thread's work. A panic is a bug in the money state or in what keeps it, or damage that only a record's effect
/// showed: nobody may go on as if nothing had happened.
pub(crate) fn or_abort<T>(work: impl FnOnce() -> T) -> T {
    panic::catch_unwind(panic::AssertUnwindSafe(work)).unwrap_or_else(|_| process::abort())
}

fn join(handle: JoinHandle<()>) {
    // A thread that panicked has aborted the process; there is no other way to fail.
    let _ = handle.join();
}

/// Sweeps; again at once while there is more of what was revoked, but no faster than it becomes durable.
fn sweep(engine: &Engine, stop: &Stop) {
    while !engine.sweeper_paused.load(Ordering::Acquire) {
        let (_, is_left) = engine.sweep_round(SWEEP_MOST);
        let last_seq = engine.last_seq.load(Ordering::Acquire);
        if !is_left || stop.is_told() || engine.watermark.wait(last_seq).is_err() {
            return;
        }
    }
}

/// Makes a checkpoint; one that is under way when told to stop pauses no more.
fn checkpoint(engine: &Engine, stop: &Stop) -> Result<CheckpointSummary, StorageFault> {
    engine.checkpoint(|| engine.committer.floor(), stop)
}

impl Aside for Stop {
    fn pause(&self, span: Duration) {
        self.wait(span);
    }
}

/// Gives old journal back, a step at a time.
fn trim(engine: &Engine, before_seq: u64, stop: &Stop) {
    loop {
        match engine.journal.trim(before_seq) {
            Ok(TrimStep::More) if !stop.wait(TRIM_PAUSE) => {}
            Ok(_) => return,
            Err(fault) => return engine.events.background_failed("trim", &fault),
        }
    }
}

impl Engine {
    /// Returns below which seq the journal may go after a checkpoint. The stored floor's own group stays, however far the
    /// chain has come since; so does what a follower has yet to make durable elsewhere.
    pub(crate) fn trimmed_before(&self, summary: &CheckpointSummary) -> u64 {
        summary.floor_seq.min(summary.covered_seq + 1).min(self.journal_needed_from.get())
    }

    /// Finishes what a crash may have left half done between two partitions: payees' notices, settlement lines, the control
    /// words of front-ends.
    pub(crate) fn finish_what_a_crash_left(&self) {
        for partition in 0..PARTITIONS {
            let notices: Vec<Notice> = self.lock(partition).partition(partition).notices().copied().collect();
            for notice in notices {
                let home = notice.id.partition();
                let payee = self.lock(home).partition(home).payee(notice.id).cloned();
                if let Ok(payee) = payee
                    && payee.version > notice.version
                {
                    // A notice that exists needs no new slot: there is nothing to refuse.
                    let _ = self.give_notice(partition, &payee);
                }
            }
            self.deliver(partition);
        }
        self.tell_controls_again();
        self.wake_committer();
    }
}
