//! Owns: money. `Amount` is one sum of nanos, `Total` a sum of many, `Cap` an amount that may be absent.
//! Never: `+`, `-`, a float, a currency; every operation is checked, or its name says what it does at the edge.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Holds one sum of money. *Units*: nanos, 10^-9 of a currency's major unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Amount(u64);

impl Amount {
    /// Is nothing.
    pub const ZERO: Self = Self(0);
    /// Is the greatest amount a caller may name, 2^63 - 1 nanos: about 9.2 billion major units.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// Takes nanos as they are; whether a caller may name them is for `check_named` to say.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanos.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Returns true for nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Returns true for what a caller may ask for: more than nothing, at most `MAX`.
    pub const fn is_nameable(self) -> bool {
        self.0 > 0 && self.0 <= Self::MAX.0
    }

    /// Adds, or returns `None` past 2^64.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Takes away, or returns `None` below zero.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// Takes away, down to zero: what remains of a limit that may be in deficit.
    pub const fn minus_or_zero(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nanos", self.0)
    }
}

/// Holds a sum of amounts. *Units*: nanos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Total(u128);

impl Total {
    /// Is nothing.
    pub const ZERO: Self = Self(0);
    /// Is the greatest total an account may reach, 2^96 - 1 nanos; books in `i128` can never overflow below it.
    pub const MAX: Self = Self((1 << 96) - 1);

    /// Takes nanos.
    pub const fn from_nanos(nanos: u128) -> Self {
        Self(nanos)
    }

    /// Returns the nanos.
    pub const fn nanos(self) -> u128 {
        self.0
    }

    /// Adds, or returns `None` past `MAX`.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) if sum <= Self::MAX.0 => Some(Self(sum)),
            _ => None,
        }
    }

    /// Takes away, or returns `None` below zero.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// Takes away, down to zero.
    pub const fn minus_or_zero(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Returns the most of it that one amount can hold and a caller can name.
    #[expect(clippy::cast_possible_truncation, reason = "the greater half is answered before")]
    pub const fn at_most_amount(self) -> Amount {
        if self.0 > Amount::MAX.0 as u128 { Amount::MAX } else { Amount(self.0 as u64) }
    }
}

impl From<Amount> for Total {
    fn from(amount: Amount) -> Self {
        Self(u128::from(amount.0))
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nanos", self.0)
    }
}

/// Holds a limit that may be absent, in the size of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cap(u64);

impl Cap {
    /// Is no limit. No nameable amount reaches it.
    pub const NONE: Self = Self(u64::MAX);

    /// Limits to `amount`.
    pub const fn of(amount: Amount) -> Self {
        Self(amount.0)
    }

    /// Takes zero for no limit, as the wire and the journal write it.
    pub const fn from_nanos_or_none(nanos: u64) -> Self {
        if nanos == 0 { Self::NONE } else { Self(nanos) }
    }

    /// Returns the nanos, zero for no limit.
    pub const fn nanos_or_zero(self) -> u64 {
        if self.0 == u64::MAX { 0 } else { self.0 }
    }

    /// Returns the limit, if there is one.
    pub const fn get(self) -> Option<Amount> {
        if self.0 == u64::MAX { None } else { Some(Amount(self.0)) }
    }

    /// Returns true if this limit is absent.
    pub const fn is_none(self) -> bool {
        self.0 == u64::MAX
    }

    /// Returns what remains below the limit once `used` is taken; `None` without a limit.
    pub const fn remaining(self, used: Amount) -> Option<Amount> {
        match self.get() {
            Some(cap) => Some(cap.minus_or_zero(used)),
            None => None,
        }
    }
}

impl Default for Cap {
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_refuse_to_pass_their_edges() {
        let most = Amount::from_nanos(u64::MAX);
        assert_eq!(most.checked_add(Amount::from_nanos(1)), None);
        assert_eq!(Amount::ZERO.checked_sub(Amount::from_nanos(1)), None);
        assert_eq!(Total::MAX.checked_add(Total::from_nanos(1)), None);
        assert_eq!(Total::ZERO.checked_sub(Total::from_nanos(1)), None);
    }

    #[test]
    fn an_absent_cap_is_never_a_nameable_amount() {
        assert!(!Amount::from_nanos(u64::MAX).is_nameable());
        assert!(!Amount::ZERO.is_nameable());
        assert!(Amount::MAX.is_nameable());
        assert_eq!(Cap::from_nanos_or_none(0).get(), None);
        assert_eq!(Cap::of(Amount::MAX).get(), Some(Amount::MAX));
    }

    #[test]
    fn remaining_stops_at_zero() {
        let cap = Cap::of(Amount::from_nanos(5));
        assert_eq!(cap.remaining(Amount::from_nanos(7)), Some(Amount::ZERO));
        assert_eq!(Total::MAX.at_most_amount(), Amount::MAX);
    }
}
