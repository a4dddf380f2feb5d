//! Random commands on one partition against a model that has only the design's own words: caps, caps of payees, ends,
//! keys and numbers, in plain maps. Whatever is decided, every invariant holds after each step (I1, I3, I6).
#![allow(clippy::unwrap_used, reason = "a test")]

mod ledger;

use ledger::{EUR, Ledger, USD};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tallystick_core::{
    AccountId, Amount, Currency, DeclineCode as Code, EnvelopeId, PayeeId, Refusal, SessionId, Span,
    WriterId,
    books::Book,
    command::{Debit, Intent, OpenSession},
    decide,
    settlement::Line,
    writer::Numbered,
};

#[derive(Debug, Clone)]
enum Step {
    Deposit {
        account: usize,
        nanos: u64,
    },
    Open {
        account: usize,
        cap: u64,
        ttl: u64,
        wait: u64,
        only: bool,
        payee_cap: u64,
        own_cap: u64,
        min: u64,
        max: u64,
    },
    Pay {
        session: usize,
        payee: usize,
        nanos: u64,
        euros: bool,
        key: u8,
    },
    Count {
        session: usize,
        payee: usize,
        nanos: u64,
        ahead: u64,
        acked: u64,
    },
    Settle {
        session: usize,
    },
    Block {
        payee: usize,
    },
    Pass {
        ns: u64,
        back: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let open =
        (0..2usize, 1..120u64, 1..60u64, 0..30u64, any::<bool>(), 0..60u64, 0..60u64, 0..6u64, 0..40u64);
    let step = prop_oneof![
        2 => (0..2usize, 1..200u64).prop_map(|(account, nanos)| Step::Deposit { account, nanos }),
        4 => open.prop_map(|(account, cap, ttl, wait, only, payee_cap, own_cap, min, max)| {
            let max = if max > 0 { max + min } else { 0 };
            Step::Open { account, cap, ttl, wait: wait.saturating_sub(20), only, payee_cap, own_cap, min, max }
        }),
        14 => (0..8usize, 0..4usize, 1..50u64, 0..12u8, 0..24u8).prop_map(|(session, payee, nanos, euros, key)| {
            Step::Pay { session, payee, nanos, euros: euros == 0, key }
        }),
        10 => (0..8usize, 0..4usize, 1..30u64, 0..4u64, 0..5u64).prop_map(|(session, payee, nanos, ahead, acked)| {
            Step::Count { session, payee, nanos, ahead, acked }
        }),
        2 => (0..8usize).prop_map(|session| Step::Settle { session }),
        1 => (0..9usize).prop_map(|payee| Step::Block { payee }),
        3 => (0..15u64, any::<bool>()).prop_map(|(ns, back)| Step::Pass { ns, back }),
    ];
    prop::collection::vec(step, 1..120)
}

/// Is what was said and answered once: amount, payee, currency; seq and code.
type Said = (u64, usize, bool);
type Was = (u64, Option<Code>);

#[derive(Debug, Clone)]
struct Plain {
    id: SessionId,
    account: usize,
    cap: u64,
    begins: u64,
    ends: u64,
    only: bool,
    payee_cap: u64,
    own_cap: u64,
    min: u64,
    max: u64,
    debits: Vec<(usize, u64)>,
    keys: BTreeMap<u8, (Said, Was)>,
    numbers: Vec<(Said, Was)>,
    acked: u64,
    settled: bool,
}

impl Plain {
    fn spent(&self) -> u64 {
        self.debits.iter().map(|(_, nanos)| nanos).sum()
    }

    fn got(&self, payee: usize) -> u64 {
        self.debits.iter().filter(|(to, _)| *to == payee).map(|(_, nanos)| nanos).sum()
    }

    /// Says the rules again, in plain words. Payee 0 is the one with a cap of its own, and the only one of an allow-list.
    fn code(&self, now: u64, (nanos, payee, euros): Said, blocked: bool) -> Option<Code> {
        let cap = if payee == 0 && self.own_cap > 0 { self.own_cap } else { self.payee_cap };
        [
            (now >= self.ends, Code::SessionEnded),
            (now < self.begins, Code::NotYetValid),
            (euros, Code::CurrencyMismatch),
            (blocked, Code::PayeeBlocked),
            (self.only && payee != 0, Code::PayeeNotAllowed),
            (nanos < self.min, Code::BelowDebitMin),
            (self.max > 0 && nanos > self.max, Code::AboveDebitMax),
            (cap > 0 && self.got(payee) + nanos > cap, Code::PayeeCap),
            (self.spent() + nanos > self.cap, Code::Cap),
        ]
        .into_iter()
        .find_map(|(no, code)| no.then_some(code))
    }
}

struct Model {
    ledger: Ledger,
    accounts: [AccountId; 2],
    deposited: [u64; 2],
    payees: Vec<PayeeId>,
    blocked: [bool; 4],
    sessions: Vec<Plain>,
    writer: WriterId,
    opened: u64,
}

impl Model {
    fn new() -> Self {
        let mut ledger = Ledger::new();
        let accounts = [ledger.account(300), ledger.account(100)];
        let payees = ["a", "b", "c", "d"].map(|name| ledger.payee(name)).into();
        let opened = decide::open_writer(&ledger.partition, None, 9).unwrap();
        ledger.write(&tallystick_core::Record::WriterOpened(opened));
        Self {
            ledger,
            accounts,
            deposited: [300, 100],
            payees,
            blocked: [false; 4],
            sessions: Vec::new(),
            writer: opened.id,
            opened: 0,
        }
    }

