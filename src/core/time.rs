//! Owns: instants and spans, and the `Clock` seam. Never: asks what time it is.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Is an instant. *Units*: nanoseconds since 1970-01-01T00:00:00Z; reaches to the year 2554.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Time(u64);

/// Is a length of time. *Units*: nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span(u64);

/// Tells the time. Passed in, never reached for; decisions clamp it so that it never runs back (I9).
pub trait Clock: Send + Sync {
    /// Returns the present instant.
    fn now(&self) -> Time;
}

impl Time {
    /// Is the beginning.
    pub const ZERO: Self = Self(0);

    /// Takes nanoseconds since 1970.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Returns nanoseconds since 1970.
    pub const fn ns(self) -> u64 {
        self.0
    }

    /// Returns the instant `span` later, or `None` past the end of time.
    pub const fn checked_add(self, span: Span) -> Option<Self> {
        match self.0.checked_add(span.0) {
            Some(ns) => Some(Self(ns)),
            None => None,
        }
    }

    /// Returns how long after `earlier` this is; nothing if it is not.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// Takes nanoseconds.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Takes minutes.
    pub const fn from_minutes(minutes: u32) -> Self {
        Self((minutes as u64).saturating_mul(60_000_000_000))
    }

    /// Takes hours.
    pub const fn from_hours(hours: u32) -> Self {
        Self((hours as u64).saturating_mul(3_600_000_000_000))
    }

    /// Takes days.
    pub const fn from_days(days: u32) -> Self {
        Self((days as u64).saturating_mul(86_400_000_000_000))
    }

    /// Returns nanoseconds.
    pub const fn ns(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ns since 1970", self.0)
    }
}
