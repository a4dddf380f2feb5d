//! Owns: numbered writers: the row that issues epochs, and each session's window of answers for a writer, run-length coded.
//! Never: a gap; a number is decided in order or refused.

use crate::{Refusal, WriterId, keys::Remembered, limits::ANSWERS_PER_WRITER};
use alloc::{boxed::Box, collections::VecDeque};
use serde::{Deserialize, Serialize};

/// Is a writer: who may number debits, and in which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// Its id.
    pub id: WriterId,
    /// The newest epoch given out.
    pub epoch: u32,
}

/// Is a place in a writer's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// Who counts.
    pub writer: WriterId,
    /// In which epoch.
    pub epoch: u32,
    /// 1, 2, 3 … per session.
    pub number: u64,
    /// All answers up to here have been heard.
    pub acked_through: u64,
}

/// Is a run of answers that differ only in their number and seq, both ascending by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    first_number: u64,
    count: u64,
    first: Remembered,
}

impl Run {
    fn find(&self, number: u64) -> Option<Remembered> {
        let nth = number.checked_sub(self.first_number).filter(|nth| *nth < self.count)?;
        Some(Remembered { seq: self.first.seq + nth, ..self.first })
    }
}

/// Is what a session keeps of one writer. The newest run of answers lies in place: a writer whose answers are acknowledged, or
/// all alike, never has another.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Plain", into = "Plain")]
#[repr(C)]
pub struct Window {
    writer: WriterId,
    last_number: u64,
    epoch: u32,
    /// How many answers the newest run has; the last of them is `last_number`'s.
    newest_count: u32,
    /// The first answer of the newest run; `None` when nothing is remembered.
    newest_first: Option<Remembered>,
    /// The runs before the newest, each of which begins after the one before it.
    #[expect(clippy::box_collection, reason = "most windows have none, and each has room for this")]
    older: Option<Box<VecDeque<Run>>>,
}

/// Is a window field by field, as it is stored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Plain {
    writer: WriterId,
    epoch: u32,
    last_number: u64,
    runs: VecDeque<Run>,
}

impl From<Plain> for Window {
    fn from(plain: Plain) -> Self {
        let Plain { writer, epoch, last_number, mut runs } = plain;
        let mut window = Self { last_number, ..Self::new(writer, epoch) };
        let ends_the_count =
            |run: &Run| run.first_number.checked_add(run.count) == last_number.checked_add(1);
        if let Some(run) = runs.back().copied().filter(ends_the_count)
            && let Ok(count) = u32::try_from(run.count)
        {
            runs.pop_back();
            (window.newest_count, window.newest_first) = (count, Some(run.first));
        }
        window.older = (!runs.is_empty()).then(|| Box::new(runs));
        window
    }
}

impl From<Window> for Plain {
    fn from(window: Window) -> Self {
        let newest = window.newest();
        let mut runs = window.older.map_or_else(VecDeque::new, |older| *older);
        runs.extend(newest);
        Self { writer: window.writer, epoch: window.epoch, last_number: window.last_number, runs }
    }
}

/// Windows are equal when they are stored alike.
impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        Plain::from(self.clone()) == Plain::from(other.clone())
    }
}

impl Eq for Window {}

/// Says what a number is to a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is the next: decide it.
    Next,
    /// It was decided: this was the answer.
    Was(Remembered),
}

impl Window {
    pub(crate) fn new(writer: WriterId, epoch: u32) -> Self {
        Self { writer, last_number: 0, epoch, newest_count: 0, newest_first: None, older: None }
    }

    /// Takes what an older checkpoint kept: each run as its first number, its length and its first answer.
    pub fn from_parts(
        writer: WriterId,
        epoch: u32,
        last_number: u64,
        runs: impl IntoIterator<Item = (u64, u64, Remembered)>,
    ) -> Self {
        let run = |(first_number, count, first)| Run { first_number, count, first };
        Plain { writer, epoch, last_number, runs: runs.into_iter().map(run).collect() }.into()
    }

    /// Returns whose window it is.
    pub fn writer(&self) -> WriterId {
        self.writer
    }

    /// Returns the newest epoch seen here.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Returns the last number decided.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// Says what `at` is to this window. *Errors*: `WriterFenced`, `NumberGap`, `BelowWindow`.
    pub fn turn(&self, at: &Numbered) -> Result<Turn, Refusal> {
        if at.epoch < self.epoch {
            return Err(Refusal::WriterFenced { epoch: self.epoch });
        }
        if at.number > self.last_number {
            let expected = self.last_number + 1;
            return if at.number == expected { Ok(Turn::Next) } else { Err(Refusal::NumberGap { expected }) };
        }
        self.find(at.number).map(Turn::Was).ok_or(Refusal::BelowWindow)
    }

    /// Reads a little of each piece of it.
    pub(crate) fn touch(&self) -> u64 {
        self.last_number ^ self.newest_first.map_or(0, |first| first.taken.nanos())
    }

    fn newest(&self) -> Option<Run> {
        let count = u64::from(self.newest_count);
        self.newest_first.map(|first| Run { first_number: self.last_number + 1 - count, count, first })
    }

    fn find(&self, number: u64) -> Option<Remembered> {
        if let Some(found) = self.newest().and_then(|run| run.find(number)) {
            return Some(found);
        }
        let older = self.older.as_deref()?;
        let after = older.partition_point(|run| run.first_number <= number);
        older.get(after.checked_sub(1)?)?.find(number)
    }

