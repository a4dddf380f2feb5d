//! A debit's answer is lost, its session settles, and the debit is retried under its key while the index is behind: nobody
//! says that it was never seen, nobody takes the money again, and the answer comes once the index has.

use tallystick_core::{EnvelopeId, Refusal};
use tallystick_engine::{Fault, Known};
use tallystick_projection::Lookup;
use tallystick_sim::{
    asked::{Asked, Told},
    script::{Script, below, by_key, nanos},
};

#[test]
fn it_is_behind_and_then_it_is_found() {
    let script = Script::begin(4);
    let (account, payee) = (script.account("payer", 1_000), script.payee("payee"));
    let session = script.opened(below(EnvelopeId::Account(account), "session", 500));
    script.follow();
    let lost = Asked::Debit(by_key(session, payee, 40, "lost"));
    let call = script.tell(lost.clone());
    script.commit();
    script.settle(session, false);
    // The first answer never arrived; asked again, memory has let go of the session.
    assert_eq!(script.ask(lost.clone()), Err(Fault::Refused(Refusal::SessionRetired)));
    let known = script.ask(Asked::LookUpKey { session, key: "lost".into() });
    assert_eq!(known, Ok(Told::Known(Known::NotOpen)));
    assert!(matches!(script.indexed(session, "lost"), Lookup::Behind { .. }));
    assert!(matches!(script.indexed(session, "never sent"), Lookup::Behind { .. }));
    script.restart(2, 0);
    assert_eq!(script.ask(lost), Err(Fault::Refused(Refusal::SessionRetired)));
    assert!(matches!(script.indexed(session, "lost"), Lookup::Behind { .. }));
    script.follow();
    let Lookup::Found { debit, .. } = script.indexed(session, "lost") else { panic!("it is not found") };
    assert_eq!((debit.taken, debit.payee, debit.verdict), (nanos(40), payee, None));
    assert!(matches!(script.indexed(session, "never sent"), Lookup::NeverSeen { .. }));
    assert_eq!(script.owed(payee), 40);
    assert!(script.hear(call).is_none(), "whoever asked before the crash hears nothing");
    script.end();
}
