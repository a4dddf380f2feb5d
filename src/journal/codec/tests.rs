mod samples;

use super::*;
use proptest::prelude::*;
use samples::{account, created, debit, keyed, nanos, one_of_each, opened, place, session};
use tallystick_core::{
    Amount, Cap, DeclineCode, DepositId, EnvelopeId, Level, Next, PayeeId, SessionId, Span, Total,
    account::Funding,
    command::Scope,
    deposit::DepositState,
    hash::KeyHash,
    record::*,
    session::{Bounds, Clauses, Mode},
    velocity::{Measure, Pace, VelocityLimit},
};

fn stamp() -> Stamp {
    Stamp { partition: 200, at: Time::from_ns(1_234_567_890), actor: 0 }
}

fn encoded(record: &Record<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&stamp(), record, &mut bytes);
    bytes
}

/// Takes the frame off a record.
fn body_of(record: &Record<'_>) -> Vec<u8> {
    let bytes = encoded(record);
    // The partition takes two small bytes, the actor one.
    bytes[FIXED_BYTES + 3..bytes.len() - CHECK_BYTES].to_vec()
}

/// Puts a right frame around any body.
fn framed(kind: u8, version: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, version];
    bytes.put_u64(stamp().at.ns());
    bytes.put_small(stamp().partition.into());
    bytes.put_small(stamp().actor.into());
    bytes.put(body);
    let len = u16::try_from(bytes.len() + CHECK_BYTES).unwrap();
    bytes[..2].copy_from_slice(&len.to_le_bytes());
    let sum = check(&bytes);
    bytes.put(&sum.to_le_bytes());
    bytes
}

