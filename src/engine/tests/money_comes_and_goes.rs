//! I1, I6: deposits come, are confirmed, fail and are returned; money is withdrawn, lent and repaid; and at every seq of it
//! each partition is sound, the rules say again what was recorded, and no nano is made or lost.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::thread;
use tallystick_core::{
    AccountId, Amount, DeclineCode, DepositId, EnvelopeId, Next, Refusal, Span, Time,
    account::{Account, Funding},
    command::{CreateAccount, Deposit, OpenSession, Repay, Reverse, SetCreditLimit, TopUp, Withdraw},
    deposit::DepositState,
    record::ExternalFacts,
    session::Mode,
};
use tallystick_engine::{DepositAnswer, Fault, OpenAnswer, SessionShown};
use world::{MORNING, SECOND, USD, World, audit, audit_every_seq, below, by_key, code, opening};

fn nanos(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

fn deposit(world: &World, account: AccountId, key: &str, amount: u64, pending: bool) -> DepositAnswer {
    let deposit = Deposit { account, key: key.as_bytes(), amount: nanos(amount), currency: USD, pending };
    world.engine().deposit(&deposit).wait().unwrap().value
}

fn move_to(world: &World, id: DepositId, to: DepositState) -> Account {
    world.engine().move_deposit(id, to).wait().unwrap().value.account
}

fn withdraw(world: &World, account: AccountId, key: &str, amount: u64) -> Option<DeclineCode> {
    let command = Withdraw { account, key: key.as_bytes(), amount: nanos(amount), currency: USD };
    world.engine().withdraw(&command).wait().unwrap().value.decline.map(|no| no.code)
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Fault>) -> Refusal {
    match answer {
        Err(Fault::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_deposit_returned_while_most_of_it_is_reserved_leaves_a_deficit_that_admits_nothing() {
    let world = World::new(4);
    let (account, payee) = (world.account("a", 100), world.payee("p"));
    let second = deposit(&world, account, "second", 900, false).deposit.unwrap().id;
    let session = world.open(&opening(account, "s", 900));
    world.debit(session, payee, 400, "k1");

    let after = move_to(&world, second, DepositState::Returned);
    assert_eq!((after.available().nanos(), after.deficit().nanos()), (0, 800));

    // Nothing new is admitted at the account, whatever raises one of its counters.
    let OpenAnswer::Declined(no) =
        world.engine().open_session(&opening(account, "t", 1)).wait().unwrap().value
    else {
        panic!("opened out of a deficit")
    };
    assert_eq!((no.code, no.next), (DeclineCode::Cap, Next::Nothing));
    assert_eq!(withdraw(&world, account, "w", 1), Some(DeclineCode::Cap));
    let raise = TopUp { session, key: b"up", add: nanos(1), extend_by: Span::from_ns(0), parent_proof: None };
    let raised = world.engine().top_up(&raise).wait().unwrap().value;
    assert_eq!(raised.decline.map(|no| no.code), Some(DeclineCode::Cap));
    let shared = OpenSession { mode: Mode::Shared, ..opening(account, "shared", 5) };
    let shared = world.open(&shared);
    assert_eq!(code(&world.debit(shared, payee, 1, "k2")), Some(DeclineCode::Cap));

    // What was set aside stays a promise; what comes back of it covers the deficit first.
    assert_eq!(code(&world.debit(session, payee, 100, "k3")), None);
    world.engine().settle(session, false).wait().unwrap();
    let after = world.engine().account(account).wait().unwrap();
    assert_eq!((after.available().nanos(), after.deficit().nanos()), (0, 400));
    let after = deposit(&world, account, "third", 401, false).account;
    assert_eq!((after.available().nanos(), after.deficit().nanos()), (1, 0));
    assert_eq!(code(&world.debit(shared, payee, 1, "k4")), None);
    assert!(audit_every_seq(&world.disk.survivors().archive) > 15);
}

#[test]
fn a_deposit_goes_forward_only() {
    let world = World::new(4);
    let account = world.account("a", 10);
    let coming = deposit(&world, account, "d1", 500, true);
    assert_eq!((coming.account.available().nanos(), coming.account.pending.nanos()), (10, 500));
    let id = coming.deposit.unwrap().id;
    let ask = |to| world.engine().move_deposit(id, to).wait();
    assert_eq!(refused(ask(DepositState::Returned)), Refusal::WrongState { state: "PENDING" });
    let confirmed = ask(DepositState::Available).unwrap();
    assert!(!confirmed.replayed && confirmed.value.account.available().nanos() == 510);
    let again = ask(DepositState::Available).unwrap();
    assert!(again.replayed && again.value == confirmed.value);
    assert_eq!(refused(ask(DepositState::Failed)), Refusal::WrongState { state: "AVAILABLE" });
    assert_eq!(ask(DepositState::Returned).unwrap().value.account.available().nanos(), 10);
    assert_eq!(refused(ask(DepositState::Available)), Refusal::WrongState { state: "RETURNED" });

    let lost = deposit(&world, account, "d2", 70, true).deposit.unwrap().id;
    assert_eq!(move_to(&world, lost, DepositState::Failed).pending.nanos(), 0);
    let again = deposit(&world, account, "d2", 70, true);
    assert_eq!(again.deposit.unwrap().state, DepositState::Failed, "a replay shows it as it is now");
    audit_every_seq(&world.disk.survivors().archive);
}

#[test]
fn withdrawals_raced_with_opens_never_give_the_same_money_twice() {
    for _ in 0..10 {
        let world = World::new(8);
        let account = world.account("a", 1_000);
        let (mut taken, mut reserved) = (0, 0);
        thread::scope(|scope| {
            let world = &world;
            let withdrawing: Vec<_> = (0..4)
                .map(|no| {
                    scope.spawn(move || {
                        let took = |n: &u32| withdraw(world, account, &format!("w{no}-{n}"), 13).is_none();
                        (0..40).filter(took).count() as u128 * 13
                    })
                })
                .collect();
            let opening: Vec<_> = (0..4)
                .map(|no| {
                    scope.spawn(move || {
                        let opened = |n: &u32| {
                            let key = format!("s{no}-{n}");
                            let answer =
                                world.engine().open_session(&opening(account, &key, 17)).wait().unwrap();
                            matches!(answer.value, OpenAnswer::Opened(_))
                        };
                        (0..40).filter(opened).count() as u128 * 17
                    })
                })
                .collect();
            taken = withdrawing.into_iter().map(|thread| thread.join().unwrap()).sum();
            reserved = opening.into_iter().map(|thread| thread.join().unwrap()).sum();
        });
        let after = world.engine().account(account).wait().unwrap();
        assert_eq!((after.withdrawn.nanos(), after.reserved_by_children.nanos()), (taken, reserved));
        assert_eq!(after.available().nanos(), 1_000 - taken - reserved);
        assert!(after.available().nanos() < 17, "both kept asking until little was left");
        audit(&world.disk.survivors().journal);
        audit_every_seq(&world.disk.survivors().archive);
    }
}

#[test]
fn a_credit_line_is_filled_and_repaid() {
    let world = World::new(4);
    let payee = world.payee("p");
    let create = CreateAccount {
        funding: Funding::CreditLine,
        credit_limit: nanos(1_000),
        ..CreateAccount::prepaid(b"credit", USD)
    };
    let account = world.engine().create_account(&create).wait().unwrap().value.id;
    let session = world.open(&opening(account, "s", 1_000));
    let OpenAnswer::Declined(no) =
        world.engine().open_session(&opening(account, "t", 1)).wait().unwrap().value
    else {
        panic!("opened beyond the limit")
    };
    assert_eq!(no.code, DeclineCode::Cap);
    world.debit(session, payee, 700, "k1");
    world.engine().settle(session, false).wait().unwrap();
    let shown = || world.engine().account(account).wait().unwrap();
    assert_eq!((shown().outstanding().nanos(), shown().available().nanos()), (700, 300));

    let repay = |key: &'static [u8], amount| {
        world.engine().repay(&Repay { account, key, amount: nanos(amount), currency: USD }).wait()
    };
    let beyond = Refusal::Malformed { field: "amount_nanos", rule: "must be at most what is outstanding" };
    assert_eq!(refused(repay(b"r1", 701)), beyond);
    assert_eq!(repay(b"r1", 450).unwrap().value.available().nanos(), 750);
    let again = repay(b"r1", 450).unwrap();
    assert!(again.replayed && again.value.outstanding().nanos() == 250);

    let limit = SetCreditLimit { account, key: b"l1", limit: nanos(100) };
    let lowered = world.engine().set_credit_limit(&limit).wait().unwrap().value;
    assert_eq!((lowered.available().nanos(), lowered.deficit().nanos()), (0, 150));
    assert_eq!(repay(b"r2", 250).unwrap().value.available().nanos(), 100);
    let deposit = Deposit { account, key: b"d", amount: nanos(1), currency: USD, pending: false };
    let rule = "must be a prepaid account's";
    assert_eq!(
        refused(world.engine().deposit(&deposit).wait()),
        Refusal::Malformed { field: "account_id", rule }
    );
    audit_every_seq(&world.disk.survivors().archive);
}

#[test]
fn sessions_under_an_external_authority_end_a_margin_before_it_does() {
    let world = World::new(4);
    let usable_until = Time::from_ns(MORNING + 7_200 * SECOND);
    let facts = ExternalFacts { reference: "auth-1", usable_until, margin: Span::from_ns(600 * SECOND) };
    let create = CreateAccount {
        funding: Funding::ExternalAuthority,
        external: Some((nanos(5_000), facts)),
        ..CreateAccount::prepaid(b"card", USD)
    };
    let account = world.engine().create_account(&create).wait().unwrap().value.id;
    let ask = |key: &'static str, seconds| {
        let ttl = Span::from_ns(seconds * SECOND);
        world.engine().open_session(&OpenSession { ttl, ..opening(account, key, 5_000) }).wait()
    };
    let late = refused(ask("late", 6_601));
    assert!(matches!(late, Refusal::Malformed { field: "ttl", .. }), "{late:?}");
    assert!(matches!(ask("in time", 6_600).unwrap().value, OpenAnswer::Opened(_)));
    let OpenAnswer::Declined(no) = ask("too much", 60).unwrap().value else { panic!("opened") };
    assert_eq!(no.code, DeclineCode::Cap);
    audit_every_seq(&world.disk.survivors().archive);
}

#[test]
fn what_was_reversed_can_be_spent_again_at_every_level_and_is_not_settled() {
    let world = World::new(4);
    let (account, payee) = (world.account("a", 1_000), world.payee("p"));
    let top = OpenSession { default_payee_cap: nanos(60), ..opening(account, "top", 100) };
    let top = world.open(&top);
    let leaf = OpenSession { mode: Mode::Shared, ..below(EnvelopeId::Session(top), "leaf", 80) };
    let leaf = world.open(&leaf);
    let taken = world.debit(leaf, payee, 60, "k1");
    assert_eq!(code(&world.debit(leaf, payee, 1, "k2")), Some(DeclineCode::PayeeCap));
    let of = |payee, key: &'static [u8], amount| {
        let taken_back = Reverse {
            session: leaf,
            key,
            debit_seq: taken.seq,
            payee,
            taken: taken.taken,
            amount: nanos(amount),
        };
        world.engine().reverse(&taken_back).wait()
    };
    let reverse = |key, amount| of(payee, key, amount);
    // This partition was never told of it, so it never paid it; what it is told otherwise is nobody else's to hear.
    assert_eq!(refused(of(world.payee("stranger"), b"r0", 1)), Refusal::UnknownDebit);
    assert_eq!(reverse(b"r1", 25).unwrap().value.reversed, nanos(25));
    assert!(reverse(b"r1", 25).unwrap().replayed);
    assert!(matches!(refused(reverse(b"r2", 36)), Refusal::Malformed { field: "amount_nanos", .. }));
    assert_eq!(code(&world.debit(leaf, payee, 25, "k3")), None);
    assert_eq!(code(&world.debit(leaf, payee, 1, "k4")), Some(DeclineCode::PayeeCap));
    assert_eq!(reverse(b"r3", 0).unwrap().value.reversed, nanos(35), "all that is left of it");

    let settled = world.engine().settle(leaf, false).wait().unwrap().value.settlement().cloned().unwrap();
    assert_eq!((settled.total, settled.debit_count), (nanos(25), 2));
    let again = reverse(b"r3", 0).unwrap();
    assert!(again.replayed && matches!(again.value.session, SessionShown::Settled(_)));
    assert_eq!(refused(reverse(b"r4", 1)), Refusal::SessionRetired);
    let SessionShown::Open(top) = world.engine().session(top).wait().unwrap() else { panic!("settled") };
    assert_eq!((top.spent_below, top.remaining), (nanos(25), nanos(75)));
    assert_eq!(world.payable(payee), 25);
    audit_every_seq(&world.disk.survivors().archive);
}

#[test]
fn keys_of_commands_are_remembered_after_a_checkpoint_has_filed_them() {
    let world = World::new(4);
    let (account, payee) = (world.account("a", 1_000), world.payee("p"));
    let session = world.open(&opening(account, "s", 100));
    let declined = withdraw(&world, account, "w", 5_000);
    world.running.checkpoint().unwrap();
    let check = |world: &World| {
        assert_eq!(world.payee("p"), payee);
        assert_eq!(world.open(&opening(account, "s", 100)), session);
        assert_eq!(withdraw(world, account, "w", 5_000), declined);
        let other = world.engine().open_session(&opening(account, "s", 101)).wait();
        assert_eq!(refused(other), Refusal::KeyReused { field: "cap_nanos" });
        let after = world.engine().account(account).wait().unwrap();
        assert_eq!((after.deposited.nanos(), after.open_children), (1_000, 1));
        let deposit = Deposit { account, key: b"a", amount: nanos(1_000), currency: USD, pending: false };
        assert!(world.engine().deposit(&deposit).wait().unwrap().replayed);
    };
    check(&world);
    let world = world.restart(3);
    check(&world);
    assert_eq!(by_key(session, payee, 1, "k").amount, nanos(1));
}
