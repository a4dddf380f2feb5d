//! A hold's last nanosecond, with its session settled before, at or after it, and with the process dying in between: a capture
//! before the end is the hold's, one at the end is not; and what is left settles the session by itself, once.

use tallystick_core::{DeclineCode, EnvelopeId, settlement::Reason};
use tallystick_sim::script::{Script, below, by_key, captured, code, held, nanos, voided};

#[derive(Clone, Copy, PartialEq)]
enum Settled {
    BeforeIt,
    AtIt,
    Never,
}

fn race(settled: Settled, dies: bool, swept: bool) {
    let script = Script::begin(3);
    let (account, payee) = (script.account("payer", 1_000), script.payee("payee"));
    let session = script.opened(below(EnvelopeId::Account(account), "session", 100));
    let until = script.after(60);
    let hold = script.debit(held(by_key(session, payee, 40, "hold"), 10, until)).seq;
    if settled == Settled::BeforeIt {
        assert!(script.closing(session, false).closing);
        // It is closing, and asked again it says so again.
        assert_eq!(script.closing(session, true).held, nanos(50));
        let late = script.debit(by_key(session, payee, 1, "while it closes"));
        assert_eq!(code(&late), Some(DeclineCode::SessionEnded));
    }
    script.pass_until(until, 1);
    if dies {
        script.restart(2, 0);
    }
    if swept {
        script.sweep();
    }
    let first = script.debit(captured(by_key(session, payee, 30, "in time"), hold, false));
    assert_eq!((code(&first), first.late, first.held), (None, false, nanos(20)));
    script.pass_until(until, 0);
    if swept {
        script.sweep();
    }
    if settled == Settled::AtIt {
        assert_eq!(script.settle(session, false).total, nanos(30));
    } else if settled == Settled::Never {
        let second = script.debit(captured(by_key(session, payee, 20, "at the end"), hold, false));
        assert_eq!((code(&second), second.late, second.held), (None, true, nanos(0)));
        let void = script.debit(voided(by_key(session, payee, 0, "void"), hold));
        assert_eq!(code(&void), Some(DeclineCode::HoldEnded));
    } else if !swept {
        let second = script.debit(captured(by_key(session, payee, 20, "at the end"), hold, false));
        assert_eq!((code(&second), second.late), (Some(DeclineCode::SessionEnded), true));
        script.sweep();
    }
    if settled != Settled::Never {
        let found = script.settled(session).unwrap_or_else(|| panic!("it does not settle by itself"));
        assert_eq!((found.total, found.released, found.reason), (nanos(30), nanos(70), Reason::Closed));
    }
    script.end();
}

#[test]
fn a_capture_against_its_end_against_the_settlement() {
    for settled in [Settled::BeforeIt, Settled::AtIt, Settled::Never] {
        for (dies, swept) in [(false, false), (false, true), (true, false), (true, true)] {
            race(settled, dies, swept);
        }
    }
}

#[test]
fn the_last_capture_settles_what_is_closing() {
    let script = Script::begin(2);
    let (account, payee) = (script.account("payer", 1_000), script.payee("payee"));
    let session = script.opened(below(EnvelopeId::Account(account), "session", 100));
    let hold = script.debit(held(by_key(session, payee, 40, "hold"), 10, script.after(60))).seq;
    script.closing(session, false);
    script.sweep();
    assert_eq!(script.settled(session), None, "it waits for the hold");
    script.debit(captured(by_key(session, payee, 5, "first"), hold, false));
    script.sweep();
    assert_eq!(script.settled(session), None, "it waits for what is left of it");
    script.debit(captured(by_key(session, payee, 15, "last"), hold, true));
    script.sweep();
    let found = script.settled(session).unwrap_or_else(|| panic!("it does not settle by itself"));
    assert_eq!((found.total, found.released, found.debit_count), (nanos(20), nanos(80), 2));
    assert_eq!(script.owed(payee), 20);
    script.end();
}
