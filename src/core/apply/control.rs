//! Owns: what records do to control words, and to what is known of those that are revoked. Never: what stands below.

use super::{found, session::Stand};
use crate::{
    EnvelopeId, Partition,
    control::{Control, ControlOf, State},
    record::ControlSet,
};
use alloc::boxed::Box;

impl Partition {
    pub(super) fn control_set(&mut self, seq: u64, set: &ControlSet<'_>) {
        let word = set.control.clone();
        let before = match set.on {
            ControlOf::Envelope(EnvelopeId::Session(id)) => {
                let session = found(self.sessions.get_mut(id.slot()), "a control of no session");
                assert_eq!(session.id, id, "bug: record {seq} names another session");
                session.guard_mut().control.replace(Box::new(word)).map(|before| *before)
            }
            ControlOf::Envelope(EnvelopeId::Account(id)) => {
                let account = found(self.accounts.get_mut(id.slot()), "a control of no account");
                assert_eq!(account.id, id, "bug: record {seq} names another account");
                account.control.replace(Box::new(word)).map(|before| *before)
            }
            ControlOf::FrontEnd(name) => self.front_ends.insert(name.into(), word),
        };
        let before = before.unwrap_or_default();
        assert!(before.epoch < set.control.epoch, "bug: record {seq} takes a control back");
        assert!(before.state.leads_to(set.control.state), "bug: record {seq} undoes what is for good");
        self.stops -= u32::from(before.state != State::Open);
        self.stops += u32::from(set.control.state != State::Open);
        if set.control.state.is_revoked() {
            self.begin_unwinding(set.on);
        }
    }

    /// Takes note that something is to be settled. *Cost*: the same, however much is below.
    fn begin_unwinding(&mut self, on: ControlOf<'_>) {
        let leaf = match on {
            ControlOf::Envelope(EnvelopeId::Session(id)) => {
                self.sessions.get(id.slot()).filter(|session| session.open_children() == 0)
            }
            ControlOf::Envelope(EnvelopeId::Account(_)) | ControlOf::FrontEnd(_) => None,
        };
        match leaf.map(|session| session.id.slot()) {
            Some(slot) => self.review(slot),
            None => self.unsettled.lookings += 1,
        }
    }

    /// Takes note of whether something is to be done at once in a session because it is revoked.
    pub(super) fn review(&mut self, slot: u32) {
        if self.stops == 0 {
            return;
        }
        let session = self.sessions.get(slot);
        let step = session.and_then(|session| self.step_of_revoked(session.id, self.last_at));
        if step.is_some() {
            self.unsettled.ready.insert(slot);
        } else {
            self.unsettled.ready.remove(&slot);
        }
    }

    /// As `review`, of what a session stood under that has been settled.
    pub(super) fn review_above(&mut self, settled: u32, stand: Stand) {
        self.unsettled.ready.remove(&settled);
        if let Some(parent) = stand.parent {
            self.review(parent);
        }
    }

    /// Counts the stops anew, and forgets what is to be settled but for that it has to be looked for.
    pub(crate) fn derive_stops(&mut self) {
        let sessions = self.sessions.iter().filter_map(|(_, session)| session.control());
        let accounts = self.accounts.iter().filter_map(|(_, account)| account.control.as_deref());
        let words = sessions.chain(accounts).chain(self.front_ends.values());
        let (mut stops, mut revoked) = (0, 0);
        for Control { state, .. } in words {
            stops += u32::from(*state != State::Open);
            revoked |= u64::from(state.is_revoked());
        }
        (self.stops, self.unsettled.lookings) = (stops, revoked);
        self.unsettled.ready.clear();
    }
}
