//! Is a small world for tests: a disk that can lose its power at any write, a clock that is set by hand, ids from a count.
#![allow(dead_code, reason = "each test uses its part of the world")]

mod audit;
mod gate;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tallystick_core::{
    AccountId, Amount, Clock, Currency, DeclineCode, EnvelopeId, IdSource, PayeeId, SessionId, Span, Time,
    WriterId,
    command::{CreateAccount, CreatePayee, Debit, Deposit, Intent, OpenSession},
    writer::Numbered,
};
use tallystick_engine::{
    DebitAnswer, Engine, OpenAnswer, Options, Parts, Running, Silent, StartFault, Ticket,
};
use tallystick_journal::{
    Checkpoint, Checkpoints, Durability, Floor, Journal, NeededFrom, StorageFault, Tables, TrimStep, Visit,
    memory::{MemoryIndex, MemoryJournal},
};

#[allow(unused_imports, reason = "each test uses its part of the world")]
pub(crate) use audit::{Values, audit, audit_every_seq, replayed, stored, values};
#[allow(unused_imports, reason = "each test uses its part of the world")]
pub(crate) use gate::{Gate, Gated};

/// The day on which most tests begin. *Units*: nanoseconds.
pub(crate) const MORNING: u64 = 1_800_000_000_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const USD: Currency = Currency::from_number(840);

/// Tells the time it was told.
#[derive(Debug)]
pub(crate) struct HandClock(AtomicU64);

impl HandClock {
    pub(crate) fn at(ns: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(ns)))
    }

    pub(crate) fn set(&self, ns: u64) {
        self.0.store(ns, Ordering::SeqCst);
    }

    pub(crate) fn pass(&self, ns: u64) {
        self.0.fetch_add(ns, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Time {
        Time::from_ns(self.0.load(Ordering::SeqCst))
    }
}

/// Counts, and spreads the counts.
#[derive(Debug, Default)]
pub(crate) struct CountedIds(AtomicU64);

impl IdSource for CountedIds {
    fn draw(&self) -> u64 {
        spread(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

fn spread(count: u64) -> u64 {
    let mut z = count.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Draws the same numbers for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(spread(seed))
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        spread(self.0) % end
    }
}

pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Power {
    writes_left: u64,
    off: bool,
    /// Whether the write at which the power went reached the disk all the same: nobody is told either way.
    last_lands: bool,
}

/// Keeps a journal and an index in memory; its power goes at a chosen write, and nothing is written afterwards.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) journal: MemoryJournal,
    /// Every group that was ever appended: never trimmed.
    pub(crate) archive: MemoryJournal,
    pub(crate) index: MemoryIndex,
    /// How many saves of checkpoints fail from now on.
    pub(crate) saves_failing: AtomicU64,
    /// From where on a follower says that it needs the journal.
    pub(crate) needed_from: Arc<NeededFrom>,
    power: Mutex<Power>,
}

impl Disk {
    fn of(journal: MemoryJournal, archive: MemoryJournal, index: MemoryIndex) -> Self {
        let power = Mutex::new(Power { writes_left: u64::MAX, off: false, last_lands: false });
        Self { journal, archive, index, saves_failing: AtomicU64::new(0), needed_from: Arc::default(), power }
    }

    pub(crate) fn new() -> Self {
        Self::of(MemoryJournal::default(), MemoryJournal::default(), MemoryIndex::default())
    }

    /// Lets the power go at the write after `writes` more.
    pub(crate) fn lose_power_after(&self, writes: u64, last_lands: bool) {
        *held(&self.power) = Power { writes_left: writes, off: false, last_lands };
    }

    /// Returns what is on the disk, with power again; this one stays off.
    pub(crate) fn survivors(&self) -> Self {
        let mut power = held(&self.power);
        power.off = true;
        Self::of(self.journal.survivors(), self.archive.survivors(), self.index.survivors())
    }

    /// Returns a copy, and goes on.
    pub(crate) fn copy(&self) -> Self {
        let _power = held(&self.power);
        Self::of(self.journal.survivors(), self.archive.survivors(), self.index.survivors())
    }

    fn write<T>(&self, write: impl FnOnce() -> Result<T, StorageFault>) -> Result<T, StorageFault> {
        let mut power = held(&self.power);
        let gone = || StorageFault::Io("the power is off (planted)".into());
        if power.off {
            return Err(gone());
        }
        if power.writes_left == 0 {
            power.off = true;
            return if power.last_lands { write().and(Err(gone())) } else { Err(gone()) };
        }
        power.writes_left -= 1;
        write()
    }
}

impl Journal for Disk {
    fn append(&self, first_seq: u64, group: &[u8]) -> Result<(), StorageFault> {
        self.write(|| {
            self.archive.append(first_seq, group)?;
            self.journal.append(first_seq, group)
        })
    }

    fn read(&self, from_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        self.journal.read(from_seq, visit)
    }

    fn trim(&self, before_seq: u64) -> Result<TrimStep, StorageFault> {
        self.write(|| self.journal.trim(before_seq))
    }

    fn durability(&self) -> Durability {
        Durability::Fsync
    }

    fn size_bytes(&self) -> u64 {
        self.journal.size_bytes()
    }
}

impl Checkpoints for Disk {
    fn save(&self, checkpoints: &[Checkpoint]) -> Result<(), StorageFault> {
        let failing =
            self.saves_failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if failing.is_ok() {
            return Err(StorageFault::Io("No space left on device (planted)".into()));
        }
        self.write(|| self.index.save(checkpoints))
    }

    fn heads(&self, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        self.index.heads(visit)
    }

    fn rows(&self, partition: u16, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        self.index.rows(partition, visit)
    }

    fn floor(&self) -> Result<Option<Floor>, StorageFault> {
        self.index.floor()
    }

    fn set_floor(&self, floor: Floor) -> Result<(), StorageFault> {
        self.write(|| self.index.set_floor(floor))
    }
}

impl Tables for Disk {
    fn settlement(&self, id: [u8; 16]) -> Result<Option<Vec<u8>>, StorageFault> {
        self.index.settlement(id)
    }

    fn settlements_after(&self, after_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        self.index.settlements_after(after_seq, visit)
    }

    fn command_key(&self, partition: u16, hash: [u8; 16]) -> Result<Option<Vec<u8>>, StorageFault> {
        self.index.command_key(partition, hash)
    }
}

/// Chooses `shards`, and nothing in the background unless it is asked for. A start takes another number of threads with
/// another number of shards: neither changes what comes back.
pub(crate) fn quiet(shards: usize) -> Options {
    Options {
        shards,
        sweep_every: Duration::from_secs(3_600),
        checkpoint_records: 16_000_000,
        recovery_threads: 1 + shards % 5,
        floor_idle: Duration::from_secs(3_600),
        ..Options::default()
    }
}

/// Is an engine that runs on a disk.
pub(crate) struct World {
    pub(crate) disk: Arc<Disk>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) ids: Arc<CountedIds>,
    pub(crate) running: Running,
}

impl World {
    pub(crate) fn new(shards: usize) -> Self {
        Self::start(Disk::new(), &HandClock::at(MORNING), &Arc::default(), quiet(shards)).unwrap()
    }

    pub(crate) fn start(
        disk: Disk,
        clock: &Arc<HandClock>,
        ids: &Arc<CountedIds>,
        options: Options,
    ) -> Result<Self, StartFault> {
        let disk = Arc::new(disk);
        let parts = Parts {
            journal: disk.clone(),
            checkpoints: disk.clone(),
            tables: disk.clone(),
            journal_needed_from: disk.needed_from.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            events: Arc::new(Silent),
        };
        let (running, _) = Running::start(parts, options)?;
        Ok(Self { disk, clock: clock.clone(), ids: ids.clone(), running })
    }

    /// Takes the power, and starts again from what is on the disk.
    pub(crate) fn restart(self, shards: usize) -> Self {
        let (disk, clock, ids) = (self.disk.survivors(), self.clock.clone(), self.ids.clone());
        drop(self.running);
        Self::start(disk, &clock, &ids, quiet(shards)).unwrap()
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.running.engine()
    }

    pub(crate) fn account(&self, key: &str, nanos: u64) -> AccountId {
        let create = CreateAccount::prepaid(key.as_bytes(), USD);
        let account = self.engine().create_account(&create).wait().unwrap().value.id;
        let amount = Amount::from_nanos(nanos);
        let deposit = Deposit { account, key: key.as_bytes(), amount, currency: USD, pending: false };
        self.engine().deposit(&deposit).wait().unwrap();
        account
    }

    pub(crate) fn payee(&self, name: &str) -> PayeeId {
        self.engine().create_payee(&CreatePayee { key: name.as_bytes(), name }).wait().unwrap().value.id
    }

    pub(crate) fn open(&self, opening: &OpenSession<'_>) -> SessionId {
        match self.engine().open_session(opening).wait().unwrap().value {
            OpenAnswer::Opened(view) => view.id,
            other => panic!("not opened: {other:?}"),
        }
    }

    pub(crate) fn debit(&self, session: SessionId, payee: PayeeId, nanos: u64, key: &str) -> DebitAnswer {
        self.engine().debit(&by_key(session, payee, nanos, key)).wait().unwrap()
    }

    pub(crate) fn payable(&self, payee: PayeeId) -> u128 {
        let payee = self.engine().payee(payee).wait().unwrap();
        payee.ledgers.iter().map(|ledger| ledger.payable.nanos()).sum()
    }
}

/// Asks for a session of ten minutes that is bounded by its cap alone.
pub(crate) fn opening(account: AccountId, key: &str, cap: u64) -> OpenSession<'_> {
    below(EnvelopeId::Account(account), key, cap)
}

