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

    /// Takes an approved amount of every limit of `above` and of everything above that; what a session itself has is
    /// `Session::take_velocity`'s. *Panics*: if one has no room for it.
    pub(super) fn take_velocity_above(&mut self, mut above: At, payee: u32, amount: Amount, at: Time) {
        loop {
            // What has no limits is not touched: a checkpoint would copy it for nothing.
            match above {
                At::Session(slot) => {
                    let session = found(self.sessions.get(slot), "a session stands under nothing");
                    let has_limits = !session.velocity().is_empty();
                    above = session.above();
                    if has_limits && let Some(session) = self.sessions.get_mut(slot) {
                        session.take_velocity(payee, amount, at);
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
}
