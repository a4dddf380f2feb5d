//! I1, I5, I9 in the shapes that are easy to get wrong, each with its story, on the partition and the model side by side.
#![allow(clippy::unwrap_used, reason = "a test")]

mod trees;

use tallystick_core::{DeclineCode as Code, account::Funding, deposit::DepositState};
use trees::{
    World,
    model::{Due, Whose},
    tree::Wish,
};

fn with_account(funding: Funding, nanos: u64) -> World {
    let mut world = World::new(1);
    let account = world.account(funding, nanos);
    if funding == Funding::Prepaid {
        world.deposit(account, nanos, false);
    }
    world
}

fn shared(cap: u64) -> Wish {
    Wish { shared: true, ..reserved(cap) }
}

fn reserved(cap: u64) -> Wish {
    Wish { cap, ttl: 1_000, ..Wish::default() }
}

const TOP: Whose = Whose::Account(0);

/// Ten agents under one parent all pay the same payee, and the parent's cap for it is what it gets: also through sessions
/// that come and go, and while reversals give room back.
#[test]
fn ten_sessions_never_pay_one_payee_more_than_its_cap_above() {
    let mut world = with_account(Funding::Prepaid, 10_000);
    let parent = Wish { caps: [(0, 100)].into(), ..shared(5_000) };
    let parent = world.open(TOP, &parent).unwrap();
    let mut agents: Vec<usize> = (0..10)
        .map(|n| {
            world.open(Whose::Session(parent), &if n % 2 == 0 { shared(400) } else { reserved(400) }).unwrap()
        })
        .collect();
    let (mut declined, mut got) = (0, 0);
    for round in 0..40 {
        for agent in agents.clone() {
            match world.pay(agent, (0, 1 + round % 7), (false, round % 3 == 0)) {
                Ok(taken) => got += taken,
                Err(code) => declined += u64::from(code == Code::PayeeCap),
            }
            assert_eq!(world.model.got(parent, 0), got);
            assert!(got <= 100, "{got}");
            // Whoever else is paid by it has no cap above.
            world.pay(agent, (1, 1), (false, false)).unwrap();
        }
        if round % 5 == 4 {
            let debit = world.model.debits.iter().position(|debit| {
                debit.payee == 0 && debit.net() > 0 && !world.model.sessions[debit.session].settled
            });
            if let Some(debit) = debit {
                got -= world.model.debits[debit].net();
                world.reverse(debit, 0);
            }
        }
        if round % 4 == 3 {
            // One agent leaves, and another takes its place: what the first one paid stays counted.
            world.settle_whole(agents.remove(0));
            agents.push(world.open(Whose::Session(parent), &shared(400)).unwrap());
        }
        world.compare();
    }
    assert!(declined > 100, "{declined}");
    world.settle_whole(parent);
    world.deliver();
    world.compare();
    assert_eq!((world.settled_to(world.payees[0]), got), (got, world.model.got(parent, 0)));
}

/// A child is opened, spends all it has, and is closed, a hundred times over, of either kind: the parent's cap is spent once.
#[test]
fn a_hundred_children_one_after_the_other_never_yield_more_than_the_cap() {
    for wish in [reserved(50), shared(50)] {
        let mut world = with_account(Funding::Prepaid, 10_000);
        let parent = world.open(TOP, &reserved(1_000)).unwrap();
        let mut spent = 0;
        for _ in 0..100 {
            let Ok(child) = world.open(Whose::Session(parent), &wish) else { continue };
            while let Ok(taken) = world.pay(child, (1, 20), (false, true)) {
                spent += taken;
                if taken == 0 {
                    break;
                }
            }
            world.settle_whole(child);
            world.compare();
        }
        assert_eq!((spent, world.model.spent_in(parent)), (1_000, 1_000));
        assert_eq!(world.pay(parent, (1, 1), (false, true)), Err(Code::Cap));
        world.settle_whole(parent);
        world.compare();
        assert_eq!(world.model.left_of_account(0, Due::Held), 9_000);
    }
}

/// A card payment is charged back while nine tenths of it are set aside: what is set aside stays, nothing new begins, and
/// once it is settled the deficit is what was spent and is not there.
#[test]
fn a_deposit_is_returned_while_most_of_it_is_set_aside() {
    let mut world = with_account(Funding::Prepaid, 1_000);
    let large = world.open(TOP, &reserved(600)).unwrap();
    let small = world.open(TOP, &reserved(300)).unwrap();
    world.pay(large, (0, 450), (false, false)).unwrap();
    world.move_deposit(0, 0, DepositState::Returned);
    world.compare();
    assert_eq!(world.model.left_of_account(0, Due::Held), -900);
    assert_eq!(world.open(TOP, &reserved(1)), Err(Ok(Code::Cap)));
    world.pay(large, (0, 50), (false, false)).unwrap();
    world.pay(small, (1, 10), (false, false)).unwrap();
    let teller = world.open(TOP, &shared(100)).unwrap();
    assert_eq!(world.pay(teller, (0, 1), (false, true)), Err(Code::Cap));
    world.withdraw(0, 1);
    world.settle_whole(large);
    world.settle_whole(small);
    world.compare();
    assert_eq!(world.model.left_of_account(0, Due::Held), -510);
    world.deposit(0, 511, false);
    assert_eq!(world.pay(teller, (0, 2), (false, true)), Ok(1));
    world.settle_whole(teller);
    world.deliver();
    world.compare();
    assert_eq!(world.model.left_of_account(0, Due::Held), 0);
}

