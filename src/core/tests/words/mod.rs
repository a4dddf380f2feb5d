//! Reads rules as text: each line is a command and, behind an arrow, what is answered. Amounts in nanos, times in
//! nanoseconds since the morning; `alice`, `bob` and `carol` are payees, `mallory` is a blocked one.
//!
//! ```text
//! account A 300                          a prepaid account; also: credit line 300, authority 300 until 5000
//! open S under A cap 100                 reserved, until t=1000; also: shared, for 50, from 20, only alice+bob,
//!                                        payee cap 9, alice's cap 9, min 2, max 8, in EUR, as key, rate 2/10 (two
//!                                        debits in 10), window 3 (three in 100 s), each, amount; accounts have those, too
//! pay S alice 10 or less as key          what is taken, or why nothing is
//! look S                                 what is left of its cap, spent on it, spent below, set aside below
//! ```
#![allow(dead_code, reason = "each test uses its part")]

use crate::ledger::{EUR, Ledger, USD, prepaid};
use std::collections::BTreeMap;
use tallystick_core::{
    AccountId, Amount, Decline, DepositId, EnvelopeId, Next, Record, Refusal, SessionId, Span, Time,
    account::Funding,
    command::{CreateAccount, Deposit, Intent, OpenSession, Repay, Reverse, SetCreditLimit, TopUp, Withdraw},
    decide::{self, Decided},
    deposit::DepositState,
    partition::CommandKey,
    record::ExternalFacts,
    session::Mode,
    velocity::{Measure, VelocityLimit},
};

/// How long windows are here.
const WINDOW: u64 = 100_000_000_000;

/// Is a debit that a line gave a name: what a reversal has to know of it.
#[derive(Debug, Clone)]
struct Known {
    session: String,
    payee: String,
    seq: u64,
    taken: u64,
}

pub(crate) struct Words {
    pub(crate) ledger: Ledger,
    accounts: BTreeMap<String, AccountId>,
    sessions: BTreeMap<String, SessionId>,
    deposits: BTreeMap<String, DepositId>,
    debits: BTreeMap<String, Known>,
}

/// Runs a text.
pub(crate) fn holds(text: &str) {
    let mut words = Words::new();
    for (number, line) in (1..).zip(text.lines()) {
        words.line(line.trim(), number);
    }
}

/// Is a line's words, from which clauses are taken out.
struct Clauses<'a>(Vec<&'a str>);

