//! Owns: which debit comes next, without a division. Never: another order than `Share::debit`.

use crate::drive::share::{AMOUNT_COUNT, AMOUNT_NANOS, Share};

/// Walks the debits of one share in order: each own session in turn, and with each round the next payee.
#[derive(Clone, Debug)]
pub(super) struct Course {
    own: usize,
    payees: usize,
    place: usize,
    payee: usize,
    round: u64,
    amount: u64,
}

/// Is one debit: places count the share's own sessions, payees those of the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) place: usize,
    pub(super) payee: usize,
    pub(super) amount_nanos: u64,
    /// 1, 2, 3 … in each session.
    pub(super) number: u64,
}

impl Course {
    pub(super) fn new(share: &Share) -> Self {
        let payees = share.stage.payees.len();
        Self { own: share.own_count(), payees, place: 0, payee: 0, round: 0, amount: 0 }
    }

    /// Returns the debit that `advance` passes next.
    pub(super) fn peek(&self) -> Step {
        let Self { place, payee, round, amount, .. } = *self;
        Step { place, payee, amount_nanos: AMOUNT_NANOS + amount, number: round + 1 }
    }

    pub(super) fn advance(&mut self) -> Step {
        let step = self.peek();
        self.amount = if self.amount + 1 == AMOUNT_COUNT as u64 { 0 } else { self.amount + 1 };
        self.place += 1;
        if self.place == self.own {
            self.place = 0;
            self.round += 1;
            self.payee = if self.payee + 1 == self.payees { 0 } else { self.payee + 1 };
        }
        step
    }

    /// Returns how many of a session's debits were passed.
    pub(super) fn passed(&self, place: usize) -> u64 {
        self.round + u64::from(place < self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;
    use std::sync::Arc;
    use tallystick_client::{PayeeId, SessionId};

    #[test]
    fn the_course_is_the_shares_order_numbered_by_session() {
        let stage = Arc::new(Stage {
            payees: (0..3).map(|n| PayeeId::new(&format!("pay_{n}"))).collect(),
            sessions: (0..7).map(|n| SessionId::new(&format!("ses_{n}"))).collect(),
            label: String::new(),
        });
        for first in 0..3 {
            let share = Share { stage: Arc::clone(&stage), first, step: 3 };
            let mut course = Course::new(&share);
            let mut numbers = [0; 7];
            for nth in 0..100 {
                let debit = share.debit(nth);
                assert_eq!(course.passed(course.peek().place), numbers[debit.session]);
                numbers[debit.session] += 1;
                let step = course.advance();
                let said = (share.own_session(step.place), step.payee, step.amount_nanos, step.number);
                assert_eq!(said, (debit.session, debit.payee, debit.amount_nanos, numbers[debit.session]));
            }
        }
    }
}
