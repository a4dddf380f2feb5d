//! Owns: limits in time: how many debits, or how much, in how long. A *rate* looks back up to a minute and is exact; a
//! *rolling window* looks back longer, over sub-buckets that count a debit for at most one sub-bucket too long and never
//! too short. So the error declines and never approves, and memory is bounded whatever is debited.
//! Never: a calendar; a window that begins anew. Never gives back what a debit took: neither a reversal nor a void does.

mod payees;
mod rate;
#[cfg(test)]
mod tests;
mod window;

use crate::{Amount, Refusal, Span, Time, limits};
use alloc::{boxed::Box, vec::Vec};
use payees::Payees;
use rate::Rate;
use serde::{Deserialize, Serialize};
use window::Window;

/// The longest that a rate looks back. What looks back longer is a window.
pub const RATE_LONGEST: Span = Span::from_minutes(1);
/// The longest that a window looks back.
pub const WINDOW_LONGEST: Span = Span::from_days(400);

/// Says how a limit looks back. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Pace {
    /// A bucket that drains evenly: at most `burst` at once, and `most` in each `per` on top.
    Rate = 1,
    /// At most `most` in any stretch of `per`.
    Window = 2,
}

impl Pace {
    /// Reads a stored number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Rate),
            2 => Some(Self::Window),
            _ => None,
        }
    }
}

/// Says what a limit measures. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Measure {
    /// Debits: each is one unit.
    Count = 1,
    /// Money: each nano is one unit.
    Amount = 2,
}

impl Measure {
    /// Reads a stored number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Count),
            2 => Some(Self::Amount),
            _ => None,
        }
    }

    /// Returns how many units a debit of `amount` takes.
    pub const fn units(self, amount: Amount) -> u64 {
        match self {
            Self::Count => 1,
            Self::Amount => amount.nanos(),
        }
    }
}

/// Is one limit in time, as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VelocityLimit {
    /// How it looks back.
    pub pace: Pace,
    /// What it measures.
    pub measure: Measure,
    /// Each payee has all of it for itself; else all payees share it.
    pub each_payee: bool,
    /// The most, in units of `measure`.
    pub most: u64,
    /// In how long.
    pub per: Span,
    /// Of a rate: the most at once; zero for `most`. Of a window: zero.
    pub burst: u64,
}

impl VelocityLimit {
    /// Limits to `most` in `per`: a rate up to a minute, a window beyond.
    pub fn new(measure: Measure, most: u64, per: Span) -> Self {
        let pace = if per <= RATE_LONGEST { Pace::Rate } else { Pace::Window };
        Self { pace, measure, each_payee: false, most, per, burst: 0 }
    }

    /// Returns the same limit for each payee.
    #[must_use]
    pub const fn for_each_payee(self) -> Self {
        Self { each_payee: true, ..self }
    }

    /// Returns the same rate with this much at once.
    #[must_use]
    pub const fn with_burst(self, burst: u64) -> Self {
        Self { burst, ..self }
    }

    /// Returns the most units that one instant can take, and so the greatest debit that can ever pass.
    pub const fn at_once(&self) -> u64 {
        match self.pace {
            Pace::Rate if self.burst != 0 => self.burst,
            Pace::Rate | Pace::Window => self.most,
        }
    }

    /// Checks one limit by itself. *Errors*: `Malformed`, naming the field.
    pub fn check(&self) -> Result<(), Refusal> {
        let bad = |field, rule| Err(Refusal::malformed(field, rule));
        if !Amount::from_nanos(self.most).is_nameable() {
            return bad("velocity.most", "must be 1 to 2^63-1");
        }
        match self.pace {
            Pace::Rate if self.per.ns() == 0 || self.per > RATE_LONGEST => {
                bad("velocity.per", "must be more than 0 and at most one minute for a rate")
            }
            Pace::Window if self.per <= RATE_LONGEST || self.per > WINDOW_LONGEST => {
                bad("velocity.per", "must be more than one minute and at most 400 days for a rolling window")
            }
            Pace::Rate if self.burst > Amount::MAX.nanos() => bad("velocity.burst", "must be at most 2^63-1"),
            Pace::Window if self.burst != 0 => bad("velocity.burst", "must be 0 for a rolling window"),
            Pace::Rate | Pace::Window => Ok(()),
        }
    }

