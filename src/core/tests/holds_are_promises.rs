//! A hold meets every limit when it is placed, its tolerance included. From then on it is a promise: captures meet the hold's
//! own tests alone, a void and the end of its time give the rest back exactly, and what comes late is a debit like any other.
#![allow(clippy::unwrap_used, reason = "a test")]

mod ledger;

use ledger::{Ledger, USD};
use tallystick_core::{
    Amount, Currency, Decline, DeclineCode, Next, Record, Refusal, Time,
    books::Book,
    command::{Act, Debit, Intent, OpenSession},
    decide,
    record::Debited,
    session::{HoldEnd, Mode},
    tree::Step,
};

fn nanos(amount: u64) -> Amount {
    Amount::from_nanos(amount)
}

/// A session of 100 that lasts from 0 to 1000, opened as `with` says.
fn world(with: impl FnOnce(&mut OpenSession<'_>)) -> Ledger {
    let mut ledger = Ledger::new();
    ledger.payee("alice");
    ledger.payee("bob");
    ledger.account(300);
    let mut asked = ledger.opening(100, 1_000);
    with(&mut asked);
    ledger.open(&asked).unwrap();
    ledger
}

/// Does something under a new key. Returns its seq and the decline.
fn act(ledger: &mut Ledger, name: &str, amount: u64, act: Act) -> Result<(u64, Option<Decline>), Refusal> {
    let key = ledger.draw().to_string();
    let command = Debit { act, ..ledger.debit(name, amount, USD, key.as_bytes()) };
    let (_, hit) = ledger.decide(&command)?;
    Ok((ledger.seq, hit.map(|hit| hit.decline)))
}

fn hold(ledger: &mut Ledger, amount: u64, tolerance: u64, until: u64) -> u64 {
    let until = if until == 0 { Time::ZERO } else { ledger.at(until) };
    let (seq, no) = act(ledger, "alice", amount, Act::Hold { tolerance: nanos(tolerance), until }).unwrap();
    assert_eq!(no, None);
    sound(ledger);
    seq
}

fn capture(ledger: &mut Ledger, hold: u64, amount: u64, last: bool) -> Option<Decline> {
    let (_, no) = act(ledger, "alice", amount, Act::Capture { hold, last }).unwrap();
    sound(ledger);
    no
}

fn sound(ledger: &Ledger) {
    assert_eq!(ledger.partition.check_sound(), Ok(()));
}

/// What is spent, held and left.
fn counts(ledger: &Ledger) -> (u64, u64, u64) {
    let session = ledger.session();
    (session.spent_own.nanos(), session.held().nanos(), session.remaining().nanos())
}

fn lapse(ledger: &mut Ledger) {
    let record = decide::lapse(&ledger.partition, ledger.session.unwrap(), ledger.now).unwrap();
    ledger.write(&record);
    sound(ledger);
}

#[test]
fn tolerance_is_held_and_captures_take_at_most_both() {
    let mut ledger = world(|_| {});
    let held = hold(&mut ledger, 50, 10, 0);
    assert_eq!(counts(&ledger), (0, 60, 40));
    assert_eq!(capture(&mut ledger, held, 20, false), None);
    assert_eq!(counts(&ledger), (20, 40, 40));
    let no = capture(&mut ledger, held, 41, false).unwrap();
    assert_eq!((no.code, no.next), (DeclineCode::AboveHold, Next::SmallerAmount(nanos(40))));
    assert_eq!(capture(&mut ledger, held, 40, false), None);
    assert_eq!(counts(&ledger), (60, 0, 40));
    assert_eq!(capture(&mut ledger, held, 1, false).unwrap().code, DeclineCode::HoldEnded);
}

#[test]
fn a_last_capture_and_a_void_give_the_rest_back() {
    let mut ledger = world(|_| {});
    let (first, second) = (hold(&mut ledger, 30, 0, 0), hold(&mut ledger, 40, 5, 0));
    assert_eq!(capture(&mut ledger, first, 10, true), None);
    assert_eq!(counts(&ledger), (10, 45, 45));
    let (seq, no) = act(&mut ledger, "alice", 0, Act::Void { hold: second }).unwrap();
    assert_eq!(no, None);
    assert_eq!(counts(&ledger), (10, 0, 90));
    let (_, again) = act(&mut ledger, "alice", 0, Act::Void { hold: second }).unwrap();
    assert_eq!(again.unwrap().code, DeclineCode::HoldEnded);
    assert!(seq > second);
    assert_eq!(ledger.partition.books().get(USD, Book::Held), 0);
}

#[test]
fn limits_are_those_of_amount_and_tolerance_together() {
    for (with, code) in [
        (Box::new(|_: &mut OpenSession<'_>| {}) as Box<dyn Fn(&mut OpenSession<'_>)>, DeclineCode::Cap),
        (Box::new(|asked| asked.debit_max = nanos(100)), DeclineCode::AboveDebitMax),
        (Box::new(|asked| asked.default_payee_cap = nanos(100)), DeclineCode::PayeeCap),
        (
            Box::new(|asked| asked.clauses.approval_above = tallystick_core::Cap::of(nanos(99))),
            DeclineCode::ApprovalRequired,
        ),
    ] {
        let approval = code == DeclineCode::ApprovalRequired;
        let mut ledger = world(|asked| with(asked));
        let place = Act::Hold { tolerance: nanos(if approval { 50 } else { 51 }), until: Time::ZERO };
        assert_eq!(act(&mut ledger, "alice", 50, place).unwrap().1.unwrap().code, code);
        assert_eq!(counts(&ledger), (0, 0, 100));
    }
}

#[test]
fn what_is_held_for_a_payee_counts_in_its_cap_until_it_is_given_back() {
    let mut ledger = world(|asked| asked.default_payee_cap = nanos(50));
    let held = hold(&mut ledger, 40, 0, 500);
    assert_eq!(ledger.payee_left("alice"), Some(nanos(10)));
    assert_eq!(ledger.pay("alice", 11, USD).unwrap().code, DeclineCode::PayeeCap);
    assert_eq!(ledger.pay("bob", 50, USD), None);
    assert_eq!(capture(&mut ledger, held, 40, false), None);
    assert_eq!(ledger.pay("alice", 10, USD), None);
}

#[test]
fn its_time_is_over_exactly() {
    let mut ledger = world(|_| {});
    let held = hold(&mut ledger, 100, 0, 500);
    ledger.now = ledger.at(499);
    assert_eq!(ledger.pay("bob", 1, USD).unwrap().code, DeclineCode::Cap);
    assert_eq!(capture(&mut ledger, held, 1, false), None);
    ledger.now = ledger.at(500);
    let asked = act(&mut ledger, "alice", 1, Act::Capture { hold: held, last: false });
    assert_eq!(asked, Err(Refusal::HoldDue), "a record says first that it is over");
    let id = ledger.session.unwrap();
    assert_eq!(ledger.partition.due_session(ledger.now), Some(id));
    assert_eq!(ledger.partition.next_step(id, ledger.now), Some(Step::Lapse(id)));
    lapse(&mut ledger);
    assert_eq!(counts(&ledger), (1, 0, 99));
    assert_eq!(ledger.pay("bob", 1, USD), None);
}

#[test]
fn room_is_asked_of_holds_that_are_over_before_anything_is_declined() {
    let mut ledger = world(|asked| asked.default_payee_cap = nanos(60));
    hold(&mut ledger, 60, 0, 500);
    ledger.now = ledger.at(500);
    let id = ledger.session.unwrap();
    for (name, amount) in [("bob", 60), ("alice", 1)] {
        let key = ledger.draw().to_string();
        let command = ledger.debit(name, amount, USD, key.as_bytes());
        let (decided, _) = decide::debit(&ledger.partition, &command, ledger.now).unwrap();
        let decide::Decided::Record(Record::Debited(debited)) = decided else { panic!("{decided:?}") };
        assert!(debited.verdict.is_some(), "{name}");
        assert_eq!(ledger.partition.due_for_debit(&debited, ledger.now), Some(id), "{name}");
    }
}

#[test]
fn a_late_capture_is_a_debit_and_says_of_which_hold() {
    let mut ledger = world(|_| {});
    let held = hold(&mut ledger, 60, 0, 500);
    ledger.now = ledger.at(500);
    lapse(&mut ledger);
    assert_eq!(ledger.pay("bob", 90, USD), None);
    let command = |amount| (amount, Act::Capture { hold: held, last: true });
    let (amount, late) = command(11);
    assert_eq!(act(&mut ledger, "alice", amount, late).unwrap().1.unwrap().code, DeclineCode::Cap);
    let (amount, late) = command(10);
    let key = ledger.draw().to_string();
    let asked = Debit { act: late, ..ledger.debit("alice", amount, USD, key.as_bytes()) };
    let (decided, _) = decide::debit(&ledger.partition, &asked, ledger.now).unwrap();
    let decide::Decided::Record(record) = decided else { panic!("{decided:?}") };
    assert!(matches!(record, Record::Debited(Debited { late: true, .. })) && record.kind() == 40);
    ledger.write(&record);
    sound(&ledger);
    assert_eq!(counts(&ledger), (100, 0, 0));
    ledger.now = ledger.at(1_000);
    let (_, no) = act(&mut ledger, "alice", 1, late).unwrap();
    assert_eq!(no.unwrap().code, DeclineCode::SessionEnded);
}

#[test]
fn captures_go_on_while_the_session_closes_and_it_settles_when_the_last_hold_ends() {
    let mut ledger = world(|_| {});
    let held = hold(&mut ledger, 30, 0, 2_000);
    let id = ledger.session.unwrap();
    assert_eq!(decide::settle(&ledger.partition, id, ledger.now, false), Err(Refusal::OpenHolds));
    ledger.now = ledger.at(1_500);
    assert_eq!(ledger.partition.next_step(id, ledger.now), Some(Step::Close(id)));
    let decide::Decided::Record(record) = decide::close(&ledger.partition, id).unwrap() else { panic!() };
    ledger.write(&record);
    sound(&ledger);
    assert_eq!(ledger.partition.next_step(id, ledger.now), None, "it waits");
    assert_eq!(ledger.partition.due_session(ledger.now), None, "and keeps nobody from the rest");
    assert_eq!(ledger.pay("alice", 1, USD).unwrap().code, DeclineCode::SessionEnded);
    let place = Act::Hold { tolerance: Amount::ZERO, until: Time::ZERO };
    assert_eq!(act(&mut ledger, "alice", 1, place).unwrap().1.unwrap().code, DeclineCode::SessionEnded);
    assert_eq!(capture(&mut ledger, held, 10, false), None);
    ledger.now = ledger.at(2_000);
    assert_eq!(ledger.partition.due_session(ledger.now), Some(id));
    lapse(&mut ledger);
    let step = ledger.partition.next_step(id, ledger.now);
    assert_eq!(step, Some(Step::Settle { session: id, cascading: false }));
    let record = decide::settle(&ledger.partition, id, ledger.now, false).unwrap();
    let Record::SessionSettled(settled) = &record else { panic!("{record:?}") };
    assert_eq!((settled.total, settled.released), (nanos(10), nanos(90)));
    ledger.write(&record);
    sound(&ledger);
}

#[test]
fn what_a_shared_session_holds_is_held_above_it() {
    let mut ledger = world(|asked| asked.mode = Mode::Shared);
    let account = ledger.account.unwrap();
    let held = hold(&mut ledger, 70, 10, 0);
    let available = |ledger: &Ledger| ledger.partition.account(account).unwrap().available().nanos();
    assert_eq!(available(&ledger), 220);
    assert_eq!(capture(&mut ledger, held, 50, false), None);
    assert_eq!(available(&ledger), 220);
    let (_, no) = act(&mut ledger, "alice", 0, Act::Void { hold: held }).unwrap();
    assert_eq!((no, available(&ledger)), (None, 250));
    sound(&ledger);
}

#[test]
fn what_is_asked_of_the_wrong_hold_changes_nothing() {
    let mut ledger = world(|_| {});
    let held = hold(&mut ledger, 10, 0, 0);
    let before = format!("{:?}", ledger.partition);
    let until = |ledger: &Ledger, ns| Act::Hold { tolerance: Amount::ZERO, until: ledger.at(ns) };
    let grace = 7 * 86_400_000_000_000 + 1_000;
    let refused = [
        act(&mut ledger, "alice", 1, Act::Capture { hold: 999, last: false }),
        act(&mut ledger, "bob", 1, Act::Capture { hold: held, last: false }),
        act(&mut ledger, "alice", 1, Act::Void { hold: held }),
        act(&mut ledger, "alice", 0, Act::Capture { hold: held, last: false }),
        {
            let act_ = until(&ledger, 0);
            act(&mut ledger, "alice", 1, act_)
        },
        {
            let act_ = until(&ledger, grace + 1);
            act(&mut ledger, "alice", 1, act_)
        },
    ];
    assert_eq!(refused[0], Err(Refusal::UnknownHold));
    assert!(refused[1..].iter().all(|no| matches!(no, Err(Refusal::Malformed { .. }))), "{refused:?}");
    assert_eq!(format!("{:?}", ledger.partition), before);
}

#[test]
fn the_same_key_says_the_same_and_names_what_differs() {
    let mut ledger = world(|_| {});
    let asked = |ledger: &Ledger, tolerance| Debit {
        act: Act::Hold { tolerance: nanos(tolerance), until: Time::ZERO },
        ..ledger.debit("alice", 10, Currency::UNSTATED, b"once")
    };
    let first = asked(&ledger, 2);
    assert_eq!(ledger.decide(&first).unwrap(), (None, None));
    let (replay, _) = ledger.decide(&first).unwrap();
    assert_eq!(replay.unwrap().taken, nanos(10));
    let other = asked(&ledger, 3);
    let field = "tolerance_nanos, capture_until or evidence_hash";
    assert_eq!(ledger.decide(&other).unwrap_err(), Refusal::KeyReused { field });
    let debit = Debit { intent: Intent::Key(b"once"), act: Act::Debit, ..first };
    assert_eq!(ledger.decide(&debit).unwrap_err(), Refusal::KeyReused { field: "act" });
    let session = ledger.session();
    assert_eq!(session.open_holds(), 1);
    assert!(session.holds().unwrap().ended().all(|(_, end, _)| end == HoldEnd::Done));
}

#[test]
fn a_secret_is_asked_for_before_anything_is_told() {
    let secret = tallystick_core::session::SecretHash([7; 32]);
    let mut ledger = world(|asked| asked.clauses.secret = Some(secret));
    let other = tallystick_core::session::SecretHash([8; 32]);
    let plain = ledger.debit("alice", 10, USD, b"k");
    assert_eq!(ledger.decide(&plain).unwrap_err(), Refusal::SecretWrong);
    assert_eq!(ledger.decide(&Debit { proof: Some(&other), ..plain }).unwrap_err(), Refusal::SecretWrong);
    assert_eq!(ledger.decide(&Debit { proof: Some(&secret), ..plain }).unwrap(), (None, None));
    assert_eq!(ledger.decide(&plain).unwrap_err(), Refusal::SecretWrong, "nor is a replay told");
}