    /// Returns decision time since the morning.
    fn now(&self) -> u64 {
        self.ledger.partition.decision_time(self.ledger.now).ns() - self.ledger.at(0).ns()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Deposit { account, nanos } => {
                self.ledger.deposit(self.accounts[account], nanos);
                self.deposited[account] += nanos;
            }
            Step::Open { .. } => self.open(step),
            Step::Pay { session, payee, nanos, euros, key } => {
                let Some(at) = self.sessions.get(session).map(|_| session) else { return };
                let before = self.sessions[at].keys.get(&key).copied();
                let text = [key];
                let was = self.debit(at, (nanos, payee, euros), Intent::Key(&text), before.map(Ok));
                if let Some(was) = was {
                    self.sessions[at].keys.insert(key, ((nanos, payee, euros), was));
                }
            }
            Step::Count { session, payee, nanos, ahead, acked } => {
                let Some(plain) = self.sessions.get(session) else { return };
                // Two in four are the next; the others repeat an old one or leave a gap.
                let last = plain.numbers.len() as u64;
                let number = match ahead {
                    0 => last.max(1),
                    3 => last + 2,
                    _ => last + 1,
                };
                let acked_through = acked.min(number - 1).min(last);
                let before = match number {
                    _ if number == last + 1 => None,
                    _ if number > last => Some(Err(Refusal::NumberGap { expected: last + 1 })),
                    _ if number <= plain.acked => Some(Err(Refusal::BelowWindow)),
                    _ => Some(Ok(plain.numbers[usize::try_from(number - 1).unwrap()])),
                };
                let at = Numbered { writer: self.writer, epoch: 1, number, acked_through };
                let said = (nanos, payee, false);
                if let Some(was) = self.debit(session, said, Intent::Number(at), before) {
                    let plain = &mut self.sessions[session];
                    plain.numbers.push((said, was));
                    plain.acked = plain.acked.max(acked_through);
                }
            }
            Step::Settle { session } => self.settle(session),
            Step::Block { payee } => {
                if let Some(blocked) = self.blocked.get_mut(payee) {
                    self.ledger.block(["a", "b", "c", "d"][payee]);
                    *blocked = true;
                }
            }
            Step::Pass { ns, back } => {
                let now = self.ledger.now.ns() - self.ledger.at(0).ns();
                self.ledger.now = self.ledger.at(if back { now.saturating_sub(ns) } else { now + ns });
            }
        }
    }

    fn open(&mut self, step: &Step) {
        let Step::Open { account, cap, ttl, wait, only, payee_cap, own_cap, min, max } = *step else {
            return;
        };
        let now = self.now();
        self.opened += 1;
        let key = self.opened.to_le_bytes();
        let nanos = Amount::from_nanos;
        let begins = if wait > 0 { now + wait } else { 0 };
        let asked = OpenSession {
            parent: EnvelopeId::Account(self.accounts[account]),
            key: &key,
            ttl: Span::from_ns(ttl),
            not_before: if begins > 0 { self.ledger.at(begins) } else { tallystick_core::Time::ZERO },
            payees: if only { vec![self.payees[0]] } else { Vec::new() },
            payee_caps: if own_cap > 0 { vec![(self.payees[0], nanos(own_cap))] } else { Vec::new() },
            default_payee_cap: nanos(payee_cap),
            debit_min: nanos(min),
            debit_max: nanos(max),
            ..self.ledger.opening(cap, ttl)
        };
        let used: u64 = self
            .sessions
            .iter()
            .filter(|s| s.account == account)
            .map(|s| if s.settled { s.spent() } else { s.cap })
            .sum();
        let fits = used + cap <= self.deposited[account];
        match self.ledger.open(&asked) {
            Ok(id) => {
                assert!(fits, "{cap} of {} with {used} used", self.deposited[account]);
                self.sessions.push(Plain {
                    id,
                    account,
                    cap,
                    begins,
                    ends: if begins > 0 { begins } else { now } + ttl,
                    only,
                    payee_cap,
                    own_cap,
                    min,
                    max,
                    debits: Vec::new(),
                    keys: BTreeMap::new(),
                    numbers: Vec::new(),
                    acked: 0,
                    settled: false,
                });
            }
            Err(decline) => assert!(!fits && decline.code == Code::Cap, "{decline:?}"),
        }
    }