    /// Checks all limits of one envelope. *Errors*: `Malformed`, naming the field.
    pub fn check_all(limits: &[Self]) -> Result<(), Refusal> {
        if limits.len() > limits::VELOCITY_LIMITS {
            return Err(Refusal::malformed("velocity", "must list at most 8 limits"));
        }
        limits.iter().try_for_each(Self::check)
    }
}

/// Says when a debit that does not fit now could.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// From this instant on, and not before, if nothing else is taken until then.
    Until(Time),
    /// Never: it is more than the limit lets through at once.
    Never,
}

/// Is one limit in time as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VelocityView {
    /// The limit.
    pub limit: VelocityLimit,
    /// What every payee can take: of a limit for each payee, what the one that can take least can.
    pub left: u64,
    /// For how many payees something is kept; zero for a limit that all share.
    pub payee_count: u32,
}

/// Is what was taken of one limit, by all payees together or by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Used {
    Rate(Rate),
    Window(Window),
}

impl Used {
    const fn nothing(limit: &VelocityLimit) -> Self {
        match limit.pace {
            Pace::Rate => Self::Rate(Rate::EMPTY),
            Pace::Window => Self::Window(Window::EMPTY),
        }
    }

    #[inline]
    fn test(&self, limit: &VelocityLimit, units: u64, at: Time) -> Result<(), Wait> {
        match self {
            Self::Rate(rate) => rate.test(limit, units, at),
            Self::Window(window) => window.test(limit, units, at),
        }
    }

    #[inline]
    fn take(&mut self, limit: &VelocityLimit, units: u64, at: Time) {
        match self {
            Self::Rate(rate) => rate.take(limit, units, at),
            Self::Window(window) => window.take(limit, units, at),
        }
    }

    const fn touch(&self) -> u64 {
        match self {
            Self::Rate(rate) => rate.touch(),
            Self::Window(window) => window.touch(),
        }
    }

    /// Returns how many units can be taken at `at`.
    fn left(&self, limit: &VelocityLimit, at: Time) -> u64 {
        match self {
            Self::Rate(rate) => rate.left(limit, at),
            Self::Window(window) => limit.most.saturating_sub(window.in_force(limit.per, at)),
        }
    }

    /// Returns from when on it holds nothing any more, if nothing else is taken; `None` past the end of time.
    fn idle_at(&self, limit: &VelocityLimit) -> Option<Time> {
        match self {
            Self::Rate(rate) => rate.idle_at(limit),
            Self::Window(window) => window.idle_at(limit.per),
        }
    }

    fn is_idle(&self, limit: &VelocityLimit, at: Time) -> bool {
        self.idle_at(limit).is_some_and(|idle_at| idle_at <= at)
    }

    /// Returns the same under another limit of the same pace, from `at` on.
    fn amended(self, from: &VelocityLimit, to: &VelocityLimit, at: Time) -> Self {
        match self {
            Self::Rate(rate) => Self::Rate(rate.amended(from, to, at)),
            Self::Window(_) => self,
        }
    }
}

/// Is what was taken of one limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Taken {
    Together(Used),
    Each(Payees),
}

// Several lie side by side, and a debit that waits for memory waits for every 64 bytes of them.
const _: () = assert!(size_of::<Velocity>() <= 72);

/// Is one limit in time with what was taken of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Velocity {
    limit: VelocityLimit,
    taken: Taken,
}

impl Velocity {
    /// Begins with nothing taken.
    pub const fn new(limit: VelocityLimit) -> Self {
        let taken =
            if limit.each_payee { Taken::Each(Payees::NONE) } else { Taken::Together(Used::nothing(&limit)) };
        Self { limit, taken }
    }

    /// Begins all limits of one envelope: rates before windows, as they are tested, and else as they were listed.
    pub fn begin(limits: &[VelocityLimit]) -> Box<[Self]> {
        let mut all: Vec<Self> = limits.iter().copied().map(Self::new).collect();
        all.sort_by_key(|velocity| velocity.limit.pace);
        all.into()
    }