impl<'a> Clauses<'a> {
    fn word(&mut self) -> &'a str {
        if self.0.is_empty() { "" } else { self.0.remove(0) }
    }

    fn has(&mut self, words: &str) -> bool {
        let wanted: Vec<&str> = words.split(' ').collect();
        let Some(at) = self.0.windows(wanted.len()).position(|these| these == wanted) else { return false };
        self.0.drain(at..at + wanted.len());
        true
    }

    fn after(&mut self, words: &str) -> Option<&'a str> {
        let wanted: Vec<&str> = words.split(' ').collect();
        let at = self.0.windows(wanted.len()).position(|these| these == wanted)?;
        self.0.drain(at..at + wanted.len());
        Some(self.0.remove(at))
    }

    fn number(&mut self, words: &str) -> u64 {
        self.after(words).map_or(0, number)
    }

    fn velocity(&mut self) -> Vec<VelocityLimit> {
        let mut limits = Vec::new();
        for (words, measure, each_payee) in [
            ("each amount", Measure::Amount, true),
            ("amount", Measure::Amount, false),
            ("each", Measure::Count, true),
            ("", Measure::Count, false),
        ] {
            while let Some(rate) = self.after(format!("{words} rate").trim()) {
                let (most, per) = rate.split_once('/').unwrap();
                let limit = VelocityLimit::new(measure, number(most), Span::from_ns(number(per)));
                limits.push(VelocityLimit { each_payee, ..limit });
            }
            while let Some(most) = self.after(format!("{words} window").trim()) {
                let limit = VelocityLimit::new(measure, number(most), Span::from_ns(WINDOW));
                limits.push(VelocityLimit { each_payee, ..limit });
            }
        }
        limits
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn nanos(text: &str) -> Amount {
    Amount::from_nanos(number(text))
}

fn next(next: Next, ledger: &Ledger) -> String {
    match next {
        Next::Nothing => "nothing".into(),
        Next::TopUp(most) => format!("top up by at most {}", most.nanos()),
        Next::WaitUntil(at) => format!("wait until {}", at.ns() - ledger.at(0).ns()),
        Next::SmallerAmount(most) => format!("at most {}", most.nanos()),
        Next::NewKey => "new key".into(),
        Next::AskApproval => "ask for approval".into(),
    }
}

fn refused(refusal: Refusal) -> String {
    match refusal {
        Refusal::Malformed { field, rule } => format!("refused: {field} {rule}"),
        Refusal::KeyReused { field } => format!("refused: the key was used with another {field}"),
        Refusal::WrongState { state } => format!("refused: it is {state}"),
        other => format!("refused: {other:?}"),
    }
}

impl Words {
    pub(crate) fn new() -> Self {
        let mut ledger = Ledger::new();
        for name in ["alice", "bob", "carol", "mallory"] {
            ledger.payee(name);
        }
        ledger.block("mallory");
        Self {
            ledger,
            accounts: BTreeMap::new(),
            sessions: BTreeMap::new(),
            deposits: BTreeMap::new(),
            debits: BTreeMap::new(),
        }
    }

    pub(crate) fn line(&mut self, line: &str, number: usize) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let (command, expected) = line.split_once(" -> ").map_or((line, ""), |(c, e)| (c.trim(), e.trim()));
        let said = self.say(command);
        assert_eq!(said, expected, "line {number}: {line}");
        assert_eq!(self.ledger.partition.check_sound(), Ok(()), "line {number}: {line}");
    }

    /// Does what a line says. Returns the answer.
    pub(crate) fn say(&mut self, command: &str) -> String {
        let mut clauses = Clauses(command.split_whitespace().collect());
        let (verb, name) = (clauses.word(), clauses.word());
        match verb {
            "at" => {
                self.ledger.now = self.ledger.at(number(name));
                String::new()
            }
            "account" => self.account(name, clauses),
            "open" => self.open(name, clauses),
            "pay" => self.pay(name, clauses),
            "top-up" => self.top_up(name, clauses),
            "reverse" => self.reverse(name, clauses),
            "close" => {
                let decided = decide::close(&self.ledger.partition, self.sessions[name]);
                decided.map_or_else(refused, |decided| self.write(decided, "closing"))
            }
            "settle" => self.settle(name),
            "deposit" => self.deposit(name, clauses),
            "confirm" => self.move_deposit(name, DepositState::Available),
            "fail" => self.move_deposit(name, DepositState::Failed),
            "return" => self.move_deposit(name, DepositState::Returned),
            "withdraw" | "repay" | "limit" => self.money(verb, name, clauses),
            "look" => self.look(name),
            "final" => {
                let session = self.ledger.partition.session(self.sessions[name]).unwrap();
                if self.ledger.partition.is_final(session) { "yes".into() } else { "no".into() }
            }
            other => panic!("{other:?} is no command"),
        }
    }

    fn key(&mut self, named: Option<&str>) -> String {
        named.map_or_else(|| format!("key {}", self.ledger.draw()), str::to_owned)
    }

    fn no(&self, at: &str, decline: Decline) -> String {
        format!("{} at {at}, {}", decline.code.name(), next(decline.next, &self.ledger))
    }

    fn name_of(&self, id: EnvelopeId) -> String {
        let mut sessions = self.sessions.iter().filter(|(_, s)| EnvelopeId::Session(**s) == id);
        let mut accounts = self.accounts.iter().filter(|(_, a)| EnvelopeId::Account(**a) == id);
        sessions.next().map(|(name, _)| name).or(accounts.next().map(|(name, _)| name)).unwrap().clone()
    }

    fn write<T: std::fmt::Debug>(&mut self, decided: Decided<'_, T>, done: &str) -> String {
        match decided {
            Decided::Record(record) => {
                self.ledger.write(&record);
                match record {
                    Record::CommandDeclined(declined) => {
                        let level = format!("{:?}", declined.decline.level).to_lowercase();
                        self.no(&format!("the {level}"), declined.decline)
                    }
                    _ => done.into(),
                }
            }
            Decided::Replay(_) => "as before".into(),
        }
    }

    fn account(&mut self, name: &str, mut clauses: Clauses<'_>) -> String {
        let (credit, authority) = (clauses.has("credit line"), clauses.has("authority"));
        let amount = nanos(clauses.word());
        let usable_until = self.ledger.at(clauses.number("until"));
        let margin = Span::from_ns(clauses.number("margin"));
        let facts = ExternalFacts { reference: "auth", usable_until, margin };
        let velocity = clauses.velocity();
        let command = CreateAccount {
            key: name.as_bytes(),
            funding: match (credit, authority) {
                (true, _) => Funding::CreditLine,
                (_, true) => Funding::ExternalAuthority,
                _ => Funding::Prepaid,
            },
            credit_limit: if credit { amount } else { Amount::ZERO },
            external: authority.then_some((amount, facts)),
            velocity: &velocity,
            ..prepaid()
        };
        match self.ledger.create_account(&command) {
            Ok(id) => {
                self.accounts.insert(name.into(), id);
                if command.funding == Funding::Prepaid {
                    self.ledger.deposit(id, amount.nanos());
                }
                String::new()
            }
            Err(refusal) => refused(refusal),
        }
    }

    fn open(&mut self, name: &str, mut clauses: Clauses<'_>) -> String {
        let above = clauses.after("under").unwrap();
        let account = self.accounts.get(above).map(|id| EnvelopeId::Account(*id));
        let parent = account.unwrap_or_else(|| EnvelopeId::Session(self.sessions[above]));
        let key = self.key(clauses.after("as"));
        let ttl = clauses.after("for").map_or(if account.is_some() { 1_000 } else { 0 }, number);
        let begins = clauses.number("from");
        let listed = clauses.after("only").map_or(Vec::new(), |names| names.split('+').collect());
        let own = ["alice", "bob"].map(|who| (who, clauses.number(&format!("{who}'s cap"))));
        let default_payee_cap = Amount::from_nanos(clauses.number("payee cap"));
        let velocity = clauses.velocity();
        let command = OpenSession {
            clauses: tallystick_core::session::Clauses { velocity, ..Default::default() },
            parent_proof: None,
            parent,
            mode: if clauses.has("shared") { Mode::Shared } else { Mode::Reserved },
            key: key.as_bytes(),
            currency: if clauses.has("in EUR") { EUR } else { USD },
            cap: Amount::from_nanos(clauses.number("cap")),
            ttl: Span::from_ns(ttl),
            not_before: if begins == 0 { Time::ZERO } else { self.ledger.at(begins) },
            payees: listed.into_iter().map(|who| self.ledger.named(who)).collect(),
            payee_caps: own
                .into_iter()
                .filter(|(_, cap)| *cap > 0)
                .map(|(who, cap)| (self.ledger.named(who), Amount::from_nanos(cap)))
                .collect(),
            default_payee_cap,
            debit_min: Amount::from_nanos(clauses.number("min")),
            debit_max: Amount::from_nanos(clauses.number("max")),
            principal: "",
            method: "",
            evidence_hash: None,
            approved_at: Time::ZERO,
            reference: "",
        };
        assert!(clauses.0.is_empty(), "{:?} is not understood", clauses.0);
        let drawn = (self.ledger.partition.decision_time(self.ledger.now), self.ledger.draw());
        match decide::open_session(&self.ledger.partition, &command, None, drawn) {
            Ok(decided) => {
                if let Decided::Record(Record::SessionOpened(opened)) = &decided {
                    self.sessions.insert(name.into(), opened.id);
                }
                self.write(decided, "open")
            }
            Err(refusal) => refused(refusal),
        }
    }

    fn pay(&mut self, name: &str, mut clauses: Clauses<'_>) -> String {
        let (payee, amount) = (clauses.word().to_owned(), number(clauses.word()));
        let named = clauses.after("as");
        let key = self.key(named);
        self.ledger.session = Some(self.sessions[name]);
        let currency = if clauses.has("in EUR") { EUR } else { USD };
        let mut command = self.ledger.debit(&payee, amount, currency, b"");
        command.intent = Intent::Key(key.as_bytes());
        command.partial = clauses.has("or less");
        assert!(clauses.0.is_empty(), "{:?} is not understood", clauses.0);
        let now = self.ledger.partition.decision_time(self.ledger.now);
        match decide::debit(&self.ledger.partition, &command, now) {
            Err(refusal) => refused(refusal),
            Ok((Decided::Replay(before), _)) => match before.verdict {
                Some((code, _)) => format!("as before: {}", code.name()),
                None => format!("as before: {}", before.taken.nanos()),
            },
            Ok((Decided::Record(record), hit)) => {
                let seq = self.ledger.write(&record);
                let Record::Debited(debited) = record else { panic!("{record:?}") };
                let taken = debited.taken.nanos();
                self.debits.insert(key, Known { session: name.into(), payee, seq, taken });
                hit.map_or(taken.to_string(), |hit| self.no(&self.name_of(hit.limit_of), hit.decline))
            }
        }
    }

    fn top_up(&mut self, name: &str, mut clauses: Clauses<'_>) -> String {
        let key = self.key(clauses.after("as"));
        let command = TopUp {
            session: self.sessions[name],
            key: key.as_bytes(),
            add: Amount::from_nanos(clauses.number("by")),
            extend_by: Span::from_ns(clauses.number("longer")),
            parent_proof: None,
        };
        let now = self.ledger.partition.decision_time(self.ledger.now);
        let decided = decide::top_up(&self.ledger.partition, &command, None, now);
        decided.map_or_else(refused, |decided| self.write(decided, "topped up"))
    }

    fn reverse(&mut self, debit: &str, mut clauses: Clauses<'_>) -> String {
        let known = self.debits.get(debit).cloned();
        let known = known.unwrap_or_else(|| panic!("no debit is named {debit}"));
        let key = self.key(clauses.after("as"));
        let command = Reverse {
            session: self.sessions[&known.session],
            key: key.as_bytes(),
            debit_seq: known.seq,
            payee: self.ledger.named(&known.payee),
            taken: Amount::from_nanos(known.taken),
            amount: Amount::from_nanos(clauses.number("by")),
        };
        match decide::reverse(&self.ledger.partition, &command, None) {
            Ok(Decided::Record(record)) => {
                self.ledger.write(&record);
                let Record::Reversed(reversed) = record else { panic!("{record:?}") };
                format!("{} back", reversed.amount.nanos())
            }
            Ok(Decided::Replay(CommandKey { made, .. })) => match made {
                tallystick_core::partition::Made::Reversal(_, amount) => {
                    format!("as before: {} back", amount.nanos())
                }
                other => panic!("{other:?}"),
            },
            Err(refusal) => refused(refusal),
        }
    }

    fn settle(&mut self, name: &str) -> String {
        let now = self.ledger.partition.decision_time(self.ledger.now);
        match decide::settle(&self.ledger.partition, self.sessions[name], now, false) {
            Ok(record) => {
                self.ledger.write(&record);
                let Record::SessionSettled(settled) = record else { panic!("{record:?}") };
                let lines = settled.lines.iter().map(|line| {
                    let names = ["alice", "bob", "carol"];
                    let who = names.into_iter().find(|who| self.ledger.named(who) == line.payee).unwrap();
                    format!("{who} {}", line.amount.nanos())
                });
                let lines: Vec<String> = lines.collect();
                let owed = if lines.is_empty() { "nothing owed".into() } else { lines.join(" and ") };
                format!("{owed}, {} back", settled.released.nanos())
            }
            Err(refusal) => refused(refusal),
        }
    }

    fn deposit(&mut self, account: &str, mut clauses: Clauses<'_>) -> String {
        let amount = nanos(clauses.word());
        let name = clauses.after("as").unwrap().to_owned();
        let pending = clauses.has("pending");
        let account = self.accounts[account];
        let command = Deposit { account, key: name.as_bytes(), amount, currency: USD, pending };
        let draw = self.ledger.draw();
        match decide::deposit(&self.ledger.partition, &command, None, draw) {
            Ok(Decided::Record(record)) => {
                self.ledger.write(&record);
                let Record::DepositMade(made) = record else { panic!("{record:?}") };
                self.deposits.insert(name, made.id);
                made.state.name().into()
            }
            Ok(Decided::Replay(_)) => "as before".into(),
            Err(refusal) => refused(refusal),
        }
    }

    fn move_deposit(&mut self, name: &str, to: DepositState) -> String {
        let decided = decide::move_deposit(&self.ledger.partition, self.deposits[name], to);
        decided.map_or_else(refused, |decided| self.write(decided, to.name()))
    }

    fn money(&mut self, verb: &str, name: &str, mut clauses: Clauses<'_>) -> String {
        let (account, amount, currency) = (self.accounts[name], nanos(clauses.word()), USD);
        let key = self.key(clauses.after("as"));
        let (key, partition) = (key.as_bytes(), &self.ledger.partition);
        let decided = match verb {
            "withdraw" => decide::withdraw(partition, &Withdraw { account, key, amount, currency }, None),
            "repay" => decide::repay(partition, &Repay { account, key, amount, currency }, None),
            _ => decide::set_credit_limit(partition, &SetCreditLimit { account, key, limit: amount }, None),
        };
        decided.map_or_else(refused, |decided| self.write(decided, "done"))
    }

    fn look(&self, name: &str) -> String {
        if let Some(id) = self.accounts.get(name) {
            let account = self.ledger.partition.account(*id).unwrap();
            let (left, deficit) = (account.available().nanos(), account.deficit().nanos());
            let (pending, owes) = (account.pending.nanos(), account.outstanding().nanos());
            let parts =
                [("left", left), ("pending", pending), ("in deficit", deficit), ("outstanding", owes)];
            let shown = parts.into_iter().filter(|(what, nanos)| *nanos > 0 || *what == "left");
            return shown.map(|(what, nanos)| format!("{nanos} {what}")).collect::<Vec<_>>().join(", ");
        }
        match self.ledger.partition.session(self.sessions[name]) {
            Err(refusal) => refused(refusal),
            Ok(session) => format!(
                "{} left, {} spent, {} below, {} aside",
                session.remaining().nanos(),
                session.spent_own.nanos(),
                session.spent_below().nanos(),
                session.reserved_by_children().nanos()
            ),
        }
    }
}
