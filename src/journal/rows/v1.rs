//! Owns: the shapes of checkpoint rows in their first version, before there were child sessions, partial debits and other
//! fundings, and what they are in today's. Never: written again; a shape here never changes.

use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use tallystick_core::{
    AccountId, Amount, Cap, Currency, SessionId, Time, Total, WriterId,
    account::{self, Funding, Terms},
    books::Books,
    hash::{FieldHash, KeyHash, Seed},
    keys::{self, Keys, Verdict},
    partition,
    session::{self, Authority, Bounds, Mode},
    settlement::{self, Line, Outgoing, Reason},
    table::{Slot, TableHead},
    writer,
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
            open_children: old.open_children,
            created_at: old.created_at,
            terms: Box::new(Terms { reference: old.reference, ..Terms::default() }),
        }
    }
}

#[derive(Deserialize)]
struct Said {
    amount: Amount,
    payee: u32,
    currency: Currency,
    reference: FieldHash,
    evidence: FieldHash,
}

#[derive(Deserialize)]
struct Remembered {
    seq: u64,
    said: Said,
    verdict: Verdict,
}

impl From<Remembered> for keys::Remembered {
    fn from(old: Remembered) -> Self {
        let Said { amount, payee, currency, reference, evidence } = old.said;
        let said = keys::Said { amount, payee, currency, reference, evidence, partial: false };
        let taken = if old.verdict.is_none() { amount } else { Amount::ZERO };
        Self { seq: old.seq, said, verdict: old.verdict, taken }
    }
}

#[derive(Deserialize)]
struct Run {
    first_number: u64,
    count: u64,
    first: Remembered,
}

#[derive(Deserialize)]
struct Window {
    writer: WriterId,
    epoch: u32,
    last_number: u64,
    runs: VecDeque<Run>,
}

impl From<Window> for writer::Window {
    fn from(old: Window) -> Self {
        let runs = old.runs.into_iter().map(|run| (run.first_number, run.count, run.first.into()));
        Self::from_parts(old.writer, old.epoch, old.last_number, runs)
    }
}

#[derive(Deserialize)]
struct PayeePart {
    payee: u32,
    spent: Amount,
    debit_count: u64,
    cap: Cap,
}

impl From<PayeePart> for session::PayeePart {
    fn from(old: PayeePart) -> Self {
        Self { spent: old.spent, debit_count: old.debit_count, ..Self::new(old.payee, old.cap) }
    }
}

#[derive(Deserialize)]
struct About {
    authority: Authority,
    reference: Box<str>,
}

#[derive(Deserialize)]
pub(super) struct Session {
    id: SessionId,
    account: u32,
    currency: Currency,
    bounds: Bounds,
    spent_own: Amount,
    spent_below: Amount,
    held: Amount,
    reserved_by_children: Amount,
    debit_count: u64,
    opened_at: Time,
    payees: Vec<PayeePart>,
    writers: Vec<Window>,
    keys: BTreeMap<KeyHash, Remembered>,
    about: About,
}

impl From<Session> for session::Session {
    fn from(old: Session) -> Self {
        let capped = !old.bounds.default_payee_cap.is_none() || old.payees.iter().any(|p| !p.cap.is_none());
        let About { authority, reference } = old.about;
        let keys = old.keys.into_iter().map(|(key, debit)| (key, debit.into())).collect();
        Self {
            id: old.id,
            account: old.account,
            parent: None,
            mode: Mode::Reserved,
            depth: 1,
            counts_payees: capped,
            counted_above: false,
            currency: old.currency,
            bounds: old.bounds,
            closing_at: Time::ZERO,
            spent_own: old.spent_own,
            spent_below: old.spent_below,
            held: old.held,
            reserved_by_children: old.reserved_by_children,
            open_children: 0,
            debit_count: old.debit_count,
            opened_at: old.opened_at,
            payees: old.payees.into_iter().map(Into::into).collect(),
            writers: old.writers.into_iter().map(Into::into).collect(),
            keys: Box::new(Keys::from_parts(keys)),
            about: Box::new(session::About { authority, reference, ..session::About::default() }),
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
            books: old.books,
            outbox: old.outbox,
            outbox_last: old.outbox_last,
            inbox: old.inbox,
        }
    }
}