/// Asks for a session under an account or a session, as `opening` does.
pub(crate) fn below(parent: EnvelopeId, key: &str, cap: u64) -> OpenSession<'_> {
    let (cap, ttl) = (Amount::from_nanos(cap), Span::from_ns(600 * SECOND));
    OpenSession {
        principal: "cfo",
        method: "passkey",
        ..OpenSession::capped(parent, key.as_bytes(), (cap, USD), ttl)
    }
}

pub(crate) fn by_key(session: SessionId, payee: PayeeId, nanos: u64, key: &str) -> Debit<'_> {
    Debit {
        act: tallystick_core::command::Act::Debit,
        proof: None,
        session,
        payee,
        amount: Amount::from_nanos(nanos),
        currency: USD,
        intent: Intent::Key(key.as_bytes()),
        reference: "",
        evidence: None,
        partial: false,
    }
}

pub(crate) fn by_number(
    session: SessionId,
    payee: PayeeId,
    nanos: u64,
    (writer, epoch): (WriterId, u32),
    number: u64,
) -> Debit<'static> {
    Debit {
        intent: Intent::Number(Numbered { writer, epoch, number, acked_through: 0 }),
        ..by_key(session, payee, nanos, "-")
    }
}

/// Returns what was decided: `None` when approved.
pub(crate) fn code(answer: &DebitAnswer) -> Option<DeclineCode> {
    answer.decline.map(|decline| decline.code)
}

/// Asks a ticket once.
pub(crate) fn ask<T: Unpin>(ticket: &mut Ticket<T>) -> Poll<Result<T, tallystick_engine::Fault>> {
    Future::poll(std::pin::Pin::new(ticket), &mut Context::from_waker(Waker::noop()))
}