/// Returns what is found wrong with a record whose body had one byte changed, in a right frame.
fn damaged(record: &Record<'_>, at: usize, byte: u8) -> &'static str {
    let mut body = body_of(record);
    assert_ne!(body[at], byte, "nothing is changed at {at} of {record:?}");
    body[at] = byte;
    decode(&framed(record.kind(), body::version(record.kind()), &body)).unwrap_err().what
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
fn an_outline_says_what_the_record_says() {
    for record in one_of_each() {
        let (bytes, len) = (encoded(&record), encoded(&record).len());
        let outlined = outline(&bytes).unwrap();
        assert_eq!((outlined.partition, usize::from(outlined.len)), (stamp().partition, len));
        for cut in 0..len {
            assert!(outline(&bytes[..cut]).is_err(), "{cut} bytes of {record:?}");
        }
    }
}

#[test]
fn a_streamed_debit_is_a_few_dozen_bytes() {
    let streamed = debit("", 1_000, 600, false);
    assert_eq!(encoded(&Record::Debited(streamed)).len(), 65);
    let partly = Debited { partial: true, taken: nanos(100), ..streamed };
    assert_eq!(encoded(&Record::Debited(partly)).len(), 66);
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    for record in one_of_each() {
        let mut bytes = encoded(&record);
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

#[test]
fn a_body_that_is_too_long_or_too_short_or_of_no_known_version_is_refused() {
    for record in one_of_each() {
        let (kind, newest, mut body) = (record.kind(), body::version(record.kind()), body_of(&record));
        assert_eq!(decode(&framed(kind, newest, &body)).unwrap().1, record);
        for version in [0, newest + 1, 255] {
            let found = decode(&framed(kind, version, &body)).unwrap_err();
            assert_eq!(found.what, "a record's version", "{version} of {record:?}");
        }
        for len in 0..body.len() {
            assert!(decode(&framed(kind, newest, &body[..len])).is_err(), "cut to {len} of {record:?}");
        }
        body.push(0);
        let found = decode(&framed(kind, newest, &body)).unwrap_err();
        assert_eq!(found.what, "a record's end", "{record:?}");
    }
    assert_eq!(decode(&framed(2, 1, &[])).unwrap_err().what, "a record's kind");
}

#[test]
fn a_number_that_means_nothing_is_refused_by_name() {
    let prepaid = Record::AccountCreated(created(Funding::Prepaid));
    // Two ids take 32 bytes; before the funding are an id and two bytes of currency.
    assert_eq!([0, 4].map(|byte| damaged(&prepaid, 18, byte)), ["funding"; 2]);
    assert_eq!(damaged(&prepaid, 20, 2), "authority");
    let session = Record::SessionOpened(opened(None, Mode::Reserved));
    assert_eq!([2, 3].map(|byte| damaged(&session, 32, byte)), ["parent"; 2]);
    assert_eq!([0, 3].map(|byte| damaged(&session, 33, byte)), ["mode"; 2]);
    let deposit = DepositId::new(place(), 12);
    let (amount, total_after) = (nanos(1), Total::from_nanos(1));
    let state = DepositState::Pending;
    let made = DepositMade { id: deposit, account: account(), amount, state, total_after, keyed: keyed() };
    assert_eq!(
        [0, 5].map(|byte| damaged(&Record::DepositMade(made.clone()), 32, byte)),
        ["deposit state"; 2]
    );
    let moved = DepositMoved { id: deposit, to: DepositState::Failed, deposited_after: total_after };
    assert_eq!([0, 5].map(|byte| damaged(&Record::DepositMoved(moved), 16, byte)), ["deposit state"; 2]);
    let declined = Record::CommandDeclined(CommandDeclined {
        command: Scope::TopUp,
        on: EnvelopeId::Session(samples::session()),
        decline: samples::decline(Next::Nothing),
        keyed: keyed(),
    });
    // The code is 200 in two bytes.
    assert_eq!([0, 200].map(|byte| damaged(&declined, 0, byte)), ["command"; 2]);
    assert_eq!(damaged(&declined, 17, 199), "decline code");
    assert_eq!([0, 5].map(|byte| damaged(&declined, 19, byte)), ["level"; 2]);
    assert_eq!([0, 7].map(|byte| damaged(&declined, 20, byte)), ["next"; 2]);
}

/// Found by fuzzing: a value that nobody reads gave one record many forms.
#[test]
fn what_to_do_next_has_a_value_only_where_it_says_something() {
    for (next, number) in [(Next::Nothing, 1), (Next::AskApproval, 4), (Next::NewKey, 6)] {
        let (decline, on) = (samples::decline(next), EnvelopeId::Session(session()));
        let record = Record::CommandDeclined(CommandDeclined {
            command: Scope::Withdraw,
            on,
            decline,
            keyed: keyed(),
        });
        // What follows is the key: 16 bytes, a count and hashes of four bytes.
        let at = body_of(&record).len() - (16 + 1 + 4 * keyed().content.len()) - 1;
        assert_eq!(body_of(&record)[at - 1..=at], [number, 0]);
        assert_eq!(damaged(&record, at, 4), "next");
    }
}

#[test]
fn an_id_of_another_kind_and_a_text_that_is_none_are_refused() {
    let payee = PayeeId::new(place(), 5).bits().to_le_bytes();
    for record in one_of_each() {
        let mut body = body_of(&record);
        let holds_an_id = !matches!(
            record,
            Record::Genesis(_)
                | Record::SettlementPosted(_)
                | Record::OutboxDelivered(_)
                | Record::PayeeCreated(_)
                | Record::PayeeStatusSet(_)
                | Record::PayeeShared(_)
                | Record::PayeeNoticed(_)
        );
        if holds_an_id {
            body[..16].copy_from_slice(&payee);
            let found = decode(&framed(record.kind(), body::version(record.kind()), &body)).unwrap_err();
            assert_eq!(found.what, "id", "{record:?}");
        }
    }
    let card = Record::AccountCreated(created(Funding::ExternalAuthority));
    let body = body_of(&card);
    for (text, name) in
        [("mandate", "authority"), ("card", "method"), ("Giro", "brand"), ("0042", "last four")]
    {
        let at = body.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
        assert_eq!(damaged(&card, at, 0xff), name);
    }
}

#[test]
fn a_debit_says_only_what_is_not_the_rule() {
    let approved = debit("", 14, 600, false);
    let plain = Record::Debited(approved);
    // Before the flags: a session, a payee, two bytes of amount, two of currency, one of verdict.
    assert_eq!(body_of(&plain)[22], 2);
    for flags in (0..=255).filter(|flags| *flags >= 32 || !matches!(flags & 3, 1 | 2)) {
        assert_eq!(damaged(&plain, 22, flags), "flags", "{flags:#b}");
    }
    let partly = Record::Debited(Debited { partial: true, taken: nanos(600 - 1), ..approved });
    assert_eq!(body_of(&partly)[22], 2 | 4 | 8);
    // 599, 600 and 601 in seven bits a byte differ in their first byte only.
    let at = 22 + 1 + 16 + 3;
    assert_eq!([0xd8, 0xd9].map(|byte| damaged(&partly, at, byte)), ["taken"; 2]);
    let mut nothing = body_of(&partly);
    nothing.splice(at..at + 2, [0]);
    assert_eq!(decode(&framed(40, 2, &nothing)).unwrap_err().what, "taken");
    // A decline takes nothing; its verdict is two bytes longer.
    assert_eq!(damaged(&Record::Debited(debit("", 15, 600, true)), 24, 2 | 8), "taken");
}

#[test]
#[should_panic(expected = "bug: a debit of 600 nanos took 1 nanos")]
fn a_decline_that_takes_is_not_written() {
    encoded(&Record::Debited(Debited { taken: nanos(1), ..debit("", 15, 600, true) }));
}

#[test]
fn the_first_version_of_a_debit_had_no_flags() {
    for declined in [false, true] {
        let intents = [StoredIntent::Key(KeyHash(7)), debit("", 9, 600, declined).intent];
        for intent in intents {
            let record = Record::Debited(Debited { intent, ..debit("ref", 9, 600, declined) });
            let bytes = framed(40, 1, &body_of(&record));
            assert_eq!(decode(&bytes).unwrap().1, record);
        }
    }
    let approved = debit("", 14, 600, false);
    for later in
        [Debited { partial: true, ..approved }, Debited { partial: true, taken: nanos(599), ..approved }]
    {
        let found = decode(&framed(40, 1, &body_of(&Record::Debited(later)))).unwrap_err();
        assert_eq!(found.what, "flags");
    }
}

#[test]
fn the_first_version_of_an_account_was_prepaid() {
    let record = Record::AccountCreated(created(Funding::Prepaid));
    let mut body = body_of(&record);
    // What the second did not have, either: a front-end, and limits in time.
    body.remove(31);
    assert_eq!(body.pop(), Some(0));
    assert_eq!(decode(&framed(10, 2, &body)).unwrap().1, record);
    // What the first did not have: a limit, an authority, four texts of a method.
    body.splice(19..25, []);
    assert_eq!(decode(&framed(10, 1, &body)).unwrap().1, record);
    for funding in [0, 2, 3, 4] {
        body[18] = funding;
        assert_eq!(decode(&framed(10, 1, &body)).unwrap_err().what, "funding");
    }
}

prop_compose! {
    fn any_created()(
        funding in prop::sample::select(vec![Funding::Prepaid, Funding::CreditLine, Funding::ExternalAuthority]),
        limit: u64,
        times in prop::option::of(any::<(u64, u64)>()),
        texts in prop::array::uniform6("\\PC{0,24}"),
    ) -> (Funding, u64, Option<(u64, u64)>, [String; 6]) {
        (funding, limit, times, texts)
    }
}

prop_compose! {
    fn any_limit()(rate: bool, count: bool, each_payee: bool, numbers: [u64; 3]) -> VelocityLimit {
        let [most, per, burst] = numbers;
        VelocityLimit {
            pace: if rate { Pace::Rate } else { Pace::Window },
            measure: if count { Measure::Count } else { Measure::Amount },
            each_payee,
            most,
            per: Span::from_ns(per),
            burst,
        }
    }
}

fn any_velocity() -> impl Strategy<Value = Vec<VelocityLimit>> {
    prop::collection::vec(any_limit(), 0..4)
}

fn comes_back(record: &Record<'_>) -> Result<(), TestCaseError> {
    let bytes = encoded(record);
    prop_assert_eq!(decode(&bytes), Ok((stamp(), record.clone(), bytes.len())));
    Ok(())
}

proptest! {
    #[test]
    fn debits_come_back(
        reference in "\\PC{0,32}",
        number in 1..u64::MAX,
        amount in 1..=i64::MAX as u64,
        no: bool,
        partial: bool,
        taken in 1..=i64::MAX as u64,
    ) {
        let rule = debit(&reference, number, amount, no);
        comes_back(&Record::Debited(Debited { partial, ..rule }))?;
        if !no {
            comes_back(&Record::Debited(Debited { partial, taken: nanos(taken.min(amount)), ..rule }))?;
        }
    }

    #[test]
    fn accounts_come_back((funding, limit, times, texts) in any_created(), velocity in any_velocity()) {
        let [reference, kind, brand, last_four, funding_type, authority] = &texts;
        let external = times.map(|(until, margin)| ExternalFacts {
            reference: authority,
            usable_until: Time::from_ns(until),
            margin: Span::from_ns(margin),
        });
        let method = MethodFacts { kind, brand, last_four, funding_type };
        let limit = nanos(limit);
        comes_back(&Record::AccountCreated(AccountCreated { limit, external, method, reference, velocity, ..created(funding) }))?;
    }

    #[test]
    fn money_comes_back(amount: u64, after: u128, state in 1..=4u8, random: u64) {
        let (amount, after, account) = (Amount::from_nanos(amount), Total::from_nanos(after), account());
        let (id, state) = (DepositId::new(place(), random), DepositState::from_number(state).unwrap());
        for record in [
            Record::Deposited(Deposited { account, amount, deposited_after: after, keyed: keyed() }),
            Record::DepositMade(DepositMade { id, account, amount, state, total_after: after, keyed: keyed() }),
            Record::DepositMoved(DepositMoved { id, to: state, deposited_after: after }),
            Record::Withdrawn(Withdrawn { account, amount, withdrawn_after: after, keyed: keyed() }),
            Record::Repaid(Repaid { account, amount, repaid_after: after, keyed: keyed() }),
            Record::CreditLimitSet(CreditLimitSet { account, limit: amount, keyed: keyed() }),
        ] {
            comes_back(&record)?;
        }
    }

    #[test]
    fn sessions_come_back(
        shared: bool,
        parent in prop::option::of(any::<u64>()),
        numbers: [u64; 4],
        caps in prop::collection::vec(any::<(u32, u64)>(), 0..5),
        reference in "\\PC{0,32}",
        restricted: bool,
        velocity in any_velocity(),
    ) {
        let [cap, begins, ends_at, random] = numbers;
        let cap_of = Cap::from_nanos_or_none;
        let bounds = Bounds {
            cap: nanos(cap),
            not_before: Time::from_ns(begins),
            ends_at: Time::from_ns(ends_at),
            default_payee_cap: cap_of(random),
            debit_min: nanos(begins),
            debit_max: cap_of(ends_at),
            payees_restricted: restricted,
        };
        let (mode, keyed) = (if shared { Mode::Shared } else { Mode::Reserved }, keyed());
        let parent = parent.map(|random| SessionId::new(place(), random));
        let payees = caps.into_iter().map(|(slot, cap)| (slot, cap_of(cap))).collect();
        let clauses = Clauses { velocity, ..Clauses::default() };
        let record = SessionOpened { bounds, clauses, payees, reference: &reference, ..opened(parent, mode) };
        comes_back(&Record::SessionOpened(record))?;
        let session = SessionId::new(place(), random);
        let topped = ToppedUp { session, add: nanos(cap), ends_at: Time::from_ns(ends_at), keyed: keyed.clone() };
        comes_back(&Record::ToppedUp(topped))?;
        comes_back(&Record::SessionClosing(SessionClosing { session }))?;
        comes_back(&Record::Reversed(Reversed {
            session,
            debit_seq: begins,
            payee: 7,
            amount: nanos(cap),
            reversed_after: nanos(ends_at),
            keyed,
        }))?;
    }

    #[test]
    fn declines_come_back(
        code in prop::sample::select(DeclineCode::ALL),
        level in prop::sample::select(vec![Level::Account, Level::Token, Level::Session, Level::Payee]),
        next in 0..5usize,
        value: u64,
        on_session: bool,
    ) {
        use tallystick_core::{Decline, Next};
        let next = [
            Next::Nothing,
            Next::TopUp(nanos(value)),
            Next::WaitUntil(Time::from_ns(value)),
            Next::SmallerAmount(nanos(value)),
            Next::NewKey,
        ][next];
        let on = if on_session { EnvelopeId::Session(session()) } else { EnvelopeId::Account(account()) };
        let (decline, keyed) = (Decline { code, level, next }, keyed());
        comes_back(&Record::CommandDeclined(CommandDeclined { command: Scope::OpenSession, on, decline, keyed: keyed.clone() }))?;
        comes_back(&Record::OpenDeclined(OpenDeclined { account: account(), decline, keyed }))?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200), kind: u8) {
        // A right length, version and checksum, so that the bodies are reached.
        for version in 1..=body::version(kind) {
            let bytes = framed(kind, version, &body);
            if let Ok((stamp, record, len)) = decode(&bytes) {
                prop_assert_eq!(len, bytes.len());
                let mut again = Vec::new();
                encode(&stamp, &record, &mut again);
                prop_assert!(version < body::version(kind) || again == bytes, "two forms of {:?}", record);
            }
        }
    }
}
