//! Draws calls: of every kind, mostly sensible, often repeated, sometimes changed or malformed.

use super::{Dice, SECOND};
use std::collections::BTreeMap;
use tallystick_core::{
    AccountId, Amount, Currency, DepositId, EnvelopeId, PayeeId, Refusal, SessionId, Span, Time, WriterId,
    account::Funding,
    command::Act,
    control::{Promises, State},
    deposit::DepositState,
    session::{Mode, SecretHash},
    velocity::{Measure, VelocityLimit},
    writer::Numbered,
};
use tallystick_engine::{Fault, Known as KnownDebit, OpenAnswer, SessionShown};
use tallystick_sim::asked::{Asked, External, Heard, Named, NewAccount, NewDebit, NewSession, Stopped, Told};

const CURRENCIES: [Currency; 3] =
    [Currency::from_number(840), Currency::from_number(978), Currency::UNSTATED];

/// Is what the clients have learnt.
#[derive(Debug)]
pub(crate) struct Known {
    accounts: Vec<(AccountId, Currency)>,
    payees: Vec<PayeeId>,
    sessions: Vec<SessionId>,
    deposits: Vec<DepositId>,
    writers: Vec<(WriterId, u32)>,
    debits: Vec<(SessionId, u64, PayeeId, Amount)>,
    holds: Vec<(SessionId, u64, PayeeId, u64)>,
    secrets: BTreeMap<SessionId, SecretHash>,
    numbers: Vec<(SessionId, WriterId, u64)>,
    asked: Vec<Asked>,
    /// How many keys there are: few make conflicts.
    keys: u64,
    sizes: u64,
    life: u64,
}

