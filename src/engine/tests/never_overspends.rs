//! I1: no schedule of threads approves a nano more than a cap allows, nor declines what would have fitted at its turn.
#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::{collections::BTreeMap, thread};
use tallystick_core::{Amount, DeclineCode, PayeeId};
use tallystick_engine::DebitAnswer;
use world::{Dice, World, audit, by_key, code, opening};

#[test]
fn of_equal_debits_for_twice_the_cap_exactly_half_are_approved() {
    const THREADS: u64 = 64;
    const EACH: u64 = 10;
    for run in 0..8 {
        let world = World::new(4);
        let account = world.account("a", 1_000_000);
        let payee = world.payee("p");
        let session = world.open(&opening(account, "s", THREADS * EACH / 2 * 7));
        let approved: u64 = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|no| {
                    let world = &world;
                    scope.spawn(move || {
                        let keys = (0..EACH).map(|n| format!("{no}-{n}"));
                        keys.filter(|key| code(&world.debit(session, payee, 7, key)).is_none()).count() as u64
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(approved, THREADS * EACH / 2, "run {run}");
        assert_eq!(world.engine().check_sound(), Ok(()));
        audit(&world.disk.survivors().journal);
    }
}

#[test]
fn no_declined_debit_would_have_fitted_at_its_turn() {
    const CAP: u64 = 20_000;
    const PAYEE_CAP: u64 = 12_000;
    for seed in 0..4 {
        let world = World::new(8);
        let account = world.account("a", 1_000_000);
        let payees: Vec<PayeeId> = ["p", "q", "r"].map(|name| world.payee(name)).into();
        let mut asked = opening(account, "s", CAP);
        asked.default_payee_cap = Amount::from_nanos(PAYEE_CAP);
        let session = world.open(&asked);
        let mut answers: Vec<(PayeeId, DebitAnswer)> = thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|no| {
                    let (world, payees) = (&world, &payees);
                    scope.spawn(move || {
                        let mut dice = Dice::new(seed * 100 + no);
                        let mut heard = Vec::new();
                        for n in 0..40 {
                            let payee = payees[usize::try_from(dice.below(3)).unwrap()];
                            let key = format!("{no}-{n}");
                            let asked = by_key(session, payee, 1 + dice.below(200), &key);
                            heard.push((payee, world.engine().debit(&asked).wait().unwrap()));
                        }
                        heard
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        answers.sort_by_key(|(_, answer)| answer.seq);
        assert!(answers.windows(2).all(|pair| pair[0].1.seq < pair[1].1.seq), "one seq, one decision");
        let (mut spent, mut by_payee) = (0, BTreeMap::<PayeeId, u64>::new());
        for (payee, answer) in &answers {
            let (amount, got) = (answer.amount.nanos(), by_payee.entry(*payee).or_default());
            let expected = if *got + amount > PAYEE_CAP {
                Some(DeclineCode::PayeeCap)
            } else if spent + amount > CAP {
                Some(DeclineCode::Cap)
            } else {
                *got += amount;
                spent += amount;
                None
            };
            assert_eq!(code(answer), expected, "seed {seed}, seq {}", answer.seq);
            assert_eq!(answer.remaining.nanos(), CAP - spent, "seed {seed}, seq {}", answer.seq);
        }
        assert!(answers.iter().any(|(_, answer)| code(answer).is_some()), "some were declined");
        assert_eq!(world.engine().check_sound(), Ok(()));
    }
}
