//! Tokens are envelopes among the others: under accounts and under one another, debited straight or through sessions, and never over a
//! cap at any level, whoever writes at once. What becomes narrower holds at once for what was opened before.
#![allow(clippy::unwrap_used, reason = "a test")]

mod tokens;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use tallystick_core::{
    DeclineCode, EnvelopeId, Level, PayeeId, Refusal, SessionId, Span, Time,
    command::{Act, AmendToken, Debit, IssueToken, OpenSession},
    record::AuthorityFacts,
    session::{Mode, SecretHash},
    settlement::Reason,
};
use tallystick_engine::{Cursor, Fault, SessionShown};
use tokens::*;
use world::*;

fn refused<T: std::fmt::Debug>(answer: Result<T, Fault>) -> Refusal {
    match answer.unwrap_err() {
        Fault::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn under<'a>(token: SessionId, proof: &'a SecretHash, key: &'a str, cap: u64) -> OpenSession<'a> {
    OpenSession { parent_proof: Some(proof), ..below(EnvelopeId::Session(token), key, cap) }
}

/// 64 writers in ten sessions below one token of 5,000, reserved and shared in turn.
#[test]
fn writers_never_overspend_a_token_through_its_sessions() {
    let world = World::new(4);
    let (account, payee) = (world.account("a", 1_000_000), world.payee("acme"));
    let token_id = world.issue(&token(EnvelopeId::Account(account), "t", 5_000));
    let proof = secret(token_id);
    let sessions: Vec<SessionId> = (0..10)
        .map(|n| {
            let mode = if n % 2 == 0 { Mode::Reserved } else { Mode::Shared };
            let cap = if n % 2 == 0 { 400 } else { 4_000 };
            world.open(&OpenSession { mode, ..under(token_id, &proof, &format!("s{n}"), cap) })
        })
        .collect();
    let (approved, declined) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for writer in 0..64u64 {
            let (world, sessions, approved, declined) = (&world, &sessions, &approved, &declined);
            scope.spawn(move || {
                for n in 0..50 {
                    let session = sessions[usize::try_from((writer + n) % 10).unwrap()];
                    let answer = world.debit(session, payee, 7, &format!("{writer}.{n}"));
                    let count = if answer.decline.is_none() { approved } else { declined };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let (approved, declined) = (approved.into_inner(), declined.into_inner());
    let shown = world.token(token_id).session;
    assert_eq!(approved + declined, 3_200);
    let used = shown.spent_below.nanos() + shown.reserved_by_children.nanos();
    assert!(used <= 5_000 && 5_000 - used < 7, "{used} of 5,000: no more than the cap, and what fits");
    sound(&world);
    let world = world.restart(3);
    let settled = world.engine().settle(token_id, true).wait().unwrap().value;
    assert_eq!(settled.cascaded, 10);
    assert_eq!(world.payable(payee), u128::from(approved * 7));
    println!(
        "64 writers, 10 sessions, 1 token: {approved} approved, {declined} declined, {} of 5000 spent",
        approved * 7
    );
    sound(&world);
}

/// Five payees' tokens of 100 under a budget of 200: the normal shape.
#[test]
fn five_tokens_of_100_share_a_budget_of_200() {
    let world = World::new(2);
    let account = world.account("a", 10_000);
    let budget = world.issue(&token(EnvelopeId::Account(account), "budget", 200));
    let proof = secret(budget);
    let payees: Vec<PayeeId> = (0..5).map(|n| world.payee(&format!("p{n}"))).collect();
    let tokens: Vec<SessionId> = payees
        .iter()
        .enumerate()
        .map(|(n, payee)| {
            let key = format!("t{n}");
            let mut command = token(EnvelopeId::Session(budget), &key, 100);
            command.open.ttl = Span::from_ns(0);
            command.open.payees = vec![*payee];
            command.open.parent_proof = Some(&proof);
            world.issue(&command)
        })
        .collect();
    let spend = |n: usize, amount, key: &str| {
        world.spend(tokens[n], Some(&secret(tokens[n])), (payees[n], amount, key))
    };
    assert_eq!(code(&spend(0, 100, "k")), None);
    assert_eq!(code(&spend(1, 60, "k")), None);
    let own = spend(0, 1, "l").decline.unwrap();
    assert_eq!((own.code, own.level), (DeclineCode::Cap, Level::Token));
    let shared = spend(2, 50, "k");
    assert_eq!((code(&shared), shared.limit_of), (Some(DeclineCode::Cap), Some(EnvelopeId::Session(budget))));
    assert_eq!(code(&spend(2, 40, "l")), None);
    let other = world.spend(tokens[3], Some(&secret(tokens[3])), (payees[4], 1, "k"));
    assert_eq!(code(&other), Some(DeclineCode::PayeeNotAllowed));
    assert_eq!(world.token(budget).session.spent_below, nanos(200));
    // The tree says where the next no comes from.
    let nodes = world.engine().tree(EnvelopeId::Session(budget), Cursor::default(), 100).wait().unwrap().rows;
    assert_eq!(nodes.len(), 6);
    let fourth = nodes.iter().find(|node| node.id == tokens[3]).unwrap();
    assert_eq!((fourth.remaining, fourth.available), (nanos(100), nanos(0)));
    assert_eq!((fourth.next.code, fourth.next.limit_of), (DeclineCode::Cap, EnvelopeId::Session(budget)));
    let first = nodes.iter().find(|node| node.id == tokens[0]).unwrap();
    assert_eq!(first.next.limit_of, EnvelopeId::Session(tokens[0]));
    let listed = world.engine().tokens(account, Cursor::default(), 100).wait().unwrap();
    assert_eq!(listed.rows.len(), 6);
    sound(&world);
}

#[test]
fn a_secret_is_asked_for_at_every_door_of_a_token() {
    let world = World::new(2);
    let (account, payee) = (world.account("a", 10_000), world.payee("acme"));
    let id = world.issue(&token(EnvelopeId::Account(account), "t", 100));
    let (right, wrong) = (secret(id), SecretHash([1; 32]));
    for proof in [None, Some(&wrong)] {
        let debit = Debit { proof, ..by_key(id, payee, 1, "k") };
        assert_eq!(refused(world.engine().debit(&debit).wait()), Refusal::SecretWrong);
        let hold = Act::Hold { tolerance: nanos(0), until: Time::ZERO };
        let hold = Debit { act: hold, ..debit };
        assert_eq!(refused(world.engine().debit(&hold).wait()), Refusal::SecretWrong);
        let open = OpenSession { parent_proof: proof, ..below(EnvelopeId::Session(id), "s", 1) };
        assert_eq!(refused(world.engine().open_session(&open).wait()), Refusal::SecretWrong);
        let mut child = token(EnvelopeId::Session(id), "c", 1);
        child.open.parent_proof = proof;
        assert_eq!(refused(world.engine().issue_token(&child, &OpenSeal).wait()), Refusal::SecretWrong);
    }
    assert_eq!(code(&world.spend(id, Some(&right), (payee, 1, "k"))), None);
    // A session below needs its own secret, not its token's.
    let session = world.open(&under(id, &right, "s", 10));
    assert_eq!(code(&world.debit(session, payee, 1, "k")), None);
}

#[test]
fn a_one_time_token_is_consumed_by_one_debit_one_hold_or_one_session() {
    let world = World::new(2);
    let (account, payee) = (world.account("a", 10_000), world.payee("acme"));
    let issue = |key: &str| {
        world.issue(&IssueToken { one_time: true, ..token(EnvelopeId::Account(account), key, 100) })
    };
    let by_debit = issue("debit");
    let proof = secret(by_debit);
    assert_eq!(code(&world.spend(by_debit, Some(&proof), (payee, 101, "big"))), Some(DeclineCode::Cap));
    assert_eq!(code(&world.spend(by_debit, Some(&proof), (payee, 40, "k"))), None);
    let more = world.spend(by_debit, Some(&proof), (payee, 1, "l")).decline.unwrap();
    assert_eq!((more.code, more.level), (DeclineCode::SessionEnded, Level::Token));
    // A retry finds its answer for ten minutes, and then the token settles by itself.
    assert!(world.spend(by_debit, Some(&proof), (payee, 40, "k")).replayed);
    world.clock.pass(600 * SECOND - 1);
    assert_eq!(world.engine().sweep(10), 0);
    world.clock.pass(1);
    assert_eq!(world.engine().sweep(10), 1);
    let SessionShown::Settled(settlement) = world.engine().session(by_debit).wait().unwrap() else {
        panic!()
    };
    assert_eq!((settlement.reason, settlement.total), (Reason::Consumed, nanos(40)));

    let by_hold = issue("hold");
    let proof = secret(by_hold);
    let act = Act::Hold { tolerance: nanos(5), until: Time::ZERO };
    let hold = Debit { act, proof: Some(&proof), ..by_key(by_hold, payee, 30, "h") };
    let placed = world.engine().debit(&hold).wait().unwrap();
    assert_eq!(placed.decline, None);
    assert_eq!(code(&world.spend(by_hold, Some(&proof), (payee, 1, "l"))), Some(DeclineCode::SessionEnded));
    world.clock.pass(HOUR);
    assert_eq!(world.engine().sweep(10), 0, "its hold is open");
    let capture = Act::Capture { hold: placed.seq, last: true };
    let capture = Debit { act: capture, proof: Some(&proof), ..by_key(by_hold, payee, 32, "c") };
    assert_eq!(world.engine().debit(&capture).wait().unwrap().decline, None);
    world.clock.pass(600 * SECOND);
    assert_eq!(world.engine().sweep(10), 1);

    let by_session = issue("session");
    let proof = secret(by_session);
    let session = world.open(&under(by_session, &proof, "s", 50));
    assert_eq!(
        code(&world.spend(by_session, Some(&proof), (payee, 1, "l"))),
        Some(DeclineCode::SessionEnded)
    );
    assert_eq!(code(&world.debit(session, payee, 20, "k")), None);
    let world = world.restart(3);
    assert_eq!(world.engine().sweep(10), 0);
    world.engine().settle(session, false).wait().unwrap();
    assert_eq!(world.engine().sweep(10), 1);
    assert_eq!(world.payable(payee), 40 + 32 + 20);
    sound(&world);
}

fn nothing(id: SessionId, key: &str) -> AmendToken<'_> {
    AmendToken::nothing(id, key.as_bytes())
}

#[test]
fn narrowing_holds_at_once_for_what_was_opened_before() {
    let world = World::new(2);
    let (account, payee, other) = (world.account("a", 10_000), world.payee("acme"), world.payee("other"));
    let mut command = token(EnvelopeId::Account(account), "t", 1_000);
    command.open.payees = vec![payee, other];
    let id = world.issue(&command);
    let proof = secret(id);
    let session = world.open(&under(id, &proof, "s", 500));
    let sub = world.open(&below(EnvelopeId::Session(session), "sub", 100));
    assert_eq!(code(&world.debit(sub, payee, 50, "k")), None);
    let debit = |amount, payee, key: &str| {
        let answer = world.debit(sub, payee, amount, key);
        (code(&answer), answer.limit_of)
    };
    let of_token = |code| (Some(code), Some(EnvelopeId::Session(id)));
    world.amend(&AmendToken { debit_max: Some(nanos(20)), ..nothing(id, "max") }).unwrap();
    assert_eq!(debit(21, payee, "max"), of_token(DeclineCode::AboveDebitMax));
    assert_eq!(debit(20, payee, "max ok").0, None);
    world.amend(&AmendToken { debit_min: Some(nanos(5)), ..nothing(id, "min") }).unwrap();
    assert_eq!(debit(4, payee, "min"), of_token(DeclineCode::BelowDebitMin));
    world.amend(&AmendToken { approval_above: Some(nanos(10)), ..nothing(id, "approval") }).unwrap();
    assert_eq!(debit(11, payee, "approval"), of_token(DeclineCode::ApprovalRequired));
    world.amend(&AmendToken { remove: vec![other], ..nothing(id, "payee") }).unwrap();
    assert_eq!(debit(5, other, "payee"), of_token(DeclineCode::PayeeNotAllowed));
    // The first limit hit is the one that is named: the list comes before the greatest debit.
    assert_eq!(debit(21, other, "both"), of_token(DeclineCode::PayeeNotAllowed));
    let again = OpenSession { payees: vec![other], ..under(id, &proof, "again", 1) };
    assert!(matches!(
        refused(world.engine().open_session(&again).wait()),
        Refusal::Malformed { field: "payee_ids", .. }
    ));
    // A cap below what is used becomes what is used, and the token is full.
    let full = world.amend(&AmendToken { cap: nanos(1), ..nothing(id, "cap") }).unwrap();
    assert_eq!((full.session.bounds.cap, full.available), (nanos(500), nanos(0)));
    assert_eq!(debit(6, payee, "inside").0, None, "what was set aside before stays so");
    sound(&world);
    let world = world.restart(3);
    assert_eq!(code(&world.debit(sub, other, 5, "after")), Some(DeclineCode::PayeeNotAllowed));
    let now = world.token(id).as_of;
    world.amend(&AmendToken { ends_at: now, ..nothing(id, "end") }).unwrap();
    assert_eq!(code(&world.debit(sub, payee, 5, "ended")), Some(DeclineCode::SessionEnded));
    while world.engine().sweep(10) > 0 {}
    assert_eq!(world.payable(payee), 50 + 20 + 6);
    sound(&world);
}

#[test]
fn widening_needs_new_evidence() {
    let world = World::new(2);
    let (account, payee) = (world.account("a", 10_000), world.payee("acme"));
    let mut command = token(EnvelopeId::Account(account), "t", 100);
    command.open.evidence_hash = Some([1; 32]);
    command.open.payees = vec![payee];
    command.open.debit_max = nanos(10);
    let id = world.issue(&command);
    let other = world.payee("other");
    let authority = |evidence| AuthorityFacts {
        principal: "cfo",
        method: "passkey",
        evidence_hash: evidence,
        approved_at: Time::ZERO,
        agreement: "agreement 13",
    };
    let later = Time::from_ns(world.token(id).session.bounds.ends_at.ns() + 1);
    let wider: [(&str, AmendToken<'_>); 5] = [
        ("cap", AmendToken { cap: nanos(200), ..nothing(id, "k") }),
        ("end", AmendToken { ends_at: later, ..nothing(id, "k") }),
        ("max", AmendToken { debit_max: Some(nanos(0)), ..nothing(id, "k") }),
        ("payee", AmendToken { add: vec![other], ..nothing(id, "k") }),
        (
            "a narrower and a wider",
            AmendToken { cap: nanos(40), debit_max: Some(nanos(11)), ..nothing(id, "k") },
        ),
    ];
    let mut used = 1;
    for (what, command) in wider {
        // None, the one it has, and those it had.
        for evidence in [None].into_iter().chain((1..=used).map(|n| Some([n; 32]))) {
            let with = AmendToken { authority: Some(authority(evidence)), ..command.clone() };
            for asked in [&command, &with] {
                let refusal = refused(world.engine().amend_token(asked).wait());
                let field = "authority.evidence_hash";
                assert!(
                    matches!(refusal, Refusal::Malformed { field: is, .. } if is == field),
                    "{what}: {refusal:?}"
                );
            }
        }
        used += 1;
        let key = format!("wider {what}");
        let authority = Some(authority(Some([used; 32])));
        let shown = world.amend(&AmendToken { key: key.as_bytes(), authority, ..command }).unwrap();
        assert_eq!(shown.session.about.authority.evidence_hash, Some([used; 32]));
        // Narrower again, without any.
        let remove = if what == "payee" { vec![other] } else { Vec::new() };
        let cap = nanos(if what == "cap" { 50 } else { 0 });
        let back = AmendToken { cap, debit_max: Some(nanos(10)), remove, ..nothing(id, what) };
        world.amend(&back).unwrap();
    }
    sound(&world);
}

#[test]
fn a_reserved_token_sets_its_cap_aside_and_gives_back_what_it_is_narrowed_by() {
    let world = World::new(2);
    let account = world.account("a", 1_000);
    let mut command = token(EnvelopeId::Account(account), "t", 600);
    command.open.mode = Mode::Reserved;
    let id = world.issue(&command);
    let available = || world.engine().account(account).wait().unwrap().available().nanos();
    assert_eq!(available(), 400);
    world.amend(&AmendToken { cap: nanos(100), ..nothing(id, "less") }).unwrap();
    assert_eq!(available(), 900);
    let evidence = AuthorityFacts {
        principal: "cfo",
        method: "",
        evidence_hash: Some([5; 32]),
        approved_at: Time::ZERO,
        agreement: "",
    };
    let more = AmendToken { cap: nanos(1_001), authority: Some(evidence), ..nothing(id, "too much") };
    let declined = world.engine().amend_token(&more).wait().unwrap().value;
    assert!(matches!(declined, tallystick_engine::TokenAnswer::Declined(no) if no.code == DeclineCode::Cap));
    let more = AmendToken { cap: nanos(1_000), key: b"all", ..more };
    world.amend(&more).unwrap();
    assert_eq!(available(), 0);
    sound(&world);
    let world = world.restart(3);
    world.engine().settle(id, false).wait().unwrap();
    assert_eq!(world.engine().account(account).wait().unwrap().available().nanos(), 1_000);
    sound(&world);
}

#[test]
fn a_token_may_last_five_years_and_a_session_under_it_thirty_days() {
    let world = World::new(2);
    let account = world.account("a", 1_000);
    let mut command = token(EnvelopeId::Account(account), "t", 600);
    command.open.ttl = Span::from_days(1_828);
    let refusal = refused(world.engine().issue_token(&command, &OpenSeal).wait());
    assert!(matches!(refusal, Refusal::Malformed { field: "ttl", .. }), "{refusal:?}");
    command.open.ttl = Span::from_days(1_827);
    let id = world.issue(&command);
    let proof = secret(id);
    let open = OpenSession { ttl: Span::from_ns(0), ..under(id, &proof, "s", 1) };
    let session = world.open(&open);
    let SessionShown::Open(view) = world.engine().session(session).wait().unwrap() else { panic!() };
    assert_eq!(view.bounds.ends_at.since(view.opened_at), Span::from_days(30));
    let open = OpenSession { ttl: Span::from_days(31), key: b"long", ..open };
    assert!(matches!(
        refused(world.engine().open_session(&open).wait()),
        Refusal::Malformed { field: "ttl", .. }
    ));
}
