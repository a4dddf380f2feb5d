//! Owns: one deposit and its states: pending, available, returned, failed. Never: moves money; `apply` does.

use crate::{Amount, DepositId, Time};
use serde::{Deserialize, Serialize};

/// Says where a deposit stands. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum DepositState {
    /// On its way.
    Pending = 1,
    /// Can be spent.
    Available = 2,
    /// Was available, and was taken back.
    Returned = 3,
    /// Was pending, and never came.
    Failed = 4,
}

impl DepositState {
    /// Reads a stored number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Pending),
            2 => Some(Self::Available),
            3 => Some(Self::Returned),
            4 => Some(Self::Failed),
            _ => None,
        }
    }

    /// Returns the name used on the wire and in refusals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Available => "AVAILABLE",
            Self::Returned => "RETURNED",
            Self::Failed => "FAILED",
        }
    }

    /// Returns whether a deposit may go from here to `to`.
    pub const fn leads_to(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::Pending, Self::Available | Self::Failed) | (Self::Available, Self::Returned)
        )
    }
}

/// Is one deposit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// Its id.
    pub id: DepositId,
    /// Its account's slot, in the same partition.
    pub account: u32,
    /// How much.
    pub amount: Amount,
    /// Where it stands.
    pub state: DepositState,
    /// When it was made.
    pub created_at: Time,
    /// When it came into its state.
    pub changed_at: Time,
}

#[cfg(test)]
mod tests {
    use super::DepositState::{self, Available, Failed, Pending, Returned};

    #[test]
    fn money_moves_forward_only() {
        let states = [Pending, Available, Returned, Failed];
        let moves = |from: DepositState| states.into_iter().filter(move |to| from.leads_to(*to));
        assert!(moves(Pending).eq([Available, Failed]));
        assert!(moves(Available).eq([Returned]));
        assert_eq!(moves(Returned).chain(moves(Failed)).count(), 0);
        for state in states {
            assert_eq!(DepositState::from_number(state as u8), Some(state));
        }
    }
}