fn amount(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

impl Known {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        Self {
            accounts: Vec::new(),
            payees: Vec::new(),
            sessions: Vec::new(),
            deposits: Vec::new(),
            writers: Vec::new(),
            debits: Vec::new(),
            holds: Vec::new(),
            secrets: BTreeMap::new(),
            numbers: Vec::new(),
            asked: Vec::new(),
            keys: [20, 200, 2_000][usize::try_from(dice.below(3)).unwrap()],
            sizes: [10, 100, 100_000][usize::try_from(dice.below(3)).unwrap()],
            life: [10, 200, 4_000][usize::try_from(dice.below(3)).unwrap()],
        }
    }

    fn key(&self, dice: &mut Dice) -> Vec<u8> {
        match dice.below(60) {
            0 => Vec::new(),
            1 => vec![b'k'; 256],
            _ => format!("k{}", dice.below(self.keys)).into_bytes(),
        }
    }

    fn amount(&self, dice: &mut Dice) -> Amount {
        match dice.below(60) {
            0 => Amount::ZERO,
            1 => amount(u64::MAX),
            2 => Amount::MAX,
            _ => amount(1 + dice.below(self.sizes)),
        }
    }

    fn account(&self, dice: &mut Dice) -> (AccountId, Currency) {
        *dice.of(&self.accounts).unwrap_or(&(AccountId::new(place(), 1), CURRENCIES[0]))
    }

    fn session(&self, dice: &mut Dice) -> SessionId {
        let recent = self.sessions.len().saturating_sub(10);
        let some = if dice.one_in(6) { &self.sessions[..] } else { &self.sessions[recent..] };
        if dice.one_in(80) {
            return SessionId::new(place(), 3);
        }
        *dice.of(some).unwrap_or(&SessionId::new(place(), 2))
    }

    fn payee(&self, dice: &mut Dice) -> PayeeId {
        let unknown = PayeeId::new(place(), 9);
        if dice.one_in(60) { unknown } else { *dice.of(&self.payees).unwrap_or(&unknown) }
    }

    /// Draws the next call.
    pub(crate) fn draw(&mut self, dice: &mut Dice, now: Time) -> Asked {
        let again = dice.below(8) == 0;
        let asked = match dice.of(&self.asked).cloned() {
            Some(before) if again => self.change(before, dice),
            _ => self.new_call(dice, now),
        };
        self.asked.push(asked.clone());
        if self.asked.len() > 60 {
            self.asked.remove(0);
        }
        asked
    }

    fn new_call(&mut self, dice: &mut Dice, now: Time) -> Asked {
        if self.accounts.len() < 2 {
            return self.new_account(dice, now);
        }
        if self.payees.len() < 3 {
            return Asked::CreatePayee { key: self.key(dice), name: "payee".into() };
        }
        let (account, currency) = self.account(dice);
        let key = self.key(dice);
        let money = self.amount(dice);
        let currency = if dice.one_in(20) { CURRENCIES[1] } else { currency };
        match dice.below(100) {
            0..=1 => self.new_account(dice, now),
            2..=9 => {
                let amount = amount(money.nanos().saturating_mul(10).min(u64::MAX >> 1));
                Asked::Deposit { account, key, amount, currency, pending: dice.one_in(3) }
            }
            10..=12 => {
                let to = [
                    DepositState::Available,
                    DepositState::Returned,
                    DepositState::Failed,
                    DepositState::Pending,
                ];
                let deposit = *dice.of(&self.deposits).unwrap_or(&DepositId::new(place(), 4));
                Asked::MoveDeposit { deposit, to: *dice.of(&to).unwrap() }
            }
            13..=14 => Asked::Withdraw { account, key, amount: money, currency },
            15..=16 => Asked::Repay { account, key, amount: money, currency },
            17 => Asked::SetCreditLimit { account, key, limit: money },
            18 => Asked::CreatePayee { key, name: "a".repeat(usize::try_from(dice.below(3)).unwrap()) },
            19 if dice.one_in(6) => Asked::BlockPayee(self.payee(dice)),
            19..=32 => Asked::OpenSession(Box::new(self.new_session(dice, now, (account, currency)))),
            33..=36 => Asked::TopUp {
                session: self.session(dice),
                key,
                add: if dice.one_in(3) { Amount::ZERO } else { money },
                extend_by: Span::from_ns(dice.below(3) * dice.below(self.life * SECOND)),
                parent_proof: None,
            },
            37..=40 => {
                let Some((session, debit_seq, payee, taken)) = dice.of(&self.debits).copied() else {
                    return Asked::Totals;
                };
                let amount = if dice.one_in(3) { Amount::ZERO } else { money };
                Asked::Reverse { session, key, debit_seq, payee, taken, amount }
            }
            41..=64 => Asked::Debit(self.debit(dice, now)),
            65..=72 => Asked::Batch((0..dice.below(9)).map(|_| self.debit(dice, now)).collect()),
            73..=75 => {
                let id = dice.of(&self.writers).map(|(id, _)| *id);
                Asked::OpenWriter(if dice.one_in(2) { None } else { id })
            }
            76..=78 => {
                let (writer, epoch) = self.writer(dice);
                Asked::Position { session: self.session(dice), writer, epoch }
            }
            79..=82 => Asked::Settle { session: self.session(dice), cascade: dice.one_in(2) },
            83..=85 => Asked::ShowAccount(account),
            86..=87 => Asked::ShowPayee(self.payee(dice)),
            88..=90 => Asked::ShowSession(self.session(dice)),
            91..=92 => Asked::ShowSettlement(self.session(dice).settlement()),
            93..=94 => Asked::LookUpKey { session: self.session(dice), key },
            97 if dice.one_in(4) => Asked::Control {
                on: match dice.below(8) {
                    0 => Stopped::FrontEnd("psp".into()),
                    1 => Stopped::Account(account),
                    _ => Stopped::Session(self.session(dice)),
                },
                to: [State::Open, State::Open, State::Paused, State::Revoked(Promises::Void)]
                    [usize::try_from(dice.below(4)).unwrap()],
                epoch: dice.one_in(2).then(|| dice.below(4)),
                note: "n".repeat(usize::try_from(dice.below(3)).unwrap()),
            },
            95..=96 => {
                let (writer, _) = self.writer(dice);
                Asked::LookUpNumber { session: self.session(dice), writer, number: dice.below(6) }
            }
            _ => Asked::Totals,
        }
    }

    fn new_account(&self, dice: &mut Dice, now: Time) -> Asked {
        let fundings = [Funding::Prepaid, Funding::Prepaid, Funding::CreditLine, Funding::ExternalAuthority];
        let funding = *dice.of(&fundings).unwrap();
        let wrong = dice.one_in(30);
        let external = External {
            amount: amount(self.sizes * 20),
            reference: "card".into(),
            usable_until: Time::from_ns(now.ns() + 3_600 * SECOND + dice.below(self.life * 3) * SECOND),
            margin: Span::from_ns(dice.below(2) * dice.below(3_600) * SECOND),
        };
        Asked::CreateAccount(NewAccount {
            key: self.key(dice),
            currency: CURRENCIES[usize::try_from(dice.below(5) / 4).unwrap()],
            reference: "a".repeat(usize::try_from(dice.below(4)).unwrap()),
            funding,
            credit_limit: if (funding == Funding::CreditLine) ^ wrong {
                amount(self.sizes * 10)
            } else {
                Amount::ZERO
            },
            external: ((funding == Funding::ExternalAuthority) ^ dice.one_in(30)).then_some(external),
            front_end: if dice.one_in(2) { "psp".into() } else { String::new() },
            velocity: self.velocity(dice),
        })
    }

    fn new_session(
        &self,
        dice: &mut Dice,
        now: Time,
        (account, currency): (AccountId, Currency),
    ) -> NewSession {
        let under = dice.below(3) > 0 && !self.sessions.is_empty();
        let parent =
            if under { EnvelopeId::Session(self.session(dice)) } else { EnvelopeId::Account(account) };
        let some = |dice: &mut Dice, n: u64| {
            let count = usize::try_from(dice.below(n)).unwrap();
            let from = usize::try_from(dice.below(self.payees.len() as u64)).unwrap();
            let mut list: Vec<PayeeId> = self.payees.iter().cycle().skip(from).take(count).copied().collect();
            if dice.one_in(30) {
                list.push(PayeeId::new(place(), 9));
            }
            list
        };
        let payees = if dice.one_in(4) { some(dice, 3) } else { Vec::new() };
        let capped = if dice.one_in(3) { some(dice, 3) } else { Vec::new() };
        let small =
            |dice: &mut Dice| if dice.one_in(4) { amount(1 + dice.below(self.sizes)) } else { Amount::ZERO };
        let life = dice.below(self.life) * SECOND + dice.below(5);
        NewSession {
            parent,
            mode: if dice.one_in(2) { Mode::Shared } else { Mode::Reserved },
            key: self.key(dice),
            currency,
            cap: amount(self.amount(dice).nanos().saturating_mul(1 + dice.below(6))),
            ttl: Span::from_ns(if dice.one_in(8) { 0 } else { life }),
            not_before: match dice.below(8) {
                0 => Time::from_ns(now.ns() + dice.below(10) * SECOND),
                1 => Time::from_ns(now.ns() - dice.below(10) * SECOND),
                _ => Time::ZERO,
            },
            payee_caps: capped.into_iter().map(|payee| (payee, self.amount(dice))).collect(),
            payees,
            default_payee_cap: small(dice),
            debit_min: if dice.one_in(3) { amount(dice.below(self.sizes / 5)) } else { Amount::ZERO },
            debit_max: small(dice),
            principal: "who".into(),
            method: if dice.one_in(50) { "m".repeat(65) } else { String::new() },
            evidence_hash: dice.one_in(3).then_some([7; 32]),
            approved_at: Time::from_ns(dice.below(2)),
            reference: "r".repeat(usize::try_from(dice.below(3)).unwrap()),
            approval_above: small(dice),
            secret: dice.one_in(4).then(|| SecretHash([u8::try_from(dice.below(3)).unwrap(); 32])),
            parent_proof: self.proof(parent, dice),
            velocity: self.velocity(dice),
        }
    }

    /// Draws a rate, now and then one that cannot be.
    fn velocity(&self, dice: &mut Dice) -> Vec<VelocityLimit> {
        let mut limits = Vec::new();
        while dice.one_in(4) {
            let measure = if dice.one_in(2) { Measure::Count } else { Measure::Amount };
            let most = 1 + dice.below(if measure == Measure::Count { 5 } else { self.sizes * 4 });
            let limit = VelocityLimit::new(measure, most, Span::from_ns(dice.below(60 * SECOND)));
            let burst = if dice.one_in(3) { dice.below(most * 2) } else { 0 };
            limits.push(VelocityLimit { each_payee: dice.one_in(3), burst, ..limit });
        }
        limits
    }

    /// Draws what is presented of a session's secret: mostly what it is.
    fn proof(&self, of: EnvelopeId, dice: &mut Dice) -> Option<SecretHash> {
        let EnvelopeId::Session(id) = of else { return None };
        match dice.below(12) {
            0 => None,
            1 => Some(SecretHash([u8::try_from(dice.below(3)).unwrap(); 32])),
            _ => self.secrets.get(&id).copied(),
        }
    }

    /// Makes a hold of a debit, or a capture or void of one.
    fn act(&self, new: &mut NewDebit, dice: &mut Dice, now: Time) {
        let near: Vec<_> = self.holds.iter().filter(|(session, ..)| *session == new.session).collect();
        let known = dice.of(&near).copied().copied();
        new.partial = new.partial && dice.one_in(8);
        let Some((_, seq, payee, whole)) = known.filter(|_| dice.below(5) > 1) else {
            let tolerance = if dice.one_in(2) { self.amount(dice) } else { Amount::ZERO };
            let until = match dice.below(8) {
                0..=1 => Time::ZERO,
                2 => now,
                3 => Time::from_ns(now.ns() + 8 * 86_400 * SECOND),
                _ => Time::from_ns(now.ns() + 1 + dice.below(self.life) * SECOND),
            };
            new.act = Act::Hold { tolerance, until };
            return;
        };
        new.payee = if dice.one_in(12) { new.payee } else { payee };
        let hold = if dice.one_in(20) { seq + 1 } else { seq };
        if dice.one_in(4) {
            new.act = Act::Void { hold };
            new.amount = if dice.one_in(12) { new.amount } else { Amount::ZERO };
        } else {
            new.act = Act::Capture { hold, last: dice.one_in(4) };
            new.amount = if dice.one_in(5) { new.amount } else { amount(1 + dice.below(whole)) };
        }
    }

    fn writer(&self, dice: &mut Dice) -> (WriterId, u32) {
        let (id, epoch) = *dice.of(&self.writers).unwrap_or(&(WriterId::new(place(), 5), 1));
        let off = match dice.below(12) {
            0 => epoch.saturating_sub(1),
            1 => epoch + 1,
            _ => epoch,
        };
        (id, off)
    }

    fn debit(&mut self, dice: &mut Dice, now: Time) -> NewDebit {
        let session = self.session(dice);
        let named = if dice.one_in(2) {
            Named::Key(self.key(dice))
        } else {
            let (writer, epoch) = self.writer(dice);
            let last = self.numbers.iter().filter(|(s, w, _)| (*s, *w) == (session, writer));
            let last = last.map(|(_, _, number)| *number).max().unwrap_or(0);
            let number = match dice.below(10) {
                0 => last,
                1 => last + 2,
                2 => dice.below(last + 1),
                _ => last + 1,
            };
            self.numbers.push((session, writer, number));
            let acked_through = if dice.one_in(5) { dice.below(number + 1) } else { 0 };
            Named::Number(Numbered { writer, epoch, number, acked_through })
        };
        let mut new = NewDebit {
            session,
            act: Act::Debit,
            proof: self.proof(EnvelopeId::Session(session), dice),
            payee: self.payee(dice),
            amount: self.amount(dice),
            currency: CURRENCIES[[0, 0, 1, 2, 2, 2][usize::try_from(dice.below(6)).unwrap()]],
            named,
            reference: "r".repeat(usize::try_from(dice.below(3)).unwrap()),
            evidence: dice.one_in(4).then_some([3; 32]),
            partial: dice.one_in(3),
        };
        if dice.one_in(2) {
            self.act(&mut new, dice, now);
        }
        new
    }

    /// Repeats a call, as it was or with one field changed.
    fn change(&self, mut asked: Asked, dice: &mut Dice) -> Asked {
        if dice.one_in(2) {
            return asked;
        }
        let money = self.amount(dice);
        match &mut asked {
            Asked::CreateAccount(new) => new.reference.push('x'),
            Asked::CreatePayee { name, .. } => name.push('x'),
            Asked::Deposit { pending, .. } if dice.one_in(2) => *pending = !*pending,
            Asked::Deposit { amount, .. }
            | Asked::Withdraw { amount, .. }
            | Asked::Repay { amount, .. }
            | Asked::Reverse { amount, .. }
            | Asked::SetCreditLimit { limit: amount, .. }
            | Asked::TopUp { add: amount, .. } => *amount = money,
            Asked::OpenSession(new) => match dice.below(14) {
                0 => new.currency = CURRENCIES[1],
                1 => new.cap = money,
                2 => new.ttl = Span::from_ns(new.ttl.ns() + 1),
                3 => new.not_before = Time::from_ns(new.not_before.ns() + 1),
                4 => new.payees = self.payees.iter().take(2).copied().collect(),
                5 => new.payee_caps = self.payees.iter().take(1).map(|payee| (*payee, money)).collect(),
                6 => new.default_payee_cap = money,
                7 => new.debit_min = amount(1),
                8 => new.debit_max = money,
                9 => new.principal.push('x'),
                12 => new.approval_above = money.min(Amount::MAX),
                13 => new.secret = Some(SecretHash([9; 32])),
                10 => new.reference.push('x'),
                _ => new.mode = if new.mode == Mode::Shared { Mode::Reserved } else { Mode::Shared },
            },
            Asked::Debit(new) => match dice.below(8) {
                0 => new.amount = money,
                1 => new.payee = self.payee(dice),
                2 => new.currency = CURRENCIES[2],
                3 => new.reference.push('x'),
                4 => new.evidence = Some([4; 32]),
                6 => new.act = Act::Hold { tolerance: money, until: Time::ZERO },
                7 => match &mut new.act {
                    Act::Hold { until, .. } => *until = Time::from_ns(until.ns() + 1),
                    Act::Capture { last, .. } => *last = !*last,
                    Act::Debit | Act::Void { .. } => new.act = Act::Capture { hold: 2, last: true },
                },
                _ => new.partial = !new.partial,
            },
            _ => {}
        }
        asked
    }

    /// Learns from an answer what exists.
    pub(crate) fn learn(&mut self, asked: &Asked, heard: &Heard) {
        match (asked, heard) {
            (Asked::CreateAccount(new), Ok(Told::Account(answer)))
                if !self.accounts.iter().any(|(id, _)| *id == answer.value.id) =>
            {
                self.accounts.push((answer.value.id, new.currency));
            }
            (_, Ok(Told::Payee(answer))) if !self.payees.contains(&answer.value.id) => {
                self.payees.push(answer.value.id);
            }
            (_, Ok(Told::Deposit(answer))) => {
                self.deposits.extend(answer.value.deposit.map(|deposit| deposit.id));
            }
            (_, Ok(Told::Open(answer))) => {
                if let OpenAnswer::Opened(view) = &answer.value
                    && !self.sessions.contains(&view.id)
                {
                    self.sessions.push(view.id);
                    if let Some(secret) = view.guard.as_ref().and_then(|guard| guard.secret) {
                        self.secrets.insert(view.id, secret);
                    }
                }
            }
            (
                Asked::Debit(NewDebit { session, .. })
                | Asked::TopUp { session, .. }
                | Asked::Position { session, .. },
                Err(Fault::Refused(Refusal::SessionRetired)),
            ) if self.sessions.len() > 3 => {
                // It is asked again only now and then.
                self.sessions.retain(|id| id != session);
                self.sessions.insert(0, *session);
            }
            (_, Ok(Told::Writer { id, epoch })) => {
                self.writers.retain(|(other, _)| other != id);
                self.writers.push((*id, *epoch));
            }
            (Asked::Debit(ask), Ok(Told::Debit(answer))) if answer.decline.is_none() => {
                if matches!(ask.act, Act::Hold { .. }) {
                    self.holds.push((ask.session, answer.seq, ask.payee, ask.whole()));
                }
                if !ask.spends() {
                    return;
                }
                self.debits.push((ask.session, answer.seq, ask.payee, answer.taken));
            }
            _ => {}
        }
    }
}

