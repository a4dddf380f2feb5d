//! A standing mandate yields one token a period, for one secret each: a lost answer is given again, and a spent secret that comes
//! back ends the family. What is carried into the next period is set aside there, whole.
#![allow(clippy::unwrap_used, reason = "a test")]

mod tokens;
mod world;

use std::sync::{
    Barrier,
    atomic::{AtomicU64, Ordering},
};
use tallystick_core::{
    DeclineCode, EnvelopeId, Level, Next, Refusal, SessionId, Time,
    command::{AskRenewal, IssueToken, OpenSession, RefreshToken},
    session::Clauses,
};
use tallystick_engine::{Answer, Fault, OpenAnswer, RefreshAnswer, SessionShown};
use tokens::*;
use world::*;

fn week(world: &World, standing: SessionId, payee: tallystick_core::PayeeId, n: u32) -> SessionId {
    let token = world.begin_period(standing, n);
    let secret = token_secret(token, n);
    world.spend(token, Some(&secret), (payee, 1, &format!("w{n}")));
    token
}

fn token_secret(token: SessionId, generation: u32) -> tallystick_core::session::SecretHash {
    use tallystick_core::seal::{Purpose, SecretName};
    hash(&SecretName { token, generation, purpose: Purpose::Token })
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Fault>) -> Refusal {
    match answer.unwrap_err() {
        Fault::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_week_is_25_and_the_next_is_25_again() {
    let world = World::new(3);
    let (account, payee) = (world.account("a", 1_000), world.payee("acme"));
    let standing = world.issue(&weekly(EnvelopeId::Account(account), "m", 25));
    for n in 1..=3 {
        let token = world.begin_period(standing, n);
        let secret = token_secret(token, n);
        assert_eq!(code(&world.spend(token, Some(&secret), (payee, 25, "k"))), None);
        let more = world.spend(token, Some(&secret), (payee, 1, "l"));
        let decline = more.decline.unwrap();
        assert_eq!((decline.code, decline.level), (DeclineCode::Cap, Level::Token));
        // Too early: nothing is rotated, and it says until when.
        let early = world.refresh(standing, refresh_secret(standing, n)).unwrap().value;
        let ends_at = world.token(token).session.bounds.ends_at;
        let RefreshAnswer::Declined(decline) = early else { panic!("{early:?}") };
        assert_eq!((decline.code, decline.next), (DeclineCode::NotYetValid, Next::WaitUntil(ends_at)));
        world.clock.set(ends_at.ns() - 1);
        assert!(matches!(
            world.refresh(standing, refresh_secret(standing, n)).unwrap().value,
            RefreshAnswer::Declined(_)
        ));
        world.clock.set(ends_at.ns());
        assert_eq!(
            code(&world.spend(token, Some(&secret), (payee, 1, "late"))),
            Some(DeclineCode::SessionEnded)
        );
    }
    let world = world.restart(5);
    while world.engine().sweep(10) > 0 {}
    assert_eq!(world.payable(payee), 75);
    assert_eq!(world.token(standing).session.spent_below, nanos(75));
    sound(&world);
}

/// 64 threads with one secret, as one client may send after time-outs: one generation, and nobody is revoked.
#[test]
fn a_race_with_one_secret_yields_one_generation() {
    let (mut begun, mut same) = (0, 0);
    for round in 0..20 {
        let world = World::new(2);
        let account = world.account("a", 1_000);
        let standing = world.issue(&weekly(EnvelopeId::Account(account), "m", 25));
        let (first, replays, barrier) = (AtomicU64::new(0), AtomicU64::new(0), Barrier::new(64));
        let ids: Vec<SessionId> = std::thread::scope(|scope| {
            let ask = || {
                barrier.wait();
                let answer = world.refresh(standing, refresh_secret(standing, 0)).unwrap();
                let count = if answer.replayed { &replays } else { &first };
                count.fetch_add(1, Ordering::Relaxed);
                let RefreshAnswer::Yielded { token, generation: 1, .. } = answer.value else {
                    panic!("round {round}")
                };
                token.session.id
            };
            let threads: Vec<_> = (0..64).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]));
        assert_eq!((first.load(Ordering::Relaxed), replays.load(Ordering::Relaxed)), (1, 63));
        begun += first.load(Ordering::Relaxed);
        same += replays.load(Ordering::Relaxed);
        sound(&world);
    }
    println!("20 races of 64: {begun} generations begun, {same} same answers, 0 families revoked");
}

#[test]
fn a_spent_secret_that_comes_back_ends_the_family() {
    // What was done in between, and whether the secret before may still be retried.
    type Between = fn(&World, SessionId, SessionId, tallystick_core::PayeeId);
    let cases: [(&str, Between, bool); 6] = [
        ("nothing", |_, _, _, _| {}, true),
        ("ten minutes", |world, _, _, _| world.clock.pass(600 * SECOND), true),
        ("ten minutes and a nanosecond", |world, _, _, _| world.clock.pass(600 * SECOND + 1), false),
        (
            "a debit with the new token",
            |world, _, token, payee| {
                world.spend(token, Some(&token_secret(token, 1)), (payee, 1, "k"));
            },
            false,
        ),
        (
            "a declined debit with the new token",
            |world, _, token, payee| {
                world.spend(token, Some(&token_secret(token, 1)), (payee, 999, "k"));
            },
            false,
        ),
        (
            "a refresh with the new secret, too early",
            |world, standing, _, _| {
                world.refresh(standing, refresh_secret(standing, 1)).unwrap();
            },
            false,
        ),
    ];
    let mut revoked = 0;
    for (what, between, may_retry) in cases {
        let world = World::new(2);
        let (account, payee) = (world.account("a", 1_000), world.payee("acme"));
        let standing = world.issue(&weekly(EnvelopeId::Account(account), "m", 25));
        let token = world.begin_period(standing, 1);
        between(&world, standing, token, payee);
        let again = world.refresh(standing, refresh_secret(standing, 0));
        let world = if may_retry {
            assert!(again.unwrap().replayed, "{what}");
            world.restart(3)
        } else {
            assert_eq!(refused(again), Refusal::FamilyRevoked, "{what}");
            revoked += 1;
            let world = world.restart(3);
            // Also who has the newest secret gets nothing, and the token of the period is revoked.
            assert_eq!(refused(world.refresh(standing, refresh_secret(standing, 1))), Refusal::FamilyRevoked);
            let secret = token_secret(token, 1);
            assert_eq!(
                code(&world.spend(token, Some(&secret), (payee, 1, "after"))),
                Some(DeclineCode::Revoked)
            );
            assert!(world.token(token).session.stop.is_some());
            world
        };
        sound(&world);
    }
    println!("6 reuses: {revoked} families revoked, {} answered again", 6 - revoked);
}

#[test]
fn a_secret_that_never_was_one_changes_nothing() {
    let world = World::new(2);
    let account = world.account("a", 1_000);
    let standing = world.issue(&weekly(EnvelopeId::Account(account), "m", 25));
    let before = world.token(standing);
    assert_eq!(refused(world.refresh(standing, refresh_secret(standing, 9))), Refusal::SecretWrong);
    assert_eq!(world.token(standing), before);
    world.begin_period(standing, 1);
}

#[test]
fn an_old_secret_is_known_again_after_many_generations() {
    let world = World::new(2);
    let (account, payee) = (world.account("a", 100_000), world.payee("acme"));
    let standing = world.issue(&weekly(EnvelopeId::Account(account), "m", 25));
    for n in 1..=20 {
        let token = week(&world, standing, payee, n);
        world.clock.set(world.token(token).session.bounds.ends_at.ns());
    }
    assert_eq!(refused(world.refresh(standing, refresh_secret(standing, 4))), Refusal::FamilyRevoked);
    assert!(world.token(standing).session.stop.is_some());
}

#[test]
fn a_retry_with_other_hashes_is_no_retry() {
    let world = World::new(2);
    let account = world.account("a", 1_000);
    let standing = world.issue(&weekly(EnvelopeId::Account(account), "m", 25));
    let own = |n| tallystick_core::session::SecretHash([n; 32]);
    let command = RefreshToken {
        token: standing,
        presented: refresh_secret(standing, 0),
        refresh: Some(own(1)),
        secret: Some(own(2)),
        period: None,
    };
    let ask = |command: &RefreshToken| world.engine().refresh_token(command, &OpenSeal, &periods).wait();
    assert!(!ask(&command).unwrap().replayed);
    assert!(ask(&command).unwrap().replayed);
    let other = RefreshToken { refresh: Some(own(3)), ..command };
    assert_eq!(refused(ask(&other)), Refusal::FamilyRevoked);
}

fn carried<'a>(
    token: SessionId,
    proof: &'a tallystick_core::session::SecretHash,
    key: &'a str,
    cap: u64,
) -> OpenSession<'a> {
    OpenSession {
        clauses: Clauses { carry: true, ..Clauses::default() },
        parent_proof: Some(proof),
        ttl: tallystick_core::Span::from_days(20),
        ..below(EnvelopeId::Session(token), key, cap)
    }
}

