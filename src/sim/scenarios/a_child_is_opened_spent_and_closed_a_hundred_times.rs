//! A child is opened, spent and closed a hundred times under one cap. What it spent stays spent in its parent, what it did
//! not comes back, and the cap is the cap of them all.

use tallystick_core::{DeclineCode, EnvelopeId};
use tallystick_sim::script::{Script, below, by_key, code, nanos};

#[test]
fn the_parents_cap_is_the_cap_of_them_all() {
    let script = Script::begin(2);
    let (account, payee) = (script.account("payer", 10_000), script.payee("payee"));
    let parent = script.opened(below(EnvelopeId::Account(account), "parent", 305));
    for round in 0..100 {
        let key = format!("child {round}");
        let child = script.opened(below(EnvelopeId::Session(parent), &key, 8));
        assert_eq!(code(&script.debit(by_key(child, payee, 3, &key))), None);
        let over = script.debit(by_key(child, payee, 6, &format!("{key}, too much")));
        assert_eq!(code(&over), Some(DeclineCode::Cap));
        let settlement = script.settle(child, false);
        assert_eq!((settlement.total, settlement.released), (nanos(3), nanos(5)), "round {round}");
        match round % 25 {
            10 => script.checkpoint(),
            20 => script.restart(1 + round % 8, 0),
            _ => {}
        }
    }
    let shown = script.shown(parent);
    assert_eq!((shown.spent_below, shown.remaining), (nanos(300), nanos(5)));
    let sixth = script.open(below(EnvelopeId::Session(parent), "no room", 6));
    assert_eq!(sixth, Err(DeclineCode::Cap));
    assert_eq!(code(&script.debit(by_key(parent, payee, 5, "the rest"))), None);
    let settlement = script.settle(parent, false);
    assert_eq!((settlement.total, settlement.spent_below), (nanos(5), nanos(300)));
    assert_eq!(script.owed(payee), 305);
    script.end();
}
