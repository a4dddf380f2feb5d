//! A deposit is returned while nine tenths of it are set aside: the account is in deficit and admits nothing, what was set
//! aside can still be spent, and what comes back of it mends the deficit.

use tallystick_core::{DeclineCode, EnvelopeId, deposit::DepositState, session::Mode};
use tallystick_sim::{
    asked::{Asked, NewSession, Told},
    script::{Script, below, by_key, code, nanos},
};

#[test]
fn what_was_set_aside_holds_and_nothing_new_is_admitted() {
    let script = Script::begin(2);
    let ((account, deposit), payee) = (script.funded("payer", 1_000), script.payee("payee"));
    let on = EnvelopeId::Account(account);
    let session = script.opened(below(on, "nine tenths", 900));
    let shared = NewSession { mode: Mode::Shared, ..below(on, "shared", 500) };
    let shared = script.opened(shared);
    let returned = script.ask(Asked::MoveDeposit { deposit, to: DepositState::Returned });
    let Ok(Told::Deposit(answer)) = returned else { panic!("{returned:?}") };
    assert_eq!(answer.value.account.deficit(), nanos(900).into());
    assert_eq!(script.open(below(on, "one more", 1)), Err(DeclineCode::Cap));
    assert_eq!(code(&script.debit(by_key(shared, payee, 1, "out of the account"))), Some(DeclineCode::Cap));
    script.restart(6, 0);
    assert_eq!(code(&script.debit(by_key(session, payee, 400, "was promised"))), None);
    assert_eq!(script.settle(session, false).released, nanos(500));
    let Ok(Told::AccountShown(shown)) = script.ask(Asked::ShowAccount(account)) else { panic!("no account") };
    assert_eq!(shown.deficit(), nanos(400).into(), "what was paid has to be brought again");
    assert_eq!(script.open(below(on, "still nothing", 1)), Err(DeclineCode::Cap));
    assert_eq!(script.owed(payee), 400);
    script.end();
}
