//! Owns: what the periods of a standing mandate are, as data, and the arithmetic of rolling ones. Calendar periods need a time
//! zone's history, which core has not: whoever asks for a refresh works them out and hands them in, and core checks what it can.
//! Never: a time zone; a clock.

use crate::{Refusal, Span, Time, limits};
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// Is the day on which a calendar period begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Day {
    /// Every day.
    Daily,
    /// This day of every week: 1 Monday … 7 Sunday.
    Weekly(u8),
    /// This day of every month, 1 … 31; the last day of a month that is shorter.
    Monthly(u8),
}

/// Says when periods begin by a calendar and a clock on the wall: days and weeks are as long as they are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// On which days.
    pub day: Day,
    /// At which local time. *Units*: minutes after midnight, below 1,440.
    pub minute: u16,
    /// In which zone, by its IANA name.
    pub zone: Box<str>,
}

/// Says when periods begin by counting from an instant: they are all of one length, whatever clocks on walls do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rolling {
    /// How long each is.
    pub every: Span,
    /// When the first begins.
    pub anchor: Time,
}

/// Says when the periods of a standing mandate begin. Rows store the place: a new one comes last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// By a calendar.
    Calendar(Calendar),
    /// By counting.
    Rolling(Rolling),
}

/// Is one period: from its beginning up to, and not with, its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Period {
    /// The first instant in it.
    pub begins_at: Time,
    /// The first instant after it.
    pub ends_at: Time,
}

impl Period {
    /// Returns whether an instant lies in it.
    pub fn contains(&self, at: Time) -> bool {
        self.begins_at <= at && at < self.ends_at
    }
}

impl Rolling {
    /// Returns the period that contains `at`; `None` before the first.
    pub fn period(&self, at: Time) -> Option<Period> {
        if at < self.anchor || self.every.ns() == 0 {
            return None;
        }
        let begun = at.since(self.anchor).ns() / self.every.ns();
        let begins_at = self.anchor.checked_add(Span::from_ns(begun * self.every.ns()))?;
        Some(Period { begins_at, ends_at: begins_at.checked_add(self.every)? })
    }
}

impl Rule {
    /// Checks the fields alone. *Errors*: `Malformed`; whether there is such a zone is not core's to say.
    pub fn check(&self) -> Result<(), Refusal> {
        let (least, most) = (limits::PERIOD_LEAST, limits::PERIOD_MOST);
        match self {
            Self::Rolling(rolling) if rolling.every < least || rolling.every > most => {
                Err(Refusal::malformed("renewal.rolling.every", "must be an hour to 366 days"))
            }
            Self::Rolling(_) => Ok(()),
            Self::Calendar(calendar) => calendar.check(),
        }
    }
}

impl Calendar {
    fn check(&self) -> Result<(), Refusal> {
        let (field, rule) = match self.day {
            Day::Weekly(day) if !(1..=7).contains(&day) => {
                ("renewal.calendar.weekday", "must be 1 for Monday to 7 for Sunday")
            }
            Day::Monthly(day) if !(1..=31).contains(&day) => {
                ("renewal.calendar.day_of_month", "must be 1 to 31")
            }
            _ if self.minute >= 24 * 60 => ("renewal.calendar.local_time", "must be 00:00 to 23:59"),
            _ if self.zone.is_empty() || self.zone.len() > limits::METHOD_BYTES => {
                ("renewal.calendar.time_zone", "must be an IANA time zone such as Europe/Berlin")
            }
            _ => return Ok(()),
        };
        Err(Refusal::malformed(field, rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rolling_periods_tile_the_time_from_their_anchor(
            anchor in 0..1u64 << 62,
            every in 3_600_000_000_000..=31_622_400_000_000_000u64,
            later in 0..1u64 << 62,
        ) {
            let rule = Rolling { every: Span::from_ns(every), anchor: Time::from_ns(anchor) };
            let at = Time::from_ns(anchor + later);
            let period = rule.period(at).unwrap();
            prop_assert!(period.contains(at));
            prop_assert_eq!(period.ends_at.since(period.begins_at).ns(), every);
            prop_assert_eq!(rule.period(period.begins_at), Some(period));
            prop_assert_eq!(rule.period(period.ends_at).unwrap().begins_at, period.ends_at);
        }
    }

    #[test]
    fn nothing_rolls_before_its_anchor() {
        let rule = Rolling { every: Span::from_hours(1), anchor: Time::from_ns(10) };
        assert_eq!(rule.period(Time::from_ns(9)), None);
        assert_eq!(rule.period(Time::from_ns(10)).unwrap().begins_at, Time::from_ns(10));
    }
}
