//! Owns: a world that is told what happens, step by step: for scenarios that have a name. Model, auditor and journal follow
//! as they do under a seed.
//! Never: chance in what clients do; a panic but for what a scenario finds wrong.

use crate::{
    asked::{Asked, Heard, Key, Named, NewAccount, NewDebit, NewSession, Told},
    client::Intent,
    log::Trace,
    model::CallNo,
    rng::Rng,
    settings::Settings,
    time::SECOND,
    world::World,
};
use std::sync::Arc;
use tallystick_core::{
    AccountId, Amount, Currency, DeclineCode, DepositId, EnvelopeId, PayeeId, SessionId, Span, Time,
    WriterId, account::Funding, command::Act, partition::SessionView, session::Mode, settlement::Settlement,
    writer::Numbered,
};
use tallystick_engine::{DebitAnswer, OpenAnswer, SessionShown};
use tallystick_projection::Lookup;

/// Is the currency of every script.
pub const USD: Currency = Currency::from_number(840);

/// Is a world under a script.
#[derive(Debug)]
pub struct Script {
    world: Arc<World>,
}

/// Takes nanos.
pub const fn nanos(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

/// Asks for a reserved session of ten minutes that is bounded by its cap alone.
pub fn below(parent: EnvelopeId, key: &str, cap: u64) -> NewSession {
    NewSession {
        parent,
        mode: Mode::Reserved,
        key: key.into(),
        currency: USD,
        cap: nanos(cap),
        ttl: Span::from_ns(600 * SECOND),
        not_before: Time::ZERO,
        payees: Vec::new(),
        payee_caps: Vec::new(),
        default_payee_cap: Amount::ZERO,
        debit_min: Amount::ZERO,
        debit_max: Amount::ZERO,
        principal: "cfo".into(),
        method: "passkey".into(),
        evidence_hash: None,
        approved_at: Time::ZERO,
        reference: String::new(),
        approval_above: Amount::ZERO,
        secret: None,
        parent_proof: None,
        velocity: Vec::new(),
    }
}

/// Asks for a debit by key.
pub fn by_key(session: SessionId, payee: PayeeId, amount: u64, key: &str) -> NewDebit {
    NewDebit {
        session,
        act: Act::Debit,
        proof: None,
        payee,
        amount: nanos(amount),
        currency: USD,
        named: Named::Key(key.into()),
        reference: String::new(),
        evidence: None,
        partial: false,
    }
}

/// Makes a hold of what is asked for. `until`: `Time::ZERO` until the session's end.
pub fn held(new: NewDebit, tolerance: u64, until: Time) -> NewDebit {
    NewDebit { act: Act::Hold { tolerance: nanos(tolerance), until }, ..new }
}

/// Makes a capture of what is asked for.
pub fn captured(new: NewDebit, hold: u64, last: bool) -> NewDebit {
    NewDebit { act: Act::Capture { hold, last }, ..new }
}

/// Asks for a hold to be given back.
pub fn voided(new: NewDebit, hold: u64) -> NewDebit {
    NewDebit { act: Act::Void { hold }, amount: Amount::ZERO, ..new }
}

/// Asks for a debit by number.
pub fn by_number(
    (session, payee): (SessionId, PayeeId),
    amount: u64,
    (writer, epoch): (WriterId, u32),
    number: u64,
) -> NewDebit {
    let at = Numbered { writer, epoch, number, acked_through: 0 };
    NewDebit { named: Named::Number(at), ..by_key(session, payee, amount, "") }
}

/// Returns what was decided: `None` when approved.
pub fn code(answer: &DebitAnswer) -> Option<DeclineCode> {
    answer.decline.map(|decline| decline.code)
}

impl Script {
    /// Begins a world of so many shards.
    pub fn begin(shards: usize) -> Self {
        Self::with(shards, Settings::quiet())
    }

    /// Begins a world with other settings.
    pub fn with(shards: usize, settings: Settings) -> Self {
        let world = World::new(settings, Rng::new(1), Trace::Keep);
        assert!(world.started_with(shards), "the world does not start");
        Self { world }
    }

    /// Returns the world.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Asks, and does not wait. *Panics*: if the process is not there.
    pub fn tell(&self, asked: Asked) -> CallNo {
        let at = self.world.intend(0, Intent { is_lie: true, ..Intent::new(asked) });
        self.well();
        self.world.send(0, at).unwrap_or_else(|| panic!("nobody is there to be asked"))
    }

    /// Looks for an answer: `None` while it is not durable.
    pub fn hear(&self, call: CallNo) -> Option<Heard> {
        let heard = self.world.poll(call);
        self.well();
        heard
    }

    /// Asks, commits, and returns what is heard.
    pub fn ask(&self, asked: Asked) -> Heard {
        let call = self.tell(asked);
        for _ in 0..1_000 {
            self.commit();
            if let Some(heard) = self.hear(call) {
                return heard;
            }
        }
        panic!("nobody answers");
    }

    fn asks(&self, asked: Asked) -> Told {
        self.ask(asked).unwrap_or_else(|fault| panic!("it was refused: {fault}"))
    }

    /// The committer steps.
    pub fn commit(&self) {
        self.world.commit();
        self.well();
    }

    /// Makes a checkpoint.
    pub fn checkpoint(&self) {
        self.world.checkpoint();
        self.well();
    }

    /// The index follows as far as it can.
    pub fn follow(&self) {
        self.world.catch_up();
        self.well();
    }

    /// Lets time pass. *Units*: seconds.
    pub fn pass(&self, seconds: u64) {
        self.world.clock.pass(seconds * SECOND);
    }

    /// The process dies and comes back with so many shards; meanwhile the clock moves by `seconds`.
    pub fn restart(&self, shards: usize, seconds: i64) {
        self.world.crash();
        self.world.bury();
        let now = self.world.clock.ns();
        self.world.clock.set(now.saturating_add_signed(seconds.saturating_mul(1_000_000_000)));
        assert!(self.world.started_with(shards), "the world does not come back");
        self.well();
    }

    /// Creates a prepaid account with money in it.
    pub fn account(&self, key: &str, money: u64) -> AccountId {
        self.funded(key, money).0
    }

    /// As `account`; returns the deposit, too.
    pub fn funded(&self, key: &str, money: u64) -> (AccountId, DepositId) {
        let new = NewAccount {
            key: key.into(),
            currency: USD,
            reference: String::new(),
            funding: Funding::Prepaid,
            credit_limit: Amount::ZERO,
            external: None,
            front_end: String::new(),
            velocity: Vec::new(),
        };
        let Told::Account(answer) = self.asks(Asked::CreateAccount(new)) else { panic!("no account") };
        let account = answer.value.id;
        let amount = nanos(money);
        let deposit = Asked::Deposit { account, key: key.into(), amount, currency: USD, pending: false };
        let Told::Deposit(answer) = self.asks(deposit) else { panic!("no deposit") };
        (account, answer.value.deposit.map_or_else(|| panic!("it has no id"), |deposit| deposit.id))
    }

    /// Registers a payee.
    pub fn payee(&self, key: &str) -> PayeeId {
        let asked = Asked::CreatePayee { key: key.into(), name: key.into() };
        let Told::Payee(answer) = self.asks(asked) else { panic!("no payee") };
        answer.value.id
    }

    /// Opens a session, or says why not.
    pub fn open(&self, new: NewSession) -> Result<SessionId, DeclineCode> {
        match self.asks(Asked::OpenSession(Box::new(new))) {
            Told::Open(answer) => match answer.value {
                OpenAnswer::Opened(view) => Ok(view.id),
                OpenAnswer::Settled(settlement) => Ok(settlement.session),
                OpenAnswer::Declined(decline) => Err(decline.code),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Opens a session that must open.
    pub fn opened(&self, new: NewSession) -> SessionId {
        self.open(new).unwrap_or_else(|code| panic!("the session is declined: {code:?}"))
    }

    /// Debits.
    pub fn debit(&self, new: NewDebit) -> DebitAnswer {
        let Told::Debit(answer) = self.asks(Asked::Debit(new)) else { panic!("no debit") };
        answer
    }

    /// Opens a writer.
    pub fn writer(&self) -> (WriterId, u32) {
        let Told::Writer { id, epoch } = self.asks(Asked::OpenWriter(None)) else { panic!("no writer") };
        (id, epoch)
    }

    /// Settles.
    pub fn settle(&self, session: SessionId, cascade: bool) -> Settlement {
        let Told::Settle(answer) = self.asks(Asked::Settle { session, cascade }) else {
            panic!("no settlement")
        };
        let settlement = answer.value.settlement().cloned();
        settlement.unwrap_or_else(|| panic!("it waits: {answer:?}"))
    }

    /// Asks for the settlement of a session that goes on waiting for a hold.
    pub fn closing(&self, session: SessionId, cascade: bool) -> SessionView {
        match self.asks(Asked::Settle { session, cascade }) {
            Told::Settle(answer) => match answer.value.session {
                SessionShown::Open(view) => *view,
                SessionShown::Settled(settlement) => panic!("it is settled: {settlement:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// The sweeper does all that is due, and the committer follows.
    pub fn sweep(&self) {
        self.world.sweep_all();
        self.well();
    }

    /// Returns an instant from now on. *Units*: seconds.
    pub fn after(&self, seconds: u64) -> Time {
        Time::from_ns(self.world.clock.ns() + seconds * SECOND)
    }

    /// Lets time pass until so many nanoseconds before an instant.
    pub fn pass_until(&self, at: Time, before_ns: u64) {
        self.world.clock.set(at.ns() - before_ns);
    }

    /// Returns a session's settlement; `None` while it is open.
    pub fn settled(&self, session: SessionId) -> Option<Settlement> {
        match self.asks(Asked::ShowSession(session)) {
            Told::SessionShown(SessionShown::Settled(settlement)) => Some(*settlement),
            _ => None,
        }
    }

    /// Asks, and the process dies while what was decided is appended: `kept` records of it are on the disk. It comes back with
    /// so many shards.
    pub fn dies_within(&self, asked: Asked, kept: u64, shards: usize) {
        let before = self.world.decided();
        let _ = self.tell(asked);
        self.world.dies_after(before + kept);
        assert!(self.world.started_with(shards), "the world does not come back");
        self.well();
    }

    /// Shows an open session.
    pub fn shown(&self, session: SessionId) -> SessionView {
        match self.asks(Asked::ShowSession(session)) {
            Told::SessionShown(SessionShown::Open(view)) => *view,
            other => panic!("{other:?}"),
        }
    }

    /// Returns what a payee is owed. *Units*: nanos.
    pub fn owed(&self, payee: PayeeId) -> u128 {
        let Told::PayeeShown(payee) = self.asks(Asked::ShowPayee(payee)) else { panic!("no payee") };
        payee.ledgers.iter().map(|ledger| ledger.payable.nanos()).sum()
    }

    /// Asks the index for a key's debit, as of all that is durable.
    pub fn indexed(&self, session: SessionId, key: &str) -> Lookup {
        let (lookups, durable) = self.world.index();
        let key: Key = key.into();
        lookups.by_key(session, &key, durable).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Asks the index for a number's debit, as of all that is durable.
    pub fn indexed_number(&self, session: SessionId, writer: WriterId, number: u64) -> Lookup {
        let (lookups, durable) = self.world.index();
        lookups.by_number(session, writer, number, durable).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Panics if anything was found wrong.
    pub fn well(&self) {
        if let Some(failure) = self.world.failure() {
            panic!("{failure}\n{}", self.world.told().join("\n"));
        }
    }

    /// Settles what is open, and looks back: nothing is left, and everybody tells the same story.
    pub fn end(self) {
        self.world.calm_down();
        self.world.end_well();
        self.well();
    }
}
