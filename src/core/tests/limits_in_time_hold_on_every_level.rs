//! I4: limits in time count everything that is debited or held on an envelope and below it, reserved or shared; the nearest that
//! says no is named, rates before windows, and the wait is when all of them let the same debit through. As text first;
//! `words/mod.rs` says how it reads.
#![allow(clippy::unwrap_used, reason = "a test")]

mod ledger;
mod words;

use ledger::{Ledger, USD};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tallystick_core::{
    Amount, DeclineCode, EnvelopeId, Hit, Level, Next, SessionId, Span, Time,
    command::{Act, CreateAccount, Debit},
    decide,
    session::Mode,
    velocity::{Measure, Pace, VelocityLimit},
};
use words::{Words, holds};

#[test]
fn each_level_counts_what_is_debited_below_it() {
    holds(
        "account A 300 window 4
         open P under A cap 100 rate 2/10 for 1000000000000       -> open
         open S under P cap 20                                    -> open
         open T under P cap 20 shared rate 1/30                   -> open
         pay S alice 1                                            -> 1
         pay T bob 1                                              -> 1
         # The nearest is named, and the wait is that of both.
         pay T bob 1                                              -> VELOCITY_RATE at T, wait until 30
         pay S alice 1                                            -> VELOCITY_RATE at P, wait until 5
         at 4
         pay S alice 1                                            -> VELOCITY_RATE at P, wait until 5
         at 5
         pay S alice 1                                            -> 1
         at 30
         pay T bob 1                                              -> 1
         # Four are in the account's window, all within one sub-bucket: the first count for as long as the last, 30 too long.
         pay S alice 1                                            -> VELOCITY_WINDOW at A, wait until 100000000030
         at 31
         pay P alice 1                                            -> VELOCITY_WINDOW at A, wait until 100000000030
         at 100000000029
         pay P alice 1                                            -> VELOCITY_WINDOW at A, wait until 100000000030
         at 100000000030
         pay P alice 1                                            -> 1",
    );
}

#[test]
fn nothing_gives_back_what_was_counted() {
    holds(
        "account A 300
         open S under A cap 100 amount window 60 for 1000000000000 -> open
         pay S alice 50 as one                                    -> 50
         reverse one                                              -> 50 back
         pay S alice 11                                           -> VELOCITY_WINDOW at S, wait until 100000000000
         pay S alice 10                                           -> 10",
    );
}

#[test]
fn what_is_asked_is_tested_and_what_is_taken_counts() {
    holds(
        "account A 300
         open S under A cap 30 amount window 60 for 1000000000000 -> open
         # Less would do, but a limit in time makes no debit smaller.
         pay S alice 61 or less                                   -> VELOCITY_WINDOW at S, at most 30
         pay S alice 60 or less                                   -> 30
         top-up S by 100                                          -> topped up
         pay S alice 31                                           -> VELOCITY_WINDOW at S, wait until 100000000000
         pay S alice 30                                           -> 30",
    );
}

#[test]
fn each_payee_has_its_own_wherever_it_is_paid() {
    holds(
        "account A 300 each rate 1/50
         open P under A cap 100 each amount rate 10/10            -> open
         open S under P cap 30                                    -> open
         pay S alice 10                                           -> 10
         pay P bob 10                                             -> 10
         pay P alice 1                                            -> VELOCITY_RATE at P, wait until 50
         at 10
         pay P alice 1                                            -> VELOCITY_RATE at A, wait until 50
         pay S bob 1                                              -> VELOCITY_RATE at A, wait until 50
         pay S carol 11                                           -> VELOCITY_RATE at P, at most 10
         pay S carol 10                                           -> 10",
    );
}

#[test]
fn a_settled_session_still_counts_above() {
    holds(
        "account A 300
         open P under A cap 100 window 2 for 1000000000000        -> open
         open S under P cap 30                                    -> open
         pay S alice 1                                            -> 1
         pay S alice 1                                            -> 1
         settle S                                                 -> alice 2, 28 back
         pay P alice 1                                            -> VELOCITY_WINDOW at P, wait until 100000000000
         open T under P cap 30                                    -> open
         pay T alice 1                                            -> VELOCITY_WINDOW at P, wait until 100000000000",
    );
}

