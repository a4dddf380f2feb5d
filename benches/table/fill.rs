//! Owns: a data folder with very many open sessions, each of which has paid two payees: made by a real engine over a real store
//! with its projection, stopped in order, so that a server finds a checkpoint of all of it.
//! Never: a network; durability beyond the system's, since what is filled is measured later and never kept.

use crate::fault::Fault;
use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};
use tallystick_benches::{CountedIds, DEPOSIT, USD, numbered, opening};
use tallystick_core::{
    AccountId, Amount, Clock, PayeeId, SessionId, Time, WriterId,
    command::{CreateAccount, CreatePayee, Debit, Deposit},
};
use tallystick_engine::{Engine, OpenAnswer, Options, Parts, Running, Silent};
use tallystick_journal::Durability;
use tallystick_projection::{Follower, Following};
use tallystick_store::{Store, StoreOptions};

const PAYEES: usize = 2;
const ACCOUNTS: u64 = 1_024;
const THREADS: u64 = 2;
/// Sessions that are opened before the first of them is waited for.
const STRETCH: usize = 4_096;
const BATCH: usize = 1_024;

/// Tells the wall's time: a server that opens the folder does, too.
struct Wall;

impl Clock for Wall {
    #[expect(
        clippy::disallowed_methods,
        reason = "the server that opens the folder decides by the same clock"
    )]
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::from_ns(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// Is who opens sessions and pays out of them.
struct Filler {
    engine: Arc<Engine>,
    accounts: Vec<AccountId>,
    payees: Vec<PayeeId>,
    writer: WriterId,
    cap: Amount,
}

/// Fills `folder` with `sessions` sessions. *Errors*: the disk's.
pub(crate) fn fill(folder: &Path, sessions: u64) -> Result<(), Fault> {
    let fault = |doing: &'static str| move |error: &dyn std::fmt::Display| Fault::unfit(doing, error);
    let opened = Store::open(folder, StoreOptions::new(Durability::Os));
    let store = opened.map_err(|error| fault("open a store")(&error))?;
    let (journal, index, needed_from) = (store.journal(), store.index(), Arc::default());
    let follower = Follower::open(
        tallystick_projection::Parts {
            journal: Arc::clone(&journal) as _,
            checkpoints: Arc::clone(&index) as _,
            store: Arc::clone(&index) as _,
            needed_from: Arc::clone(&needed_from),
            events: Arc::new(tallystick_projection::Silent),
        },
        tallystick_projection::Options::default(),
    );
    let follower = follower.map_err(|error| fault("follow a journal")(&error))?;
    let parts = Parts {
        journal,
        checkpoints: Arc::clone(&index) as _,
        tables: index,
        journal_needed_from: needed_from,
        clock: Arc::new(Wall),
        ids: Arc::new(CountedIds::default()),
        events: Arc::new(Silent),
    };
    let started = Running::start(parts, Options::default());
    let (running, _) = started.map_err(|error| fault("start an engine")(&error))?;
    let followed = Following::start(follower, Arc::clone(running.engine().watermark()));
    let following = followed.map_err(|error| fault("start a thread")(&error))?;
    work(running.engine(), sessions).map_err(|error| fault("fill a folder")(&error))?;
    running.stop().map_err(|error| fault("make the last checkpoint")(&error))?;
    following.stop().map_err(|error| fault("end a projection")(&error))
}

fn work(engine: &Arc<Engine>, sessions: u64) -> Result<(), tallystick_engine::Fault> {
    let cap = Amount::from_nanos(DEPOSIT.nanos() / sessions.div_ceil(ACCOUNTS).max(1));
    let accounts = (0..ACCOUNTS).map(|nth| fund(engine, nth)).collect::<Result<Vec<_>, _>>()?;
    let register = |nth: usize| {
        let key = nth.to_le_bytes();
        let create = CreatePayee { key: &key, name: "payee" };
        Ok(engine.create_payee(&create).wait()?.value.id)
    };
    let payees = (0..PAYEES).map(register).collect::<Result<Vec<_>, tallystick_engine::Fault>>()?;
    thread::scope(|scope| {
        let mut fillers = Vec::new();
        for first in 0..THREADS {
            let (writer, _) = engine.open_writer(None).wait()?;
            let (engine, accounts, payees) = (Arc::clone(engine), accounts.clone(), payees.clone());
            let filler = Filler { engine, accounts, payees, writer, cap };
            fillers.push(scope.spawn(move || filler.run(first, sessions)));
        }
        // A panic is a bug; it goes on here.
        fillers
            .into_iter()
            .try_for_each(|filler| filler.join().unwrap_or_else(|error| std::panic::resume_unwind(error)))
    })
}

fn fund(engine: &Engine, nth: u64) -> Result<AccountId, tallystick_engine::Fault> {
    let key = nth.to_le_bytes();
    let account = engine.create_account(&CreateAccount::prepaid(&key, USD)).wait()?.value.id;
    let deposit = Deposit { account, key: &key, amount: DEPOSIT, currency: USD, pending: false };
    engine.deposit(&deposit).wait()?;
    Ok(account)
}

impl Filler {
    /// Opens every so-manieth session, and debits it.
    fn run(&self, first: u64, sessions: u64) -> Result<(), tallystick_engine::Fault> {
        let own: Vec<u64> = (first..sessions).step_by(usize::try_from(THREADS).unwrap_or(1)).collect();
        for stretch in own.chunks(STRETCH) {
            let mut tickets = Vec::with_capacity(stretch.len());
            for (at, nth) in (first..).zip(stretch) {
                let account = self.accounts[usize::try_from((nth / THREADS + at) % ACCOUNTS).unwrap_or(0)];
                tickets.push(self.engine.open_session(&opening(account, &nth.to_le_bytes(), self.cap)));
            }
            let mut opened = Vec::with_capacity(stretch.len());
            for ticket in tickets {
                match ticket.wait()?.value {
                    OpenAnswer::Opened(view) => opened.push(view.id),
                    other => panic!("not opened: {other:?}"),
                }
            }
            self.pay(&opened)?;
        }
        Ok(())
    }

    fn pay(&self, sessions: &[SessionId]) -> Result<(), tallystick_engine::Fault> {
        for sessions in sessions.chunks(BATCH / PAYEES) {
            let debits_of = |session: &SessionId| {
                let session = *session;
                let numbers = (1..).zip(&self.payees);
                numbers
                    .map(move |(number, payee)| numbered(session, *payee, self.writer, number))
                    .collect::<Vec<_>>()
            };
            let batch: Vec<Debit<'static>> = sessions.iter().flat_map(debits_of).collect();
            for answer in self.engine.debit_batch(&batch).wait()? {
                assert_eq!(answer?.declined, None, "every debit of a bench is approved");
            }
        }
        Ok(())
    }
}
