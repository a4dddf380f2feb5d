//! Owns: the law behind the roles: whoever may only use authority cannot raise any of it. An agent's credential asks for anything
//! at random, with what it knows and what it guesses; whatever comes of it, no limit above moves, and no more is set aside or spent
//! than was granted.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which says how much it tried")]

mod world;

use std::sync::Arc;
use tallystick_core::{
    AccountId, Amount, DepositId, EnvelopeId, PayeeId, SessionId, Span, Time,
    account::Funding,
    command::{
        Act, CreateAccount, CreateCredential, CreatePayee, Debit, Deposit, OpenSession, Repay, Reverse,
        SetCreditLimit, TopUp, Withdraw,
    },
    deposit::DepositState,
    role::{Actor, Role, Roles},
    session::{Clauses, Mode, SecretHash},
};
use tallystick_engine::{Asker, Engine, Fault, OpenAnswer, SessionShown};
use world::{Dice, SECOND, USD, World, by_key, opening};

/// How many worlds, unless the variable `AGENTS` says otherwise.
const WORLDS: u64 = 24;
const STEPS: u64 = 400;
/// What the agent knows, and what it does not.
const KNOWN: SecretHash = SecretHash([1; 32]);
const HIDDEN: SecretHash = SecretHash([2; 32]);

/// Is what was granted before the agent came.
struct Granted {
    accounts: Vec<AccountId>,
    /// Straight on accounts: the grants themselves.
    grants: Vec<SessionId>,
    /// Below a grant whose secret the agent does not know, with a secret that it knows.
    mine: SessionId,
    /// A grant with a secret that the agent does not know.
    hidden: SessionId,
    deposit: DepositId,
    payee: PayeeId,
}

/// Is what the law is about, of one envelope: whatever bounds it, and how much of it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exposure {
    limit: u128,
    ends_at: Time,
    used: u128,
}