fn place() -> tallystick_core::id::Place {
    tallystick_core::id::Place { partition: 7, slot: 9_999, generation: 0 }
}

/// Names what came of a call, for the count at the end.
pub(crate) fn outcome(asked: &Asked, heard: &Heard) -> String {
    let text = format!("{asked:?}");
    let name = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
    let what = match heard {
        Err(Fault::Refused(refusal)) => {
            let text = format!("{refusal:?}");
            text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
        }
        Err(fault) => format!("{fault:?}"),
        Ok(Told::Debit(answer)) => match (answer.replayed, answer.decline) {
            (true, _) => "replayed".into(),
            (_, Some(decline)) => format!("{:?}, {:.6}", decline.code, format!("{:?}", decline.next)),
            (_, None) if answer.late => "captured late".into(),
            (_, None) if !matches!(answer.act, Act::Debit) => {
                format!("{:.6} approved", format!("{:?}", answer.act))
            }
            (_, None) if answer.taken < answer.amount => "partial".into(),
            _ => "approved".into(),
        },
        Ok(Told::Open(answer)) => match &answer.value {
            OpenAnswer::Declined(decline) => format!("{:?}", decline.code),
            OpenAnswer::Opened(_) => format!("opened, replayed: {}", answer.replayed),
            OpenAnswer::Settled(_) => "settled".into(),
        },
        Ok(Told::TopUp(answer)) => format!("{:?}", answer.value.decline.map(|no| no.code)),
        Ok(Told::Withdraw(answer)) => format!("{:?}", answer.value.decline.map(|no| no.code)),
        Ok(Told::Settle(answer)) => {
            format!(
                "{:?}, replayed: {}, below: {}",
                answer.value.settlement().map(|settlement| settlement.reason),
                answer.replayed,
                answer.value.cascaded
            )
        }
        Ok(Told::SessionShown(SessionShown::Settled(_))) => "settled".into(),
        Ok(Told::Known(KnownDebit::Decided(..))) => "decided".into(),
        Ok(Told::Known(known)) => format!("{known:?}"),
        Ok(_) => "done".into(),
    };
    format!("{name}: {what}")
}
