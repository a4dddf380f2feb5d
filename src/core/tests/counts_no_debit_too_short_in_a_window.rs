//! Limits in time against a list of all debits (a million random ones for each limit): never a debit too many; how many too
//! few is counted and printed; and a wait is exact: declined just before it, approved at it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which says how much it tried")]

#[path = "trees/rng.rs"]
#[allow(dead_code, reason = "draws no places here")]
mod rng;

use rng::Rng;
use std::collections::BTreeMap;
use tallystick_core::{
    Amount, Span, Time,
    velocity::{Measure, Pace, Velocity, VelocityLimit, Wait},
};

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const USD: u64 = 1_000_000_000;
const BEGIN: u64 = 1_790_000_000 * SECOND;
/// A sub-bucket is at most this part of the window.
const PARTS: u64 = 64;

fn debits() -> u64 {
    std::env::var("VELOCITY_DEBITS").map_or(1_000_000, |n| n.parse().unwrap())
}

/// Is every debit that was approved, and what they come to.
#[derive(Default)]
struct List {
    at: Vec<u64>,
    through: Vec<u128>,
}

impl List {
    fn push(&mut self, at: u64, units: u64) {
        let before = self.through.last().copied().unwrap_or(0);
        self.at.push(at);
        self.through.push(before + u128::from(units));
    }

    /// Returns what was approved after `at - per`, up to `at`.
    fn in_force(&self, per: u64, at: u64) -> u128 {
        let over = self.at.partition_point(|debit| debit + per <= at);
        let before = over.checked_sub(1).map_or(0, |last| self.through[last]);
        self.through.last().map_or(0, |all| all - before)
    }

    fn has_room(&self, limit: &VelocityLimit, units: u64, at: u64) -> bool {
        self.in_force(limit.per.ns(), at) + u128::from(units) <= u128::from(limit.most)
    }
}

/// Says how debits come: one after a gap of up to twice `gap`, and each `crowd` times in a row after next to none.
#[derive(Clone, Copy)]
struct Spacing {
    gap: u64,
    crowd: u64,
}

struct Case {
    name: &'static str,
    limit: VelocityLimit,
    spacing: Spacing,
    payees: u64,
    most_amount: u64,
}

#[derive(Default)]
struct Figures {
    asked: u64,
    approved: u64,
    too_few: u64,
    listed: u64,
    longest_late_ns: u64,
}

fn run(case: &Case) -> Figures {
    let (limit, mut rng) = (case.limit, Rng(7));
    let mut velocity = Velocity::new(limit);
    // What was approved, by payee; and what a list alone would have approved.
    let (mut own, mut alone) = (BTreeMap::<u64, List>::new(), BTreeMap::<u64, List>::new());
    let (mut figures, mut at) = (Figures::default(), BEGIN);
    for number in 0..debits() {
        let gap = if number % case.spacing.crowd == 0 { case.spacing.gap } else { 1_000 };
        at += rng.within(0, 2 * gap + 1);
        let payee = rng.within(0, case.payees);
        let whose = if limit.each_payee { payee } else { 0 };
        let amount = rng.within(1, case.most_amount + 1);
        let (units, amount) = (limit.measure.units(Amount::from_nanos(amount)), Amount::from_nanos(amount));
        let payee = u32::try_from(payee).unwrap();
        figures.asked += 1;
        let own = own.entry(whose).or_default();
        match velocity.test(payee, amount, Time::from_ns(at)) {
            Ok(()) => {
                assert!(own.has_room(&limit, units, at), "{}: a debit too many at {at}", case.name);
                velocity.take(payee, amount, Time::from_ns(at));
                own.push(at, units);
                figures.approved += 1;
            }
            Err(wait) => {
                figures.too_few += u64::from(own.has_room(&limit, units, at));
                let late = check_wait(&velocity, (payee, amount), (at, wait), own);
                figures.longest_late_ns = figures.longest_late_ns.max(late);
            }
        }
        let alone = alone.entry(whose).or_default();
        if alone.has_room(&limit, units, at) {
            alone.push(at, units);
            figures.listed += 1;
        }
    }
    figures
}

