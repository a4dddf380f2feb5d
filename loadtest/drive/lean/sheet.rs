//! Owns: what one connection heard, session by session and payee by payee. Never: shares a line with another task.

use super::{answers::Answer, course::Step};
use crate::drive::{Ledger, share::Share};

/// Adds up the answers of one connection in plain arrays.
#[derive(Debug)]
pub(super) struct Sheet {
    payees: usize,
    lines: Vec<Line>,
    declined: u64,
    replayed: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    approved_nanos: u64,
    debit_count: u64,
}

impl Sheet {
    pub(super) fn new(share: &Share) -> Self {
        let payees = share.stage.payees.len();
        let lines = vec![Line::default(); share.own_count() * payees];
        Self { payees, lines, declined: 0, replayed: 0 }
    }

    /// Adds the answer to one debit.
    pub(super) fn hear(&mut self, step: Step, answer: Answer) {
        if answer.approved {
            let line = &mut self.lines[step.place * self.payees + step.payee];
            line.approved_nanos += step.amount_nanos;
            line.debit_count += 1;
        } else {
            self.declined += 1;
        }
        self.replayed += u64::from(answer.replayed);
    }

    /// Enters everything in the run's ledger.
    pub(super) fn enter(&self, share: &Share, ledger: &Ledger) {
        for (index, line) in self.lines.iter().enumerate().filter(|(_, line)| line.debit_count > 0) {
            let (session, payee) = (share.own_session(index / self.payees), index % self.payees);
            ledger.add(session, payee, line.approved_nanos, line.debit_count);
        }
        ledger.add_declined(self.declined);
        ledger.add_replayed(self.replayed);
    }
}