#[test]
fn a_wait_beyond_the_sessions_end_is_no_wait() {
    holds(
        "account A 300
         open S under A cap 100 window 1                          -> open
         pay S alice 1                                            -> 1
         pay S alice 1                                            -> VELOCITY_WINDOW at S, nothing
         open T under A cap 100 amount window 9                   -> open
         pay T alice 5                                            -> 5
         pay T alice 5                                            -> VELOCITY_WINDOW at T, at most 4",
    );
}

#[test]
fn limits_that_cannot_be_are_refused_and_change_nothing() {
    let mut words = Words::new();
    words.line("account A 300", 1);
    let before = format!("{:?}", words.ledger.partition);
    for (limit, said) in [
        ("rate 0/10", "refused: velocity.most must be 1 to 2^63-1"),
        ("rate 1/0", "refused: velocity.per must be more than 0 and at most one minute for a rate"),
    ] {
        assert_eq!(words.say(&format!("open S under A cap 9 {limit}")), said);
        assert_eq!(words.say(&format!("account B 9 {limit}")), said);
    }
    let nine = "rate 1/1 ".repeat(9);
    let said = words.say(&format!("open S under A cap 9 {nine}"));
    assert_eq!(said, "refused: velocity must list at most 8 limits");
    assert_eq!(format!("{:?}", words.ledger.partition), before);
}

#[test]
fn another_limit_under_the_same_key_is_another_intent() {
    holds(
        "account A 300
         open S under A cap 9 rate 1/10 as one                    -> open
         open S under A cap 9 rate 1/10 as one                    -> as before
         open S under A cap 9 rate 2/10 as one                    -> refused: the key was used with another velocity
         open S under A cap 9 as one                              -> refused: the key was used with another velocity",
    );
}

fn limited(limits: &[VelocityLimit]) -> Ledger {
    let mut ledger = Ledger::new();
    for name in ["alice", "bob", "carol"] {
        ledger.payee(name);
    }
    let account = ledger.create_account(&CreateAccount { velocity: limits, ..ledger::prepaid() }).unwrap();
    ledger.deposit(account, 1 << 40);
    ledger
}

fn act(ledger: &mut Ledger, amount: u64, act: Act) -> (u64, Option<(DeclineCode, Next)>) {
    let key = ledger.draw().to_string();
    let command = Debit { act, ..ledger.debit("alice", amount, USD, key.as_bytes()) };
    let (_, hit) = ledger.decide(&command).unwrap();
    assert_eq!(ledger.partition.check_sound(), Ok(()));
    (ledger.seq, hit.map(|hit| (hit.decline.code, hit.decline.next)))
}

/// A hold counts when it is placed, with its tolerance; its captures and its end do not; a capture that comes late is a debit.
#[test]
fn a_hold_counts_once_and_whole() {
    let per = Span::from_ns(100_000_000_000);
    let mut ledger = limited(&[VelocityLimit::new(Measure::Amount, 100, per)]);
    let opening = ledger.opening(1_000, 1_000_000_000_000);
    ledger.open(&opening).unwrap();
    let hold = |ledger: &mut Ledger, amount, tolerance| {
        let (tolerance, until) = (Amount::from_nanos(tolerance), Time::from_ns(ledger.now.ns() + 500));
        act(ledger, amount, Act::Hold { tolerance, until })
    };
    let wait = (DeclineCode::VelocityWindow, Next::WaitUntil(ledger.at(per.ns())));
    let (first, no) = hold(&mut ledger, 50, 10);
    assert_eq!(no, None);
    assert_eq!(hold(&mut ledger, 35, 6).1, Some(wait), "its tolerance counts");
    let (second, no) = hold(&mut ledger, 35, 5);
    assert_eq!(no, None);
    assert_eq!(act(&mut ledger, 1, Act::Debit).1, Some(wait));
    assert_eq!(act(&mut ledger, 60, Act::Capture { hold: first, last: false }).1, None, "it was promised");
    assert_eq!(act(&mut ledger, 0, Act::Void { hold: second }).1, None);
    assert_eq!(act(&mut ledger, 1, Act::Debit).1, Some(wait), "a void gives nothing back");
    ledger.now = ledger.at(per.ns());
    let (third, no) = hold(&mut ledger, 90, 0);
    assert_eq!(no, None);
    ledger.now = Time::from_ns(ledger.now.ns() + 500);
    let lapsed = decide::lapse(&ledger.partition, ledger.session.unwrap(), ledger.now).unwrap();
    ledger.write(&lapsed);
    let late = Act::Capture { hold: third, last: false };
    assert_eq!(
        act(&mut ledger, 11, late).1.map(|no| no.0),
        Some(DeclineCode::VelocityWindow),
        "90 still count"
    );
    assert_eq!(act(&mut ledger, 10, late).1, None);
    assert_eq!(act(&mut ledger, 1, Act::Debit).1.map(|no| no.0), Some(DeclineCode::VelocityWindow));
}