fn nanos(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

fn grant(world: &World) -> Granted {
    let engine = world.engine();
    let rich = world.account("rich", 1_000_000);
    let credit = CreateAccount {
        funding: Funding::CreditLine,
        credit_limit: nanos(500_000),
        ..CreateAccount::prepaid(b"credit", USD)
    };
    let credit = engine.create_account(&credit).wait().unwrap().value.id;
    let deposit = Deposit { account: rich, key: b"more", amount: nanos(7), currency: USD, pending: true };
    let deposit = engine.deposit(&deposit).wait().unwrap().value.deposit.unwrap().id;
    let payee = world.payee("acme");
    let secret = |secret| Clauses { secret: Some(secret), ..Clauses::default() };
    let mut grants = Vec::new();
    for (account, key) in [(rich, "rich"), (credit, "credit")] {
        for (mode, name) in [(Mode::Reserved, "reserved"), (Mode::Shared, "shared")] {
            let key = format!("{key} {name}");
            grants.push(world.open(&OpenSession { mode, ..opening(account, &key, 20_000) }));
        }
    }
    let hidden = OpenSession { clauses: secret(HIDDEN), ..opening(rich, "hidden", 10_000) };
    let hidden = world.open(&hidden);
    let mine = OpenSession {
        clauses: secret(KNOWN),
        parent_proof: Some(&HIDDEN),
        ..world::below(EnvelopeId::Session(hidden), "mine", 1_000)
    };
    let mine = world.open(&mine);
    grants.push(hidden);
    Granted { accounts: vec![rich, credit], grants, mine, hidden, deposit, payee }
}

fn of_account(engine: &Engine, id: AccountId) -> Exposure {
    let account = engine.account(id).wait().unwrap();
    let incoming = account.deposited.nanos() + account.limit.nanos() + account.repaid.nanos();
    let used = incoming - account.available().nanos();
    Exposure { limit: incoming, ends_at: Time::ZERO, used }
}

fn of_session(engine: &Engine, id: SessionId) -> Exposure {
    let SessionShown::Open(view) = engine.session(id).wait().unwrap() else { panic!("{id} is settled") };
    let used = [view.spent, view.spent_below, view.held, view.reserved_by_children];
    let used = used.iter().map(|amount| u128::from(amount.nanos())).sum();
    Exposure { limit: view.bounds.cap.nanos().into(), ends_at: view.bounds.ends_at, used }
}

/// Is the agent: it knows every id, and one secret.
struct Agent {
    engine: Engine,
    dice: Dice,
    sessions: Vec<SessionId>,
    debits: Vec<(SessionId, u64, Amount)>,
    step: u64,
    /// How often it was refused for want of a role, and how often something came of what it asked.
    forbidden: u64,
    done: u64,
}

impl Agent {
    fn hear<T>(&mut self, answer: Result<T, Fault>) -> Option<T> {
        use tallystick_core::Refusal;
        match answer {
            Ok(value) => {
                self.done += 1;
                Some(value)
            }
            Err(Fault::Refused(Refusal::Forbidden { .. })) => {
                self.forbidden += 1;
                None
            }
            Err(Fault::Refused(_)) => None,
            Err(fault) => panic!("{fault}"),
        }
    }

    fn session(&mut self) -> SessionId {
        let at = self.dice.below(self.sessions.len() as u64);
        self.sessions[usize::try_from(at).unwrap()]
    }

    fn guess(&mut self) -> Option<&'static SecretHash> {
        [None, Some(&KNOWN), Some(&SecretHash([3; 32]))][usize::try_from(self.dice.below(3)).unwrap()]
    }

    fn act(&mut self, granted: &Granted) {
        self.step += 1;
        let key = format!("agent {}", self.step);
        let (key, amount) = (key.as_bytes(), nanos(1 + self.dice.below(4_000)));
        let account = granted.accounts[usize::try_from(self.dice.below(2)).unwrap()];
        let (session, proof, engine) = (self.session(), self.guess(), self.engine.clone());
        let currency = USD;
        match self.dice.below(20) {
            0 => {
                let asked = Deposit { account, key, amount, currency, pending: false };
                self.hear(engine.deposit(&asked).wait());
            }
            1 => {
                let asked = SetCreditLimit { account, key, limit: nanos(1 << 40) };
                self.hear(engine.set_credit_limit(&asked).wait());
            }
            2 => {
                self.hear(engine.withdraw(&Withdraw { account, key, amount, currency }).wait());
                self.hear(engine.repay(&Repay { account, key, amount, currency }).wait());
            }
            3 => {
                self.hear(engine.move_deposit(granted.deposit, DepositState::Available).wait());
                self.hear(engine.create_account(&CreateAccount::prepaid(key, USD)).wait());
            }
            4 => {
                self.hear(engine.create_payee(&CreatePayee { key, name: "mine" }).wait());
                let hash = [u8::try_from(self.step % 251).unwrap(); 32];
                let (prefix, name, payee) = ("tsk_0000", "mine", None);
                let (roles, front_end, is_development) = (Roles::of(&[Role::Grant]), "", false);
                let asked =
                    CreateCredential { key, hash, prefix, roles, is_development, payee, front_end, name };
                self.hear(engine.create_credential(&asked).wait());
            }
            5 => {
                if let Some((session, debit_seq, taken)) = self.debits.last().copied() {
                    let (payee, amount) = (granted.payee, Amount::ZERO);
                    let asked = Reverse { session, key, debit_seq, payee, taken, amount };
                    self.hear(engine.reverse(&asked).wait());
                }
            }
            6 => {
                self.hear(engine.settle(session, true).wait());
                self.hear(engine.block_payee(granted.payee).wait());
            }
            7..=9 => {
                let shared = self.dice.below(2) == 0;
                let mode = if shared { Mode::Shared } else { Mode::Reserved };
                let on_account = self.dice.below(4) == 0;
                let parent = if on_account { account.into() } else { EnvelopeId::from(session) };
                let ttl = Span::from_ns(if on_account { SECOND } else { 0 });
                let asked = OpenSession::capped(parent, key, (amount, USD), ttl);
                let asked = OpenSession { mode, parent_proof: proof, ..asked };
                let opened = self.hear(engine.open_session(&asked).wait());
                if let Some(OpenAnswer::Opened(view)) = opened.map(|answer| answer.value) {
                    self.sessions.push(view.id);
                }
            }
            10..=12 => {
                let extend_by = Span::from_ns(self.dice.below(2) * SECOND);
                let asked = TopUp { session, key, add: amount, extend_by, parent_proof: proof };
                self.hear(engine.top_up(&asked).wait());
            }
            _ => {
                let text = String::from_utf8_lossy(key);
                let act = match self.dice.below(5) {
                    0 => Act::Hold { tolerance: nanos(self.dice.below(500)), until: Time::ZERO },
                    1 => Act::Capture { hold: self.debits.last().map_or(1, |debit| debit.1), last: true },
                    _ => Act::Debit,
                };
                let asked = Debit { act, proof, ..by_key(session, granted.payee, amount.nanos(), &text) };
                if let Some(answer) = self.hear(engine.debit(&asked).wait())
                    && answer.decline.is_none()
                {
                    self.debits.push((session, answer.seq, answer.taken));
                }
            }
        }
    }
}

