//! I3, I7: an audit decides again and names what the rules would not have said; and a key that was filed by an older version
//! still tells one intent from another.
#![allow(clippy::unwrap_used, reason = "a test")]

mod ledger;

use ledger::{Ledger, USD, prepaid};
use tallystick_core::{
    Amount, Cap, EnvelopeId, Record, Refusal, Stamp,
    account::Funding,
    command::{Command, CreateAccount, OpenSession, Reverse},
    decide::{self, Decided},
    partition::CommandKey,
    record::{Debited, SessionOpened},
    session::{Bounds, Mode},
    verify::{self, Difference},
};

fn nanos(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

fn stamp(ledger: &Ledger) -> Stamp {
    Stamp { partition: 7, at: ledger.now, actor: 0 }
}

/// Makes a parent that narrows everything, and the record of a child that takes all it may.
fn child(ledger: &mut Ledger) -> SessionOpened<'static> {
    let (alice, _) = (ledger.payee("alice"), ledger.payee("bob"));
    ledger.account(500);
    let parent = OpenSession {
        not_before: ledger.at(10),
        payees: vec![alice],
        debit_min: nanos(3),
        debit_max: nanos(30),
        ..ledger.opening(100, 1_000)
    };
    let parent = ledger.open(&parent).unwrap();
    let asked =
        OpenSession { parent: EnvelopeId::Session(parent), key: b"child", ..ledger.opening(100, 1_000) };
    let drawn = (ledger.now, ledger.draw());
    let decided = decide::open_session(&ledger.partition, &asked, None, drawn).unwrap();
    let Decided::Record(Record::SessionOpened(opened)) = decided else { panic!("{decided:?}") };
    opened
}

#[test]
fn a_session_wider_than_its_parent_is_named() {
    let mut ledger = Ledger::new();
    let whole = child(&mut ledger);
    let again = |opened: &SessionOpened<'static>| {
        verify::decide_again(&ledger.partition, &stamp(&ledger), &Record::SessionOpened(opened.clone()))
    };
    assert_eq!(again(&whole), Ok(()));
    let with = |change: fn(&mut Bounds)| {
        let mut opened = whole.clone();
        change(&mut opened.bounds);
        again(&opened)
    };
    let bob = (1, Cap::NONE);
    let cases = [
        (with(|b| b.ends_at = tallystick_core::Time::from_ns(b.ends_at.ns() + 1)), "outlives"),
        (with(|b| b.not_before = tallystick_core::Time::ZERO), "begins before"),
        (with(|b| b.debit_min = Amount::ZERO), "least debit"),
        (with(|b| b.debit_max = Cap::NONE), "greatest debit"),
        (with(|b| b.payees_restricted = false), "lost its parent's allow-list"),
        (again(&SessionOpened { payees: vec![bob], ..whole.clone() }), "lists a payee"),
    ];
    for (said, part) in cases {
        let Err(Difference::Broken(rule)) = said else { panic!("{part}: {said:?}") };
        assert!(rule.contains(part), "{rule}: {part}");
    }
    let over = with(|b| b.cap = nanos(101));
    assert!(matches!(over, Err(Difference::Decline { recorded: None, .. })), "{over:?}");
    let shared = SessionOpened { mode: Mode::Shared, ..whole.clone() };
    assert_eq!(again(&shared), Ok(()), "a shared cap is only a ceiling");
}

#[test]
fn a_debit_that_the_rules_would_not_approve_is_named() {
    let mut ledger = Ledger::new();
    ledger.payee("alice");
    ledger.account(500);
    ledger.open(&ledger.opening(100, 1_000)).unwrap();
    let asked = ledger.debit("alice", 60, USD, b"k");
    let (decided, _) = decide::debit(&ledger.partition, &asked, ledger.now).unwrap();
    let Decided::Record(Record::Debited(debited)) = decided else { panic!("{decided:?}") };
    let again = |debited| {
        let record = Record::Debited(debited);
        verify::decide_again(&ledger.partition, &stamp(&ledger), &record).map_err(|no| no.to_string())
    };
    assert_eq!(again(debited), Ok(()));
    let more = nanos(101);
    let cases = [
        (
            Debited { amount: more, taken: more, ..debited },
            "101 nanos approved was recorded, but the rules say declined CAP",
        ),
        (
            Debited { taken: nanos(59), ..debited },
            "59 nanos approved was recorded, but the rules say 60 nanos approved",
        ),
        (
            Debited { amount: more, partial: true, taken: more, ..debited },
            "101 nanos approved was recorded, but the rules say 100 nanos approved",
        ),
    ];
    for (wrong, text) in cases {
        assert_eq!(again(wrong), Err(text.into()));
    }
}

/// Whoever looked the debit up was wrong: nothing is taken back of what this session never took.
#[test]
fn a_reversal_of_what_was_never_taken_is_refused() {
    let mut ledger = Ledger::new();
    let (alice, bob) = (ledger.payee("alice"), ledger.payee("bob"));
    ledger.account(500);
    let session = ledger.open(&ledger.opening(100, 1_000)).unwrap();
    assert_eq!(ledger.pay("alice", 10, USD), None);
    let debit_seq = ledger.seq;
    let whole =
        Reverse { session, key: b"r", debit_seq, payee: alice, taken: nanos(10), amount: Amount::ZERO };
    let wrong = [
        Reverse { payee: bob, ..whole },
        Reverse { taken: nanos(11), ..whole },
        Reverse { debit_seq: debit_seq + 1, ..whole },
    ];
    for command in wrong {
        assert_eq!(
            decide::reverse(&ledger.partition, &command, None),
            Err(Refusal::UnknownDebit),
            "{command:?}"
        );
    }
    let decided = decide::reverse(&ledger.partition, &whole, None).unwrap();
    assert!(ledger.decided(decided).is_some());
}

/// An account was created when a command said only its currency and reference. The same intent is still recognised, and
/// one that says more is another one.
#[test]
fn a_key_that_was_filed_before_a_field_existed_stands_for_nothing_in_it() {
    let mut ledger = Ledger::new();
    let whole = CreateAccount { key: b"old", ..prepaid() };
    let account = ledger.create_account(&whole).unwrap();
    let seed = ledger.partition.seed();
    let mut content = whole.content(seed);
    content.truncate(2);
    let made = tallystick_core::partition::Made::Account(account);
    let filed = CommandKey { key: whole.key_hash(seed), content: content.into(), made, seq: ledger.seq };
    // A checkpoint has filed it since.
    ledger.partition.filed_through(ledger.seq);
    let ask = |command: &CreateAccount<'static>| {
        decide::create_account(&ledger.partition, command, Some(&filed), (ledger.now, 9))
    };
    assert_eq!(ask(&whole), Ok(Decided::Replay(filed.clone())));
    let credit = CreateAccount { funding: Funding::CreditLine, credit_limit: nanos(5), ..whole };
    assert_eq!(ask(&credit), Err(Refusal::KeyReused { field: "funding" }));
    let mut other = whole;
    other.method.brand = "visa";
    assert_eq!(ask(&other), Err(Refusal::KeyReused { field: "payment_method" }));
    assert_eq!(
        ask(&CreateAccount { reference: "x", ..whole }),
        Err(Refusal::KeyReused { field: "reference" })
    );
}