/// Is a tree of sessions with limits on every level, and all that was approved, by envelope.
struct Tree {
    ledger: Ledger,
    /// Each with those above it, itself first.
    paths: Vec<(SessionId, Vec<EnvelopeId>)>,
    limits: BTreeMap<EnvelopeId, Vec<VelocityLimit>>,
    approved: BTreeMap<EnvelopeId, Vec<(u64, &'static str, u64)>>,
}

const PAYEES: [&str; 3] = ["alice", "bob", "carol"];

impl Tree {
    /// Plants one session for each list but the first, which is the account's; each stands under the session before it, or
    /// under the account.
    fn plant(lists: &[(bool, bool, Vec<VelocityLimit>)]) -> Self {
        let of_account = lists[0].2.clone();
        let ledger = limited(&of_account);
        let account = EnvelopeId::Account(ledger.account.unwrap());
        let mut tree = Self { ledger, paths: Vec::new(), limits: BTreeMap::new(), approved: BTreeMap::new() };
        tree.limits.insert(account, of_account);
        for (nth, (deeper, shared, limits)) in lists.iter().enumerate().skip(1) {
            let mut path = match tree.paths.last() {
                Some((_, path)) if *deeper => path.clone(),
                _ => vec![account],
            };
            let key = nth.to_string();
            let mut opening = tree.ledger.opening(1 << (30 - 3 * path.len()), 1 << 50);
            (opening.parent, opening.key) = (path[0], key.as_bytes());
            opening.mode = if *shared { Mode::Shared } else { Mode::Reserved };
            opening.ttl = if path.len() > 1 { Span::from_ns(0) } else { opening.ttl };
            opening.clauses.velocity.clone_from(limits);
            let id = tree.ledger.open(&opening).unwrap();
            path.insert(0, EnvelopeId::Session(id));
            tree.limits.insert(path[0], limits.clone());
            tree.paths.push((id, path));
        }
        tree
    }

    fn ask(&mut self, at: u64, nth: usize, payee: &'static str, amount: u64) -> Option<Hit> {
        self.ledger.now = self.ledger.at(at);
        self.ledger.session = Some(self.paths[nth].0);
        let key = self.ledger.draw().to_string();
        let command = self.ledger.debit(payee, amount, USD, key.as_bytes());
        self.ledger.decide(&command).unwrap().1
    }

    /// Returns the most that lies in any stretch that ends now, beside what the limit allows there.
    fn check(&self, at: u64, nth: usize, payee: &str) {
        for id in &self.paths[nth].1 {
            for limit in &self.limits[id] {
                let counts = |who: &str| !limit.each_payee || who == payee;
                let mut sum = 0;
                for (then, who, amount) in self.approved[id].iter().rev() {
                    let elapsed = at - then;
                    sum += if counts(who) { limit.measure.units(Amount::from_nanos(*amount)) } else { 0 };
                    let fits = match limit.pace {
                        Pace::Rate => {
                            sum * limit.per.ns() <= limit.at_once() * limit.per.ns() + limit.most * elapsed
                        }
                        Pace::Window => elapsed >= limit.per.ns() || sum <= limit.most,
                    };
                    assert!(fits, "{sum} units in {elapsed} ns pass {limit:?} of {id}");
                }
            }
        }
    }