#[test]
fn an_agent_raises_nothing_above_it() {
    let worlds = std::env::var("AGENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(WORLDS);
    let (mut forbidden, mut done, mut used) = (0, 0, 0);
    for seed in 0..worlds {
        let world = World::new(3);
        let granted = grant(&world);
        let engine = world.engine();
        let actor = Actor {
            number: 99,
            roles: Roles::of(&[Role::Authorize]),
            payee: None,
            front_end: Box::default(),
        };
        let mut sessions = granted.grants.clone();
        sessions.push(granted.mine);
        let mut agent = Agent {
            engine: engine.asked_by(&Arc::new(Asker::without_credential(actor))),
            dice: Dice::new(seed),
            sessions,
            debits: Vec::new(),
            step: 0,
            forbidden: 0,
            done: 0,
        };
        let accounts: Vec<Exposure> = granted.accounts.iter().map(|id| of_account(engine, *id)).collect();
        let grants: Vec<Exposure> = granted.grants.iter().map(|id| of_session(engine, *id)).collect();
        let mine = of_session(engine, granted.mine);
        // What the shared grants, one an account, may still draw from it: the reserved ones have been drawn already.
        let drawable = 20_000;
        for _ in 0..STEPS {
            agent.act(&granted);
            for (id, before) in granted.accounts.iter().zip(&accounts) {
                let now = of_account(engine, *id);
                assert_eq!(now.limit, before.limit, "seed {seed}, step {}: {id}", agent.step);
                assert!(now.used <= before.used + drawable, "seed {seed}, step {}: {id}", agent.step);
            }
            for (id, before) in granted.grants.iter().zip(&grants) {
                let now = of_session(engine, *id);
                assert_eq!(
                    (now.limit, now.ends_at),
                    (before.limit, before.ends_at),
                    "{id}, step {}",
                    agent.step
                );
                assert!(now.used <= now.limit, "seed {seed}, step {}: {id}", agent.step);
            }
            // It knows the secret of this one alone, so it cannot take more from what is above it, and not a nano beside it.
            let now = of_session(engine, granted.mine);
            assert_eq!((now.limit, now.ends_at), (mine.limit, mine.ends_at), "step {}", agent.step);
            assert_eq!(
                of_session(engine, granted.hidden).used,
                1_000,
                "only what was reserved for the agent"
            );
        }
        engine.check_sound().unwrap();
        (forbidden, done) = (forbidden + agent.forbidden, done + agent.done);
        used += of_session(engine, granted.mine).used;
    }
    println!(
        "{worlds} agents, {STEPS} wishes each: {done} answered, {forbidden} forbidden, {used} nanos used"
    );
    assert!(
        forbidden > worlds * STEPS / 10 && done > worlds * STEPS / 10 && used > 0,
        "the agents were idle"
    );
}

#[test]
fn a_record_says_who_asked_and_the_system_is_nobody() {
    let world = World::new(3);
    let granted = grant(&world);
    let actor = Actor { number: 77, roles: Roles::ALL, payee: None, front_end: Box::default() };
    let agent = world.engine().asked_by(&Arc::new(Asker::without_credential(actor)));
    agent.debit(&by_key(granted.grants[0], granted.payee, 5, "k")).wait().unwrap();
    let seq = agent.durable_seq();
    let mut actors = std::collections::BTreeMap::new();
    world.disk.archive.survivors();
    tallystick_journal::Journal::read(&world.disk.archive, 1, &mut |key, bytes| {
        let group = tallystick_journal::GroupView::parse(key, bytes)?;
        group.records(|seq, stamp, _| {
            actors.insert(seq, stamp.actor);
        })?;
        Ok(std::ops::ControlFlow::Continue(()))
    })
    .unwrap();
    assert_eq!(actors.get(&seq), Some(&77));
    assert_eq!(actors.values().filter(|actor| **actor != 0).count(), 1, "{actors:?}");
}
