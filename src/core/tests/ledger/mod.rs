//! Is one partition with an account, payees and a session, driven without an engine: decide, then apply.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;
use tallystick_core::{
    AccountId, Amount, Currency, Decline, EnvelopeId, Hit, Partition, PayeeId, Record, Refusal, SessionId,
    Span, Stamp, Time,
    account::Funding,
    command::{CreateAccount, CreatePayee, Debit, Deposit, Intent, OpenSession, SetControl},
    control::{Control, ControlOf, State},
    decide::{self, DebitReplay, Decided},
    hash::Seed,
    record::{Genesis, MethodFacts},
    session::{Mode, Session},
    verify,
};

pub(crate) const USD: Currency = Currency::from_number(840);
pub(crate) const EUR: Currency = Currency::from_number(978);
const MORNING: u64 = 1_800_000_000_000_000_000;

pub(crate) struct Ledger {
    pub(crate) partition: Partition,
    pub(crate) now: Time,
    pub(crate) seq: u64,
    pub(crate) account: Option<AccountId>,
    pub(crate) session: Option<SessionId>,
    payees: BTreeMap<String, PayeeId>,
    count: u64,
}

/// Returns what asks for a prepaid account.
pub(crate) fn prepaid() -> CreateAccount<'static> {
    CreateAccount {
        key: b"account",
        currency: USD,
        reference: "",
        funding: Funding::Prepaid,
        credit_limit: Amount::ZERO,
        external: None,
        method: MethodFacts::default(),
        front_end: "",
        velocity: &[],
    }
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let mut ledger = Self {
            partition: Partition::new(7),
            now: Time::from_ns(MORNING),
            seq: 0,
            account: None,
            session: None,
            payees: BTreeMap::new(),
            count: 0,
        };
        ledger.write(&Record::Genesis(Genesis { seed: Seed([3; 16]), partitions: 256 }));
        ledger
    }

    /// Returns the instant `ns` after the beginning.
    pub(crate) fn at(&self, ns: u64) -> Time {
        Time::from_ns(MORNING + ns)
    }

    pub(crate) fn write(&mut self, record: &Record<'_>) -> u64 {
        self.seq += 1;
        let stamp = Stamp { partition: 7, at: self.partition.decision_time(self.now), actor: 0 };
        assert_eq!(verify::decide_again(&self.partition, &stamp, record), Ok(()), "{record:?}");
        self.partition.apply(self.seq, &stamp, record);
        self.seq
    }

    pub(crate) fn decided<T: std::fmt::Debug>(&mut self, decided: Decided<'_, T>) -> Option<u64> {
        match decided {
            Decided::Record(record) => Some(self.write(&record)),
            Decided::Replay(_) => None,
        }
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub(crate) fn account(&mut self, nanos: u64) -> AccountId {
        let key = self.draw().to_string();
        let command = CreateAccount { key: key.as_bytes(), ..prepaid() };
        let account = self.create_account(&command).unwrap();
        self.deposit(account, nanos);
        self.account = Some(account);
        account
    }

    pub(crate) fn create_account(&mut self, command: &CreateAccount<'_>) -> Result<AccountId, Refusal> {
        let drawn = (self.partition.decision_time(self.now), self.draw());
        let record = match decide::create_account(&self.partition, command, None, drawn)? {
            Decided::Record(record) => record,
            Decided::Replay(before) => panic!("a new key is no replay of {before:?}"),
        };
        let Record::AccountCreated(made) = &record else { panic!("{record:?}") };
        let account = made.id;
        self.write(&record);
        self.account = Some(account);
        Ok(account)
    }

    pub(crate) fn deposit(&mut self, account: AccountId, nanos: u64) {
        let key = self.draw().to_string();
        let amount = Amount::from_nanos(nanos);
        let command = Deposit { account, key: key.as_bytes(), amount, currency: USD, pending: false };
        let draw = self.draw();
        let decided = decide::deposit(&self.partition, &command, None, draw).unwrap();
        self.decided(decided);
    }

    /// Registers a payee and takes notice of it.
    pub(crate) fn payee(&mut self, name: &str) -> PayeeId {
        let draw = self.draw();
        let command = CreatePayee { key: name.as_bytes(), name };
        let Decided::Record(record) = decide::create_payee(&self.partition, &command, None, draw).unwrap()
        else {
            panic!("{name} was there already")
        };
        let Record::PayeeCreated(made) = &record else { panic!("{record:?}") };
        let id = made.id;
        self.write(&record);
        self.notice(id);
        self.payees.insert(name.into(), id);
        id
    }

    fn notice(&mut self, id: PayeeId) {
        let payee = self.partition.payee(id).unwrap().clone();
        let decided = decide::take_notice(&self.partition, &payee).unwrap();
        self.decided(decided);
    }

    pub(crate) fn block(&mut self, name: &str) {
        let id = self.named(name);
        let decided = decide::block_payee(&self.partition, id).unwrap();
        self.decided(decided);
        self.notice(id);
    }

    pub(crate) fn named(&self, name: &str) -> PayeeId {
        self.payees[name]
    }

    pub(crate) fn opening(&self, cap: u64, ttl: u64) -> OpenSession<'static> {
        OpenSession {
            clauses: tallystick_core::session::Clauses::default(),
            parent_proof: None,
            parent: EnvelopeId::Account(self.account.unwrap()),
            mode: Mode::Reserved,
            key: b"session",
            currency: USD,
            cap: Amount::from_nanos(cap),
            ttl: Span::from_ns(ttl),
            not_before: Time::ZERO,
            payees: Vec::new(),
            payee_caps: Vec::new(),
            default_payee_cap: Amount::ZERO,
            debit_min: Amount::ZERO,
            debit_max: Amount::ZERO,
            principal: "",
            method: "",
            evidence_hash: None,
            approved_at: Time::ZERO,
            reference: "",
        }
    }

    /// Sets a control word. Returns it, and whether it was so already.
    pub(crate) fn control(
        &mut self,
        on: ControlOf<'_>,
        to: State,
        epoch: Option<u64>,
    ) -> Result<(Control, bool), Refusal> {
        let command = SetControl { on, to, epoch, note: "a test" };
        let now = self.partition.decision_time(self.now);
        match decide::set_control(&self.partition, &command, (now, 7))? {
            Decided::Record(record) => {
                self.write(&record);
                let word = self.partition.control(on)?.cloned();
                Ok((word.unwrap(), false))
            }
            Decided::Replay(word) => Ok((word, true)),
        }
    }

    /// Takes over a front-end's word, as from its home.
    pub(crate) fn front_end(&mut self, name: &str, state: State, epoch: u64) -> bool {
        let control = Control { state, epoch, by: 7, at: self.now, note: "a test".into() };
        let decided = decide::take_control(&self.partition, name, &control);
        self.decided(decided).is_some()
    }

    /// Opens a session. *Errors*: the decline.
    pub(crate) fn open(&mut self, command: &OpenSession<'_>) -> Result<SessionId, Decline> {
        let drawn = (self.partition.decision_time(self.now), self.draw());
        let decided = decide::open_session(&self.partition, command, None, drawn).unwrap();
        let Decided::Record(record) = decided else { panic!("a new key is no replay") };
        self.write(&record);
        match record {
            Record::SessionOpened(opened) => {
                self.session = Some(opened.id);
                Ok(opened.id)
            }
            Record::CommandDeclined(declined) => Err(declined.decline),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn session(&self) -> &Session {
        self.partition.session(self.session.unwrap()).unwrap()
    }

    pub(crate) fn payee_left(&self, name: &str) -> Option<Amount> {
        let (slot, _) = self.partition.notice(self.named(name)).unwrap();
        self.session().payee_remaining(slot)
    }

    pub(crate) fn debit<'a>(&self, name: &str, nanos: u64, currency: Currency, key: &'a [u8]) -> Debit<'a> {
        Debit {
            act: tallystick_core::command::Act::Debit,
            proof: None,
            session: self.session.unwrap(),
            payee: self.named(name),
            amount: Amount::from_nanos(nanos),
            currency,
            intent: Intent::Key(key),
            reference: "",
            evidence: None,
            partial: false,
        }
    }

    /// Pays under a new key. Returns the decline, if any.
    pub(crate) fn pay(&mut self, name: &str, nanos: u64, currency: Currency) -> Option<Decline> {
        let key = self.draw().to_string();
        let command = self.debit(name, nanos, currency, key.as_bytes());
        self.decide(&command).unwrap().1.map(|hit| hit.decline)
    }

    /// Decides a debit and applies it. Returns the replay, if it is one, and the decline of a new one.
    pub(crate) fn decide(
        &mut self,
        command: &Debit<'_>,
    ) -> Result<(Option<DebitReplay>, Option<Hit>), Refusal> {
        let now = self.partition.decision_time(self.now);
        let (decided, hit) = decide::debit(&self.partition, command, now)?;
        match decided {
            Decided::Record(record) => {
                self.write(&record);
                Ok((None, hit))
            }
            Decided::Replay(replay) => Ok((Some(replay), None)),
        }
    }
}
