//! Owns: the story behind the fixtures of the first version, as it is read today.

use super::{PARTITION, account, keyed, line, nanos, opened, payee, place, session, writer};
use tallystick_core::{
    Amount, Currency, Decline, DeclineCode, Level, Next, Record, SessionId, Total,
    account::Funding,
    hash::{KeyHash, Seed},
    id::Place,
    payee::PayeeStatus,
    record::*,
    settlement::{Outgoing, Reason},
    writer::Numbered,
};

fn debited(slot: u32, amount: u64, verdict: bool, intent: StoredIntent) -> Record<'static> {
    Record::Debited(Debited {
        act: tallystick_core::command::Act::Debit,
        asked_until: tallystick_core::Time::ZERO,
        late: false,
        session: session(slot),
        payee: 0,
        amount: nanos(amount),
        currency: Currency::from_number(if verdict { 0 } else { 840 }),
        partial: false,
        verdict: verdict.then_some((DeclineCode::Cap, Level::Session)),
        taken: nanos(if verdict { 0 } else { amount }),
        intent,
        reference: if verdict { "" } else { "call-1" },
        evidence: (!verdict).then_some([0x0e; 32]),
    })
}

/// Tells a small story in which every kind of record that there was has its part, in an order that applies.
pub fn story() -> Vec<Record<'static>> {
    let number = |number, acked_through| {
        StoredIntent::Number(Numbered { writer: writer(), epoch: 2, number, acked_through })
    };
    let line = line(600_000_300, 2);
    let settlement = session(0).settlement();
    let again = SessionId::new(Place { generation: 1, ..place(0) }, 0x00c4);
    vec![
        Record::Genesis(Genesis { seed: Seed(*b"sixteen bytes ok"), partitions: 256 }),
        Record::AccountCreated(AccountCreated {
            id: account(0),
            currency: Currency::from_number(840),
            funding: Funding::Prepaid,
            limit: Amount::ZERO,
            external: None,
            method: MethodFacts::default(),
            reference: "Kasse Zürich",
            front_end: "",
            velocity: Vec::new(),
            keyed: keyed(1),
        }),
        Record::Deposited(Deposited {
            account: account(0),
            amount: Amount::MAX,
            deposited_after: Total::from(Amount::MAX),
            keyed: keyed(2),
        }),
        Record::PayeeCreated(PayeeCreated {
            id: payee(),
            status: PayeeStatus::Active,
            name: "Émile & fils",
            keyed: keyed(3),
        }),
        Record::PayeeShared(PayeeShared { id: payee(), with: PARTITION }),
        Record::PayeeNoticed(PayeeNoticed { id: payee(), slot: 0, status: PayeeStatus::Active, version: 1 }),
        Record::SessionOpened(opened(0, true)),
        Record::OpenDeclined(OpenDeclined {
            account: account(0),
            decline: Decline {
                code: DeclineCode::Cap,
                level: Level::Account,
                next: Next::SmallerAmount(nanos(17)),
            },
            keyed: keyed(4),
        }),
        Record::WriterOpened(WriterOpened { id: writer(), epoch: 1 }),
        Record::WriterOpened(WriterOpened { id: writer(), epoch: 2 }),
        Record::WriterPositioned(WriterPositioned { session: session(0), writer: writer(), epoch: 2 }),
        debited(0, 300, false, number(1, 0)),
        debited(0, 600_000_000, false, StoredIntent::Key(KeyHash(0xfeed << 100))),
        Record::SessionSettled(SessionSettled {
            session: session(0),
            reason: Reason::Closed,
            lines: vec![line],
            total: line.amount,
            released: nanos(4_399_999_700),
        }),
        Record::SettlementPosted(SettlementPosted {
            source: PARTITION,
            outgoing: Outgoing { no: 1, settlement, currency: Currency::from_number(840), line },
        }),
        Record::OutboxDelivered(OutboxDelivered { through: 1 }),
        Record::PayeeStatusSet(PayeeStatusSet { id: payee(), status: PayeeStatus::Blocked, version: 2 }),
        Record::PayeeNoticed(PayeeNoticed { id: payee(), slot: 0, status: PayeeStatus::Blocked, version: 2 }),
        Record::SessionOpened(SessionOpened { id: again, keyed: keyed(5), ..opened(0, false) }),
        Record::SessionOpened(opened(1, true)),
        debited(1, 7, false, number(1, 0)),
        debited(1, 7, true, number(2, 1)),
        debited(1, 9, true, StoredIntent::Key(KeyHash(u128::MAX))),
    ]
}
