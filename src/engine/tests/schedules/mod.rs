//! Is a small world on a scheduler that a seed drives: the real engine on a journal and an index in memory, threads and locks
//! that take turns only where the scheduler says. A schedule that fails is printed, and can be run again.
#![allow(dead_code, reason = "each test uses its part")]

use shuttle::{
    Config, FailurePersistence, Runner,
    scheduler::{PctScheduler, RandomScheduler, ReplayScheduler},
};
use std::{
    env, panic,
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tallystick_core::{
    AccountId, Amount, Clock, Currency, EnvelopeId, IdSource, PayeeId, SessionId, Span, Time,
    command::{CreateAccount, CreatePayee, Debit, Deposit, Intent, OpenSession},
};
use tallystick_engine::{DebitAnswer, Engine, Fault, OpenAnswer, Options, Parts, Running, Silent};
use tallystick_journal::{
    Chain, GroupView, Journal as _,
    memory::{MemoryIndex, MemoryJournal},
};

pub(crate) const USD: Currency = Currency::from_number(840);
const MORNING: u64 = 1_800_000_000_000_000_000;
/// How many schedules of each kind, unless `ITERATIONS` says otherwise.
const ITERATIONS: usize = 100;
/// How often a schedule of the second kind lets another thread overtake where none would have to.
const OVERTAKINGS: usize = 3;
const SEED: u64 = 0x7461_6c6c_7973_7469;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Runs `test` under `ITERATIONS` random schedules and as many of few overtakings, from `SEED`; or once under the schedule
/// in the file that `SCHEDULE` names, as a failure left it.
pub(crate) fn explore(test: fn()) {
    let mut config = Config::new();
    // The header says what is not modelled.
    config.silence_warnings = true;
    config.stack_size = 1 << 20;
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    config.failure_persistence = match env::var("SCHEDULES") {
        Ok(folder) => FailurePersistence::File(Some(folder.into())),
        Err(_) => FailurePersistence::Print,
    };
    if let Ok(file) = env::var("SCHEDULE") {
        let scheduler =
            ReplayScheduler::new_from_file(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        Runner::new(scheduler, config).run(test);
        return;
    }
    let iterations = number("ITERATIONS").map_or(ITERATIONS, |count| usize::try_from(count).unwrap());
    let seed = number("SEED").unwrap_or(SEED);
    let began = Instant::now();
    tell_the_schedule();
    SCHEDULES.store(0, Ordering::Relaxed);
    let test = move || {
        SCHEDULES.fetch_add(1, Ordering::Relaxed);
        test();
    };
    let random = Runner::new(RandomScheduler::new_from_seed(seed, iterations), config.clone()).run(test);
    let few = Runner::new(PctScheduler::new_from_seed(seed, OVERTAKINGS, iterations), config).run(test);
    println!("{random} random schedules, {few} of {OVERTAKINGS} overtakings, {:.1?}", began.elapsed());
}

/// Counts schedules, that which is under way among them.
static SCHEDULES: AtomicU64 = AtomicU64::new(0);

/// Lets whatever fails say in which schedule, also what ends the process.
fn tell_the_schedule() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            eprintln!("failed in schedule {}", SCHEDULES.load(Ordering::Relaxed));
            before(info);
        }));
    });
}

/// Counts. It is no lock: nobody takes a turn here.
#[derive(Debug, Default)]
pub(crate) struct Counted(AtomicU64);

impl IdSource for Counted {
    fn draw(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Clock for Counted {
    fn now(&self) -> Time {
        Time::from_ns(MORNING + self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// Is an engine with its threads.
pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) journal: Arc<MemoryJournal>,
}

/// Returns the parts of an engine on this journal.
pub(crate) fn parts(journal: &Arc<MemoryJournal>) -> Parts {
    let index = Arc::new(MemoryIndex::default());
    Parts {
        journal: Arc::clone(journal) as _,
        checkpoints: Arc::clone(&index) as _,
        tables: index,
        journal_needed_from: Arc::default(),
        clock: Arc::<Counted>::default(),
        ids: Arc::<Counted>::default(),
        events: Arc::new(Silent),
    }
}

pub(crate) fn options() -> Options {
    Options { shards: 4, recovery_threads: 1, floor_idle: Duration::from_secs(3_600), ..Options::default() }
}

impl World {
    pub(crate) fn new() -> Self {
        let journal = Arc::new(MemoryJournal::default());
        let (running, _) = Running::start(parts(&journal), options()).unwrap();
        Self { running, journal }
    }

    pub(crate) fn engine(&self) -> Arc<Engine> {
        Arc::clone(self.running.engine())
    }

    /// Makes an account with money. Its key decides its partition.
    pub(crate) fn account(&self, key: &str, nanos: u64) -> AccountId {
        let create = CreateAccount::prepaid(key.as_bytes(), USD);
        let account = self.engine().create_account(&create).wait().unwrap().value.id;
        self.engine().deposit(&deposit(account, key, nanos)).wait().unwrap();
        account
    }

    pub(crate) fn payee(&self, name: &str) -> PayeeId {
        self.engine().create_payee(&CreatePayee { key: name.as_bytes(), name }).wait().unwrap().value.id
    }

    pub(crate) fn session(&self, account: AccountId, key: &str, cap: u64) -> SessionId {
        let cap = (Amount::from_nanos(cap), USD);
        let parent = EnvelopeId::Account(account);
        let opening = OpenSession::capped(parent, key.as_bytes(), cap, Span::from_days(1));
        match self.engine().open_session(&opening).wait().unwrap().value {
            OpenAnswer::Opened(view) => view.id,
            other => panic!("not opened: {other:?}"),
        }
    }

    /// Makes a session of 100 with a payee that its partition knows.
    pub(crate) fn session_of_100(&self) -> (SessionId, PayeeId) {
        let session = self.session(self.account("a", 1_000), "s", 100);
        let payee = self.payee("p");
        self.engine().debit(&by_key(session, payee, 1 << 40, "so that the payee is known")).wait().unwrap();
        (session, payee)
    }
}

pub(crate) fn deposit(account: AccountId, key: &str, nanos: u64) -> Deposit<'_> {
    let amount = Amount::from_nanos(nanos);
    Deposit { account, key: key.as_bytes(), amount, currency: USD, pending: false }
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

/// Returns the last seq that the journal has, all before it being there too.
pub(crate) fn last_in(journal: &MemoryJournal) -> u64 {
    let mut chain = Chain::default();
    let read = journal.read(0, &mut |seq, bytes| {
        let group = GroupView::parse(seq, bytes)?;
        chain.accept(&group)?;
        group.records(|_, _, _| {})?;
        Ok(std::ops::ControlFlow::Continue(()))
    });
    read.unwrap_or_else(|fault| panic!("{fault}"));
    chain.last_seq()
}

/// Checks that what was heard is in the journal, with all before it.
pub(crate) fn assert_durable(journal: &MemoryJournal, seq: u64) {
    let last = last_in(journal);
    assert!(last >= seq, "seq {seq} was heard, and the journal ends at {last}");
}

/// Says whether a debit was approved, declined, or failed with the journal; nothing else may come of one.
pub(crate) fn heard(journal: &MemoryJournal, answer: Result<DebitAnswer, Fault>) -> Option<bool> {
    match answer {
        Ok(answer) => {
            assert_durable(journal, answer.seq);
            Some(answer.decline.is_none())
        }
        Err(Fault::JournalFailed) => None,
        Err(other) => panic!("{other}"),
    }
}
