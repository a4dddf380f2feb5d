//! Owns: the story behind the fixtures of the second version: the account tree, other fundings, the life of deposits.

use super::{PARTITION, account, keyed, line, nanos, opened, payee, place, session, writer};
use tallystick_core::{
    Amount, Currency, Decline, DeclineCode, DepositId, EnvelopeId, Level, Next, Record, SessionId, Span,
    Time, Total,
    account::Funding,
    command::Scope,
    deposit::DepositState,
    hash::{KeyHash, Seed},
    id::Place,
    payee::PayeeStatus,
    record::*,
    session::{Bounds, Mode},
    settlement::{Outgoing, Reason},
    writer::Numbered,
};

/// Tells a small story in which every kind of record has its part, in an order that applies.
pub fn story() -> Vec<Record<'static>> {
    let mut all = vec![Record::Genesis(Genesis { seed: Seed(*b"sixteen bytes ok"), partitions: 256 })];
    all.extend(accounts());
    all.extend(money());
    all.extend(tree());
    all.extend(debits());
    // The seq of the last debit, which is among those reversed.
    let partly = u64::try_from(all.len()).unwrap();
    all.extend(reversed_and_repaid(partly));
    all.extend(settled());
    all.extend(under_an_authority());
    all
}

/// One account of each funding.
fn accounts() -> Vec<Record<'static>> {
    let authority = ExternalFacts {
        reference: "Mandat Ω 4711",
        usable_until: Time::from_ns(1_800_100_000_000_000_000),
        margin: Span::from_hours(1),
    };
    let card = MethodFacts { kind: "card", brand: "Girocard", last_four: "0042", funding_type: "debit" };
    let bank = MethodFacts { kind: "bank_account", ..MethodFacts::default() };
    let fundings = [
        (Funding::Prepaid, Amount::ZERO, None, MethodFacts::default()),
        (Funding::CreditLine, nanos(10_000), None, bank),
        (Funding::ExternalAuthority, nanos(6_000_000_000), Some(authority), card),
    ];
    let created = |(slot, (funding, limit, external, method))| {
        Record::AccountCreated(AccountCreated {
            id: account(slot),
            currency: Currency::from_number(840),
            funding,
            limit,
            external,
            method,
            reference: "Kasse Zürich",
            front_end: "",
            velocity: Vec::new(),
            keyed: keyed(1 + u128::from(slot)),
        })
    };
    (0..).zip(fundings).map(created).collect()
}

fn deposit(slot: u32) -> DepositId {
    DepositId::new(place(slot), 0x00e5)
}

/// A deposit without an id and one of each course; then what goes out, and a credit line's limit.
fn money() -> Vec<Record<'static>> {
    use DepositState::{Available, Failed, Pending, Returned};
    let first = Total::from(Amount::MAX);
    let total = |nanos| first.checked_add(Total::from_nanos(nanos)).unwrap();
    let made = |slot: u32, amount, state, total_after| {
        let (id, account, keyed) = (deposit(slot), account(0), keyed(10 + u128::from(slot)));
        Record::DepositMade(DepositMade { id, account, amount: nanos(amount), state, total_after, keyed })
    };
    let moved = |slot, to, after| {
        Record::DepositMoved(DepositMoved { id: deposit(slot), to, deposited_after: total(after) })
    };
    vec![
        Record::Deposited(Deposited {
            account: account(0),
            amount: Amount::MAX,
            deposited_after: first,
            keyed: keyed(4),
        }),
        made(0, 1_000, Pending, Total::from_nanos(1_000)),
        made(1, 2_000, Available, total(2_000)),
        moved(0, Available, 3_000),
        made(2, 50, Pending, Total::from_nanos(50)),
        moved(2, Failed, 3_000),
        moved(1, Returned, 1_000),
        made(3, 70, Pending, Total::from_nanos(70)),
        Record::Withdrawn(Withdrawn {
            account: account(0),
            amount: nanos(400),
            withdrawn_after: Total::from_nanos(400),
            keyed: keyed(5),
        }),
        Record::CreditLimitSet(CreditLimitSet { account: account(1), limit: nanos(20_000), keyed: keyed(6) }),
    ]
}

fn bounds(cap: u64) -> Bounds {
    Bounds { cap: nanos(cap), ends_at: Time::from_ns(1_800_000_500_000_000_000), ..opened(0, true).bounds }
}

