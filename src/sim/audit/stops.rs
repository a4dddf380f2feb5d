//! Owns: I10 by answers alone: after a stop was heard of, nothing below it is approved; and control words change one by one.
//! Never: what a stop leaves to be settled.

use super::{facts::Facts, wrong};
use crate::{asked::Stopped, model::Wrong};
use tallystick_core::{
    SessionId,
    control::{Control, State},
};

impl Facts {
    /// Takes note of a control word. Each of its epochs says one thing.
    pub(super) fn said(
        &mut self,
        on: &Stopped,
        word: &Control,
        (seq, replayed): (u64, bool),
    ) -> Result<(), Wrong> {
        // What was settled has no word any more, and one that was never set says nothing.
        if word.epoch == 0 {
            return Ok(());
        }
        let epochs = self.controls.entry(on.clone()).or_default();
        match epochs.get_mut(&word.epoch) {
            Some((state, from)) if *state == word.state => *from = seq.min(*from),
            Some((state, _)) => {
                return wrong("I10", format!("{on:?} was {state:?} and is {word:?} at {seq}"));
            }
            None => drop(epochs.insert(word.epoch, (word.state, seq))),
        }
        let later = epochs.range(word.epoch + 1..).any(|(_, (_, from))| *from < seq);
        if later && !replayed {
            return wrong("I10", format!("{on:?} became {word:?} at {seq}, after it was changed again"));
        }
        Ok(())
    }

    /// Returns from which seq on nothing is approved any more because of a word that was heard of. Whoever lets something go
    /// names the epoch of its pause: that may have been done, and nobody heard.
    fn stopped_from(&self, on: &Stopped) -> Option<u64> {
        let let_go = |epoch: u64| self.let_go.get(on).is_some_and(|epochs| epochs.contains(&epoch));
        let lasts = |(epoch, (state, _)): &(&u64, &(State, u64))| {
            state.is_revoked() || (*state == State::Paused && !let_go(**epoch))
        };
        self.controls.get(on)?.iter().filter(lasts).map(|(_, (_, from))| *from).min()
    }

    /// Says whether the holds of a session may have been voided with what they stand in.
    pub(super) fn may_be_voided(&self, id: SessionId) -> bool {
        // Whose an account is may not have been heard.
        let of_front_end = |on: &Stopped| matches!(on, Stopped::FrontEnd(_));
        let over = self.stopped_over(id);
        self.voided.iter().any(|on| of_front_end(on) || over.contains(on)) || self.is_unknown(id)
    }

    /// Says whether it is not known what a session stands under.
    fn is_unknown(&self, id: SessionId) -> bool {
        !self.voided.is_empty() && self.path(id).iter().any(|id| !self.sessions.contains_key(id))
    }

    fn stopped_over(&self, id: SessionId) -> Vec<Stopped> {
        let mut over: Vec<Stopped> = self.path(id).into_iter().map(Stopped::Session).collect();
        if let Some(seen) = self.sessions.get(&id) {
            over.push(Stopped::Account(seen.account));
            let front_end = self.front_ends.get(&seen.account);
            over.extend(front_end.map(|name| Stopped::FrontEnd(name.clone())));
        }
        over
    }

    /// Nothing was approved below a stop after that was heard to be so.
    pub(super) fn stopped(&self) -> Result<(), Wrong> {
        if self.controls.is_empty() {
            return Ok(());
        }
        for (seq, debit) in self.debits.iter().filter(|(_, debit)| debit.is_new()) {
            for on in self.stopped_over(debit.ask.session) {
                if let Some(from) = self.stopped_from(&on).filter(|from| seq > from) {
                    return wrong("I10", format!("seq {seq} approves after {on:?} was stopped at {from}"));
                }
            }
        }
        Ok(())
    }
}
