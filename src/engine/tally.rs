//! Owns: what is told of decisions as counts. A lane keeps with its records how they were decided; the committer adds that
//! up as it gathers a group, and tells it once the group is durable: a count never shows what a crash could take back.
//! Never: decides, reads a clock, knows who counts on.

use crate::Engine;
use tallystick_core::{DeclineCode, Record, command::Scope};

const CODES: usize = DeclineCode::ALL.len();
/// Each operation has a place for approvals and one for each code.
const PLACES: usize = 1 + CODES;

/// Names what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A debit.
    Debit = 0,
    /// A session.
    OpenSession = 1,
    /// A top-up of one.
    TopUp = 2,
    /// Money out of an account.
    Withdraw = 3,
    /// A token.
    IssueToken = 4,
    /// A change of one.
    AmendToken = 5,
    /// A period of a standing mandate; revoked when a spent secret was used again.
    RefreshToken = 6,
}

impl Operation {
    /// Lists every operation that can be declined.
    pub const ALL: [Self; 7] = [
        Self::Debit,
        Self::OpenSession,
        Self::TopUp,
        Self::Withdraw,
        Self::IssueToken,
        Self::AmendToken,
        Self::RefreshToken,
    ];
}

/// Says what was asked for and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What was asked for.
    pub operation: Operation,
    /// Why it was declined; `None` when approved.
    pub declined: Option<DeclineCode>,
}

impl Decision {
    /// Is what nearly all of them are.
    pub(crate) const DEBIT_APPROVED: Self = Self { operation: Operation::Debit, declined: None };

    /// How many there are.
    pub const COUNT: usize = Operation::ALL.len() * PLACES;

    /// Lists every decision there can be, in the order of a tally's counts.
    pub fn all() -> impl Iterator<Item = Self> {
        Operation::ALL.into_iter().flat_map(|operation| {
            let codes = DeclineCode::ALL.iter().copied().map(Some);
            std::iter::once(None).chain(codes).map(move |declined| Self { operation, declined })
        })
    }

    /// Reads what a record decided; `None` for one that says yes or no to nobody.
    pub(crate) fn of(record: &Record<'_>) -> Option<Self> {
        let (operation, declined) = match record {
            Record::Debited(debited) => (Operation::Debit, debited.verdict.map(|(code, _)| code)),
            Record::SessionOpened(opened) if opened.token.is_some() => (Operation::IssueToken, None),
            Record::SessionOpened(_) => (Operation::OpenSession, None),
            Record::TokenAmended(_) => (Operation::AmendToken, None),
            Record::PeriodBegun(_) => (Operation::RefreshToken, None),
            Record::FamilyRevoked(_) => (Operation::RefreshToken, Some(DeclineCode::Revoked)),
            Record::ToppedUp(_) => (Operation::TopUp, None),
            Record::Withdrawn(_) => (Operation::Withdraw, None),
            Record::CommandDeclined(no) => {
                let operation = match no.command {
                    Scope::OpenSession => Operation::OpenSession,
                    Scope::TopUp => Operation::TopUp,
                    Scope::Withdraw => Operation::Withdraw,
                    Scope::IssueToken => Operation::IssueToken,
                    Scope::AmendToken => Operation::AmendToken,
                    // None of these is ever declined: they are done or refused.
                    Scope::Debit
                    | Scope::CreateAccount
                    | Scope::Deposit
                    | Scope::CreatePayee
                    | Scope::Repay
                    | Scope::Reverse
                    | Scope::SetCreditLimit
                    | Scope::CreateCredential => return None,
                };
                (operation, Some(no.decline.code))
            }
            _ => return None,
        };
        Some(Self { operation, declined })
    }

    fn place(self) -> usize {
        // The codes ascend, as their own test says.
        let code = |code: DeclineCode| DeclineCode::ALL.partition_point(|before| *before < code);
        self.operation as usize * PLACES + self.declined.map_or(0, |declined| 1 + code(declined))
    }
}

/// Counts the decisions of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally([u32; Decision::COUNT]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; Decision::COUNT])
    }
}

impl Tally {
    /// Returns the counts in the order of `Decision::all`.
    pub fn counts(&self) -> &[u32] {
        &self.0
    }

    pub(crate) fn add(&mut self, decision: Decision, times: u32) {
        if let Some(count) = self.0.get_mut(decision.place()) {
            *count += times;
        }
    }
}

/// Is what is told of a group that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Its records.
    pub records: u32,
    /// Its size, with its header.
    pub bytes: usize,
    /// How long the journal took to make it durable.
    pub sync_ns: u64,
    /// What was decided in it.
    pub decisions: Tally,
}

/// Tells, when it is dropped, how long a call took to decide its debits.
pub(crate) struct Deciding<'a> {
    engine: &'a Engine,
    began_ns: u64,
}

impl Engine {
    /// Begins to measure. What is measured ends with the ticket: locks and look-ups are in it, the wait is not.
    pub(crate) fn deciding(&self) -> Deciding<'_> {
        Deciding { engine: self, began_ns: self.events.stopwatch_ns() }
    }
}

impl Drop for Deciding<'_> {
    fn drop(&mut self) {
        let events = &self.engine.events;
        events.decided(events.stopwatch_ns().saturating_sub(self.began_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decision_has_the_place_in_which_it_is_listed() {
        let places: Vec<usize> = Decision::all().map(Decision::place).collect();
        assert_eq!(places, (0..Decision::COUNT).collect::<Vec<_>>());
    }

    #[test]
    fn a_tally_counts_each_decision_at_its_place() {
        let cap = Decision { operation: Operation::Debit, declined: Some(DeclineCode::Cap) };
        let mut tally = Tally::default();
        tally.add(Decision::DEBIT_APPROVED, 2);
        tally.add(cap, 1);
        tally.add(cap, 2);
        let counted: Vec<(Decision, u32)> =
            Decision::all().zip(tally.counts().iter().copied()).filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Decision::DEBIT_APPROVED, 2), (cap, 3)]);
    }
}
