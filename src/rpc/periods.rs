//! Owns: which period of a standing mandate an instant lies in, by the rules of time zones that are built in, so that no two
//! machines say otherwise.
//!
//! A calendar period begins on its day at its local time. Where clocks are set forward past that time, so that it never is, the
//! period begins at the instant at which they are set; where they are set back and it comes twice, at the first of the two. So
//! no instant lies in two periods or in none, and a day on which clocks change is 23, 25, or 23½ hours long, as it is on the wall.
//! A period that would have no instant in it, since the zone skipped that day whole, is left out.
//!
//! Never: a clock; an amount.

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, DateTime, Weekday, time},
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};
use std::sync::OnceLock;
use tallystick_core::{
    Time,
    period::{Calendar, Day, Period, Rule},
};

fn zones() -> &'static TimeZoneDatabase {
    static ZONES: OnceLock<TimeZoneDatabase> = OnceLock::new();
    ZONES.get_or_init(TimeZoneDatabase::bundled)
}

/// Returns the name of a zone as the rules have it; `None` if they have no such zone.
pub fn zone_name(name: &str) -> Option<String> {
    zones().get(name).ok()?.iana_name().map(str::to_owned)
}

/// Returns the period of `rule` that contains `at`. `None` before a rolling rule's first, and for a zone that there is not.
pub fn period(rule: &Rule, at: Time) -> Option<Period> {
    match rule {
        Rule::Rolling(rolling) => rolling.period(at),
        Rule::Calendar(calendar) => by_calendar(calendar, at),
    }
}

fn by_calendar(calendar: &Calendar, at: Time) -> Option<Period> {
    let zone = zones().get(&calendar.zone).ok()?;
    let at = Timestamp::from_nanosecond(at.ns().into()).ok()?;
    let here = at.to_zoned(zone.clone()).date();
    let begins = |nth: i32| beginning(&zone, calendar, first_day(calendar.day, here, nth)?);
    // The period may have begun on a day before or after this date's own, and one may be empty: look at some on either side.
    let mut all = (-2..=3).map(begins);
    let mut begins_at = all.next()??;
    for ends_at in all {
        let ends_at = ends_at?;
        if begins_at <= at && at < ends_at {
            return Some(Period { begins_at: instant(begins_at)?, ends_at: instant(ends_at)? });
        }
        begins_at = ends_at;
    }
    None
}

fn instant(at: Timestamp) -> Option<Time> {
    u64::try_from(at.as_nanosecond()).ok().map(Time::from_ns)
}

/// Returns the day on which the `nth` period after that of the date `here` begins.
fn first_day(day: Day, here: Date, nth: i32) -> Option<Date> {
    match day {
        Day::Daily => here.checked_add(nth.days()).ok(),
        Day::Weekly(weekday) => {
            let weekday = Weekday::from_monday_one_offset(i8::try_from(weekday).ok()?).ok()?;
            let back = here.weekday().since(weekday);
            here.checked_sub(back.days()).ok()?.checked_add((7 * nth).days()).ok()
        }
        Day::Monthly(day) => {
            let month = here.first_of_month().checked_add(nth.months()).ok()?;
            let day = i8::try_from(day).ok()?.min(month.days_in_month());
            Date::new(month.year(), month.month(), day).ok()
        }
    }
}

/// Returns the instant at which a period begins on this day; see the module's header for gaps and folds.
fn beginning(zone: &TimeZone, calendar: &Calendar, day: Date) -> Option<Timestamp> {
    let (hour, minute) = (calendar.minute / 60, calendar.minute % 60);
    let local: DateTime = day.to_datetime(time(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0));
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(local).ok()
        }
        AmbiguousOffset::Gap { after, .. } => {
            // By the later offset, the time that is skipped is an instant before the clocks are set.
            let before = after.to_timestamp(local).ok()?;
            zone.following(before).next().map(|set| set.timestamp())
        }
    }
}
