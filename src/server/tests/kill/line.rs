//! Owns: one numbered writer's count in one session: what it asked, what it heard, what it may ask again.
//! Never: a session's sums.

use super::book::{Asked, Verdict};
use std::collections::VecDeque;

/// Is a writer's place in one session.
#[derive(Debug, Default)]
pub struct Line {
    /// The last number given to a debit.
    pub last: u64,
    /// What the server was told that it may forget.
    pub acked: u64,
    /// Asked and not answered, in order: the tail of the count.
    pub pending: VecDeque<(u64, Asked)>,
    /// Answered and above `acked`, in order.
    heard: VecDeque<(u64, Asked, Verdict)>,
    /// The session is settled: nothing more can be numbered here.
    pub is_gone: bool,
}

impl Line {
    /// Numbers a debit.
    pub fn ask(&mut self, asked: Asked) -> u64 {
        self.last += 1;
        self.pending.push_back((self.last, asked));
        self.last
    }

    /// Returns the last number before which everything was answered.
    pub fn heard_through(&self) -> u64 {
        self.pending.front().map_or(self.last, |(number, _)| number - 1)
    }

    /// Notes an answer, which must be the next one.
    pub fn hear(&mut self, number: u64, verdict: Verdict) -> Asked {
        let (expected, asked) = self.pending.pop_front().expect("an answer to something asked");
        assert_eq!(number, expected, "answers of one writer in one session came out of order");
        self.heard.push_back((number, asked, verdict));
        asked
    }

    /// Lets the server forget, up to `through`.
    pub fn acknowledge(&mut self, through: u64) {
        assert!(through <= self.heard_through(), "{through} was not heard");
        self.acked = self.acked.max(through);
        while self.heard.front().is_some_and(|(number, ..)| *number <= self.acked) {
            self.heard.pop_front();
        }
    }

    /// Returns an answer that the server must still remember.
    pub fn remembered(&self, nth: usize) -> Option<(u64, Asked, Verdict)> {
        let nth = nth.checked_rem(self.heard.len())?;
        self.heard.get(nth).copied()
    }
}
