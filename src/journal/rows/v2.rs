//! Owns: the shapes of heads and of rows of accounts and sessions in their second version, before there were holds, secrets,
//! thresholds, front-ends and credentials, and what they are in today's. Never: written again; a shape here never changes.

use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use tallystick_core::{
    AccountId, Amount, Currency, SessionId, Time, Total,
    account::{self, External, Funding, PaymentMethod},
    books::Books,
    hash::Seed,
    keys::Keys,
    partition,
    session::{self, About, Bounds, Guards, Mode, PayeePart},
    settlement::Outgoing,
    table::TableHead,
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
    terms: Terms,
}

#[derive(Deserialize)]
struct Terms {
    external: Option<External>,
    method: PaymentMethod,
    reference: Box<str>,
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
            velocity: Box::default(),
            open_children: old.open_children,
            created_at: old.created_at,
            terms: Box::new(account::Terms {
                external: old.terms.external,
                method: old.terms.method,
                reference: old.terms.reference,
                ..account::Terms::default()
            }),
            control: None,
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
            velocity: Box::default(),
        })
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
    deposits: TableHead,
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
            deposits: old.deposits,
            credentials: TableHead::EMPTY,
            books: old.books,
            outbox: old.outbox,
            outbox_last: old.outbox_last,
            inbox: old.inbox,
            front_ends: BTreeMap::new(),
        }
    }
}
