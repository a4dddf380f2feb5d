//! Owns: an engine over a journal in memory, with its committer, and payers that each have their own sessions.

use crate::{CountedIds, DEPOSIT, Dice, Noon, USD, numbered, opening};
use std::{sync::Arc, time::Duration};
use tallystick_core::{
    Amount, PayeeId, SessionId, WriterId,
    command::{CreateAccount, CreatePayee, Debit, Deposit},
};
use tallystick_engine::{Engine, OpenAnswer, Options, Parts, Running, Silent};
use tallystick_journal::memory::{MemoryIndex, MemoryJournal};

/// Bounds what the journal in memory may grow to between two rounds. *Units*: appends, about.
const ROUNDS_KEPT: u64 = 1_024;

/// Is a running engine.
#[expect(missing_debug_implementations, reason = "as `Running`")]
pub struct Memory {
    running: Running,
    journal: Arc<MemoryJournal>,
    rounds: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// Starts an engine on nothing, with the default shards and no checkpoints.
    pub fn new() -> Self {
        let (journal, index) = (Arc::new(MemoryJournal::default()), Arc::new(MemoryIndex::default()));
        let parts = Parts {
            journal: Arc::clone(&journal) as _,
            checkpoints: Arc::clone(&index) as _,
            tables: index,
            journal_needed_from: Arc::default(),
            clock: Arc::new(Noon),
            ids: Arc::new(CountedIds::default()),
            events: Arc::new(Silent),
        };
        let options = Options {
            checkpoint_records: 16_000_000,
            sweep_every: Duration::from_secs(3_600),
            ..Options::default()
        };
        let (running, _) = Running::start(parts, options).expect("an engine");
        Self { running, journal, rounds: 0 }
    }

    /// Returns the handle.
    pub fn engine(&self) -> &Arc<Engine> {
        self.running.engine()
    }

    /// Gives the journal's memory back from time to time; called between rounds.
    pub fn tidy(&mut self) {
        self.rounds += 1;
        if self.rounds.is_multiple_of(ROUNDS_KEPT) {
            self.journal.tamper(std::collections::BTreeMap::clear);
        }
    }

    /// Sets up a payer with this many sessions, each under an account of its own, so that they lie in many shards.
    pub fn payer(&self, name: &str, sessions: u64) -> Payer {
        let engine = self.engine();
        let create = CreatePayee { key: name.as_bytes(), name };
        let payee = engine.create_payee(&create).wait().expect("a payee").value.id;
        let (writer, _) = engine.open_writer(None).wait().expect("a writer");
        let sessions = (0..sessions).map(|nth| (self.session(&format!("{name} {nth}")), 0)).collect();
        Payer { engine: Arc::clone(engine), payee, writer, sessions, dice: Dice::default() }
    }

    fn session(&self, name: &str) -> SessionId {
        let (engine, key) = (self.engine(), name.as_bytes());
        let create = CreateAccount::prepaid(key, USD);
        let account = engine.create_account(&create).wait().expect("an account").value.id;
        let deposit = Deposit { account, key, amount: DEPOSIT, currency: USD, pending: false };
        engine.deposit(&deposit).wait().expect("a deposit");
        match engine.open_session(&opening(account, key, DEPOSIT)).wait().expect("a session").value {
            OpenAnswer::Opened(view) => view.id,
            other => panic!("not opened: {other:?}"),
        }
    }
}

/// Pays out of sessions of its own, under its own numbers: as many as there are threads never meet.
#[expect(missing_debug_implementations, reason = "as `Engine`")]
pub struct Payer {
    engine: Arc<Engine>,
    payee: PayeeId,
    writer: WriterId,
    sessions: Vec<(SessionId, u64)>,
    dice: Dice,
}

impl Payer {
    fn next_debit(&mut self) -> Debit<'static> {
        let at = self.dice.below(self.sessions.len());
        let (session, number) = &mut self.sessions[at];
        *number += 1;
        numbered(*session, self.payee, self.writer, *number)
    }

    /// Sends one batch and waits until it is durable. *Panics*: if any of it is not approved.
    pub fn batch(&mut self, debits: usize) {
        let batch: Vec<Debit<'static>> = (0..debits).map(|_| self.next_debit()).collect();
        let answers = self.engine.debit_batch(&batch).wait().expect("a durable batch");
        for answer in answers {
            assert_eq!(answer.expect("a decision").decline, None, "every debit of a bench is approved");
        }
    }

    /// Sends one debit and waits until it is durable. *Panics*: if it is not approved.
    pub fn single(&mut self) -> Amount {
        let debit = self.next_debit();
        let answer = self.engine.debit(&debit).wait().expect("a durable debit");
        assert_eq!(answer.decline, None, "every debit of a bench is approved");
        answer.remaining
    }
}
