use super::*;
use alloc::{vec, vec::Vec};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;

fn count(most: u64, per_ns: u64) -> VelocityLimit {
    VelocityLimit::new(Measure::Count, most, Span::from_ns(per_ns))
}

fn amount(most: u64, per_ns: u64) -> VelocityLimit {
    VelocityLimit::new(Measure::Amount, most, Span::from_ns(per_ns))
}

const fn at(ns: u64) -> Time {
    Time::from_ns(ns)
}

const fn nanos(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

/// Takes if it fits.
fn ask(velocity: &mut Velocity, payee: u32, amount: Amount, at: Time) -> Result<(), Wait> {
    velocity.test(payee, amount, at)?;
    velocity.take(payee, amount, at);
    Ok(())
}

fn payees(velocity: &Velocity) -> usize {
    velocity.view(Time::ZERO).payee_count.try_into().unwrap()
}

#[test]
fn each_field_has_its_rule() {
    let limit = count(1, SECOND);
    let window = VelocityLimit { pace: Pace::Window, per: Span::from_days(1), ..limit };
    let field = |limit: VelocityLimit| match limit.check() {
        Err(Refusal::Malformed { field, .. }) => field,
        Err(_) => "another refusal",
        Ok(()) => "",
    };
    assert_eq!(field(limit), "");
    assert_eq!(field(VelocityLimit { most: 0, ..limit }), "velocity.most");
    assert_eq!(field(VelocityLimit { most: 1 << 63, ..limit }), "velocity.most");
    assert_eq!(field(VelocityLimit { per: Span::from_ns(0), ..limit }), "velocity.per");
    assert_eq!(field(VelocityLimit { per: Span::from_ns(60 * SECOND), ..limit }), "");
    assert_eq!(field(VelocityLimit { per: Span::from_ns(60 * SECOND + 1), ..limit }), "velocity.per");
    assert_eq!(field(limit.with_burst(1 << 63)), "velocity.burst");
    assert_eq!(field(window), "");
    assert_eq!(field(window.with_burst(1)), "velocity.burst");
    assert_eq!(field(VelocityLimit { per: Span::from_ns(60 * SECOND), ..window }), "velocity.per");
    assert_eq!(field(VelocityLimit { per: Span::from_days(401), ..window }), "velocity.per");
    assert_eq!(VelocityLimit::check_all(&[limit; limits::VELOCITY_LIMITS]), Ok(()));
    assert!(VelocityLimit::check_all(&[limit; limits::VELOCITY_LIMITS + 1]).is_err());
}

#[test]
fn a_window_does_not_begin_anew_at_midnight() {
    let mut velocity = Velocity::new(amount(100, DAY));
    let midnight = 20_000 * DAY;
    assert_eq!(ask(&mut velocity, 0, nanos(100), at(midnight - 1)), Ok(()));
    let free_at = at(midnight - 1 + DAY);
    assert_eq!(ask(&mut velocity, 0, nanos(1), at(midnight)), Err(Wait::Until(free_at)));
    assert_eq!(ask(&mut velocity, 0, nanos(1), at(free_at.ns() - 1)), Err(Wait::Until(free_at)));
    assert_eq!(ask(&mut velocity, 0, nanos(100), free_at), Ok(()));
    assert_eq!(ask(&mut velocity, 0, nanos(101), at(u64::MAX)), Err(Wait::Never));
}

#[test]
fn a_full_list_of_payees_waits_until_one_is_idle() {
    let most = u32::try_from(limits::PAYEES_IN_VELOCITY).unwrap();
    for (limit, first_idle_at) in [(count(5, SECOND), 1_000 + SECOND / 5), (count(5, DAY), 1_000 + DAY)]
        .map(|(l, i)| (l.for_each_payee(), i))
    {
        let mut velocity = Velocity::new(limit);
        for payee in 0..most {
            // Listed from the last: what is idle first is not first in the list.
            let now = at(1_000 + u64::from(payee));
            assert_eq!(ask(&mut velocity, most - payee, nanos(1), now), Ok(()));
        }
        let now = at(2_000 + u64::from(most));
        assert_eq!(payees(&velocity), limits::PAYEES_IN_VELOCITY);
        assert_eq!(ask(&mut velocity, 0, nanos(1), now), Err(Wait::Until(at(first_idle_at))));
        assert_eq!((velocity.left(0, now), velocity.left(1, now), velocity.view(now).left), (0, 4, 4));
        assert_eq!(ask(&mut velocity, 1, nanos(1), now), Ok(()), "those listed go on");
        assert_eq!(
            ask(&mut velocity, 0, nanos(1), at(first_idle_at - 1)),
            Err(Wait::Until(at(first_idle_at)))
        );
        assert_eq!(ask(&mut velocity, 0, nanos(1), at(first_idle_at)), Ok(()));
        assert_eq!(payees(&velocity), limits::PAYEES_IN_VELOCITY);
        assert_eq!(ask(&mut velocity, most + 1, nanos(1), at(first_idle_at + 2 * DAY)), Ok(()));
        assert_eq!(payees(&velocity), 1, "the idle ones have gone");
        assert!(velocity.is_sound());
    }
}

#[test]
fn an_amendment_gives_nothing_back() {
    let before = [amount(100, DAY), count(10, SECOND), count(3, DAY).for_each_payee()];
    let mut velocities = Velocity::begin(&before);
    assert_eq!(
        velocities.iter().map(|v| v.limit().pace).collect::<Vec<_>>(),
        [Pace::Rate, Pace::Window, Pace::Window]
    );
    let now = at(20_000 * DAY);
    for velocity in &mut velocities {
        (0..3).for_each(|_| assert_eq!(ask(velocity, 7, nanos(20), now), Ok(())));
    }
    let after =
        [count(4, DAY).for_each_payee(), amount(50, 2 * DAY), count(4, SECOND / 2), amount(9, SECOND)];
    let amended = Velocity::amend(&velocities, &after, now);
    let left: Vec<_> = amended.iter().map(|v| (v.limit().most, v.left(7, now), v.view(now).left)).collect();
    assert_eq!(left, [(4, 1, 1), (9, 9, 9), (4, 1, 1), (50, 0, 0)]);
    let wait = amended.last().unwrap().test(7, nanos(10), now);
    assert_eq!(wait, Err(Wait::Until(at(20_002 * DAY))), "it counts for as long as the new window is");
    assert!(amended.iter().all(Velocity::is_sound));
    assert_eq!(amended.last().unwrap().amount_left(7, at(20_002 * DAY)), Some(nanos(50)));
}

#[test]
fn waits_past_the_end_of_time_are_never() {
    let end = at(u64::MAX);
    for limit in [amount(1, 60 * SECOND), amount(10, DAY)] {
        let mut velocity = Velocity::new(limit);
        assert_eq!(ask(&mut velocity, 0, nanos(limit.most), end), Ok(()));
        assert_eq!(ask(&mut velocity, 0, nanos(1), end), Err(Wait::Never));
        assert_eq!(ask(&mut velocity, 0, nanos(1), at(5)), Err(Wait::Never), "even if time ran back");
    }
    let mut slow = Velocity::new(amount(1, 60 * SECOND).with_burst(Amount::MAX.nanos()));
    assert_eq!(ask(&mut slow, 0, Amount::MAX, at(0)), Ok(()));
    assert_eq!(ask(&mut slow, 0, Amount::MAX, end), Err(Wait::Never));
}

#[test]
fn a_window_keeps_a_bounded_number_of_parts() {
    for per in [60 * SECOND + 1, 3_600 * SECOND, DAY, 400 * DAY] {
        let limit = count(u64::MAX >> 1, per);
        let mut window = Window::EMPTY;
        let most = (0..5_000u64).map(|step| {
            window.take(&limit, 1, at(step * (per / 150)));
            window.part_count()
        });
        let most = most.max().unwrap();
        assert!((64..=129).contains(&most), "{most} parts in {per} ns");
        assert!(window.is_sound());
    }
}

#[derive(Debug, Clone, Copy)]
struct Step {
    after: u64,
    payee: u32,
    amount: u64,
}

fn steps(gap: u64) -> impl Strategy<Value = Vec<Step>> {
    let after = prop_oneof![Just(0), 0..gap / 50, 0..gap, Just(gap), 0..8 * gap];
    let step = (after, 0..3u32, 1..30u64).prop_map(|(after, payee, amount)| Step { after, payee, amount });
    prop::collection::vec(step, 1..60)
}

fn limits_of(gap: u64) -> impl Strategy<Value = VelocityLimit> {
    let measure = prop::sample::select(vec![Measure::Count, Measure::Amount]);
    (any::<bool>(), measure, any::<bool>(), 1..40u64, 1..20u64, 0..40u64).prop_map(
        move |(rate, measure, each_payee, most, per, burst)| {
            let (pace, burst) = if rate { (Pace::Rate, burst) } else { (Pace::Window, 0) };
            // Windows as short as this are refused at the door; the arithmetic is the same.
            VelocityLimit { pace, measure, each_payee, most, per: Span::from_ns(per * gap / 4 + 1), burst }
        },
    )
}

proptest! {
    /// Whatever is asked: a debit that is approved leaves no stretch of time with too much; one that is declined is declined
    /// until its wait is over, and not after; and what is said to be left is just what fits.
    #[test]
    fn nothing_passes_a_limit_and_each_wait_is_exact(limit in limits_of(5_000), steps in steps(5_000)) {
        let mut velocity = Velocity::new(limit);
        let mut approved: Vec<(u64, u32, u64)> = Vec::new();
        let mut now = 1_000_000;
        for step in steps {
            now += step.after;
            let left = velocity.left(step.payee, at(now));
            let units = limit.measure.units(nanos(step.amount));
            let said = ask(&mut velocity, step.payee, nanos(step.amount), at(now));
            prop_assert_eq!(said.is_ok(), units <= left);
            match said {
                Ok(()) => {
                    approved.push((now, step.payee, units));
                    let mut sum = 0;
                    for (then, payee, units) in approved.iter().rev() {
                        if limit.each_payee && *payee != step.payee { continue; }
                        sum += units;
                        let (elapsed, per) = (now - then, limit.per.ns());
                        match limit.pace {
                            Pace::Rate => prop_assert!(sum * per <= limit.at_once() * per + limit.most * elapsed),
                            Pace::Window if elapsed < per => prop_assert!(sum <= limit.most),
                            Pace::Window => break,
                        }
                    }
                }
                Err(Wait::Until(until)) => {
                    prop_assert!(until > at(now));
                    prop_assert_eq!(velocity.test(step.payee, nanos(step.amount), until), Ok(()));
                    let before = at(until.ns() - 1);
                    prop_assert_eq!(velocity.test(step.payee, nanos(step.amount), before), said);
                }
                Err(Wait::Never) => prop_assert!(units > limit.at_once()),
            }
        }
    }
}
