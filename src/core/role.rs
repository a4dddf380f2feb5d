//! Owns: who may do what, in kind. Authority moves money in one direction only: a role names what its holder may bring
//! about, [`Act::roles`] is the one table of which roles may do which act, and [`Roles::check`] keeps apart what no one
//! credential may hold together.
//! Never: whose account it is, or whether the limits allow it; those are looked up and decided elsewhere.

mod act;
mod actor;

pub use act::Act;
pub use actor::Actor;

use crate::Refusal;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Names one direction in which a credential can move money or authority. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Brings money to accounts and takes it back: deposits, withdrawals, repayments.
    Fund = 1,
    /// Gives standing authority: accounts, limits, tokens, sessions straight on an account, and raising those.
    Grant = 2,
    /// Uses authority that was given: debits, holds, sessions within a token or a session.
    Authorize = 3,
    /// Collects and gives back as a payee does: captures, voids, reversals.
    Collect = 4,
    /// Says yes to what waits for approval.
    Approve = 5,
    /// Stops: pauses and revokes, and can undo neither.
    Stop = 6,
    /// Closes sessions, and reads what they came to.
    Settle = 7,
    /// Pays payees out.
    Payout = 8,
    /// Runs the place: payees, credentials, and undoing a stop.
    Operate = 9,
    /// Reads everything, changes nothing.
    Audit = 10,
}

impl Role {
    /// Lists all of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Fund,
        Self::Grant,
        Self::Authorize,
        Self::Collect,
        Self::Approve,
        Self::Stop,
        Self::Settle,
        Self::Payout,
        Self::Operate,
        Self::Audit,
    ];

    /// Returns its name, as it is written everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fund => "fund",
            Self::Grant => "grant",
            Self::Authorize => "authorize",
            Self::Collect => "collect",
            Self::Approve => "approve",
            Self::Stop => "stop",
            Self::Settle => "settle",
            Self::Payout => "payout",
            Self::Operate => "operate",
            Self::Audit => "audit",
        }
    }

    /// Reads a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Reads a stored number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| *role as u8 == number)
    }
}

/// Is a set of roles. Stored as one bit a role, at the role's number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Roles(u16);

impl Roles {
    /// Holds none.
    pub const NONE: Self = Self(0);
    /// Holds every role: the system itself, and the development key, which is heard from this machine only.
    pub const ALL: Self = Self::of(&Role::ALL);
    /// Is what an operator holds: everything but to use authority. Whoever runs the place never spends in it.
    pub const OPERATOR: Self = Self(Self::ALL.0 & !Self::of(&[Role::Authorize]).0);

    /// Makes a set.
    pub const fn of(roles: &[Role]) -> Self {
        let (mut bits, mut rest) = (0, roles);
        while let [role, more @ ..] = rest {
            bits |= 1 << *role as u8;
            rest = more;
        }
        Self(bits)
    }

    /// Reads the stored bits. *Returns* nothing when one of them is no role's.
    pub const fn from_bits(bits: u16) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 { Some(Self(bits)) } else { None }
    }

    /// Returns the bits as they are stored.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Returns whether it holds this role.
    pub const fn has(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// Returns whether the two have a role in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns whether it holds all of the other's.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns whether it holds none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds a role.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | 1 << role as u8)
    }

    /// Adds another's.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Lists them, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }

    /// Checks what one credential may hold together.
    ///
    /// Who uses authority (`authorize`) may not give it (`grant`), say yes to its use (`approve`) or take its fruit
    /// (`collect`); nor may it `operate`, since who makes credentials can make one of any role. Who collects is either the
    /// payee whose debits they are, and then nothing but that, or an operator.
    ///
    /// *Errors*: `Malformed`, naming the rule.
    pub fn check(self, is_payees: bool) -> Result<(), Refusal> {
        let rule = if self.is_empty() {
            "must be at least one"
        } else if self.has(Role::Authorize) && self.meets(Self::APART_FROM_AUTHORIZE) {
            "must not hold authorize together with grant, approve, collect or operate"
        } else if is_payees && self != Self::of(&[Role::Collect]) {
            "must be collect alone for a payee"
        } else if !is_payees && self.has(Role::Collect) && !self.has(Role::Operate) {
            "must hold collect for a payee, or together with operate"
        } else {
            return Ok(());
        };
        Err(Refusal::malformed("roles", rule))
    }

    const APART_FROM_AUTHORIZE: Self = Self::of(&[Role::Grant, Role::Approve, Role::Collect, Role::Operate]);
}

impl fmt::Display for Roles {
    /// Writes the names in the order of their numbers, with a comma between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, role) in self.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            write!(f, "{comma}{}", role.name())?;
        }
        Ok(())
    }
}

impl core::str::FromStr for Roles {
    type Err = ();

    /// Reads names with a comma between, in any order, or `operator` for all that an operator holds.
    fn from_str(text: &str) -> Result<Self, ()> {
        text.split(',').try_fold(Self::NONE, |roles, name| match name.trim() {
            "operator" => Ok(Self(roles.0 | Self::OPERATOR.0)),
            name => Role::from_name(name).map(|role| roles.with(role)).ok_or(()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn names_and_numbers_come_back() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
            assert_eq!(Role::from_number(role as u8), Some(role));
        }
        assert_eq!(Role::from_number(0), None);
        for bits in 0..=u16::MAX {
            let Some(roles) = Roles::from_bits(bits) else { continue };
            assert_eq!(roles.iter().fold(Roles::NONE, Roles::with), roles);
            assert!(roles.is_empty() || roles.to_string().parse() == Ok(roles), "{roles}");
        }
        assert_eq!(Roles::from_bits(1), None);
        assert_eq!("operator".parse(), Ok(Roles::OPERATOR));
        assert_eq!("authorize, settle".parse(), Ok(Roles::of(&[Role::Authorize, Role::Settle])));
        assert_eq!("everything".parse::<Roles>(), Err(()));
    }

    /// Every set there is: none that passes may use authority and give, approve, collect or make it.
    #[test]
    fn no_set_that_passes_can_use_what_it_gives() {
        let mut passed = 0;
        for roles in (0..=u16::MAX).filter_map(Roles::from_bits) {
            for is_payees in [false, true] {
                if roles.check(is_payees).is_err() {
                    continue;
                }
                passed += 1;
                let uses = [Act::Debit, Act::Hold, Act::OpenWithin, Act::RefreshToken];
                let gives = [Act::OpenOnAccount, Act::Raise, Act::IssueToken, Act::SetCreditLimit];
                let takes = [Act::Capture, Act::Void, Act::Reverse, Act::CreateCredential];
                let only = |act: &Act| roles.meets(act.roles()) && roles.has(Role::Authorize);
                assert!(!uses.iter().any(only) || !gives.iter().chain(&takes).any(only), "{roles}");
                assert!(!is_payees || roles == Roles::of(&[Role::Collect]), "{roles}");
            }
        }
        // 9 roles without authorize, but for the empty set and for collect without operate; authorize with the 5 that it
        // may be with; and a payee's.
        assert_eq!(passed, (512 - 1 - 128) + 32 + 1);
        assert!(Roles::OPERATOR.check(false).is_ok() && Roles::ALL.check(false).is_err());
    }
}
