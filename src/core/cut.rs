//! Owns: a partition's checkpoint as values: the head at the cut, the rows that changed since the last one, and the way
//! back. The cut is consistent though it is copied in small pieces: rows that change meanwhile are copied first.
//! Never: bytes; their layout is the journal's.

use crate::{
    Partition, Time,
    account::Account,
    credential::Credential,
    deposit::Deposit,
    partition::{CommandKey, Head},
    payee::{Notice, Payee},
    session::Session,
    settlement::Settlement,
    table::Slot,
    writer::Writer,
};
use alloc::vec::Vec;

/// Is one row of a checkpoint. The order of the variants is their stored number.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is documented by its content")]
pub enum RowValue {
    Account(Slot<Account>),
    Session(Slot<Session>),
    Payee(Slot<Payee>),
    Notice(Slot<Notice>),
    Writer(Slot<Writer>),
    /// Written before keys of commands were filed; read and filed again.
    CommandKey(Slot<CommandKey>),
    Deposit(Slot<Deposit>),
    Credential(Slot<Credential>),
}

/// Is what a checkpoint files for good, beside the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filing {
    /// Settlements made since the one before.
    pub settlements: Vec<Settlement>,
    /// Keys of commands decided since the one before.
    pub command_keys: Vec<CommandKey>,
}

impl Partition {
    /// Begins a checkpoint: returns the head as of now, and what it files. `copy` returns the rows.
    /// `covered` is a seq, at or after the partition's own, up to which no other record of this partition can come.
    pub fn cut(&mut self, covered: u64) -> (Head, Filing) {
        assert!(covered >= self.seq, "bug: a checkpoint covers {covered} but contains {}", self.seq);
        let head = Head {
            seq: self.seq,
            covered,
            last_at: self.last_at,
            seed: self.seed,
            accounts: self.accounts.cut(),
            sessions: self.sessions.cut(),
            payees: self.payees.cut(),
            notices: self.notices.cut(),
            writers: self.writers.cut(),
            deposits: self.deposits.cut(),
            credentials: self.credentials.cut(),
            books: self.books.clone(),
            outbox: self.outbox.clone(),
            outbox_last: self.outbox_last,
            inbox: self.inbox.clone(),
            front_ends: self.front_ends.clone(),
        };
        let filing = Filing {
            settlements: self.unfiled.values().cloned().collect(),
            command_keys: self.unfiled_keys.values().cloned().collect(),
        };
        (head, filing)
    }

    /// Copies about `limit` rows of the cut; an empty list says that it is whole.
    pub fn copy(&mut self, limit: usize) -> Vec<(u32, RowValue)> {
        fn wrap<T>(rows: Vec<(u32, Slot<T>)>, value: fn(Slot<T>) -> RowValue) -> Vec<(u32, RowValue)> {
            rows.into_iter().map(|(slot, entry)| (slot, value(entry))).collect()
        }
        let mut rows = wrap(self.sessions.copy(limit), RowValue::Session);
        if rows.is_empty() {
            rows = wrap(self.accounts.copy(limit), RowValue::Account);
        }
        if rows.is_empty() {
            rows = wrap(self.payees.copy(limit), RowValue::Payee);
        }
        if rows.is_empty() {
            rows = wrap(self.notices.copy(limit), RowValue::Notice);
        }
        if rows.is_empty() {
            rows = wrap(self.writers.copy(limit), RowValue::Writer);
        }
        if rows.is_empty() {
            rows = wrap(self.deposits.copy(limit), RowValue::Deposit);
        }
        if rows.is_empty() {
            rows = wrap(self.credentials.copy(limit), RowValue::Credential);
        }
        rows
    }

    /// Makes the next checkpoint a whole one: what was copied for the last could not be stored.
    pub fn copy_all_again(&mut self) {
        self.accounts.mark_all();
        self.sessions.mark_all();
        self.payees.mark_all();
        self.notices.mark_all();
        self.writers.mark_all();
        self.deposits.mark_all();
        self.credentials.mark_all();
    }

    /// Forgets what a checkpoint at `seq` has filed for good: settlements, and keys of commands.
    pub fn filed_through(&mut self, seq: u64) {
        self.unfiled = self.unfiled.split_off(&(seq.saturating_add(1)));
        self.unfiled_seqs.retain(|_, filed_at| *filed_at > seq);
        self.unfiled_keys.retain(|_, row| row.seq > seq);
    }

    /// Puts back one row. Rows of one table come in slot order. *Errors*: says what does not fit.
    pub fn load_row(&mut self, slot: u32, row: RowValue) -> Result<(), &'static str> {
        match row {
            RowValue::Account(entry) => self.accounts.load(slot, entry),
            RowValue::Session(entry) => self.sessions.load(slot, entry),
            RowValue::Payee(entry) => self.payees.load(slot, entry),
            RowValue::Notice(entry) => self.notices.load(slot, entry),
            RowValue::Writer(entry) => self.writers.load(slot, entry),
            RowValue::CommandKey(Slot::Taken { row, .. }) => {
                self.unfiled_keys.insert(row.key, row);
                Ok(())
            }
            RowValue::CommandKey(Slot::Vacant { .. }) => Ok(()),
            RowValue::Deposit(entry) => self.deposits.load(slot, entry),
            RowValue::Credential(entry) => self.credentials.load(slot, entry),
        }
    }

    /// Puts back the head, once all rows are there, and derives what is derived. *Errors*: says what does not fit.
    pub fn load_head(&mut self, head: Head) -> Result<(), &'static str> {
        self.accounts.load_head(head.accounts)?;
        self.sessions.load_head(head.sessions)?;
        self.payees.load_head(head.payees)?;
        self.notices.load_head(head.notices)?;
        self.writers.load_head(head.writers)?;
        self.deposits.load_head(head.deposits)?;
        self.credentials.load_head(head.credentials)?;
        self.seq = head.seq;
        self.last_at = head.last_at;
        self.seed = head.seed;
        self.books = head.books;
        self.outbox = head.outbox;
        self.outbox_last = head.outbox_last;
        self.inbox = head.inbox;
        self.front_ends = head.front_ends;
        self.ends = self.sessions.iter().map(|(_, session)| session.end()).collect();
        self.children =
            self.sessions.iter().filter_map(|(slot, session)| Some((session.parent()?, slot))).collect();
        (self.closing, self.bent) = (0, 0);
        for (_, session) in self.sessions.iter() {
            self.closing += u32::from(session.closing_at() != Time::ZERO);
            self.bent += u32::from(session.is_bent());
            self.has_limits |= !session.velocity().is_empty();
        }
        self.derive_stops();
        self.notice_slots = self.notices.iter().map(|(slot, notice)| (notice.id.bits(), slot)).collect();
        self.check_sound()
    }
}
