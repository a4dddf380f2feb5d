//! Owns: the shapes of checkpoint rows in their first version, before there were child sessions, partial debits and other
//! fundings, and what they are in today's. Never: written again; a shape here never changes.

mod command_key;
mod session;

pub(super) use command_key::CommandKey;
pub(super) use session::Session;

use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use tallystick_core::{
    AccountId, Amount, Currency, SessionId, Time, Total,
    account::{self, Funding, Terms},
    books::Books,
    hash::Seed,
    partition,
    settlement::{self, Line, Outgoing, Reason},
    table::{Slot, TableHead},
};

/// Turns the content of a slot.
pub(super) fn slot<Old, New: From<Old>>(slot: Slot<Old>) -> Slot<New> {
    match slot {
        Slot::Vacant { generation, next } => Slot::Vacant { generation, next },
        Slot::Taken { generation, row } => Slot::Taken { generation, row: row.into() },
    }
}

#[derive(Deserialize)]
pub(super) struct Account {
    id: AccountId,
    currency: Currency,
    funding: Funding,
    deposited: Total,
    reserved_by_children: Total,
    spent_below: Total,
    open_children: u32,
    created_at: Time,
    reference: Box<str>,
}

impl From<Account> for account::Account {
    fn from(old: Account) -> Self {
        Self {
            id: old.id,
            currency: old.currency,
            funding: old.funding,
            deposited: old.deposited,
            pending: Total::ZERO,
            withdrawn: Total::ZERO,
            limit: Total::ZERO,
            repaid: Total::ZERO,
            reserved_by_children: old.reserved_by_children,
            spent_below: old.spent_below,
            held_below: Total::ZERO,
            velocity: Box::default(),
            open_children: old.open_children,
            created_at: old.created_at,
            terms: Box::new(Terms { reference: old.reference, ..Terms::default() }),
            control: None,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Settlement {
    session: SessionId,
    account: AccountId,
    currency: Currency,
    reason: Reason,
    lines: Vec<Line>,
    total: Amount,
    released: Amount,
    debit_count: u64,
    opened_at: Time,
    settled_at: Time,
    seq: u64,
}

impl From<Settlement> for settlement::Settlement {
    fn from(old: Settlement) -> Self {
        Self {
            session: old.session,
            account: old.account,
            currency: old.currency,
            reason: old.reason,
            lines: old.lines,
            total: old.total,
            released: old.released,
            debit_count: old.debit_count,
            opened_at: old.opened_at,
            settled_at: old.settled_at,
            seq: old.seq,
            parent: None,
            spent_below: Amount::ZERO,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Head {
    seq: u64,
    covered: u64,
    last_at: Time,
    seed: Seed,
    accounts: TableHead,
    sessions: TableHead,
    payees: TableHead,
    notices: TableHead,
    writers: TableHead,
    /// Keys of commands had a table; they are filed now, and their rows found without it.
    #[expect(dead_code, reason = "it has its place in the bytes")]
    command_keys: TableHead,
    books: Books,
    outbox: VecDeque<Outgoing>,
    outbox_last: u64,
    inbox: BTreeMap<u16, u64>,
}

impl From<Head> for partition::Head {
    fn from(old: Head) -> Self {
        Self {
            seq: old.seq,
            covered: old.covered,
            last_at: old.last_at,
            seed: old.seed,
            accounts: old.accounts,
            sessions: old.sessions,
            payees: old.payees,
            notices: old.notices,
            writers: old.writers,
            deposits: TableHead::EMPTY,
            credentials: TableHead::EMPTY,
            books: old.books,
            outbox: old.outbox,
            outbox_last: old.outbox_last,
            inbox: old.inbox,
            front_ends: BTreeMap::new(),
        }
    }
}