/// A wait is exact for the window itself, and at most a sub-bucket longer than the list's. Returns how much longer.
fn check_wait(velocity: &Velocity, debit: (u32, Amount), (at, wait): (u64, Wait), own: &List) -> u64 {
    let ((payee, amount), limit) = (debit, velocity.limit());
    let units = limit.measure.units(amount);
    let Wait::Until(until) = wait else {
        assert!(units > limit.at_once(), "{units} units could pass some day");
        return 0;
    };
    let before = Time::from_ns(until.ns() - 1);
    assert!(until.ns() > at);
    assert_eq!(velocity.test(payee, amount, until), Ok(()), "declined at the end of its wait");
    assert_eq!(velocity.test(payee, amount, before), Err(wait), "approved before the end of its wait");
    let width = limit.per.ns() / PARTS;
    assert!(own.has_room(limit, units, until.ns()), "waits less than a list would");
    if until.ns() <= at + width || own.has_room(limit, units, until.ns() - width) {
        // The list has room a sub-bucket earlier at the latest; how much earlier is found by halves.
        let (mut short, mut enough) = (at.max(until.ns() - width) - 1, until.ns());
        while enough - short > 1 {
            let middle = short.midpoint(enough);
            if own.has_room(limit, units, middle) { enough = middle } else { short = middle }
        }
        assert!(until.ns() - enough <= width, "waits more than a sub-bucket too long");
        return until.ns() - enough;
    }
    0
}

fn count(most: u64, per: u64) -> VelocityLimit {
    VelocityLimit::new(Measure::Count, most, Span::from_ns(per))
}

fn amount(most: u64, per: u64) -> VelocityLimit {
    VelocityLimit::new(Measure::Amount, most, Span::from_ns(per))
}

#[test]
fn never_a_debit_too_many_and_few_too_few() {
    let even = |gap| Spacing { gap, crowd: 1 };
    let case = |name, limit, spacing, most_amount| Case { name, limit, spacing, payees: 20, most_amount };
    let cases = [
        case("10 debits/24 h, one in 2 h", count(10, DAY), even(2 * HOUR), USD),
        case("100 debits/2 min, one a second", count(100, 2 * MINUTE), even(SECOND), USD),
        case("1,000 debits/1 h, one in 3 s", count(1_000, HOUR), even(3 * SECOND), USD),
        case("100,000 debits/2 min, 1,000 a second", count(100_000, 2 * MINUTE), even(SECOND / 1_000), USD),
        case(
            "500 debits/1 h, 50 at once in 5 min",
            count(500, HOUR),
            Spacing { gap: 5 * MINUTE, crowd: 50 },
            USD,
        ),
        case(
            "25 USD/7 days, one in 4 h of up to 1.20",
            amount(25 * USD, 7 * DAY),
            even(4 * HOUR),
            6 * USD / 5,
        ),
        case("10 USD/24 h, one in 5 s of up to 0.0014", amount(10 * USD, DAY), even(5 * SECOND), USD / 700),
        case(
            "1,000 USD/30 days, 100 at once in 1 h",
            amount(1_000 * USD, 30 * DAY),
            Spacing { gap: HOUR, crowd: 100 },
            USD / 30,
        ),
        case(
            "5 USD/24 h each of 20 payees, one in 40 s",
            amount(5 * USD, DAY).for_each_payee(),
            even(40 * SECOND),
            USD / 9,
        ),
        case(
            "20 debits/1 h each of 20 payees, one in 8 s",
            count(20, HOUR).for_each_payee(),
            even(8 * SECOND),
            USD,
        ),
    ];
    for case in cases {
        assert_eq!(case.limit.pace, Pace::Window);
        assert_eq!(case.limit.check(), Ok(()));
        let figures = run(&case);
        let per_mille = |n: i128| {
            let hundredths = n * 100_000 / i128::from(figures.asked);
            format!(
                "{}{}.{:02}",
                if hundredths < 0 { "-" } else { "" },
                hundredths.abs() / 100,
                hundredths.abs() % 100
            )
        };
        let late = figures.longest_late_ns * 100_000 / case.limit.per.ns();
        println!(
            "{:<45} {} asked, {} approved, 0 too many; {} declined though a list had room ({} per mille); a list alone \
             approves {} ({} per mille more); waits at most {}.{:03} % of the window too long",
            case.name,
            figures.asked,
            figures.approved,
            figures.too_few,
            per_mille(figures.too_few.into()),
            figures.listed,
            per_mille(i128::from(figures.listed) - i128::from(figures.approved)),
            late / 1_000,
            late % 1_000,
        );
    }
}