    /// Asks for a debit of which `before` is known. Returns what is to be remembered, if it is new.
    fn debit(
        &mut self,
        at: usize,
        said: Said,
        intent: Intent<'_>,
        before: Option<Result<(Said, Was), Refusal>>,
    ) -> Option<Was> {
        let (nanos, payee, euros) = said;
        let currency: Currency = if euros { EUR } else { USD };
        let asked = Debit {
            act: tallystick_core::command::Act::Debit,
            proof: None,
            session: self.sessions[at].id,
            payee: self.payees[payee],
            amount: Amount::from_nanos(nanos),
            currency,
            intent,
            reference: "",
            evidence: None,
            partial: false,
        };
        let expected = self.sessions[at].code(self.now(), said, self.blocked[payee]);
        let result = self.ledger.decide(&asked);
        if self.sessions[at].settled {
            assert_eq!(result, Err(Refusal::UnknownSession));
            return None;
        }
        match before {
            Some(Err(refusal)) => {
                assert_eq!(result, Err(refusal));
                None
            }
            Some(Ok((then, (seq, code)))) if then == said => {
                let replay = result.unwrap().0.unwrap();
                assert_eq!((replay.seq, replay.amount.nanos()), (seq, nanos));
                assert_eq!(replay.verdict.map(|(code, _)| code), code);
                None
            }
            Some(Ok((then, _))) => {
                let field = match () {
                    () if then.0 != nanos => "amount_nanos",
                    () if then.1 != payee => "payee_id",
                    () => "currency",
                };
                assert_eq!(result, Err(Refusal::KeyReused { field }));
                None
            }
            None => {
                let (replay, hit) = result.unwrap();
                assert_eq!(replay, None);
                assert_eq!(
                    hit.map(|no| no.decline.code),
                    expected,
                    "{:?} at {}",
                    self.sessions[at],
                    self.now()
                );
                if expected.is_none() {
                    self.sessions[at].debits.push((payee, nanos));
                }
                Some((self.ledger.seq, expected))
            }
        }
    }

    fn settle(&mut self, at: usize) {
        let (now, Some(plain)) =
            (self.ledger.partition.decision_time(self.ledger.now), self.sessions.get_mut(at))
        else {
            return;
        };
        let settled = decide::settle(&self.ledger.partition, plain.id, now, false);
        if plain.settled {
            assert_eq!(settled, Err(Refusal::UnknownSession));
            return;
        }
        let record = settled.unwrap();
        let tallystick_core::Record::SessionSettled(settled) = &record else { panic!("{record:?}") };
        let mut lines: Vec<Line> = (0..4)
            .map(|payee| Line {
                payee: self.payees[payee],
                amount: Amount::from_nanos(plain.got(payee)),
                debit_count: plain.debits.iter().filter(|(to, _)| *to == payee).count() as u64,
            })
            .filter(|line| line.debit_count > 0)
            .collect();
        lines.sort_by_key(|line| line.payee);
        assert_eq!(settled.lines, lines);
        assert_eq!(
            (settled.total.nanos(), settled.released.nanos()),
            (plain.spent(), plain.cap - plain.spent())
        );
        plain.settled = true;
        self.ledger.write(&record);
        let outgoing: Vec<_> = self.ledger.partition.outgoing().copied().collect();
        for line in &outgoing {
            let posted = decide::post_settlement(&self.ledger.partition, 7, line);
            self.ledger.decided(posted);
            let again = decide::post_settlement(&self.ledger.partition, 7, line);
            assert_eq!(self.ledger.decided(again), None, "a line arrives once");
        }
        if let Some(last) = outgoing.last() {
            let delivered = tallystick_core::record::OutboxDelivered { through: last.no };
            self.ledger.write(&tallystick_core::Record::OutboxDelivered(delivered));
        }
    }

    fn check(&self) {
        let partition = &self.ledger.partition;
        assert_eq!(partition.check_sound(), Ok(()));
        let sum = |open: bool, of: fn(&Plain) -> u64| -> i128 {
            self.sessions.iter().filter(|s| s.settled != open).map(|s| i128::from(of(s))).sum()
        };
        let deposited: i128 = self.deposited.iter().map(|nanos| i128::from(*nanos)).sum();
        let (unsettled, payable) = (sum(true, Plain::spent), sum(false, Plain::spent));
        let reserved = sum(true, |s| s.cap - s.spent());
        let books = [
            (Book::Outside, -deposited),
            (Book::PayerAvailable, deposited - reserved - unsettled - payable),
            (Book::Reserved, reserved),
            (Book::Unsettled, unsettled),
            (Book::InTransit, 0),
            (Book::PayeePayable, payable),
        ];
        for (book, nanos) in books {
            assert_eq!(partition.books().get(USD, book), nanos, "{book:?}");
        }
        assert_eq!(partition.open_sessions() as usize, self.sessions.iter().filter(|s| !s.settled).count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_500,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_260_801),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_partition_decides_as_the_model_does(steps in steps()) {
        let mut model = Model::new();
        for step in &steps {
            model.step(step);
            model.check();
        }
    }
}
