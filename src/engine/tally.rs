//! Owns: what is told of decisions as counts. A lane keeps one byte a record that says how it was decided; the committer
//! counts these bytes once their group is durable, so a count never shows what a crash could take back.
//! Never: decides, reads a clock, knows who counts on.

use crate::Engine;
use tallystick_core::{DeclineCode, Record};

const CODES: usize = DeclineCode::ALL.len();
/// Each operation has a place for approvals and one for each code.
const PLACES: usize = 1 + CODES;
/// Is the byte of a record that decides about nobody's wish.
const NOTHING: u8 = u8::MAX;
const _: () = assert!(Decision::COUNT < NOTHING as usize, "a place must fit into a byte");

/// Names what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A debit.
    Debit = 0,
    /// A session.
    OpenSession = 1,
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
    /// How many there are.
    pub const COUNT: usize = 2 * PLACES;

    /// Lists every decision there can be, in the order of a tally's counts.
    pub fn all() -> impl Iterator<Item = Self> {
        [Operation::Debit, Operation::OpenSession].into_iter().flat_map(|operation| {
            let codes = DeclineCode::ALL.iter().copied().map(Some);
            std::iter::once(None).chain(codes).map(move |declined| Self { operation, declined })
        })
    }

    fn of(record: &Record<'_>) -> Option<Self> {
        let (operation, declined) = match record {
            Record::Debited(debited) => (Operation::Debit, debited.verdict.map(|(code, _)| code)),
            Record::SessionOpened(_) => (Operation::OpenSession, None),
            Record::OpenDeclined(opening) => (Operation::OpenSession, Some(opening.decline.code)),
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

/// Returns the byte that a lane keeps of a record.
pub(crate) fn mark(record: &Record<'_>) -> u8 {
    Decision::of(record).and_then(|decision| u8::try_from(decision.place()).ok()).unwrap_or(NOTHING)
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

    pub(crate) fn count(&mut self, marks: &[u8]) {
        for mark in marks {
            if let Some(count) = self.0.get_mut(usize::from(*mark)) {
                *count += 1;
            }
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

/// Tells, when it is dropped, how long it took to decide some debits.
pub(crate) struct Deciding<'a> {
    engine: &'a Engine,
    debits: usize,
    began_ns: u64,
}

impl Engine {
    /// Begins to measure. What is measured ends with the ticket: locks and look-ups are in it, the wait is not.
    pub(crate) fn deciding(&self, debits: usize) -> Deciding<'_> {
        Deciding { engine: self, debits, began_ns: self.events.stopwatch_ns() }
    }
}

impl Drop for Deciding<'_> {
    fn drop(&mut self) {
        let events = &self.engine.events;
        events.decided(self.debits, events.stopwatch_ns().saturating_sub(self.began_ns));
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
    fn marks_are_counted_and_what_decides_nothing_is_not() {
        let cap = Decision { operation: Operation::Debit, declined: Some(DeclineCode::Cap) };
        let place = u8::try_from(cap.place()).unwrap();
        let mut tally = Tally::default();
        tally.count(&[0, place, NOTHING, 0, place, place]);
        let counted: Vec<(Decision, u32)> =
            Decision::all().zip(tally.counts().iter().copied()).filter(|(_, count)| *count > 0).collect();
        let approved = Decision { operation: Operation::Debit, declined: None };
        assert_eq!(counted, [(approved, 2), (cap, 3)]);
    }
}
