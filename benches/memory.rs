//! Owns: an engine over a journal in memory, with its committer, and payers that each have their own sessions.

use crate::{CountedIds, DEPOSIT, Dice, Mandate, Noon, USD, numbered, opening};
use std::{sync::Arc, time::Duration};
use tallystick_core::{
    Amount, PayeeId, SessionId, WriterId,
    command::{CreateAccount, CreatePayee, Debit, Deposit},
    role::{Actor, Role, Roles},
};
use tallystick_engine::{Asker, Engine, OpenAnswer, Options, Parts, Running, Silent};
use tallystick_journal::{
    NeededFrom, ProjectionStore,
    memory::{MemoryIndex, MemoryJournal},
};
use tallystick_projection::{Follower, Following};

/// Is whose accounts the payers' are.
const FRONT_END: &str = "shop";
/// Bounds what the journal in memory may grow to between two rounds. *Units*: appends, about.
const ROUNDS_KEPT: u64 = 1_024;

/// Returns whether a group has a seq that is needed.
fn group_reaches(group: &[u8], needed_from: u64) -> bool {
    let first = group.get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    let count = group.get(16..20).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
    first + u64::from(count) > needed_from
}

/// Is a running engine.
#[expect(missing_debug_implementations, reason = "as `Running`")]
pub struct Memory {
    running: Running,
    journal: Arc<MemoryJournal>,
    needed_from: Arc<NeededFrom>,
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
        let needed_from = Arc::new(NeededFrom::default());
        let parts = Parts {
            journal: Arc::clone(&journal) as _,
            checkpoints: Arc::clone(&index) as _,
            tables: index,
            journal_needed_from: Arc::clone(&needed_from),
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
        Self { running, journal, needed_from, rounds: 0 }
    }

    /// Returns the handle.
    pub fn engine(&self) -> &Arc<Engine> {
        self.running.engine()
    }

    /// Gives the journal's memory back from time to time; called between rounds.
    pub fn tidy(&mut self) {
        self.rounds += 1;
        if self.rounds.is_multiple_of(ROUNDS_KEPT) {
            let needed = self.needed_from.get();
            self.journal.tamper(|groups| groups.retain(|_, group| group_reaches(group, needed)));
        }
    }

    /// Sets up a payer with this many sessions, each under an account of its own, so that they lie in many shards.
    pub fn payer(&self, name: &str, sessions: u64) -> Payer {
        self.payer_under(&Mandate::default(), name, sessions)
    }

    /// As `payer`, with sessions that are bounded by a mandate.
    pub fn payer_under(&self, mandate: &Mandate, name: &str, sessions: u64) -> Payer {
        let engine = self.engine();
        let create = CreatePayee { key: name.as_bytes(), name };
        let payee = engine.create_payee(&create).wait().expect("a payee").value.id;
        let (writer, _) = engine.open_writer(None).wait().expect("a writer");
        let sessions =
            (0..sessions).map(|nth| (self.session(mandate, &format!("{name} {nth}")), 0)).collect();
        Payer { engine: Arc::clone(engine), payee, writer, sessions, dice: Dice::default() }
    }

    /// Lets a projection follow from here on, into `store`.
    pub fn follow(&self, store: Arc<dyn ProjectionStore>) -> Following {
        let parts = tallystick_projection::Parts {
            journal: Arc::clone(&self.journal) as _,
            checkpoints: Arc::new(MemoryIndex::default()),
            store,
            needed_from: Arc::clone(&self.needed_from),
            events: Arc::new(tallystick_projection::Silent),
        };
        // Little is kept of the journal here: what is synced often is let go of often.
        let options = tallystick_projection::Options { sync_bytes: 4 << 20, ..Default::default() };
        let follower = Follower::open(parts, options).expect("a follower");
        Following::start(follower, Arc::clone(self.engine().watermark())).expect("a thread")
    }

    fn session(&self, mandate: &Mandate, name: &str) -> SessionId {
        let (engine, key) = (self.engine(), name.as_bytes());
        let create = CreateAccount {
            velocity: &mandate.account_velocity,
            front_end: FRONT_END,
            ..CreateAccount::prepaid(key, USD)
        };
        let account = engine.create_account(&create).wait().expect("an account").value.id;
        let deposit = Deposit { account, key, amount: DEPOSIT, currency: USD, pending: false };
        engine.deposit(&deposit).wait().expect("a deposit");
        let opening = mandate.bound(opening(account, key, DEPOSIT));
        match engine.open_session(&opening).wait().expect("a session").value {
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
    /// Pays on behalf of an agent from here on: one of the operator's, or of the front-end whose the accounts are.
    #[must_use]
    pub fn as_agent(self, of_front_end: bool) -> Self {
        let front_end = if of_front_end { FRONT_END } else { "" };
        let roles = Roles::of(&[Role::Authorize]);
        let actor = Actor { number: 16, roles, payee: None, front_end: front_end.into() };
        let asker = Arc::new(Asker::without_credential(actor));
        Self { engine: Arc::new(self.engine.asked_by(&asker)), ..self }
    }

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
            assert_eq!(answer.expect("a decision").declined, None, "every debit of a bench is approved");
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
