use super::*;
use proptest::prelude::*;
use tallystick_core::{
    Amount, Cap, Currency, Decline, DeclineCode, Level, Next, PayeeId, SessionId, Total, WriterId,
    hash::{FieldHash, KeyHash, Seed},
    id::Place,
    payee::PayeeStatus,
    record::*,
    session::Bounds,
    settlement::{Line, Outgoing, Reason},
    writer::Numbered,
};

fn place() -> Place {
    Place { partition: 200, slot: 77, generation: 3 }
}

fn session() -> SessionId {
    SessionId::new(place(), 0xabc)
}

fn keyed() -> Keyed {
    Keyed { key: KeyHash(9 << 90), content: vec![FieldHash(1), FieldHash(0)] }
}

fn line() -> Line {
    Line { payee: PayeeId::new(place(), 5), amount: Amount::from_nanos(600), debit_count: 2 }
}

fn debited(reference: &str, number: u64, amount: u64, declined: bool) -> Record<'_> {
    Record::Debited(Debited {
        session: session(),
        payee: 4,
        amount: Amount::from_nanos(amount),
        currency: Currency::from_number(840),
        verdict: declined.then_some((DeclineCode::PayeeCap, Level::Payee)),
        intent: StoredIntent::Number(Numbered {
            writer: WriterId::new(place(), 1),
            epoch: 2,
            number,
            acked_through: number / 2,
        }),
        reference,
        evidence: declined.then_some([3; 32]),
    })
}

/// Holds one record of every kind: the journal's format fixture is made of these, in this order.
pub(crate) fn one_of_each() -> Vec<Record<'static>> {
    let account = tallystick_core::AccountId::new(place(), 8);
    let payee = PayeeId::new(place(), 5);
    let writer = WriterId::new(place(), 1);
    let bounds = Bounds {
        cap: Amount::from_nanos(5_000_000_000),
        not_before: Time::from_ns(7),
        ends_at: Time::from_ns(1_700_000_000_000_000_000),
        default_payee_cap: Cap::NONE,
        debit_min: Amount::from_nanos(1),
        debit_max: Cap::of(Amount::from_nanos(1_000)),
        payees_restricted: true,
    };
    vec![
        Record::Genesis(Genesis { seed: Seed([6; 16]), partitions: 256 }),
        Record::AccountCreated(AccountCreated {
            id: account,
            currency: Currency::from_number(978),
            funding: tallystick_core::account::Funding::Prepaid,
            reference: "kasse",
            keyed: keyed(),
        }),
        Record::Deposited(Deposited {
            account,
            amount: Amount::MAX,
            deposited_after: Total::MAX,
            keyed: keyed(),
        }),
        Record::PayeeCreated(PayeeCreated {
            id: payee,
            status: PayeeStatus::Active,
            name: "Émile",
            keyed: keyed(),
        }),
        Record::PayeeStatusSet(PayeeStatusSet { id: payee, status: PayeeStatus::Blocked, version: 2 }),
        Record::PayeeShared(PayeeShared { id: payee, with: 255 }),
        Record::PayeeNoticed(PayeeNoticed { id: payee, slot: 300, status: PayeeStatus::Active, version: 1 }),
        Record::SessionOpened(SessionOpened {
            id: session(),
            account,
            bounds,
            payees: vec![(3, Cap::NONE), (300, Cap::of(Amount::from_nanos(9)))],
            principal: "cfo",
            method: "passkey",
            evidence_hash: Some([1; 32]),
            approved_at: Time::from_ns(1),
            reference: "run 7",
            keyed: keyed(),
        }),
        Record::OpenDeclined(OpenDeclined {
            account,
            decline: Decline {
                code: DeclineCode::Cap,
                level: Level::Account,
                next: Next::SmallerAmount(Amount::from_nanos(17)),
            },
            keyed: keyed(),
        }),
        debited("ref-1", 12, 600, false),
        debited("", 13, 600, true),
        Record::Debited(Debited {
            session: session(),
            payee: 0,
            amount: Amount::from_nanos(1),
            currency: Currency::UNSTATED,
            verdict: None,
            intent: StoredIntent::Key(KeyHash(u128::MAX)),
            reference: "",
            evidence: None,
        }),
        Record::WriterOpened(WriterOpened { id: writer, epoch: 1 }),
        Record::WriterPositioned(WriterPositioned { session: session(), writer, epoch: 2 }),
        Record::SessionSettled(SessionSettled {
            session: session(),
            reason: Reason::Expired,
            lines: vec![line(), line()],
            total: Amount::from_nanos(1_200),
            released: Amount::from_nanos(4_999_998_800),
        }),
        Record::SettlementPosted(SettlementPosted {
            source: 9,
            outgoing: Outgoing {
                no: 1,
                settlement: session().settlement(),
                currency: Currency::from_number(840),
                line: line(),
            },
        }),
        Record::OutboxDelivered(OutboxDelivered { through: 1 }),
    ]
}

fn stamp() -> Stamp {
    Stamp { partition: 200, at: Time::from_ns(1_234_567_890), actor: 0 }
}

#[test]
fn every_kind_comes_back() {
    for record in one_of_each() {
        let mut bytes = vec![0xee];
        encode(&stamp(), &record, &mut bytes);
        let (back_stamp, back, len) = decode(&bytes[1..]).unwrap();
        assert_eq!((back_stamp, &back, len), (stamp(), &record, bytes.len() - 1));
    }
}

#[test]
fn a_streamed_debit_is_a_few_dozen_bytes() {
    let mut bytes = Vec::new();
    encode(&stamp(), &debited("", 1_000, 600, false), &mut bytes);
    assert!(bytes.len() <= 72, "{} bytes", bytes.len());
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    for record in one_of_each() {
        let mut bytes = Vec::new();
        encode(&stamp(), &record, &mut bytes);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bytes).is_err(), "bit {bit} of {record:?}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "cut to {len} of {record:?}");
        }
    }
}

proptest! {
    #[test]
    fn debits_come_back(reference in "\\PC{0,32}", number in 1..u64::MAX, amount in 1..=i64::MAX as u64, no: bool) {
        let record = debited(&reference, number, amount, no);
        let mut bytes = Vec::new();
        encode(&stamp(), &record, &mut bytes);
        prop_assert_eq!(decode(&bytes).unwrap().1, record);
    }

    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 16..200), kind: u8) {
        // A right length, version and checksum, so that the bodies are reached.
        let len = bytes.len();
        bytes[..2].copy_from_slice(&u16::try_from(len).unwrap().to_le_bytes());
        bytes[2] = kind;
        bytes[3] = VERSION;
        let sum = check(&bytes[..len - 4]);
        bytes[len - 4..].copy_from_slice(&sum.to_le_bytes());
        let _ = decode(&bytes);
    }
}
