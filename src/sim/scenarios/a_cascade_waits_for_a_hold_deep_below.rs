//! A parent is settled with a cascade while a hold is open four levels below: what can settle does at once, what stands above
//! the hold waits and takes nothing new, and all of it settles, from the leaf up, when the hold ends.

use tallystick_core::{DeclineCode, EnvelopeId, session::Mode, settlement::Reason};
use tallystick_sim::{
    asked::NewSession,
    script::{Script, below, by_key, captured, code, held, nanos},
};

fn waits(mode: Mode, captures: bool, dies: bool) {
    let script = Script::begin(3);
    let (account, payee) = (script.account("payer", 1_000), script.payee("payee"));
    let mut path = vec![script.opened(below(EnvelopeId::Account(account), "root", 500))];
    for (key, cap) in [("one", 400), ("two", 300), ("three", 200)] {
        let above = path.last().copied().map(EnvelopeId::Session);
        let above = above.unwrap_or(EnvelopeId::Account(account));
        path.push(script.opened(NewSession { mode, ..below(above, key, cap) }));
    }
    let [root, one, two, three] = path[..] else { panic!("{path:?}") };
    let beside = script.opened(NewSession { mode, ..below(EnvelopeId::Session(one), "beside", 50) });
    script.debit(by_key(beside, payee, 7, "beside"));
    let hold = script.debit(held(by_key(three, payee, 60, "hold"), 20, script.after(100))).seq;
    let view = script.closing(root, true);
    assert_eq!((view.closing, view.open_children), (true, 1));
    assert_eq!(script.settled(beside).map(|settled| settled.reason), Some(Reason::Cascade));
    if dies {
        script.restart(2, 0);
    }
    for (nth, session) in [root, one, two, three].into_iter().enumerate() {
        assert_eq!(script.settled(session), None);
        let late = script.debit(by_key(session, payee, 1, &format!("too late {nth}")));
        assert_eq!(code(&late), Some(DeclineCode::SessionEnded));
    }
    let taken = if captures {
        let took = script.debit(captured(by_key(three, payee, 33, "in time"), hold, true));
        assert_eq!(code(&took), None);
        33
    } else {
        script.pass(100);
        0
    };
    script.sweep();
    for (session, reason) in
        [(root, Reason::Closed), (one, Reason::Cascade), (two, Reason::Cascade), (three, Reason::Cascade)]
    {
        assert_eq!(script.settled(session).map(|settled| settled.reason), Some(reason), "{session}");
    }
    let root = script.settle(root, true);
    assert_eq!((root.spent_below, root.released), (nanos(7 + taken), nanos(500 - 7 - taken)));
    assert_eq!(script.owed(payee), u128::from(7 + taken));
    script.end();
}

#[test]
fn until_it_is_captured_or_over() {
    for mode in [Mode::Reserved, Mode::Shared] {
        for (captures, dies) in [(false, false), (false, true), (true, false), (true, true)] {
            waits(mode, captures, dies);
        }
    }
}