#[test]
fn a_session_ends_with_its_period_unless_it_is_carried() {
    let world = World::new(3);
    let (account, payee) = (world.account("a", 1_000), world.payee("acme"));
    let standing = world.issue(&weekly(EnvelopeId::Account(account), "m", 25));
    let first = world.begin_period(standing, 1);
    let secret = token_secret(first, 1);
    // Its end is the period's, and it may not ask for more.
    let plain = OpenSession {
        parent_proof: Some(&secret),
        ttl: tallystick_core::Span::from_ns(0),
        ..below(EnvelopeId::Session(first), "plain", 10)
    };
    let ends = world.open(&plain);
    let late = OpenSession { key: b"late", ttl: tallystick_core::Span::from_days(8), ..plain.clone() };
    assert!(matches!(
        refused(world.engine().open_session(&late).wait()),
        Refusal::Malformed { field: "ttl", .. }
    ));
    let goes_on = world.open(&carried(first, &secret, "carried", 12));
    world.debit(goes_on, payee, 5, "k");
    world.debit(ends, payee, 2, "k");
    let period_end = world.token(first).session.bounds.ends_at;
    world.clock.set(period_end.ns());
    while world.engine().sweep(10) > 0 {}
    // The period is over: the one is settled, the other goes on, and its token waits for it.
    assert_eq!(code(&world.debit(goes_on, payee, 1, "between")), None);
    assert!(matches!(world.engine().session(ends).wait().unwrap(), SessionShown::Settled(_)));
    let world = world.restart(2);
    let answer = world.refresh(standing, refresh_secret(standing, 1)).unwrap().value;
    let RefreshAnswer::Yielded { token, carried, dropped, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((carried, dropped), (1, 0));
    // Its whole cap is set aside in the new period, what it spent before included.
    assert_eq!(counts(&token.session), (0, 0, 12, 13));
    assert_eq!(token.available, nanos(13));
    while world.engine().sweep(10) > 0 {}
    assert!(world.engine().token(first).wait().is_err(), "the last period's token is settled");
    let second = token.session.id;
    let secret = token_secret(second, 2);
    assert_eq!(code(&world.spend(second, Some(&secret), (payee, 14, "k"))), Some(DeclineCode::Cap));
    assert_eq!(code(&world.spend(second, Some(&secret), (payee, 13, "l"))), None);
    assert_eq!(code(&world.debit(goes_on, payee, 6, "l")), None);
    sound(&world);
    let world = world.restart(4);
    world.engine().settle(standing, true).wait().unwrap();
    assert_eq!(world.payable(payee), 5 + 2 + 1 + 13 + 6);
    sound(&world);
}

#[test]
fn what_finds_no_room_in_the_next_period_is_not_carried() {
    let world = World::new(2);
    let (account, payee) = (world.account("a", 1_000), world.payee("acme"));
    let standing = world.issue(&weekly(EnvelopeId::Account(account), "m", 25));
    let first = world.begin_period(standing, 1);
    let secret = token_secret(first, 1);
    let (one, two) =
        (world.open(&carried(first, &secret, "one", 10)), world.open(&carried(first, &secret, "two", 10)));
    // Narrower from now on: there is room for the first opened, and not for both.
    let amend = tallystick_core::command::AmendToken {
        cap: nanos(15),
        ..tallystick_core::command::AmendToken::nothing(standing, b"less")
    };
    world.amend(&amend).unwrap();
    assert_eq!(world.token(first).session.bounds.cap, nanos(20), "what is set aside stays so: it is full");
    world.clock.set(world.token(first).session.bounds.ends_at.ns());
    let answer = world.refresh(standing, refresh_secret(standing, 1)).unwrap().value;
    let RefreshAnswer::Yielded { token, carried, dropped, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((carried, dropped, counts(&token.session)), (1, 1, (0, 0, 10, 5)));
    assert_eq!(code(&world.debit(one, payee, 1, "k")), None);
    assert_eq!(code(&world.debit(two, payee, 1, "k")), Some(DeclineCode::SessionEnded));
    sound(&world);
}

#[test]
fn a_carried_session_takes_what_a_payee_got_along() {
    let world = World::new(2);
    let (account, payee) = (world.account("a", 1_000), world.payee("acme"));
    let mut mandate = weekly(EnvelopeId::Account(account), "m", 25);
    mandate.open.default_payee_cap = nanos(8);
    let standing = world.issue(&mandate);
    let first = world.begin_period(standing, 1);
    let secret = token_secret(first, 1);
    let session = world.open(&carried(first, &secret, "one", 10));
    world.debit(session, payee, 5, "k");
    world.clock.set(world.token(first).session.bounds.ends_at.ns());
    let second = world.begin_period(standing, 2);
    // 5 of the payee's 8 went along.
    let secret = token_secret(second, 2);
    assert_eq!(code(&world.spend(second, Some(&secret), (payee, 4, "k"))), Some(DeclineCode::PayeeCap));
    assert_eq!(code(&world.spend(second, Some(&secret), (payee, 3, "l"))), None);
    sound(&world);
    let world = world.restart(3);
    world.engine().settle(standing, true).wait().unwrap();
    sound(&world);
}

#[test]
fn what_was_left_rolls_over_at_most_once_and_only_if_asked() {
    for (rollover, spends, wanted) in [(false, 5, 25), (true, 5, 45), (true, 0, 50), (true, 25, 25)] {
        for swept in [false, true] {
            let world = World::new(2);
            let (account, payee) = (world.account("a", 1_000), world.payee("acme"));
            let mut mandate = weekly(EnvelopeId::Account(account), "m", 25);
            mandate.renewal = mandate.renewal.map(|renewal| AskRenewal { rollover, ..renewal });
            let standing = world.issue(&mandate);
            let first = world.begin_period(standing, 1);
            if spends > 0 {
                let secret = token_secret(first, 1);
                // Half of it in a session that ends with the period, and has not been settled when it is asked for the next.
                let open = OpenSession {
                    parent_proof: Some(&secret),
                    ttl: tallystick_core::Span::from_ns(0),
                    ..below(EnvelopeId::Session(first), "s", spends)
                };
                let session = world.open(&open);
                world.debit(session, payee, spends, "k");
            }
            world.clock.set(world.token(first).session.bounds.ends_at.ns());
            while swept && world.engine().sweep(10) > 0 {}
            let second = world.begin_period(standing, 2);
            assert_eq!(world.token(second).session.bounds.cap, nanos(wanted), "{rollover} {spends} {swept}");
            // A period in which nobody refreshed adds nothing, and what rolled over does not pile up.
            world.clock.pass(3 * WEEK);
            let third = world.begin_period(standing, 3);
            let most = if rollover { 50 } else { 25 };
            assert_eq!(world.token(third).session.bounds.cap, nanos(most), "{rollover} {spends} {swept}");
            sound(&world);
        }
    }
}

#[test]
fn all_periods_together_stay_within_the_total() {
    let world = World::new(2);
    let (account, payee) = (world.account("a", 1_000), world.payee("acme"));
    let mut mandate = weekly(EnvelopeId::Account(account), "m", 25);
    mandate.renewal = mandate.renewal.map(|renewal| AskRenewal { total_cap: nanos(60), ..renewal });
    let standing = world.issue(&mandate);
    let mut spent = 0;
    for n in 1..=4 {
        let token = world.begin_period(standing, n);
        let secret = token_secret(token, n);
        let answer = world.spend(token, Some(&secret), (payee, 25, "k"));
        spent += if answer.decline.is_none() { 25 } else { 0 };
        if n == 3 {
            assert_eq!(answer.limit_of, Some(EnvelopeId::Session(standing)));
        }
        world.clock.set(world.token(token).session.bounds.ends_at.ns());
    }
    assert_eq!(spent, 50);
    sound(&world);
}

#[test]
fn nothing_is_debited_on_a_mandate_itself_or_opened_under_it() {
    let world = World::new(2);
    let (account, payee) = (world.account("a", 1_000), world.payee("acme"));
    let standing = world.issue(&weekly(EnvelopeId::Account(account), "m", 25));
    let debit = by_key(standing, payee, 1, "k");
    assert!(matches!(
        refused(world.engine().debit(&debit).wait()),
        Refusal::Malformed { field: "session_id", .. }
    ));
    let open = below(EnvelopeId::Session(standing), "s", 1);
    assert!(matches!(
        refused(world.engine().open_session(&open).wait()),
        Refusal::Malformed { field: "parent_token_id", .. }
    ));
}

#[test]
fn an_issue_asked_again_is_answered_alike() {
    let world = World::new(2);
    let account = world.account("a", 1_000);
    let command = token(EnvelopeId::Account(account), "t", 100);
    let first = world.engine().issue_token(&command, &OpenSeal).wait().unwrap();
    let world = world.restart(3);
    let again = world.engine().issue_token(&command, &OpenSeal).wait().unwrap();
    assert!(again.replayed && again.seq == first.seq);
    let id = |answer| match answer {
        tallystick_engine::TokenAnswer::Open(shown) => {
            (shown.session.id, shown.session.guard.unwrap().secret)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(id(first.value), id(again.value));
    let other = IssueToken { one_time: true, ..command };
    assert_eq!(
        refused(world.engine().issue_token(&other, &OpenSeal).wait()),
        Refusal::KeyReused { field: "use" }
    );
    let _ = (OpenAnswer::Declined, Time::ZERO);
}

/// The power goes at each write of a refresh, whether or not that write lands: asked again with the same secret, the answer is the same
/// generation's, and one period's authority is there once.
#[test]
fn a_refresh_survives_a_power_cut_at_every_step() {
    let mut cuts = 0;
    for after in 0..6 {
        for lands in [false, true] {
            let world = World::new(2);
            let (account, payee) = (world.account("a", 1_000), world.payee("acme"));
            let standing = world.issue(&weekly(EnvelopeId::Account(account), "m", 25));
            let first = world.begin_period(standing, 1);
            let secret = token_secret(first, 1);
            let goes_on = world.open(&carried(first, &secret, "one", 10));
            world.debit(goes_on, payee, 4, "k");
            world.clock.set(world.token(first).session.bounds.ends_at.ns());
            world.disk.lose_power_after(after, lands);
            let heard = world.refresh(standing, refresh_secret(standing, 1));
            let world = world.restart(3);
            let again = world.refresh(standing, refresh_secret(standing, 1)).unwrap();
            let RefreshAnswer::Yielded { token, generation: 2, .. } = again.value else {
                panic!("{after} {lands}")
            };
            if let Ok(Answer { value: RefreshAnswer::Yielded { token: heard, .. }, .. }) = heard {
                assert_eq!(heard.session.id, token.session.id);
            } else {
                cuts += 1;
            }
            assert_eq!(counts(&token.session), (0, 0, 10, 15));
            assert_eq!(code(&world.debit(goes_on, payee, 1, "l")), None);
            sound(&world);
        }
    }
    assert!(cuts > 0);
}

#[test]
fn limits_in_time_stand_on_the_mandate_and_do_not_begin_anew_with_a_period() {
    let world = World::new(2);
    let (account, payee) = (world.account("a", 1_000), world.payee("acme"));
    let mut mandate = weekly(EnvelopeId::Account(account), "m", 25);
    mandate.open.clauses.velocity = vec![tallystick_core::velocity::VelocityLimit {
        pace: tallystick_core::velocity::Pace::Window,
        measure: tallystick_core::velocity::Measure::Amount,
        each_payee: false,
        most: 30,
        per: tallystick_core::Span::from_days(10),
        burst: 0,
    }];
    let standing = world.issue(&mandate);
    let first = world.begin_period(standing, 1);
    // Late in its week, so that the window still counts it in the next.
    world.clock.set(world.token(first).session.bounds.ends_at.ns() - 2 * HOUR);
    assert_eq!(code(&world.spend(first, Some(&token_secret(first, 1)), (payee, 25, "k"))), None);
    world.clock.pass(3 * HOUR);
    let second = world.begin_period(standing, 2);
    let secret = token_secret(second, 2);
    let more = world.spend(second, Some(&secret), (payee, 6, "k"));
    assert_eq!(
        (code(&more), more.limit_of),
        (Some(DeclineCode::VelocityWindow), Some(EnvelopeId::Session(standing)))
    );
    assert_eq!(code(&world.spend(second, Some(&secret), (payee, 5, "l"))), None);
    sound(&world);
}

#[test]
fn a_paused_mandate_yields_nothing_until_it_goes_on() {
    use tallystick_core::{
        command::SetControl,
        control::{ControlOf, State},
    };
    let world = World::new(2);
    let (account, payee) = (world.account("a", 1_000), world.payee("acme"));
    let standing = world.issue(&weekly(EnvelopeId::Account(account), "m", 25));
    let first = world.begin_period(standing, 1);
    let set = |to, epoch| {
        let on = ControlOf::Envelope(EnvelopeId::Session(standing));
        world.engine().set_control(&SetControl { on, to, epoch, note: "" }).wait().unwrap();
    };
    set(State::Paused, None);
    let secret = token_secret(first, 1);
    assert_eq!(code(&world.spend(first, Some(&secret), (payee, 1, "k"))), Some(DeclineCode::Paused));
    world.clock.set(world.token(first).session.bounds.ends_at.ns());
    let RefreshAnswer::Declined(no) = world.refresh(standing, refresh_secret(standing, 1)).unwrap().value
    else {
        panic!("a paused mandate yielded")
    };
    assert_eq!(no.code, DeclineCode::Paused);
    set(State::Open, Some(1));
    let second = world.begin_period(standing, 2);
    assert_eq!(code(&world.spend(second, Some(&token_secret(second, 2)), (payee, 1, "k"))), None);
    sound(&world);
}

#[test]
fn a_mandate_that_is_ended_ends_all_below_it_and_one_that_is_narrowed_narrows_its_period() {
    use tallystick_core::command::AmendToken;
    let world = World::new(2);
    let (account, payee) = (world.account("a", 1_000), world.payee("acme"));
    let standing = world.issue(&weekly(EnvelopeId::Account(account), "m", 25));
    let first = world.begin_period(standing, 1);
    let secret = token_secret(first, 1);
    let goes_on = world.open(&carried(first, &secret, "one", 10));
    assert_eq!(code(&world.debit(goes_on, payee, 1, "k")), None);
    let nothing = |key: &'static str| AmendToken::nothing(standing, key.as_bytes());
    world.amend(&AmendToken { debit_max: Some(nanos(3)), ..nothing("max") }).unwrap();
    let over = world.debit(goes_on, payee, 4, "over");
    assert_eq!(
        (code(&over), over.limit_of),
        (Some(DeclineCode::AboveDebitMax), Some(EnvelopeId::Session(standing)))
    );
    assert_eq!(
        code(&world.spend(first, Some(&secret), (payee, 4, "over"))),
        Some(DeclineCode::AboveDebitMax)
    );
    // Its period is over, and it goes on as it was opened to.
    world.clock.set(world.token(first).session.bounds.ends_at.ns());
    assert_eq!(code(&world.debit(goes_on, payee, 3, "carried")), None);
    let second = world.begin_period(standing, 2);
    assert_eq!(world.token(second).session.bounds.debit_max.get(), Some(nanos(3)));
    sound(&world);
    // The mandate ends within the second week.
    let ends_at = Time::from_ns(world.token(second).session.bounds.ends_at.ns() - WEEK / 2);
    world.amend(&AmendToken { ends_at, ..nothing("end") }).unwrap();
    assert_eq!(world.token(second).session.bounds.ends_at, ends_at);
    sound(&world);
    let world = world.restart(3);
    world.clock.set(ends_at.ns() - 1);
    assert_eq!(code(&world.debit(goes_on, payee, 1, "before")), None);
    world.clock.set(ends_at.ns());
    assert_eq!(code(&world.debit(goes_on, payee, 1, "after")), Some(DeclineCode::SessionEnded));
    let RefreshAnswer::Declined(no) = world.refresh(standing, refresh_secret(standing, 2)).unwrap().value
    else {
        panic!("an ended mandate yielded")
    };
    assert_eq!((no.code, no.level), (DeclineCode::SessionEnded, Level::Token));
    while world.engine().sweep(10) > 0 {}
    assert_eq!(world.payable(payee), 1 + 3 + 1);
    assert_eq!(
        world.engine().account(account).wait().unwrap().available(),
        tallystick_core::Total::from_nanos(995)
    );
    sound(&world);
}
