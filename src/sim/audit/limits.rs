//! Owns: I1 by answers alone: what was approved never comes to more than the caps that were told, whatever was not heard.
//! Never: what is left.

use super::{
    facts::{Facts, SeenSession},
    wrong,
};
use crate::{asked::NewDebit, model::Wrong};
use tallystick_core::{Amount, PayeeId, SessionId};

impl Facts {
    /// Returns the greatest that a session's cap may be, whatever became of top-ups that nobody heard of.
    fn cap_at_most(&self, id: SessionId, seen: &SeenSession) -> u128 {
        let maybe = self.top_ups.iter().filter(|((session, _), _)| *session == id);
        let added: u128 = maybe.map(|(_, maybe)| u128::from(maybe.did.unwrap_or(maybe.most))).sum();
        u128::from(seen.cap) + added
    }

    /// Returns the least that was spent in a session and below, in all or by one payee.
    fn spent_at_least(&self, id: SessionId, payee: Option<PayeeId>) -> u128 {
        let inside = self.debits.iter().filter(|(_, debit)| {
            payee.is_none_or(|payee| debit.ask.payee == payee) && self.path(debit.ask.session).contains(&id)
        });
        inside.map(|(seq, _)| u128::from(self.least(*seq))).sum()
    }

    /// Tests the caps of a session and of all that is above it.
    pub(super) fn limits_of(&self, id: SessionId) -> Result<(), Wrong> {
        self.path(id).into_iter().try_for_each(|id| self.limits_at(id))
    }

    fn limits_at(&self, id: SessionId) -> Result<(), Wrong> {
        let Some(seen) = self.sessions.get(&id) else { return Ok(()) };
        let (spent, cap) = (self.spent_at_least(id, None), self.cap_at_most(id, seen));
        if spent > cap {
            return wrong("I1", format!("{spent} was approved in {id}, whose cap is at most {cap}"));
        }
        let paid = self.debits.values().map(|debit| debit.ask.payee);
        let payees: std::collections::BTreeSet<PayeeId> = paid.collect();
        for payee in payees {
            let own = seen.caps.get(&payee).copied();
            let Some(cap) = own.or(seen.default_cap.get().map(Amount::nanos)) else { continue };
            let got = self.spent_at_least(id, Some(payee));
            if got > u128::from(cap) {
                return wrong("I1", format!("{payee} got {got} in {id}, where its cap is {cap}"));
            }
        }
        Ok(())
    }

    /// Tests the caps of a session and of all that is above it, with what was surely held when something was approved.
    pub(super) fn limits_then(&self, id: SessionId, seq: u64) -> Result<(), Wrong> {
        let Some(payee) = self.debits.get(&seq).map(|debit| debit.ask.payee) else { return Ok(()) };
        let open = self.surely_open(id.partition(), seq);
        if open.is_empty() {
            return Ok(());
        }
        for id in self.path(id) {
            let Some(seen) = self.sessions.get(&id) else { continue };
            let used = |payee: Option<PayeeId>| {
                let is_inside = |ask: &NewDebit| {
                    payee.is_none_or(|payee| ask.payee == payee) && self.path(ask.session).contains(&id)
                };
                let spent = self.debits.range(..=seq).filter(|(_, debit)| is_inside(&debit.ask));
                let spent: u128 = spent.map(|(seq, _)| u128::from(self.least(*seq))).sum();
                let held = open.iter().filter(|(ask, _)| is_inside(ask));
                spent + held.map(|(_, nanos)| u128::from(*nanos)).sum::<u128>()
            };
            let (all, cap) = (used(None), self.cap_at_most(id, seen));
            if all > cap {
                return wrong("I1", format!("{all} was spent and held in {id} at {seq}: its cap is {cap}"));
            }
            let own = seen.caps.get(&payee).copied();
            let theirs = own.or(seen.default_cap.get().map(Amount::nanos));
            if let Some(cap) = theirs.filter(|cap| used(Some(payee)) > u128::from(*cap)) {
                return wrong("I1", format!("{payee} got and was promised more than {cap} in {id} at {seq}"));
            }
        }
        Ok(())
    }

    pub(super) fn all_limits(&self) -> Result<(), Wrong> {
        self.sessions.keys().try_for_each(|id| self.limits_at(*id))?;
        let held: std::collections::BTreeSet<SessionId> =
            self.holds().map(|(_, hold)| hold.ask.session).collect();
        let approved = self.debits.iter().filter(|(_, debit)| debit.is_new());
        let mut near = approved
            .filter(|(_, debit)| held.iter().any(|id| id.partition() == debit.ask.session.partition()));
        near.try_for_each(|(seq, debit)| self.limits_then(debit.ask.session, *seq))
    }
}
