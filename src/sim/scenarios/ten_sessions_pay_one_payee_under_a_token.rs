//! Ten sessions under one token all pay the same payee, and the token caps what that payee gets. (A shared session stands for
//! the token.)

use tallystick_core::{Amount, DeclineCode, EnvelopeId, session::Mode};
use tallystick_sim::{
    asked::{Asked, NewSession},
    script::{Script, below, by_key, code, nanos},
};

#[test]
fn together_they_get_no_more_than_the_cap() {
    let script = Script::begin(4);
    let (account, payee) = (script.account("payer", 10_000), script.payee("payee"));
    let token = NewSession {
        mode: Mode::Shared,
        payee_caps: vec![(payee, nanos(250))],
        ..below(EnvelopeId::Account(account), "token", 1_000)
    };
    let token = script.opened(token);
    let sessions: Vec<_> = (0..10)
        .map(|nth| {
            // Half of them set their caps aside in the token, half only count there.
            let mode = if nth % 2 == 0 { Mode::Reserved } else { Mode::Shared };
            let new = below(EnvelopeId::Session(token), &format!("session {nth}"), 100);
            script.opened(NewSession { mode, ..new })
        })
        .collect();
    let (mut taken, mut declined) = (0, 0);
    for round in 0..4 {
        // All ten ask before anyone hears.
        let asked: Vec<_> = sessions
            .iter()
            .map(|session| {
                script.tell(Asked::Debit(by_key(*session, payee, 20, &format!("{session} {round}"))))
            })
            .collect();
        script.commit();
        for call in asked {
            let Some(Ok(tallystick_sim::asked::Told::Debit(answer))) = script.hear(call) else {
                panic!("a debit is not answered")
            };
            match code(&answer) {
                None => taken += 20,
                Some(code) => {
                    assert_eq!(code, DeclineCode::PayeeCap);
                    assert_eq!(answer.limit_of, Some(EnvelopeId::Session(token)));
                    assert_eq!(answer.payee_remaining, Some(nanos(10)));
                    declined += 1;
                }
            }
        }
    }
    assert_eq!((taken, declined), (240, 28), "twelve of forty fit under 250");
    // What is left goes to whoever takes less.
    assert_eq!(code(&script.debit(by_key(sessions[3], payee, 10, "the last"))), None);
    script.restart(7, 0);
    let late = script.debit(by_key(sessions[8], payee, 1, "too late"));
    assert_eq!((code(&late), late.taken), (Some(DeclineCode::PayeeCap), Amount::ZERO));
    assert_eq!(script.settle(token, true).spent_below, nanos(250));
    assert_eq!(script.owed(payee), 250);
    script.end();
}
