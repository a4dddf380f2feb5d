//! Owns: a currency as core sees it, a number that two amounts must share. Never: converts, prints or parses one.

use serde::{Deserialize, Serialize};

/// Names a currency together with its rail. Below 1,000 it is the ISO 4217 numeric code; from 1,000 on it is a
/// stablecoin on one chain, as listed in the faces' registry. Zero is no currency: a request that names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Currency(u16);

impl Currency {
    /// Is what a request holds that names none: the session's is meant.
    pub const UNSTATED: Self = Self(0);

    /// Takes a registered number; the registry at the edge is what refuses unknown ones.
    pub const fn from_number(number: u16) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Returns true when a request that names `self` may be decided in `other`.
    pub const fn agrees_with(self, other: Self) -> bool {
        self.0 == Self::UNSTATED.0 || self.0 == other.0
    }
}
