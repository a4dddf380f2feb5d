//! Owns: the shapes of rows of accounts and sessions in their second version, before there were holds, secrets and thresholds,
//! and what they are in today's. Never: written again; a shape here never changes.

use serde::Deserialize;
use tallystick_core::{
    AccountId, Amount, Currency, SessionId, Time, Total,
    account::{self, Funding, Terms},
    keys::Keys,
    session::{self, About, Bounds, Guards, Mode, PayeePart},
    writer::Window,
};

#[derive(Deserialize)]
pub(super) struct Account {
    id: AccountId,
    currency: Currency,
    funding: Funding,
    deposited: Total,
    pending: Total,
    withdrawn: Total,
    limit: Total,
    repaid: Total,
    reserved_by_children: Total,
    spent_below: Total,
    open_children: u32,
    created_at: Time,
    terms: Box<Terms>,
}

impl From<Account> for account::Account {
    fn from(old: Account) -> Self {
        Self {
            id: old.id,
            currency: old.currency,
            funding: old.funding,
            deposited: old.deposited,
            pending: old.pending,
            withdrawn: old.withdrawn,
            limit: old.limit,
            repaid: old.repaid,
            reserved_by_children: old.reserved_by_children,
            spent_below: old.spent_below,
            held_below: Total::ZERO,
            open_children: old.open_children,
            created_at: old.created_at,
            terms: old.terms,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Session {
    id: SessionId,
    account: u32,
    parent: Option<u32>,
    mode: Mode,
    depth: u8,
    counts_payees: bool,
    counted_above: bool,
    currency: Currency,
    bounds: Bounds,
    closing_at: Time,
    spent_own: Amount,
    spent_below: Amount,
    held: Amount,
    reserved_by_children: Amount,
    open_children: u32,
    debit_count: u64,
    opened_at: Time,
    payees: Vec<PayeePart>,
    writers: Vec<Window>,
    keys: Keys,
    about: About,
}

impl From<Session> for session::Session {
    fn from(old: Session) -> Self {
        Self::from(session::Plain {
            id: old.id,
            account: old.account,
            parent: old.parent,
            mode: old.mode,
            depth: old.depth,
            counts_payees: old.counts_payees,
            counted_above: old.counted_above,
            currency: old.currency,
            bounds: old.bounds,
            closing_at: old.closing_at,
            spent_own: old.spent_own,
            spent_below: old.spent_below,
            held: old.held,
            reserved_by_children: old.reserved_by_children,
            open_children: old.open_children,
            debit_count: old.debit_count,
            opened_at: old.opened_at,
            payees: old.payees,
            writers: old.writers,
            keys: old.keys,
            about: old.about,
            guards: Guards::default(),
            guard: None,
        })
    }
}
