//! A capture comes after its hold has ended: it is a debit like any other, meets every limit as things are then, says what it
//! is, and is told the same when it is asked again.

use tallystick_core::{DeclineCode, EnvelopeId, Next};
use tallystick_sim::{
    asked::NewSession,
    script::{Script, below, by_key, captured, code, held, nanos},
};

#[test]
fn it_is_a_debit_like_any_other() {
    let script = Script::begin(3);
    let (account, payee, other) =
        (script.account("payer", 1_000), script.payee("payee"), script.payee("other"));
    let new = NewSession { approval_above: nanos(45), ..below(EnvelopeId::Account(account), "session", 100) };
    let session = script.opened(new);
    let hold = script.debit(held(by_key(session, payee, 40, "hold"), 5, script.after(60))).seq;
    assert_eq!(code(&script.debit(by_key(session, other, 45, "beside it"))), None);
    script.pass(60);
    // What was held is given to another before the capture comes.
    assert_eq!(code(&script.debit(by_key(session, other, 30, "instead"))), None);
    let short = script.debit(captured(by_key(session, payee, 40, "late"), hold, true));
    assert_eq!((code(&short), short.late, short.remaining), (Some(DeclineCode::Cap), true, nanos(25)));
    let fits = captured(by_key(session, payee, 25, "late, and less"), hold, true);
    let took = script.debit(fits.clone());
    assert_eq!((code(&took), took.late, took.remaining, took.held), (None, true, nanos(0), nanos(0)));
    script.restart(5, 0);
    let again = script.debit(fits);
    assert_eq!((again.seq, again.replayed, again.taken), (took.seq, true, nanos(25)));
    assert_eq!(script.settle(session, false).total, nanos(100));
    assert_eq!((script.owed(payee), script.owed(other)), (25, 75));
    script.end();
}

#[test]
fn it_meets_the_threshold_that_a_capture_in_time_does_not() {
    let script = Script::begin(1);
    let (account, payee) = (script.account("payer", 1_000), script.payee("payee"));
    let session = script.opened(below(EnvelopeId::Account(account), "session", 500));
    let small = NewSession { approval_above: nanos(50), ..below(EnvelopeId::Session(session), "small", 100) };
    let small = script.opened(small);
    let until = script.after(60);
    let hold = script.debit(held(by_key(small, payee, 50, "hold"), 0, until)).seq;
    let over = script.debit(held(by_key(small, payee, 50, "one more"), 1, until));
    assert_eq!(code(&over), Some(DeclineCode::Cap), "amount and tolerance are tested together");
    assert_eq!(code(&script.debit(captured(by_key(small, payee, 20, "in time"), hold, false))), None);
    script.pass(60);
    let late = script.debit(captured(by_key(small, payee, 51, "late"), hold, false));
    assert_eq!((code(&late), late.late), (Some(DeclineCode::ApprovalRequired), true));
    assert_eq!(late.decline.map(|no| no.next), Some(Next::AskApproval));
    script.end();
}
