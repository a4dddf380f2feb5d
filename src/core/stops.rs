//! Owns: which stops reach an envelope: its own, those of all above it, its account's front-end's; and what is to be settled
//! because it was revoked. That is done leaf by leaf, and each time a leaf is gone, what stood above it may be the next: so a
//! leaf that is found is never far from all that it leaves behind.
//! Never: changes; says what a stop declines.

use crate::{
    EnvelopeId, Partition, SessionId, Time,
    control::{Control, Promises, State},
    record::HoldLapsed,
    session::Session,
    tree::{At, Step},
};
use alloc::collections::BTreeSet;

/// Is what a partition knows of what was revoked in it and is not settled. Derived, and never stored.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    /// The slots of sessions with something to do at once.
    pub(crate) ready: BTreeSet<u32>,
    /// How often something with more below it was revoked: each time, what is below has to be looked for.
    pub(crate) lookings: u64,
}

impl Partition {
    /// Returns how many envelopes and front-ends are stopped here.
    pub fn stops(&self) -> u32 {
        self.stops
    }

    /// Returns the control words of all that is over `at`, itself first; an account's front-end's comes as the account's.
    /// *Cost*: a row for each level, and a small map.
    pub(crate) fn stops_over(&self, at: At) -> impl Iterator<Item = (EnvelopeId, &Control)> {
        let way = core::iter::successors(Some(at), |at| match at {
            At::Session(slot) => self.sessions.get(*slot).map(Session::above),
            At::Account(_) => None,
        });
        way.flat_map(|at| self.words_at(at)).flatten()
    }

    fn words_at(&self, at: At) -> [Option<(EnvelopeId, &Control)>; 2] {
        match at {
            At::Session(slot) => {
                let session = self.sessions.get(slot);
                let word = session.and_then(|session| Some((session.id.into(), session.control()?)));
                [word, None]
            }
            At::Account(slot) => {
                let Some(account) = self.accounts.get(slot) else { return [None, None] };
                let id = EnvelopeId::Account(account.id);
                let front_end = self.front_ends.get(&account.terms.front_end);
                [account.control.as_deref().map(|word| (id, word)), front_end.map(|word| (id, word))]
            }
        }
    }

    /// Returns the words that revoke a session.
    pub(crate) fn revocations(&self, session: &Session) -> impl Iterator<Item = &Control> {
        let stops = (self.stops > 0).then(|| self.stops_over(At::Session(session.id.slot())));
        stops.into_iter().flatten().map(|(_, word)| word).filter(|word| word.state.is_revoked())
    }

    /// Returns an open hold that is to be given back: its time is over, or it was voided with what it stands in.
    pub(crate) fn lapsing(&self, session: &Session, now: Time) -> Option<HoldLapsed> {
        session.lapsing(now).or_else(|| self.voided(session))
    }

    fn voided(&self, session: &Session) -> Option<HoldLapsed> {
        let mut words = self.revocations(session);
        if session.open_holds() == 0 || !words.any(|word| word.state == State::Revoked(Promises::Void)) {
            return None;
        }
        let (hold, found) = session.holds()?.open().next()?;
        Some(HoldLapsed { session: session.id, hold, released: found.left })
    }

    /// Returns what can be done at once of a session because it was revoked, or something above it; nothing while it waits
    /// for those below it, or for a hold that is honoured.
    pub fn step_of_revoked(&self, id: SessionId, now: Time) -> Option<Step> {
        let session = self.session(id).ok()?;
        self.revocations(session).next()?;
        if self.lapsing(session, now).is_some() {
            return Some(Step::Lapse(id));
        }
        let is_leaf = session.open_children() == 0 && session.open_holds() == 0;
        is_leaf.then_some(Step::Settle { session: id, cascading: false })
    }

    /// Returns something to do because of a revocation that nobody has to look for.
    pub fn ready_step(&self, now: Time) -> Option<Step> {
        let slot = self.unsettled.ready.first()?;
        self.step_of_revoked(self.sessions.get(*slot)?.id, now)
    }

    /// Returns how often something with more below it was revoked: when it has grown, look from slot 0 on.
    pub fn lookings(&self) -> u64 {
        self.unsettled.lookings
    }

    /// Looks at `most` slots from `slot` on for something to do because of a revocation. Returns it, and the slot to go on
    /// from: its own, since there may be more to do in it; `None` at the end of the table.
    pub fn look_for_revoked(&self, slot: u32, most: u32, now: Time) -> (Option<Step>, Option<u32>) {
        let end = self.sessions.slots().min(slot.saturating_add(most));
        let found = (slot..end).find_map(|slot| {
            let step = self.step_of_revoked(self.sessions.get(slot)?.id, now)?;
            Some((slot, step))
        });
        match found {
            Some((slot, step)) => (Some(step), Some(slot)),
            None => (None, (end < self.sessions.slots()).then_some(end)),
        }
    }
}
