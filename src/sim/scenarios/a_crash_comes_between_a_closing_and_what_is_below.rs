//! A parent is to be settled with all that is below it, and the process dies when the disk has the parent's closing and
//! nothing more: whatever stands below it takes nothing new, however it is asked, until the sweeper has gone on.

use tallystick_core::{DeclineCode, EnvelopeId, Time, session::Mode, settlement::Reason};
use tallystick_sim::{
    asked::{Asked, NewSession},
    script::{Script, below, by_key, code, held, nanos},
};

fn nothing_new(mode: Mode, kept: u64) {
    let script = Script::begin(3);
    let (account, payee) = (script.account("payer", 1_000), script.payee("payee"));
    let parent = script.opened(below(EnvelopeId::Account(account), "parent", 500));
    let child = NewSession { mode, ..below(EnvelopeId::Session(parent), "child", 200) };
    let child = script.opened(child);
    let grandchild = NewSession { mode, ..below(EnvelopeId::Session(child), "grandchild", 100) };
    let grandchild = script.opened(grandchild);
    script.debit(by_key(grandchild, payee, 30, "in time"));
    script.dies_within(Asked::Settle { session: parent, cascade: true }, kept, 2);
    let below_it = if kept == 1 { vec![child, grandchild] } else { vec![child] };
    for session in below_it {
        assert!(script.shown(session).ended, "it stands below what is closing");
        let late = script.debit(by_key(session, payee, 1, "too late"));
        assert_eq!(code(&late), Some(DeclineCode::SessionEnded));
        let promised = script.debit(held(by_key(session, payee, 1, "too late to hold"), 0, Time::ZERO));
        assert_eq!(code(&promised), Some(DeclineCode::SessionEnded));
        let opened = script.open(below(EnvelopeId::Session(session), "too late to open", 1));
        assert_eq!(opened, Err(DeclineCode::SessionEnded));
    }
    script.sweep();
    let settled = script.settled(parent).unwrap_or_else(|| panic!("the cascade does not go on"));
    assert_eq!((settled.total, settled.spent_below), (nanos(0), nanos(30)));
    let reasons = [parent, child, grandchild].map(|id| script.settled(id).map(|settled| settled.reason));
    assert_eq!(reasons, [Some(Reason::Closed), Some(Reason::Cascade), Some(Reason::Cascade)]);
    assert_eq!(script.owed(payee), 30);
    script.end();
}

#[test]
fn when_nothing_below_is_settled_yet() {
    nothing_new(Mode::Reserved, 1);
    nothing_new(Mode::Shared, 1);
}

#[test]
fn when_the_lowest_is_settled() {
    nothing_new(Mode::Reserved, 2);
    nothing_new(Mode::Shared, 2);
}