/// A payee; a session that caps it, with a reserved and a shared one below; a shared one on the credit line.
fn tree() -> Vec<Record<'static>> {
    let below = |slot, mode| SessionOpened {
        parent: Some(session(0)),
        mode,
        bounds: bounds(1_000_000_000),
        ..opened(slot, true)
    };
    let on_credit =
        SessionOpened { account: account(1), mode: Mode::Shared, bounds: bounds(15_000), ..opened(3, false) };
    let decline = |next| Decline { code: DeclineCode::Cap, level: Level::Account, next };
    let declined = |command, on, next, key| {
        Record::CommandDeclined(CommandDeclined { command, on, decline: decline(next), keyed: keyed(key) })
    };
    vec![
        Record::PayeeCreated(PayeeCreated {
            id: payee(),
            status: PayeeStatus::Active,
            name: "Émile & fils",
            keyed: keyed(7),
        }),
        Record::PayeeShared(PayeeShared { id: payee(), with: PARTITION }),
        Record::PayeeNoticed(PayeeNoticed { id: payee(), slot: 0, status: PayeeStatus::Active, version: 1 }),
        Record::SessionOpened(opened(0, true)),
        Record::SessionOpened(below(1, Mode::Reserved)),
        Record::SessionOpened(below(2, Mode::Shared)),
        Record::SessionOpened(on_credit),
        Record::OpenDeclined(OpenDeclined {
            account: account(0),
            decline: decline(Next::SmallerAmount(nanos(17))),
            keyed: keyed(8),
        }),
        declined(Scope::Withdraw, EnvelopeId::Account(account(0)), Next::Nothing, 20),
        declined(Scope::TopUp, EnvelopeId::Session(session(0)), Next::SmallerAmount(nanos(18)), 21),
        Record::ToppedUp(ToppedUp {
            session: session(1),
            add: nanos(500),
            ends_at: opened(0, true).bounds.ends_at,
            keyed: keyed(9),
        }),
        Record::WriterOpened(WriterOpened { id: writer(), epoch: 1 }),
        Record::WriterOpened(WriterOpened { id: writer(), epoch: 2 }),
        Record::WriterPositioned(WriterPositioned { session: session(2), writer: writer(), epoch: 2 }),
    ]
}

fn number(number: u64) -> StoredIntent {
    StoredIntent::Number(Numbered { writer: writer(), epoch: 2, number, acked_through: number - 1 })
}

fn debit(slot: u32, amount: u64, intent: StoredIntent) -> Debited<'static> {
    Debited {
        act: tallystick_core::command::Act::Debit,
        asked_until: Time::ZERO,
        late: false,
        session: session(slot),
        payee: 0,
        amount: nanos(amount),
        currency: Currency::from_number(840),
        partial: false,
        verdict: None,
        taken: nanos(amount),
        intent,
        reference: "call-1",
        evidence: Some([0x0e; 32]),
    }
}

/// Debits that count above: approved, declined, and last one that less would do for.
fn debits() -> Vec<Record<'static>> {
    let verdict = Some((DeclineCode::PayeeCap, Level::Payee));
    let declined = Debited { partial: true, verdict, taken: Amount::ZERO, ..debit(1, 9, number(1)) };
    let partly = Debited {
        partial: true,
        taken: nanos(600),
        reference: "",
        evidence: None,
        ..debit(2, 1_000, StoredIntent::Key(KeyHash(0xfeed << 100)))
    };
    let all = [debit(2, 300, number(1)), declined, debit(3, 700, number(1)), debit(3, 40, number(2)), partly];
    all.map(Record::Debited).into()
}

/// Reversals of a debit that took less, and of one on the credit line; then a repayment.
fn reversed_and_repaid(partly: u64) -> Vec<Record<'static>> {
    let reversed = |slot, debit_seq, amount, key| {
        Record::Reversed(Reversed {
            session: session(slot),
            debit_seq,
            payee: 0,
            amount: nanos(amount),
            reversed_after: nanos(amount),
            keyed: keyed(key),
        })
    };
    vec![
        reversed(2, partly, 100, 22),
        reversed(3, partly - 1, 40, 25),
        Record::Repaid(Repaid {
            account: account(1),
            amount: nanos(250),
            repaid_after: Total::from_nanos(250),
            keyed: keyed(23),
        }),
    ]
}

/// A cascade that stops half-way, and its line's way to the payee.
fn settled() -> Vec<Record<'static>> {
    let line = line(800, 2);
    let settlement = session(2).settlement();
    vec![
        Record::SessionClosing(SessionClosing { session: session(0) }),
        Record::SessionSettled(SessionSettled {
            session: session(2),
            reason: Reason::Cascade,
            lines: vec![line],
            total: line.amount,
            released: Amount::ZERO,
        }),
        Record::SettlementPosted(SettlementPosted {
            source: PARTITION,
            outgoing: Outgoing { no: 1, settlement, currency: Currency::from_number(840), line },
        }),
        Record::OutboxDelivered(OutboxDelivered { through: 1 }),
        Record::PayeeStatusSet(PayeeStatusSet { id: payee(), status: PayeeStatus::Blocked, version: 2 }),
        Record::PayeeNoticed(PayeeNoticed { id: payee(), slot: 0, status: PayeeStatus::Blocked, version: 2 }),
    ]
}

/// A session on the external authority, in the place that the settled one left.
fn under_an_authority() -> Vec<Record<'static>> {
    let id = SessionId::new(Place { generation: 1, ..place(2) }, 0x00c4);
    let opened = SessionOpened { id, account: account(2), keyed: keyed(24), ..opened(2, false) };
    let blocked = Debited {
        session: id,
        currency: Currency::UNSTATED,
        verdict: Some((DeclineCode::PayeeBlocked, Level::Payee)),
        taken: Amount::ZERO,
        ..debit(2, 5, StoredIntent::Key(KeyHash(u128::MAX)))
    };
    vec![Record::SessionOpened(opened), Record::Debited(blocked)]
}
