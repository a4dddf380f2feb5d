//! The clock is set back ten minutes while the process is down: nothing that had expired comes back, no decision is made
//! before the last one, and time goes on from there.

use tallystick_core::{DeclineCode, EnvelopeId, PayeeId, SessionId, Span};
use tallystick_sim::{
    asked::NewSession,
    script::{Script, below, by_key, code},
    time::SECOND,
};

const MINUTES: i64 = 60;

fn session_of(script: &Script, seconds: u64) -> (SessionId, PayeeId) {
    let (account, payee) = (script.account("payer", 1_000), script.payee("payee"));
    let new = below(EnvelopeId::Account(account), "session", 500);
    let session = script.opened(NewSession { ttl: Span::from_ns(seconds * SECOND), ..new });
    (session, payee)
}

#[test]
fn an_ended_session_stays_ended() {
    let script = Script::begin(2);
    let (session, payee) = session_of(&script, 300);
    assert_eq!(code(&script.debit(by_key(session, payee, 10, "in time"))), None);
    script.pass(301);
    let late = script.debit(by_key(session, payee, 10, "too late"));
    assert_eq!(code(&late), Some(DeclineCode::SessionEnded));
    script.restart(5, -10 * MINUTES);
    let later = script.debit(by_key(session, payee, 10, "later by the order of things"));
    assert_eq!(code(&later), Some(DeclineCode::SessionEnded));
    assert!(later.at >= late.at, "decided at {}, after one at {}", later.at, late.at);
    assert!(script.shown(session).ended);
    script.end();
}

#[test]
fn another_partitions_past_counts_too() {
    let script = Script::begin(2);
    let (session, payee) = session_of(&script, 300);
    script.pass(301);
    // Nothing was decided in the session's own partition since its end; elsewhere something was.
    let elsewhere = (0..).map(|nth| script.account(&format!("other {nth}"), 5));
    assert!(elsewhere.take(3).any(|account| account.partition() != session.partition()));
    script.restart(3, -10 * MINUTES);
    let late = script.debit(by_key(session, payee, 10, "too late"));
    assert_eq!(code(&late), Some(DeclineCode::SessionEnded));
    script.end();
}

#[test]
fn what_has_not_ended_goes_on() {
    let script = Script::begin(2);
    let (session, payee) = session_of(&script, 300);
    script.pass(100);
    let first = script.debit(by_key(session, payee, 10, "in time"));
    script.restart(4, -10 * MINUTES);
    let second = script.debit(by_key(session, payee, 10, "in time, too"));
    assert_eq!(code(&second), None);
    assert_eq!(first.at, second.at, "time stands until the clock has caught up");
    script.end();
}
