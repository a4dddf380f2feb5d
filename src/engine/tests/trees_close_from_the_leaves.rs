//! The account tree over the engine: caps hold at every level under concurrency, a parent waits for its children or takes
//! them along, and a crash in the middle of a cascade is finished.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::{collections::BTreeSet, thread};
use tallystick_core::{
    Amount, DeclineCode, EnvelopeId, Level, Next, Refusal, SessionId, Span, Time, command::OpenSession,
    command::TopUp, session::Mode, settlement::Reason,
};
use tallystick_engine::{Fault, OpenAnswer, SessionShown};
use world::{
    Disk, HandClock, MORNING, SECOND, World, audit, audit_every_seq, below, by_key, code, opening, quiet,
};

fn nanos(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

fn under(parent: SessionId, key: &str, cap: u64, mode: Mode) -> OpenSession<'_> {
    OpenSession { mode, ..below(EnvelopeId::Session(parent), key, cap) }
}

#[test]
fn ten_sessions_under_one_parent_never_pay_a_payee_more_than_its_cap_there() {
    for mode in [Mode::Shared, Mode::Reserved] {
        let world = World::new(8);
        let (account, payee) = (world.account("a", 1_000_000), world.payee("p"));
        let other = world.payee("q");
        let top = OpenSession { payee_caps: vec![(payee, nanos(1_000))], ..opening(account, "top", 100_000) };
        let top = world.open(&top);
        let children: Vec<SessionId> =
            (0..10).map(|n| world.open(&under(top, &format!("c{n}"), 10_000, mode))).collect();
        let got: u64 = thread::scope(|scope| {
            let world = &world;
            let paying: Vec<_> = children
                .iter()
                .map(|child| {
                    scope.spawn(move || {
                        let pay = |n: u64| {
                            let answer = world.debit(*child, payee, 1 + n % 7, &format!("k{n}"));
                            assert!(matches!(code(&answer), None | Some(DeclineCode::PayeeCap)));
                            assert_eq!(code(&world.debit(*child, other, 1, &format!("q{n}"))), None);
                            answer.taken.nanos()
                        };
                        (0..100).map(pay).sum::<u64>()
                    })
                })
                .collect();
            paying.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!((994..=1_000).contains(&got), "all that fits was given, and no more: {got}");
        let answer = world.debit(children[0], payee, 7, "last");
        assert_eq!(answer.limit_of, Some(EnvelopeId::Session(top)));
        world.engine().settle(top, true).wait().unwrap();
        assert_eq!((world.payable(payee), world.payable(other)), (got.into(), 1_000));
        audit(&world.disk.survivors().journal);
    }
}

#[test]
fn a_child_opened_spent_and_closed_a_hundred_times_yields_no_more_than_the_cap_above() {
    for mode in [Mode::Shared, Mode::Reserved] {
        let world = World::new(4);
        let (account, payee) = (world.account("a", 1_000_000), world.payee("p"));
        let top = world.open(&opening(account, "top", 1_000));
        let mut got = 0;
        for n in 0..100 {
            let answer = world.engine().open_session(&under(top, &format!("c{n}"), 30, mode)).wait().unwrap();
            let OpenAnswer::Opened(child) = answer.value else { continue };
            got += world.debit(child.id, payee, 29, "k").taken.nanos();
            world.engine().settle(child.id, false).wait().unwrap();
        }
        got += world.debit(top, payee, 1_000 - got, "rest").taken.nanos();
        assert_eq!(got, 1_000);
        assert_eq!(code(&world.debit(top, payee, 1, "more")), Some(DeclineCode::Cap));
        world.engine().settle(top, false).wait().unwrap();
        assert_eq!(world.payable(payee), 1_000);
        audit_every_seq(&world.disk.survivors().archive);
    }
}

#[test]
fn a_parent_with_open_children_is_settled_only_when_asked_to_take_them_along() {
    let world = World::new(4);
    let (account, payee) = (world.account("a", 1_000), world.payee("p"));
    let top = world.open(&opening(account, "top", 500));
    let middle = world.open(&under(top, "middle", 300, Mode::Reserved));
    let leaves = [(Mode::Reserved, "l1"), (Mode::Shared, "l2")]
        .map(|(mode, key)| world.open(&under(middle, key, 100, mode)));
    for (n, session) in (1..).zip([top, middle, leaves[0], leaves[1]]) {
        world.debit(session, payee, 10 * n, "k");
    }
    let refused = world.engine().settle(top, false).wait();
    assert_eq!(refused.unwrap_err(), Fault::Refused(Refusal::OpenChildren));
    assert_eq!(code(&world.debit(top, payee, 1, "still open")), None);

    let settled = world.engine().settle(top, true).wait().unwrap();
    assert_eq!((settled.value.cascaded, settled.replayed), (3, false));
    let settlement = settled.value.settlement().cloned().unwrap();
    assert_eq!(
        (settlement.total, settlement.spent_below, settlement.released),
        (nanos(11), nanos(90), nanos(399))
    );
    assert_eq!(settlement.reason, Reason::Closed);
    for (session, total) in [(middle, 20), (leaves[0], 30), (leaves[1], 40)] {
        let SessionShown::Settled(child) = world.engine().session(session).wait().unwrap() else {
            panic!("{session} is open")
        };
        assert_eq!((child.total, child.reason), (nanos(total), Reason::Cascade));
    }
    let after = world.engine().account(account).wait().unwrap();
    assert_eq!((after.spent_below.nanos(), after.reserved_by_children.nanos()), (101, 0));
    assert_eq!(world.payable(payee), 101);
    assert!(world.engine().settle(top, true).wait().unwrap().replayed);
    audit_every_seq(&world.disk.survivors().archive);
}

#[test]
fn a_cascade_is_finished_wherever_the_power_goes() {
    for crash_after in 0..16 {
        let mut options = quiet(256);
        options.group_bytes = 1;
        let (clock, ids) = (HandClock::at(MORNING), std::sync::Arc::default());
        let world = World::start(Disk::new(), &clock, &ids, options).unwrap();
        let (account, payee) = (world.account("a", 1_000), world.payee("p"));
        let top = world.open(&opening(account, "top", 500));
        let mut tree = vec![top];
        for (n, (key, cap)) in [("a", 200), ("b", 200), ("c", 50), ("d", 50)].into_iter().enumerate() {
            tree.push(world.open(&under(tree[n / 2], key, cap, Mode::Reserved)));
        }
        for session in &tree {
            world.debit(*session, payee, 10, "k");
        }
        world.disk.lose_power_after(crash_after, false);
        let heard = world.engine().settle(top, true).wait();
        let world = world.restart(3);
        if heard.is_err() {
            let begun = match world.engine().session(top).wait().unwrap() {
                SessionShown::Open(view) => view.closing,
                SessionShown::Settled(_) => true,
            };
            if begun {
                // Once it has begun it takes no debits, and the sweeper goes on by itself.
                let late = world.engine().debit(&by_key(top, payee, 1, "late")).wait();
                assert!(late.is_err() || code(&late.unwrap()) == Some(DeclineCode::SessionEnded));
                while world.engine().sweep(64) > 0 {}
            }
            world.engine().settle(top, true).wait().unwrap();
        }
        assert_eq!(world.payable(payee), 50, "power gone after {crash_after}");
        let settlements = world.engine().settlements_after(0, 100).unwrap();
        let sessions: BTreeSet<SessionId> = settlements.iter().map(|settlement| settlement.session).collect();
        assert_eq!((settlements.len(), sessions), (5, tree.into_iter().collect()));
        audit_every_seq(&world.disk.survivors().archive);
    }
}

#[test]
fn what_has_expired_is_released_before_a_debit_is_declined_for_room() {
    let world = World::new(4);
    let (account, payee) = (world.account("a", 1_000), world.payee("p"));
    let top = OpenSession { ttl: Span::from_ns(3_600 * SECOND), ..opening(account, "top", 100) };
    let top = world.open(&top);
    let child = world.open(&under(top, "child", 90, Mode::Reserved));
    world.debit(child, payee, 5, "k1");
    let short = world.debit(top, payee, 50, "k2");
    assert_eq!((code(&short), short.remaining), (Some(DeclineCode::Cap), nanos(10)));
    world.clock.pass(600 * SECOND);
    let fits = world.debit(top, payee, 50, "k3");
    assert_eq!((code(&fits), fits.remaining), (None, nanos(45)));
    assert!(matches!(world.engine().session(child).wait().unwrap(), SessionShown::Settled(_)));
    assert_eq!(world.payable(payee), 5, "its line was delivered");
    audit_every_seq(&world.disk.survivors().archive);
}

#[test]
fn a_decline_says_how_much_a_top_up_could_add_and_that_much_is_added() {
    let world = World::new(4);
    let (account, payee) = (world.account("a", 1_000), world.payee("p"));
    let top = world.open(&opening(account, "top", 300));
    let shared = world.open(&under(top, "shared", 250, Mode::Shared));
    let leaf = world.open(&under(shared, "leaf", 100, Mode::Reserved));
    let short = world.debit(leaf, payee, 101, "k1");
    let no = short.decline.unwrap();
    assert_eq!(
        (no.code, no.level, short.limit_of),
        (DeclineCode::Cap, Level::Session, Some(EnvelopeId::Session(leaf)))
    );
    assert_eq!(
        no.next,
        Next::TopUp(nanos(150)),
        "the shared session above leaves 150, the one above that 200"
    );
    let raise = |key: &'static [u8], add| {
        let up =
            TopUp { session: leaf, key, add: nanos(add), extend_by: Span::from_ns(0), parent_proof: None };
        world.engine().top_up(&up).wait().unwrap()
    };
    let no = raise(b"up1", 151).value.decline.unwrap();
    assert_eq!((no.code, no.next), (DeclineCode::Cap, Next::SmallerAmount(nanos(150))));
    assert_eq!(raise(b"up2", 150).value.decline, None);
    assert!(raise(b"up2", 150).replayed);
    assert_eq!(code(&world.debit(leaf, payee, 250, "k2")), None);
    let last = world.debit(leaf, payee, 1, "k3");
    assert_eq!((last.decline.unwrap().next, last.is_final), (Next::Nothing, true));

    let longer = |key: &'static [u8], seconds: u64| {
        let up = TopUp {
            session: leaf,
            key,
            add: Amount::ZERO,
            extend_by: Span::from_ns(seconds * SECOND),
            parent_proof: None,
        };
        world.engine().top_up(&up).wait()
    };
    let beyond = longer(b"up3", 1).unwrap_err();
    let field =
        Refusal::Malformed { field: "extend_by", rule: "must end the session no later than its parent" };
    assert_eq!(beyond, Fault::Refused(field));
    let ends_at = Time::from_ns(MORNING + 600 * SECOND);
    let SessionShown::Open(view) = world.engine().session(leaf).wait().unwrap() else { panic!("settled") };
    assert_eq!((view.bounds.ends_at, view.bounds.cap), (ends_at, nanos(250)));
    audit_every_seq(&world.disk.survivors().archive);
}