    fn step(&mut self, at: u64, nth: usize, payee: &'static str, amount: u64) {
        let Some(hit) = self.ask(at, nth, payee, amount) else {
            for id in self.paths[nth].1.clone() {
                self.approved.entry(id).or_default().push((at, payee, amount));
            }
            return self.check(at, nth, payee);
        };
        let path = &self.paths[nth].1;
        assert!(path.contains(&hit.limit_of), "{hit:?} is not on the way up");
        let wanted = if hit.decline.code == DeclineCode::VelocityRate { Pace::Rate } else { Pace::Window };
        let of = &self.limits[&hit.limit_of];
        assert!(of.iter().any(|limit| limit.pace == wanted), "{hit:?} has no such limit");
        assert!(hit.decline.level == Level::Payee || hit.decline.level == hit.limit_of.level());
        let partition = &self.ledger.partition;
        let decides = |at: Time, amount: u64| {
            let command =
                Debit { amount: Amount::from_nanos(amount), ..self.ledger.debit(payee, 1, USD, b"what if") };
            decide::debit(partition, &command, at).unwrap().1
        };
        match hit.decline.next {
            Next::WaitUntil(until) => {
                assert_eq!(decides(until, amount), None, "declined at the end of its wait");
                assert!(decides(Time::from_ns(until.ns() - 1), amount).is_some(), "approved before its end");
            }
            Next::SmallerAmount(most) => {
                assert_eq!(decides(self.ledger.at(at), most.nanos()), None, "what is offered is not taken");
                assert!(most.nanos() < amount);
            }
            Next::Nothing => assert!(decides(self.ledger.at(at), 1).is_some(), "something could be offered"),
            other => panic!("{other:?} does not help against a limit in time"),
        }
    }
}

prop_compose! {
    fn any_limit()(
        rate: bool, count: bool, each_payee in prop::bool::weighted(0.3), most in 1..12u64, per in 1..40u64, burst in 0..6u64,
    ) -> VelocityLimit {
        let measure = if count { Measure::Count } else { Measure::Amount };
        let most = if count { most } else { most * 9 };
        let per = if rate { Span::from_ns(per * 1_000) } else { Span::from_ns(60_000_000_000 + per) };
        let limit = VelocityLimit::new(measure, most, per);
        VelocityLimit { each_payee, burst: if rate { burst * if count { 1 } else { 9 } } else { 0 }, ..limit }
    }
}

fn any_lists() -> impl Strategy<Value = Vec<(bool, bool, Vec<VelocityLimit>)>> {
    let level = (prop::bool::weighted(0.7), any::<bool>(), prop::collection::vec(any_limit(), 0..3));
    prop::collection::vec(level, 2..6)
}

proptest! {
    /// Whatever stands where, and whoever debits what: nothing passes any limit above, and every wait and offer is exact.
    #[test]
    fn nothing_passes_a_limit_on_any_level(
        lists in any_lists(),
        steps in prop::collection::vec((0..4u8, any::<u16>(), any::<prop::sample::Index>(), 0..3usize, 1..30u64), 1..80),
    ) {
        let mut tree = Tree::plant(&lists);
        let mut at = 0;
        for (kind, gap, which, payee, amount) in steps {
            at += match kind {
                0 => 0,
                1 => u64::from(gap) % 700,
                2 => u64::from(gap),
                _ => u64::from(gap) * 500_000,
            };
            let nth = which.index(tree.paths.len());
            tree.step(at, nth, PAYEES[payee], amount);
        }
        prop_assert_eq!(tree.ledger.partition.check_sound(), Ok(()));
    }
}
