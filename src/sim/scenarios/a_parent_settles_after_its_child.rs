//! A parent is settled after its child: each debit is in one settlement, and none in both.

use tallystick_core::{EnvelopeId, Refusal, session::Mode};
use tallystick_engine::Fault;
use tallystick_sim::{
    asked::{Asked, NewSession},
    script::{Script, below, by_key, nanos},
};

fn each_debit_once(mode: Mode, cascade: bool) {
    let script = Script::begin(3);
    let (account, payee, other) =
        (script.account("payer", 1_000), script.payee("one"), script.payee("other"));
    let parent = script.opened(below(EnvelopeId::Account(account), "parent", 500));
    let child = NewSession { mode, ..below(EnvelopeId::Session(parent), "child", 100) };
    let child = script.opened(child);
    script.debit(by_key(child, payee, 30, "child pays one"));
    script.debit(by_key(parent, payee, 50, "parent pays one"));
    script.debit(by_key(child, other, 7, "child pays the other"));
    let refused = script.ask(Asked::Settle { session: parent, cascade: false });
    assert_eq!(refused, Err(Fault::Refused(Refusal::OpenChildren)));
    if !cascade {
        assert_eq!(script.settle(child, false).total, nanos(37));
        script.restart(5, 0);
    }
    let settled = script.settle(parent, cascade);
    assert_eq!((settled.total, settled.spent_below, settled.released), (nanos(50), nanos(37), nanos(413)));
    // The child's own settlement is the same, whoever closed it.
    let child = script.settle(child, false);
    assert_eq!((child.total, child.debit_count), (nanos(37), 2));
    assert_eq!((script.owed(payee), script.owed(other)), (80, 7));
    script.end();
}

#[test]
fn a_reserved_child_first() {
    each_debit_once(Mode::Reserved, false);
}

#[test]
fn a_shared_child_first() {
    each_debit_once(Mode::Shared, false);
}

#[test]
fn both_at_once() {
    each_debit_once(Mode::Reserved, true);
    each_debit_once(Mode::Shared, true);
}
