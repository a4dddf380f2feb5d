//! Owns: what most sessions have nothing of: a secret, a threshold, holds, a control word, what makes a token of it. A session
//! that has any of it keeps it beside its row, and says so in one byte of the row: a debit that meets nothing of the kind tests
//! that byte and no more.
//! Never: the order in which limits are tested.

use super::{SecretHash, Token};
use crate::{Amount, Cap, Time, apply::sure, control::Control, limits};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
};
use serde::{Deserialize, Serialize};

/// Says in one byte of the row what a debit has to look at beside it. Stored; bits are only ever added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Guards(u8);

impl Guards {
    /// Whoever debits it must know a secret.
    pub const SECRET: Self = Self(1);
    /// It, or something above it, has velocity clauses.
    pub const VELOCITY: Self = Self(2);
    /// It is a token.
    pub const TOKEN: Self = Self(4);
    /// It has a threshold for approval.
    pub const APPROVAL: Self = Self(8);

    /// Returns whether there is nothing to look at.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Returns whether any of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns this without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns this where `on`, and nothing where not.
    #[must_use]
    pub const fn if_so(self, on: bool) -> Self {
        if on { self } else { Self(0) }
    }
}

/// Is what most sessions have nothing of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// What whoever debits it must know.
    pub secret: Option<SecretHash>,
    /// Debits above it need somebody's approval.
    pub approval_above: Cap,
    /// It may outlive its token's period, and is then reserved whole in the next.
    pub carry: bool,
    /// Its holds.
    pub holds: Holds,
    /// Its control word; `None` when nobody ever set it.
    pub control: Option<Box<Control>>,
    /// What makes a token of it.
    pub token: Option<Box<Token>>,
}

/// Is one hold: a promise to a payee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The payee: its notice's slot.
    pub payee: u32,
    /// What was asked.
    pub amount: Amount,
    /// How much more may be captured.
    pub tolerance: Amount,
    /// What is still set aside; of one that ended, what was given back.
    pub left: Amount,
    /// What was captured.
    pub captured: Amount,
    /// In how many captures.
    pub capture_count: u32,
    /// No capture from here on.
    pub until: Time,
    /// When it was placed.
    pub placed_at: Time,
}

/// Says how a hold ended. Rows store the place: a new one comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldEnd {
    /// Captured to its end, or by a last capture.
    Done,
    /// Given back by whoever may.
    Voided,
    /// Its time was over.
    Expired,
}

/// Keeps a session's holds, by the seq at which they were placed: the open ones, and those that ended last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    open: BTreeMap<u64, Hold>,
    /// In the order in which they ended, however long ago they were placed.
    ended: VecDeque<(u64, HoldEnd, Hold)>,
    /// The earliest end of an open one; zero while none is open.
    next_until: Time,
}

impl Holds {
    /// Returns the open ones, in the order in which they were placed.
    pub fn open(&self) -> impl Iterator<Item = (u64, &Hold)> {
        self.open.iter().map(|(seq, hold)| (*seq, hold))
    }

    /// Returns those that ended and are still remembered, in the order in which they did.
    pub fn ended(&self) -> impl Iterator<Item = (u64, HoldEnd, &Hold)> {
        self.ended.iter().map(|(seq, end, hold)| (*seq, *end, hold))
    }

    /// Returns how many are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Finds an open one.
    pub fn find_open(&self, seq: u64) -> Option<&Hold> {
        self.open.get(&seq)
    }

    /// Finds one that ended.
    pub fn find_ended(&self, seq: u64) -> Option<(HoldEnd, &Hold)> {
        let found = self.ended.iter().rev().find(|(ended, _, _)| *ended == seq);
        found.map(|(_, end, hold)| (*end, hold))
    }

    /// Finds one, open or ended: with how it ended, if it did.
    pub fn find(&self, seq: u64) -> Option<(Option<HoldEnd>, &Hold)> {
        let open = self.find_open(seq).map(|hold| (None, hold));
        open.or_else(|| self.find_ended(seq).map(|(end, hold)| (Some(end), hold)))
    }

    /// Returns the open ones placed after `seq`, in the order in which they were.
    pub fn open_after(&self, seq: u64) -> impl Iterator<Item = (u64, &Hold)> {
        self.open.range(seq.saturating_add(1)..).map(|(seq, hold)| (*seq, hold))
    }

    /// Returns the earliest end of an open one.
    pub fn next_until(&self) -> Option<Time> {
        (!self.open.is_empty()).then_some(self.next_until)
    }

    /// Returns an open one whose time is over.
    pub fn lapsed(&self, now: Time) -> Option<(u64, &Hold)> {
        self.next_until().filter(|until| *until <= now)?;
        self.open().find(|(_, hold)| hold.until <= now)
    }

    /// Returns what all open ones hold.
    pub fn held(&self) -> Amount {
        self.open.values().fold(Amount::ZERO, |sum, hold| sure(sum.checked_add(hold.left)))
    }

    /// Returns what the open ones of one payee hold.
    pub fn held_for(&self, payee: u32) -> Amount {
        let theirs = self.open.values().filter(|hold| hold.payee == payee);
        theirs.fold(Amount::ZERO, |sum, hold| sure(sum.checked_add(hold.left)))
    }

    /// Returns whether each hold is what was promised, less what was captured, and the next end is that of an open one.
    pub(crate) fn add_up(&self) -> bool {
        let promised = |hold: &Hold| hold.amount.checked_add(hold.tolerance);
        let adds_up = |hold: &Hold| hold.left.checked_add(hold.captured) == promised(hold);
        let mut all = self.open.values().chain(self.ended.iter().map(|(_, _, hold)| hold));
        let next = self.open.values().map(|hold| hold.until).min();
        all.all(adds_up)
            && self.open.values().all(|hold| !hold.left.is_zero())
            && next.unwrap_or_default() == self.next_until
    }

    pub(crate) fn place(&mut self, seq: u64, hold: Hold) {
        self.next_until = self.next_until().map_or(hold.until, |next| next.min(hold.until));
        self.open.insert(seq, hold);
    }

    /// Captures out of an open one. Returns it as it is then; `None` if there is none.
    pub(crate) fn capture(&mut self, seq: u64, amount: Amount) -> Option<Hold> {
        let hold = self.open.get_mut(&seq)?;
        hold.left = sure(hold.left.checked_sub(amount));
        hold.captured = sure(hold.captured.checked_add(amount));
        hold.capture_count += 1;
        Some(*hold)
    }

    /// Ends an open one. Returns it; `None` if there is none.
    pub(crate) fn end(&mut self, seq: u64, end: HoldEnd) -> Option<Hold> {
        let hold = self.open.remove(&seq)?;
        self.ended.push_back((seq, end, hold));
        if self.ended.len() > limits::ENDED_HOLDS_REMEMBERED {
            self.ended.pop_front();
        }
        self.next_until = self.open.values().map(|hold| hold.until).min().unwrap_or_default();
        Some(hold)
    }
}
