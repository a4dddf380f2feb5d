//! Owns: a session field by field: what one is made of, and the shape in which it is stored. Never: changes; a changed shape
//! is a new version of the row.

use super::{About, Bounds, Guard, Guards, Mode, PayeePart, Rare, Rest, Session, payees::Payees};
use crate::{Amount, Currency, SessionId, Time, keys::Keys, velocity::Velocity, writer::Window};
use alloc::{boxed::Box, vec::Vec};
use serde::{Deserialize, Serialize};

/// Is one open session, field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plain {
    /// Its id.
    pub id: SessionId,
    /// Its account's slot, in the same partition.
    pub account: u32,
    /// The slot of the session it stands under; `None` straight on the account.
    pub parent: Option<u32>,
    /// How it stands to its parent.
    pub mode: Mode,
    /// How deep below its account; 1 is straight on it.
    pub depth: u8,
    /// It caps what payees get, so it counts what they get below it.
    pub counts_payees: bool,
    /// Something above it does.
    pub counted_above: bool,
    /// Its account's currency.
    pub currency: Currency,
    /// What bounds its debits.
    pub bounds: Bounds,
    /// When it began to close, with sessions still open below it; zero while it does not.
    pub closing_at: Time,
    /// What was debited on it, reversals taken off.
    pub spent_own: Amount,
    /// What sessions below it spent: closed ones, and open shared ones.
    pub spent_below: Amount,
    /// Set aside by holds: its own, and those of shared sessions below.
    pub held: Amount,
    /// Set aside for open reserved sessions below.
    pub reserved_by_children: Amount,
    /// Sessions open directly under it.
    pub open_children: u32,
    /// Approved debits.
    pub debit_count: u64,
    /// When it was opened.
    pub opened_at: Time,
    /// One part a payee, in order of `payee`.
    pub payees: Vec<PayeePart>,
    /// One window a writer, in the order in which they came.
    pub writers: Vec<Window>,
    /// Debits with free-form keys.
    pub keys: Keys,
    /// The part that no debit reads.
    pub about: About,
    /// What a debit has to look at beside the row.
    pub guards: Guards,
    /// What few mandates say, and its holds.
    pub guard: Option<Guard>,
    /// Its limits in time, and what was taken of them.
    pub velocity: Box<[Velocity]>,
}

impl From<Plain> for Session {
    fn from(plain: Plain) -> Self {
        let Plain { bounds, mut writers, keys, about, guard, velocity, .. } = plain;
        let rare = Rare {
            parent: plain.parent,
            open_children: plain.open_children,
            not_before: bounds.not_before,
            debit_min: bounds.debit_min,
            closing_at: plain.closing_at,
            spent_below: plain.spent_below,
            held: plain.held,
            reserved_by_children: plain.reserved_by_children,
        };
        let window = if writers.is_empty() { None } else { Some(writers.remove(0)) };
        let has_rest = !writers.is_empty()
            || !keys.is_empty()
            || about != About::default()
            || guard.is_some()
            || !velocity.is_empty();
        Self {
            id: plain.id,
            cap: bounds.cap,
            ends_at: bounds.ends_at,
            spent_own: plain.spent_own,
            debit_count: plain.debit_count,
            debit_max: bounds.debit_max,
            default_payee_cap: bounds.default_payee_cap,
            opened_at: plain.opened_at,
            account: plain.account,
            currency: plain.currency,
            mode: plain.mode,
            depth: plain.depth,
            counts_payees: plain.counts_payees,
            counted_above: plain.counted_above,
            payees_restricted: bounds.payees_restricted,
            guards: plain.guards,
            payees: Payees::new(plain.payees, bounds.default_payee_cap),
            window,
            rare: (rare != Rare::NONE).then(|| Box::new(rare)),
            rest: has_rest
                .then(|| Box::new(Rest { about, keys, writers, guard: guard.map(Box::new), velocity })),
        }
    }
}

impl From<Session> for Plain {
    fn from(session: Session) -> Self {
        let (rare, bounds) = (*session.rare(), session.bounds());
        let payees = session.payees().collect();
        let Rest { about, keys, writers, guard, velocity } =
            session.rest.map_or_else(Rest::default, |rest| *rest);
        Self {
            id: session.id,
            account: session.account,
            parent: rare.parent,
            mode: session.mode,
            depth: session.depth,
            counts_payees: session.counts_payees,
            counted_above: session.counted_above,
            currency: session.currency,
            bounds,
            closing_at: rare.closing_at,
            spent_own: session.spent_own,
            spent_below: rare.spent_below,
            held: rare.held,
            reserved_by_children: rare.reserved_by_children,
            open_children: rare.open_children,
            debit_count: session.debit_count,
            opened_at: session.opened_at,
            payees,
            writers: session.window.into_iter().chain(writers).collect(),
            keys,
            about,
            guards: session.guards,
            guard: guard.map(|guard| *guard),
            velocity,
        }
    }
}
