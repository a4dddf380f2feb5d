//! A hold's time is over, nobody has swept, and another lacks the room that it held, in whichever limit that is: he has it at
//! that very nanosecond, and not at the one before.

use tallystick_core::{DeclineCode, EnvelopeId, session::Mode};
use tallystick_sim::{
    asked::NewSession,
    script::{Script, below, by_key, code, held, nanos},
};

#[test]
fn in_the_cap_above_through_a_shared_session() {
    let script = Script::begin(3);
    let (account, payee) = (script.account("payer", 1_000), script.payee("payee"));
    let top = script.opened(below(EnvelopeId::Account(account), "top", 100));
    let shared = |key| NewSession { mode: Mode::Shared, ..below(EnvelopeId::Session(top), key, 100) };
    let (holder, other) = (script.opened(shared("holder")), script.opened(shared("other")));
    let until = script.after(60);
    script.debit(held(by_key(holder, payee, 70, "hold"), 30, until));
    script.pass_until(until, 1);
    assert_eq!(code(&script.debit(by_key(other, payee, 1, "too soon"))), Some(DeclineCode::Cap));
    script.pass_until(until, 0);
    assert_eq!(code(&script.debit(by_key(other, payee, 100, "at the end"))), None);
    assert_eq!(script.shown(top).held, nanos(0));
    script.end();
}

#[test]
fn in_the_cap_for_a_payee_above_through_a_reserved_session() {
    let script = Script::begin(3);
    let (account, payee) = (script.account("payer", 1_000), script.payee("payee"));
    let top = below(EnvelopeId::Account(account), "top", 500);
    let top = script.opened(NewSession { payee_caps: vec![(payee, nanos(50))], ..top });
    let holder = script.opened(below(EnvelopeId::Session(top), "holder", 100));
    let other = script.opened(below(EnvelopeId::Session(top), "other", 100));
    let until = script.after(60);
    script.debit(held(by_key(holder, payee, 45, "hold"), 5, until));
    script.pass_until(until, 1);
    assert_eq!(code(&script.debit(by_key(other, payee, 1, "too soon"))), Some(DeclineCode::PayeeCap));
    script.pass_until(until, 0);
    assert_eq!(code(&script.debit(by_key(other, payee, 50, "at the end"))), None);
    script.end();
}

#[test]
fn for_a_session_to_be_opened_and_money_to_be_taken_out() {
    let script = Script::begin(3);
    let (account, payee) = (script.account("payer", 100), script.payee("payee"));
    let own = NewSession { mode: Mode::Shared, ..below(EnvelopeId::Account(account), "own", 100) };
    let own = script.opened(own);
    let until = script.after(60);
    script.debit(held(by_key(own, payee, 60, "hold"), 40, until));
    script.pass_until(until, 1);
    assert_eq!(script.open(below(EnvelopeId::Account(account), "soon", 1)), Err(DeclineCode::Cap));
    script.pass_until(until, 0);
    script.opened(below(EnvelopeId::Account(account), "now", 100));
    script.end();
}