/// Is a bucket as the books draw it: it holds units, a unit is `per` high, and `most` a nanosecond run out of it.
#[derive(Default)]
struct Bucket {
    level: u128,
    at: u64,
}

impl Bucket {
    fn take(&mut self, limit: &VelocityLimit, units: u64, at: u64) -> bool {
        let drained = u128::from(at - self.at) * u128::from(limit.most);
        (self.level, self.at) = (self.level.saturating_sub(drained), at);
        let level = self.level + u128::from(units) * u128::from(limit.per.ns());
        let fits = level <= u128::from(limit.at_once()) * u128::from(limit.per.ns());
        if fits {
            self.level = level;
        }
        fits
    }
}

#[test]
fn a_rate_is_a_bucket_to_the_nanosecond() {
    let cases = [
        ("50 debits/1 s", count(50, SECOND), SECOND / 60, USD),
        ("7 debits/3 s, 1 at once", count(7, 3 * SECOND).with_burst(1), SECOND / 3, USD),
        ("1,000 debits/1 min, 10 at once", count(1_000, MINUTE).with_burst(10), MINUTE / 1_100, USD),
        ("0.333 333 333 USD/1 s", amount(333_333_333, SECOND), SECOND / 100, USD / 150),
        ("1 USD/1 min, 0.02 at once", amount(USD, MINUTE).with_burst(USD / 50), SECOND, USD / 45),
        ("1 nano/1 min, 5 at once", amount(1, MINUTE).with_burst(5), MINUTE, 2),
    ];
    for (name, limit, gap, most_amount) in cases {
        assert_eq!((limit.pace, limit.check()), (Pace::Rate, Ok(())), "{name}");
        let (mut velocity, mut bucket, mut rng) = (Velocity::new(limit), Bucket::default(), Rng(11));
        let (mut at, mut approved, mut never) = (BEGIN, 0u64, 0u64);
        // The least that `per * approved - most * time` was: over any stretch it may grow by `per * burst`, not more.
        let (mut units_before, mut least) = (0u128, i128::MAX);
        for _ in 0..debits() {
            at += rng.within(0, 2 * gap + 1);
            let amount = Amount::from_nanos(rng.within(1, most_amount + 1));
            let (units, now) = (limit.measure.units(amount), Time::from_ns(at));
            let said = velocity.test(0, amount, now);
            assert_eq!(
                said.is_ok(),
                bucket.take(&limit, units, at),
                "{name}: another answer than a bucket's"
            );
            match said {
                Ok(()) => {
                    velocity.take(0, amount, now);
                    approved += 1;
                    let (per, most) = (i128::from(limit.per.ns()), i128::from(limit.most));
                    let elapsed = most * i128::from(at - BEGIN);
                    least = least.min(i128::try_from(units_before).unwrap() * per - elapsed);
                    units_before += u128::from(units);
                    let now = i128::try_from(units_before).unwrap() * per - elapsed;
                    assert!(
                        now - least <= per * i128::from(limit.at_once()),
                        "{name}: too much in some stretch"
                    );
                }
                Err(Wait::Never) => {
                    assert!(units > limit.at_once(), "{name}: {units} units could pass some day");
                    never += 1;
                }
                Err(Wait::Until(until)) => {
                    let before = Time::from_ns(until.ns() - 1);
                    assert_eq!(velocity.test(0, amount, until), Ok(()), "{name}: declined after its wait");
                    assert!(velocity.test(0, amount, before).is_err(), "{name}: approved before its wait");
                }
            }
        }
        println!("{name:<35} {} asked, {approved} approved, {never} never; as a bucket each time", debits());
    }
}
