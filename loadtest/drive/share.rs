//! Owns: which debits one loop sends: in turn over its own sessions and over all payees, of amounts that differ. Never: a
//! choice that another run would not make.

use crate::stage::Stage;
use std::sync::Arc;
use tallystick_client::{PayeeId, SessionId};

/// What a debit asks for at least: one generated token.
pub(super) const AMOUNT_NANOS: u64 = 600;
/// How many amounts there are, so that answers mixed up between debits do not add up to the same.
pub(super) const AMOUNT_COUNT: usize = 7;

/// Says which debits one loop sends.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) stage: Arc<Stage>,
    /// The loop's place among all.
    pub(super) first: usize,
    /// How many loops there are.
    pub(super) step: usize,
}

/// Is one debit; session and payee are places in the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Debit {
    pub(super) session: usize,
    pub(super) payee: usize,
    pub(super) amount_nanos: u64,
}

impl Share {
    /// Returns the loop's nth debit.
    pub(super) fn debit(&self, nth: usize) -> Debit {
        let own = self.own_count();
        let session = self.own_session(nth % own);
        let amount_nanos = AMOUNT_NANOS + (nth % AMOUNT_COUNT) as u64;
        Debit { session, payee: nth / own % self.stage.payees.len(), amount_nanos }
    }

    /// Returns how many sessions are the loop's.
    pub(super) fn own_count(&self) -> usize {
        let sessions = self.stage.sessions.len();
        sessions.saturating_sub(self.first % sessions).div_ceil(self.step).max(1)
    }

    /// Returns the stage's place of one of the loop's sessions.
    pub(super) fn own_session(&self, nth: usize) -> usize {
        let sessions = self.stage.sessions.len();
        (self.first % sessions + nth * self.step).min(sessions - 1)
    }

    pub(super) fn session(&self, debit: &Debit) -> &SessionId {
        &self.stage.sessions[debit.session]
    }

    pub(super) fn payee(&self, debit: &Debit) -> &PayeeId {
        &self.stage.payees[debit.payee]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_share_all_sessions_and_use_every_payee() {
        let stage = Arc::new(Stage {
            payees: vec![PayeeId::new("pay_1"), PayeeId::new("pay_2")],
            sessions: (0..7).map(|n| SessionId::new(&format!("ses_{n}"))).collect(),
            label: String::new(),
        });
        let mut hits = vec![[0; 2]; 7];
        for first in 0..3 {
            let share = Share { stage: Arc::clone(&stage), first, step: 3 };
            for nth in 0..12 {
                let debit = share.debit(nth);
                assert_eq!(debit.session % 3, first, "a session belongs to one loop");
                hits[debit.session][debit.payee] += 1;
            }
        }
        assert!(hits.iter().flatten().all(|count| *count > 0), "{hits:?}");
    }
}
