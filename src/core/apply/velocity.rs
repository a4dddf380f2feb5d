//! Owns: what is taken of limits in time, on a session and on everything above it. Never: decides; gives anything back.

use super::found;
use crate::{Amount, Partition, Time, session::Guards, tree::At};

impl Partition {
    /// Returns whether an envelope, or something above it, has limits in time.
    pub(super) fn is_limited(&self, at: At) -> bool {
        match at {
            At::Session(slot) => {
                self.sessions.get(slot).is_some_and(|above| above.guards.has(Guards::VELOCITY))
            }
            At::Account(slot) => self.accounts.get(slot).is_some_and(|account| !account.velocity.is_empty()),
        }
    }

    /// Takes an approved amount of every limit that it counts in. *Panics*: if one has no room for it.
    pub(super) fn take_velocity(&mut self, slot: u32, payee: u32, amount: Amount, at: Time) {
        let mut above = At::Session(slot);
        loop {
            // What has no limits is not touched: a checkpoint would copy it for nothing.
            match above {
                At::Session(slot) => {
                    let session = found(self.sessions.get(slot), "a session stands under nothing");
                    let has_limits = !session.velocity().is_empty();
                    above = session.above();
                    if has_limits && let Some(session) = self.sessions.get_mut(slot) {
                        session.velocity_mut().iter_mut().for_each(|limit| limit.take(payee, amount, at));
                    }
                }
                At::Account(slot) => {
                    let account = found(self.accounts.get(slot), "a session stands under no account");
                    if !account.velocity.is_empty()
                        && let Some(account) = self.accounts.get_mut(slot)
                    {
                        account.velocity.iter_mut().for_each(|limit| limit.take(payee, amount, at));
                    }
                    return;
                }
            }
        }
    }

    /// Says to every session below that it is limited in time: something above it now is. For records that give limits to
    /// what stands already. *Cost*: walks every session below.
    #[expect(dead_code, reason = "sessions and accounts have their limits from the beginning")]
    pub(super) fn mark_velocity_below(&mut self, slot: u32) {
        let mut slots = alloc::vec![slot];
        while let Some(slot) = slots.pop() {
            if let Some(session) = self.sessions.get_mut(slot) {
                session.guards = session.guards.and(Guards::VELOCITY);
            }
            slots.extend(self.children.range((slot, 0)..=(slot, u32::MAX)).map(|(_, child)| *child));
        }
    }
}
