//! The auditor alone, on answers that cannot all be true: each contradiction is found, and named by its invariant.
#![allow(clippy::unwrap_used, reason = "a test")]

use tallystick_core::{
    AccountId, Amount, Currency, Decline, DeclineCode, EnvelopeId, Level, Next, PayeeId, Refusal, SessionId,
    Time,
    books::BOOKS,
    command::Act,
    control::{Control, Promises, State},
    id::Place,
    settlement::{Line, Reason, Settlement},
};
use tallystick_engine::{Answer, DebitAnswer, Fault, SessionShown, SettleAnswer, Totals};
use tallystick_sim::{
    asked::{Asked, Heard, Named, NewDebit, Stopped, Told},
    audit::Auditor,
};

const PLACE: Place = Place { partition: 3, slot: 1, generation: 0 };
const SESSION: SessionId = SessionId::new(PLACE, 7);
const PAYEE: PayeeId = PayeeId::new(PLACE, 8);

fn nanos(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

fn debit(key: &str, amount: u64) -> NewDebit {
    NewDebit {
        session: SESSION,
        act: Act::Debit,
        proof: None,
        payee: PAYEE,
        amount: nanos(amount),
        currency: Currency::UNSTATED,
        named: Named::Key(key.into()),
        reference: String::new(),
        evidence: None,
        partial: false,
    }
}

fn approved(ask: &NewDebit, seq: u64) -> DebitAnswer {
    DebitAnswer {
        act: ask.act,
        late: false,
        hold: None,
        session: SESSION,
        seq,
        at: Time::from_ns(1_000 + seq),
        amount: ask.amount,
        taken: ask.amount,
        decline: None,
        limit_of: None,
        remaining: nanos(500),
        is_final: false,
        payee_remaining: None,
        held: Amount::ZERO,
        replayed: false,
    }
}

fn declined(ask: &NewDebit, seq: u64, code: DeclineCode) -> DebitAnswer {
    DebitAnswer {
        taken: Amount::ZERO,
        decline: Some(Decline { code, level: Level::Session, next: Next::Nothing }),
        limit_of: Some(EnvelopeId::Session(SESSION)),
        ..approved(ask, seq)
    }
}

fn settled(amount: u64, count: u64, seq: u64) -> Settlement {
    Settlement {
        session: SESSION,
        account: AccountId::new(PLACE, 9),
        currency: Currency::from_number(840),
        reason: Reason::Closed,
        lines: vec![Line { payee: PAYEE, amount: nanos(amount), debit_count: count }],
        total: nanos(amount),
        released: nanos(1),
        debit_count: count,
        opened_at: Time::from_ns(1),
        settled_at: Time::from_ns(2),
        seq,
        parent: None,
        spent_below: Amount::ZERO,
    }
}

/// Lets an auditor listen, and returns what it says of the last answer; those before it are fine.
fn says(told: Vec<(Asked, Heard)>) -> String {
    let mut auditor = Auditor::default();
    let last = told.len();
    for (call, (asked, heard)) in (1..).zip(told) {
        auditor.asked(call, &asked);
        match auditor.heard(call, &heard) {
            Ok(()) => {}
            Err(wrong) if call == last as u64 => return wrong.0,
            Err(wrong) => panic!("answer {call} is fine: {wrong}"),
        }
    }
    "nothing".into()
}

fn paid(ask: NewDebit, answer: DebitAnswer) -> (Asked, Heard) {
    (Asked::Debit(ask), Ok(Told::Debit(answer)))
}

fn close(settlement: Settlement) -> (Asked, Heard) {
    let answer = Answer {
        seq: settlement.seq,
        value: SettleAnswer { session: SessionShown::Settled(Box::new(settlement)), cascaded: 0 },
        replayed: false,
    };
    (Asked::Settle { session: SESSION, cascade: false }, Ok(Told::Settle(answer)))
}

#[test]
fn one_key_has_one_answer() {
    let (one, other) = (debit("a", 5), debit("a", 6));
    let first = || paid(one.clone(), approved(&one, 10));
    assert!(says(vec![first(), paid(one.clone(), approved(&one, 11))]).starts_with("I3"));
    let no = Some(Decline { code: DeclineCode::Cap, level: Level::Session, next: Next::NewKey });
    let again = DebitAnswer { replayed: true, taken: nanos(0), decline: no, ..approved(&one, 10) };
    assert!(says(vec![first(), paid(one.clone(), again)]).starts_with("I3"));
    let refused = |field| (Asked::Debit(other.clone()), Err(Fault::Refused(Refusal::KeyReused { field })));
    assert_eq!(says(vec![first(), refused("amount_nanos")]), "nothing");
    assert!(says(vec![first(), refused("payee_id")]).starts_with("I3"));
    // It is the same when what was decided is heard of later.
    assert!(says(vec![refused("payee_id"), first()]).starts_with("I3"));
}

#[test]
fn nothing_is_approved_after_an_end() {
    let (no, yes) = (debit("a", 5), debit("b", 5));
    let ended = || paid(no.clone(), declined(&no, 20, DeclineCode::SessionEnded));
    assert_eq!(says(vec![ended(), paid(yes.clone(), approved(&yes, 19))]), "nothing");
    assert!(says(vec![ended(), paid(yes.clone(), approved(&yes, 21))]).starts_with("I9"));
    let closed = close(settled(0, 0, 20));
    assert!(says(vec![closed, paid(yes.clone(), approved(&yes, 21))]).starts_with("I5"));
    let early = DebitAnswer { at: Time::from_ns(1), ..approved(&yes, 21) };
    let before = paid(no.clone(), approved(&no, 20));
    assert!(says(vec![before, paid(yes.clone(), early)]).starts_with("I9"));
}

#[test]
fn a_decline_says_whose_limit_and_offers_what_is_of_use() {
    let ask = debit("a", 5);
    let cap = DebitAnswer { remaining: nanos(4), ..declined(&ask, 10, DeclineCode::Cap) };
    let with = |next, limit_of| {
        let decline = Some(Decline { code: DeclineCode::Cap, level: Level::Session, next });
        says(vec![paid(ask.clone(), DebitAnswer { decline, limit_of, ..cap })])
    };
    let own = Some(EnvelopeId::Session(SESSION));
    assert_eq!(with(Next::SmallerAmount(nanos(4)), own), "nothing");
    assert!(with(Next::SmallerAmount(nanos(5)), own).starts_with("I4"));
    assert!(with(Next::SmallerAmount(nanos(4)), None).starts_with("I4"));
    assert!(with(Next::NewKey, own).starts_with("I4"));
    assert!(with(Next::WaitUntil(Time::from_ns(u64::MAX)), own).starts_with("I4"));
}

#[test]
fn a_settlement_has_each_debit_once() {
    let ask = debit("a", 5);
    let one = || paid(ask.clone(), approved(&ask, 10));
    assert_eq!(says(vec![one(), close(settled(5, 1, 20))]), "nothing");
    assert!(says(vec![one(), close(settled(4, 1, 20))]).starts_with("I5"));
    assert!(says(vec![one(), close(settled(10, 2, 20))]).starts_with("I5"));
    assert!(says(vec![one(), close(Settlement { total: nanos(6), ..settled(5, 1, 20) })]).starts_with("I5"));
    let again = close(Settlement { reason: Reason::Expired, ..settled(5, 1, 20) });
    assert!(says(vec![one(), close(settled(5, 1, 20)), again]).starts_with("I5"));
}

#[test]
fn totals_know_of_all_that_was_heard_and_sum_to_nothing() {
    let ask = debit("a", 5);
    let with = |seq, first| {
        let mut books = [0; BOOKS];
        (books[0], books[5]) = (first, 5);
        let books = [(Currency::from_number(840), books)].into();
        let totals = Totals { whole_through_seq: seq, seq, open_sessions: 1, books };
        let one = paid(ask.clone(), approved(&ask, 10));
        says(vec![one, (Asked::Totals, Ok(Told::Totals(totals)))])
    };
    assert_eq!(with(10, -5), "nothing");
    assert!(with(9, -5).starts_with("I2"));
    assert!(with(10, -4).starts_with("I6"));
}

#[test]
fn what_was_there_is_there() {
    let gone = (Asked::ShowSettlement(SESSION.settlement()), Err(Fault::Refused(Refusal::UnknownSettlement)));
    assert_eq!(says(vec![gone.clone()]), "nothing");
    assert!(says(vec![close(settled(0, 0, 20)), gone]).starts_with("I2"));
}

#[test]
fn no_more_is_captured_than_was_held_and_nothing_after_its_end() {
    let until = Time::from_ns(1_500);
    let ask = NewDebit { act: Act::Hold { tolerance: nanos(2), until }, ..debit("hold", 8) };
    let hold = || paid(ask.clone(), approved(&ask, 10));
    let capture = |key, amount, seq| {
        let one = NewDebit { act: Act::Capture { hold: 10, last: false }, ..debit(key, amount) };
        paid(one.clone(), approved(&one, seq))
    };
    assert_eq!(says(vec![hold(), capture("a", 6, 11), capture("b", 4, 12)]), "nothing");
    assert!(says(vec![hold(), capture("a", 6, 11), capture("b", 5, 12)]).starts_with("I1"));
    assert!(says(vec![hold(), capture("a", 1, 500)]).starts_with("I9"), "at its very end");
    let void = |taken, seq| {
        let one = NewDebit { act: Act::Void { hold: 10 }, ..debit("void", 0) };
        paid(one.clone(), DebitAnswer { taken: nanos(taken), ..approved(&one, seq) })
    };
    assert_eq!(says(vec![hold(), capture("a", 6, 11), void(4, 12)]), "nothing");
    assert!(says(vec![hold(), capture("a", 6, 11), void(5, 12)]).starts_with("I1"));
    assert!(says(vec![hold(), void(10, 11), capture("a", 1, 12)]).starts_with("I1"));
    let settled = |at| close(Settlement { settled_at: Time::from_ns(at), ..settled(0, 0, 20) });
    let none = |at| {
        let (asked, heard) = settled(at);
        let Ok(Told::Settle(mut answer)) = heard else { panic!() };
        if let SessionShown::Settled(settlement) = &mut answer.value.session {
            settlement.lines.clear();
        }
        (asked, Ok(Told::Settle(answer)))
    };
    assert_eq!(says(vec![hold(), none(1_500)]), "nothing");
    assert!(says(vec![hold(), none(1_499)]).starts_with("I9"), "a hold is still open");
}

#[test]
fn nothing_is_approved_below_a_stop() {
    let word = |to, epoch, seq| {
        let on = Stopped::Session(SESSION);
        let named = (to == State::Open).then_some(epoch - 1);
        let value = Control { state: to, epoch, ..Control::default() };
        let asked = Asked::Control { on, to, epoch: named, note: String::new() };
        (asked, Ok(Told::Control(Answer { value, seq, replayed: false })))
    };
    let ask = debit("a", 5);
    let one = |seq| paid(ask.clone(), approved(&ask, seq));
    assert_eq!(says(vec![word(State::Paused, 1, 20), one(19)]), "nothing");
    assert!(says(vec![word(State::Paused, 1, 20), one(21)]).starts_with("I10"));
    assert_eq!(says(vec![word(State::Paused, 1, 20), word(State::Open, 2, 30), one(31)]), "nothing");
    let revoked = State::Revoked(Promises::Honour);
    assert!(says(vec![one(21), word(revoked, 1, 20)]).starts_with("I10"), "in whatever order it is heard");
    assert!(says(vec![word(State::Paused, 1, 20), word(revoked, 1, 30)]).starts_with("I10"));
}
