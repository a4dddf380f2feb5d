//! What was promised meets a stop: a pause lets captures go on and nothing else begin, a revocation that honours holds waits for
//! them, one that voids them gives them back, and an operator who knows an older state lets nothing go.

use tallystick_core::{
    DeclineCode, EnvelopeId, Refusal, Time,
    control::{Control, Promises, State},
    settlement::Reason,
};
use tallystick_engine::Fault;
use tallystick_sim::{
    asked::{Asked, Stopped, Told},
    script::{Script, below, by_key, captured, code, held, nanos},
};

fn set(script: &Script, on: &Stopped, to: State, epoch: Option<u64>) -> Result<Control, Fault> {
    let asked = Asked::Control { on: on.clone(), to, epoch, note: "operator".into() };
    script.ask(asked).map(|told| match told {
        Told::Control(answer) => answer.value,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_pause_far_above_stops_all_but_captures_until_it_is_let_go() {
    let script = Script::begin(3);
    let (account, payee) = (script.account("payer", 1_000), script.payee("payee"));
    let top = script.opened(below(EnvelopeId::Account(account), "top", 500));
    let low = script.opened(below(EnvelopeId::Session(top), "low", 200));
    let hold = script.debit(held(by_key(low, payee, 50, "hold"), 0, Time::ZERO)).seq;
    let on = Stopped::Account(account);
    let paused = set(&script, &on, State::Paused, None).unwrap_or_else(|fault| panic!("{fault}"));
    script.restart(2, 0);
    assert_eq!(code(&script.debit(by_key(low, payee, 1, "paused"))), Some(DeclineCode::Paused));
    let promised = script.debit(held(by_key(low, payee, 1, "paused, to hold"), 0, Time::ZERO));
    assert_eq!(code(&promised), Some(DeclineCode::Paused));
    assert_eq!(script.open(below(EnvelopeId::Session(low), "paused", 1)), Err(DeclineCode::Paused));
    assert_eq!(code(&script.debit(captured(by_key(low, payee, 20, "promised"), hold, false))), None);
    let fenced = set(&script, &on, State::Open, Some(paused.epoch - 1));
    assert_eq!(fenced, Err(Fault::Refused(Refusal::ControlFenced { epoch: paused.epoch })));
    assert!(set(&script, &on, State::Open, Some(paused.epoch)).is_ok());
    assert_eq!(code(&script.debit(by_key(low, payee, 1, "let go"))), None);
    script.end();
}

#[test]
fn a_revocation_settles_what_was_spent_and_honours_or_voids_what_was_promised() {
    for (promises, captures) in [(Promises::Honour, true), (Promises::Honour, false), (Promises::Void, false)]
    {
        let script = Script::begin(3);
        let (account, payee) = (script.account("payer", 1_000), script.payee("payee"));
        let top = script.opened(below(EnvelopeId::Account(account), "top", 500));
        let low = script.opened(below(EnvelopeId::Session(top), "low", 200));
        let until = script.after(60);
        let hold = script.debit(held(by_key(low, payee, 50, "hold"), 0, until)).seq;
        script.debit(by_key(top, payee, 5, "spent"));
        assert!(set(&script, &Stopped::Session(top), State::Revoked(promises), None).is_ok());
        script.sweep();
        assert_eq!(script.settled(low).is_some(), promises == Promises::Void);
        let late = captured(by_key(low, payee, 30, "promised"), hold, true);
        let mut spent = 0;
        if captures {
            assert_eq!(code(&script.debit(late)), None);
            spent = 30;
        } else if promises == Promises::Void {
            assert_eq!(script.ask(Asked::Debit(late)), Err(Fault::Refused(Refusal::SessionRetired)));
        } else {
            script.pass(60);
        }
        script.sweep();
        let settled = script.settled(top).unwrap_or_else(|| panic!("what was revoked stays"));
        assert_eq!((settled.reason, settled.total), (Reason::Revoked, nanos(5)));
        assert_eq!((settled.spent_below, settled.released), (nanos(spent), nanos(495 - spent)));
        script.end();
    }
}