/// A credit line is filled to the last nano, repaid, and filled again, by sessions of both kinds.
#[test]
fn a_credit_line_is_filled_and_repaid_ten_times() {
    let mut world = with_account(Funding::CreditLine, 500);
    for round in 0..10 {
        let (a, b) = (world.open(TOP, &reserved(300)).unwrap(), world.open(TOP, &shared(300)).unwrap());
        world.pay(a, (0, 300), (false, false)).unwrap();
        assert_eq!(world.pay(b, (1, 250), (false, true)), Ok(200), "round {round}");
        assert_eq!(world.pay(b, (1, 1), (false, true)), Err(Code::Cap));
        world.repay(0, 200);
        world.repay(0, 1);
        world.settle_whole(a);
        world.settle_whole(b);
        world.repay(0, 301);
        world.repay(0, 300);
        world.compare();
        assert_eq!((world.model.outstanding(0), world.model.left(TOP)), (0, 500));
    }
    world.deliver();
    assert_eq!((world.settled_to(world.payees[0]), world.settled_to(world.payees[1])), (3_000, 2_000));
}

/// Money is taken out and set aside in turns, until nothing is left; and what expires in between can be taken out at once.
#[test]
fn withdrawals_and_openings_share_what_there_is() {
    let mut world = with_account(Funding::Prepaid, 1_000);
    for round in 0..30 {
        let wish = Wish { ttl: 10, ..reserved(60) };
        let session = world.open(TOP, &wish);
        if let Ok(session) = session {
            world.pay(session, (0, 5), (false, false)).unwrap();
        }
        let before = world.model.accounts[0].withdrawn;
        world.withdraw(0, 40);
        let all = world.model.left_of_account(0, Due::Released);
        assert!(session.is_ok() || all < 60, "round {round}: {all}");
        assert!(world.model.accounts[0].withdrawn > before || all < 40, "round {round}: {all}");
        world.model.now += 4;
        world.compare();
    }
    world.model.now += 10;
    // Nobody swept: the withdrawal itself releases what has expired.
    let left = world.model.left(TOP);
    world.withdraw(0, left);
    assert_eq!(world.model.left(TOP), 0);
    world.sweep(u64::MAX);
    world.deliver();
    world.compare();
    let (spent, out) = (world.model.used_of_account(0, Due::Held), world.model.accounts[0].withdrawn);
    assert_eq!(spent + out, 1_000);
}

/// Three levels expire at the same instant, the parent with the lowest slot: whoever lacks the room gets it back, through
/// shared and reserved alike, without a sweep.
#[test]
fn what_expired_far_below_is_released_before_a_decline() {
    let mut world = with_account(Funding::Prepaid, 100);
    let teller = world.open(TOP, &shared(100)).unwrap();
    let brief = Wish { ttl: 10, ..shared(90) };
    let a = world.open(TOP, &brief).unwrap();
    let b = world.open(Whose::Session(a), &Wish { ttl: 0, ..reserved(80) }).unwrap();
    let c = world.open(Whose::Session(b), &Wish { ttl: 0, ..reserved(70) }).unwrap();
    world.pay(c, (0, 30), (false, false)).unwrap();
    assert_eq!(world.pay(teller, (1, 21), (false, false)), Err(Code::Cap));
    assert_eq!(world.pay(teller, (1, 21), (false, true)), Ok(20));
    world.model.now = 10;
    assert_eq!(world.pay(teller, (1, 51), (false, false)), Err(Code::Cap));
    assert_eq!(world.pay(teller, (1, 50), (false, false)), Ok(50));
    world.compare();
}

/// A session is topped up beside one that has expired: what the top-up lacks is above it, and not below.
#[test]
fn what_expired_beside_it_is_released_before_a_top_up_is_declined() {
    let mut world = with_account(Funding::Prepaid, 100);
    let parent = world.open(TOP, &reserved(100)).unwrap();
    let topped = world.open(Whose::Session(parent), &reserved(40)).unwrap();
    let brief = world.open(Whose::Session(parent), &Wish { ttl: 10, ..reserved(60) }).unwrap();
    world.pay(brief, (0, 15), (false, false)).unwrap();
    world.top_up(topped, 1, 0);
    assert_eq!(world.model.sessions[topped].cap, 40);
    world.model.now = 10;
    world.top_up(topped, 45, 0);
    assert_eq!((world.model.sessions[topped].cap, world.figures.released), (85, 1));
    world.compare();
}