    /// Begins the limits that replace others on the same envelope. Each goes on with what was taken under the first one of
    /// the same pace and measure, for each payee or for all, that none before it went on with. So an amendment that
    /// changes figures alone gives nothing back.
    pub fn amend(before: &[Self], limits: &[VelocityLimit], at: Time) -> Box<[Self]> {
        let mut before: Vec<&Self> = before.iter().collect();
        let mut all = Self::begin(limits);
        for velocity in &mut all {
            let kind = |limit: &VelocityLimit| (limit.pace, limit.measure, limit.each_payee);
            let Some(found) = before.iter().position(|old| kind(&old.limit) == kind(&velocity.limit)) else {
                continue;
            };
            let Self { limit: from, taken } = before.remove(found).clone();
            velocity.taken = match taken {
                Taken::Together(used) => Taken::Together(used.amended(&from, &velocity.limit, at)),
                Taken::Each(payees) => Taken::Each(payees.amended(&from, &velocity.limit, at)),
            };
        }
        all
    }

    /// Returns the limit.
    pub const fn limit(&self) -> &VelocityLimit {
        &self.limit
    }

    /// Reads a little of each piece of it, so that all of it is on its way from memory.
    pub(crate) fn touch(&self) -> u64 {
        let taken = match &self.taken {
            Taken::Together(used) => used.touch(),
            Taken::Each(payees) => payees.len() as u64,
        };
        self.limit.most ^ taken
    }

    /// Says whether a debit fits at `at`. *Errors*: when it could. A limit for each payee keeps as many payees as it may; one
    /// more waits until another's part is idle.
    #[inline]
    pub fn test(&self, payee: u32, amount: Amount, at: Time) -> Result<(), Wait> {
        let units = self.limit.measure.units(amount);
        match &self.taken {
            Taken::Together(used) => used.test(&self.limit, units, at),
            Taken::Each(payees) => payees.test(&self.limit, payee, units, at),
        }
    }

    /// Takes a debit that fits. *Panics*: if it does not: it was tested in the same decision.
    #[inline]
    pub fn take(&mut self, payee: u32, amount: Amount, at: Time) {
        let units = self.limit.measure.units(amount);
        match &mut self.taken {
            Taken::Together(used) => used.take(&self.limit, units, at),
            Taken::Each(payees) => payees.take(&self.limit, payee, units, at),
        }
    }

    /// Returns how many units `payee` can take at `at`.
    pub fn left(&self, payee: u32, at: Time) -> u64 {
        match &self.taken {
            Taken::Together(used) => used.left(&self.limit, at),
            Taken::Each(payees) => payees.left(&self.limit, payee, at),
        }
    }

    /// Returns the most that one debit for `payee` can be at `at`; `None` when this limit counts debits, and lets one through.
    pub fn amount_left(&self, payee: u32, at: Time) -> Option<Amount> {
        match self.limit.measure {
            Measure::Count if self.left(payee, at) > 0 => None,
            Measure::Count => Some(Amount::ZERO),
            Measure::Amount => Some(Amount::from_nanos(self.left(payee, at))),
        }
    }

    /// Shows limits as they are at `at`.
    pub fn views(all: &[Self], at: Time) -> Vec<VelocityView> {
        all.iter().map(|velocity| velocity.view(at)).collect()
    }

    /// Shows it as it is at `at`.
    pub fn view(&self, at: Time) -> VelocityView {
        let (left, payee_count) = match &self.taken {
            Taken::Together(used) => (used.left(&self.limit, at), 0),
            Taken::Each(payees) => (payees.least_left(&self.limit, at), payees.len()),
        };
        VelocityView { limit: self.limit, left, payee_count: u32::try_from(payee_count).unwrap_or(u32::MAX) }
    }

    /// Returns whether what is kept agrees with itself and with the limit. Read after a row was read.
    pub fn is_sound(&self) -> bool {
        let of_pace = |used: &Used| match used {
            Used::Rate(_) => self.limit.pace == Pace::Rate,
            Used::Window(window) => self.limit.pace == Pace::Window && window.is_sound(),
        };
        self.limit.check().is_ok()
            && match &self.taken {
                Taken::Together(used) => !self.limit.each_payee && of_pace(used),
                Taken::Each(payees) => self.limit.each_payee && payees.is_sound(of_pace),
            }
    }
}