    /// Adopts a newer epoch: older ones are fenced from here on.
    pub(crate) fn adopt(&mut self, epoch: u32) {
        assert!(
            epoch >= self.epoch,
            "bug: writer {} went back from epoch {} to {epoch}",
            self.writer,
            self.epoch
        );
        self.epoch = epoch;
    }

    pub(crate) fn remember(&mut self, at: &Numbered, debit: Remembered) {
        assert_eq!(at.number, self.last_number + 1, "bug: writer {} left its order", self.writer);
        self.adopt(at.epoch);
        self.forget_through(at.acked_through.max(at.number.saturating_sub(ANSWERS_PER_WRITER)));
        match self.newest() {
            Some(run) if debit == (Remembered { seq: run.first.seq + run.count, ..run.first }) => {
                self.newest_count += 1;
            }
            newest => {
                if let Some(run) = newest {
                    self.older.get_or_insert_default().push_back(run);
                }
                (self.newest_count, self.newest_first) = (1, Some(debit));
            }
        }
        self.last_number = at.number;
    }

    fn forget_through(&mut self, number: u64) {
        if let Some(older) = self.older.as_deref_mut() {
            while let Some(run) = older.front_mut() {
                let gone = (number + 1).saturating_sub(run.first_number);
                if gone < run.count {
                    run.first_number += gone;
                    run.first.seq += gone;
                    run.count -= gone;
                    return;
                }
                older.pop_front();
            }
        }
        let Some(run) = self.newest() else { return };
        let gone = (number + 1).saturating_sub(run.first_number);
        match (u32::try_from(gone), &mut self.newest_first) {
            (Ok(gone), Some(first)) if gone < self.newest_count => {
                first.seq += u64::from(gone);
                self.newest_count -= gone;
            }
            _ => (self.newest_count, self.newest_first) = (0, None),
        }
    }

    /// Returns how many runs are kept: what the window costs.
    pub fn runs(&self) -> usize {
        self.older.as_deref().map_or(0, VecDeque::len) + usize::from(self.newest_first.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Amount, Currency, hash::FieldHash, id::Place, keys::Said};
    use alloc::{collections::BTreeMap, vec::Vec};
    use proptest::prelude::*;

    fn writer() -> WriterId {
        WriterId::new(Place { partition: 1, slot: 2, generation: 0 }, 3)
    }

    fn said(amount: u64) -> Said {
        let none = FieldHash(0);
        Said {
            amount: Amount::from_nanos(amount),
            payee: 0,
            currency: Currency::UNSTATED,
            reference: none,
            evidence: none,
            how: crate::keys::How::new(crate::command::Act::Debit, false, false),
        }
    }

    fn approved(seq: u64, amount: u64) -> Remembered {
        partly(seq, amount, amount)
    }

    fn partly(seq: u64, amount: u64, taken: u64) -> Remembered {
        Remembered { seq, said: said(amount), verdict: None, taken: Amount::from_nanos(taken) }
    }

    proptest! {
        /// Against a plain map: what is above the acknowledged number comes back exactly, what is below never does.
        #[test]
        fn a_window_remembers_as_a_map_would(steps in prop::collection::vec((2..4u64, 0..2u64, 1..3u64, 0..4u64), 1..80)) {
            let mut window = Window::new(writer(), 1);
            let mut all = BTreeMap::new();
            let (mut seq, mut acked) = (0, 0u64);
            for (number, (amount, less, jump, ack)) in (1..).zip(steps) {
                seq += jump;
                acked = (acked + ack).min(number - 1);
                let at = Numbered { writer: writer(), epoch: 1, number, acked_through: acked };
                prop_assert_eq!(window.turn(&at), Ok(Turn::Next));
                window.remember(&at, partly(seq, amount, amount - less));
                all.insert(number, partly(seq, amount, amount - less));
            }
            for (number, debit) in all {
                let at = Numbered { writer: writer(), epoch: 1, number, acked_through: 0 };
                let expected = if number > acked { Ok(Turn::Was(debit)) } else { Err(Refusal::BelowWindow) };
                prop_assert_eq!(window.turn(&at), expected);
            }
        }
    }

    #[test]
    fn equal_debits_in_a_row_cost_one_run() {
        let mut window = Window::new(writer(), 1);
        for number in 1..=1_000 {
            let at = Numbered { writer: writer(), epoch: 1, number, acked_through: 0 };
            window.remember(&at, approved(500 + number, 7));
        }
        assert_eq!(window.runs(), 1);
        let gaps: Vec<_> = [0, 1_002].map(|number| window.find(number)).into();
        assert_eq!(gaps, [None, None]);
    }

    #[test]
    fn an_old_epoch_is_fenced_and_a_gap_names_the_next() {
        let mut window = Window::new(writer(), 2);
        let old = Numbered { writer: writer(), epoch: 1, number: 1, acked_through: 0 };
        assert_eq!(window.turn(&old), Err(Refusal::WriterFenced { epoch: 2 }));
        let gap = Numbered { writer: writer(), epoch: 2, number: 3, acked_through: 0 };
        assert_eq!(window.turn(&gap), Err(Refusal::NumberGap { expected: 1 }));
        window.adopt(5);
        assert_eq!(window.turn(&gap), Err(Refusal::WriterFenced { epoch: 5 }));
    }
}
