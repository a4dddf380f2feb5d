//! Calendar periods through changes of clocks, in zones that change them in different ways; the table is what a person would read
//! off the clock on the wall. `cargo test … -- --nocapture` prints it.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a function of a test is no `#[test]` to clippy; hours are whole halves"
)]

use jiff::{Timestamp, tz::TimeZoneDatabase};
use std::fmt::Write as _;
use tallystick_core::{
    Span, Time,
    period::{Calendar, Day, Period, Rolling, Rule},
};
use tallystick_rpc::periods;

fn instant(text: &str) -> Time {
    let at: Timestamp = text.parse().unwrap();
    Time::from_ns(u64::try_from(at.as_nanosecond()).unwrap())
}

fn text(at: Time) -> String {
    Timestamp::from_nanosecond(at.ns().into()).unwrap().to_string()
}

fn local(at: Time, zone: &str) -> String {
    let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
    let at = Timestamp::from_nanosecond(at.ns().into()).unwrap().to_zoned(zone);
    at.strftime("%a %Y-%m-%d %H:%M %:z").to_string()
}

fn calendar(zone: &str, day: Day, minute: u16) -> Rule {
    Rule::Calendar(Calendar { day, minute, zone: zone.into() })
}

/// (what it shows, zone, day, minute, an instant, the period's beginning and end, its length in hours)
type Case = (&'static str, &'static str, Day, u16, &'static str, &'static str, &'static str, f64);

const CASES: &[Case] = &[
    (
        "day, forward",
        "Europe/Berlin",
        Day::Daily,
        0,
        "2026-03-29T12:00:00Z",
        "2026-03-28T23:00:00Z",
        "2026-03-29T22:00:00Z",
        23.0,
    ),
    (
        "day, back",
        "Europe/Berlin",
        Day::Daily,
        0,
        "2026-10-25T12:00:00Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T23:00:00Z",
        25.0,
    ),
    (
        "week, forward",
        "Europe/Berlin",
        Day::Weekly(1),
        0,
        "2026-03-29T21:59:59Z",
        "2026-03-22T23:00:00Z",
        "2026-03-29T22:00:00Z",
        167.0,
    ),
    (
        "week, back",
        "Europe/Berlin",
        Day::Weekly(1),
        0,
        "2026-10-25T22:30:00Z",
        "2026-10-18T22:00:00Z",
        "2026-10-25T23:00:00Z",
        169.0,
    ),
    (
        "month, forward",
        "Europe/Berlin",
        Day::Monthly(1),
        0,
        "2026-03-15T00:00:00Z",
        "2026-02-28T23:00:00Z",
        "2026-03-31T22:00:00Z",
        743.0,
    ),
    (
        "month, back",
        "Europe/Berlin",
        Day::Monthly(1),
        0,
        "2026-10-15T00:00:00Z",
        "2026-09-30T22:00:00Z",
        "2026-10-31T23:00:00Z",
        745.0,
    ),
    (
        "in a gap",
        "Europe/Berlin",
        Day::Daily,
        150,
        "2026-03-29T01:00:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-30T00:30:00Z",
        23.5,
    ),
    (
        "before that gap",
        "Europe/Berlin",
        Day::Daily,
        150,
        "2026-03-29T00:59:59Z",
        "2026-03-28T01:30:00Z",
        "2026-03-29T01:00:00Z",
        23.5,
    ),
    (
        "in a fold, first",
        "Europe/Berlin",
        Day::Daily,
        150,
        "2026-10-25T00:30:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-26T01:30:00Z",
        25.0,
    ),
    (
        "in a fold, second",
        "Europe/Berlin",
        Day::Daily,
        150,
        "2026-10-25T01:30:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-26T01:30:00Z",
        25.0,
    ),
    (
        "day, forward",
        "America/New_York",
        Day::Daily,
        0,
        "2026-03-08T12:00:00Z",
        "2026-03-08T05:00:00Z",
        "2026-03-09T04:00:00Z",
        23.0,
    ),
    (
        "day, back",
        "America/New_York",
        Day::Daily,
        0,
        "2026-11-01T12:00:00Z",
        "2026-11-01T04:00:00Z",
        "2026-11-02T05:00:00Z",
        25.0,
    ),
    (
        "week, forward",
        "America/New_York",
        Day::Weekly(7),
        120,
        "2026-03-08T07:00:00Z",
        "2026-03-08T07:00:00Z",
        "2026-03-15T06:00:00Z",
        167.0,
    ),
    (
        "week, back",
        "America/New_York",
        Day::Weekly(1),
        540,
        "2026-11-02T13:59:59Z",
        "2026-10-26T13:00:00Z",
        "2026-11-02T14:00:00Z",
        169.0,
    ),
    (
        "month, back",
        "America/New_York",
        Day::Monthly(1),
        60,
        "2026-11-01T05:30:00Z",
        "2026-11-01T05:00:00Z",
        "2026-12-01T06:00:00Z",
        721.0,
    ),
    (
        "half an hour, forward",
        "Australia/Lord_Howe",
        Day::Daily,
        0,
        "2026-10-04T00:00:00Z",
        "2026-10-03T13:30:00Z",
        "2026-10-04T13:00:00Z",
        23.5,
    ),
    (
        "half an hour, back",
        "Australia/Lord_Howe",
        Day::Daily,
        0,
        "2026-04-05T00:00:00Z",
        "2026-04-04T13:00:00Z",
        "2026-04-05T13:30:00Z",
        24.5,
    ),
    (
        "in a gap of half an hour",
        "Australia/Lord_Howe",
        Day::Daily,
        135,
        "2026-10-03T20:00:00Z",
        "2026-10-03T15:30:00Z",
        "2026-10-04T15:15:00Z",
        23.75,
    ),
    (
        "week, half an hour",
        "Australia/Lord_Howe",
        Day::Weekly(1),
        0,
        "2026-04-05T13:29:59Z",
        "2026-03-29T13:00:00Z",
        "2026-04-05T13:30:00Z",
        168.5,
    ),
    (
        "no midnight",
        "Africa/Cairo",
        Day::Daily,
        0,
        "2026-04-24T12:00:00Z",
        "2026-04-23T22:00:00Z",
        "2026-04-24T21:00:00Z",
        23.0,
    ),
    (
        "before no midnight",
        "Africa/Cairo",
        Day::Daily,
        0,
        "2026-04-23T21:59:59Z",
        "2026-04-22T22:00:00Z",
        "2026-04-23T22:00:00Z",
        24.0,
    ),
    (
        "midnight twice",
        "Africa/Cairo",
        Day::Daily,
        0,
        "2026-10-29T21:30:00Z",
        "2026-10-28T21:00:00Z",
        "2026-10-29T22:00:00Z",
        25.0,
    ),
    (
        "week, no midnight",
        "Africa/Cairo",
        Day::Weekly(5),
        0,
        "2026-04-24T00:00:00Z",
        "2026-04-23T22:00:00Z",
        "2026-04-30T21:00:00Z",
        167.0,
    ),
    (
        "month's last day",
        "Europe/Berlin",
        Day::Monthly(31),
        0,
        "2026-02-28T12:00:00Z",
        "2026-02-27T23:00:00Z",
        "2026-03-30T22:00:00Z",
        743.0,
    ),
    (
        "a day that never was",
        "Pacific/Apia",
        Day::Daily,
        0,
        "2011-12-30T09:59:59Z",
        "2011-12-29T10:00:00Z",
        "2011-12-30T10:00:00Z",
        24.0,
    ),
    (
        "the day after it",
        "Pacific/Apia",
        Day::Daily,
        0,
        "2011-12-30T10:00:00Z",
        "2011-12-30T10:00:00Z",
        "2011-12-31T10:00:00Z",
        24.0,
    ),
    (
        "never changed",
        "Asia/Tokyo",
        Day::Weekly(1),
        0,
        "2026-03-29T12:00:00Z",
        "2026-03-22T15:00:00Z",
        "2026-03-29T15:00:00Z",
        168.0,
    ),
];

#[test]
fn the_table_of_days_on_which_clocks_change() {
    let mut table = String::from("what it shows | zone | begins (local) | ends (local) | hours\n");
    for (shows, zone, day, minute, at, begins, ends, hours) in CASES {
        let found = periods::period(&calendar(zone, *day, *minute), instant(at)).unwrap();
        let wanted = Period { begins_at: instant(begins), ends_at: instant(ends) };
        let said = (text(found.begins_at), text(found.ends_at));
        assert_eq!(found, wanted, "{shows} in {zone} at {at}: {said:?}");
        let length_ns = found.ends_at.since(found.begins_at).ns();
        assert_eq!(length_ns, (hours * 3.6e12) as u64, "{shows} in {zone}");
        let (from, to) = (local(found.begins_at, zone), local(found.ends_at, zone));
        writeln!(table, "{shows} | {zone} | {from} | {to} | {hours}").unwrap();
    }
    println!("{table}");
}

/// No instant lies in two periods or in none: from each period's end the next begins, over twelve years and every change in them.
#[test]
fn periods_tile_the_time() {
    let mut count = 0;
    let days = [Day::Daily, Day::Weekly(3), Day::Monthly(29)];
    for zone in [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Cairo",
        "Pacific/Apia",
        "America/Sao_Paulo",
    ] {
        for (day, minute) in days.into_iter().flat_map(|day| [0, 90, 150].map(|minute| (day, minute))) {
            let rule = calendar(zone, day, minute);
            let mut at = instant("2010-01-01T00:00:00Z");
            let end = instant("2022-01-01T00:00:00Z");
            while at < end {
                let period =
                    periods::period(&rule, at).unwrap_or_else(|| panic!("{zone} {day:?} {}", text(at)));
                assert!(period.contains(at), "{zone} {day:?} {}", text(at));
                let last = Time::from_ns(period.ends_at.ns() - 1);
                assert_eq!(periods::period(&rule, last), Some(period), "{zone} {day:?} {}", text(last));
                let again = periods::period(&rule, period.ends_at).unwrap();
                assert_eq!(again.begins_at, period.ends_at, "{zone} {day:?} {}", text(period.ends_at));
                at = period.ends_at;
                count += 1;
            }
        }
    }
    println!("{count} periods, each begins where the one before ends");
}

#[test]
fn rolling_periods_do_not_look_at_the_wall() {
    let anchor = instant("2026-03-28T23:00:00Z");
    let rule = Rule::Rolling(Rolling { every: Span::from_hours(24), anchor });
    let period = periods::period(&rule, instant("2026-03-29T12:00:00Z")).unwrap();
    assert_eq!((period.begins_at, period.ends_at), (anchor, instant("2026-03-29T23:00:00Z")));
    assert_eq!(periods::period(&rule, instant("2026-03-28T22:59:59Z")), None);
}

#[test]
fn zones_are_known_by_name() {
    assert_eq!(periods::zone_name("europe/berlin").as_deref(), Some("Europe/Berlin"));
    assert_eq!(periods::zone_name("Europe/Bonn"), None);
    assert_eq!(
        periods::period(&calendar("Europe/Bonn", Day::Daily, 0), instant("2026-01-01T00:00:00Z")),
        None
    );
}
