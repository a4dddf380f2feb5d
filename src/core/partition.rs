//! Owns: the state of one partition: its tables, what finds a row by another name, its books, outbox and inbox.
//! Never: changes any of it; that is `apply`'s alone. Never another partition's state.

use crate::{
    AccountId, Amount, Currency, PayeeId, Refusal, SessionId, Time, Total, WriterId,
    account::Account,
    books::{Book, Books},
    decline::Decline,
    hash::{FieldHash, KeyHash, Seed},
    payee::{Notice, Payee, PayeeStatus},
    session::{About, Bounds, PayeePart, Session},
    settlement::{Outgoing, Settlement},
    table::{Table, TableHead},
    writer::Writer,
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::hash::{BuildHasherDefault, Hasher};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

/// Hashes ids by their own random bits: the server drew them, so no caller can choose collisions.
#[derive(Debug, Default, Clone, Copy)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
    fn write_u128(&mut self, bits: u128) {
        // The table takes its bucket from the low bits and its tag from the high ones: spread the random bits over both.
        self.0 = ((bits as u64) ^ ((bits >> 64) as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Says what a command that has no session made, for when it is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Made {
    /// This account.
    Account(AccountId),
    /// A deposit in this account.
    Deposit(AccountId),
    /// This payee.
    Payee(PayeeId),
    /// This session.
    Session(SessionId),
    /// No session, and why.
    Declined(Decline),
}

/// Is a remembered key of a command that has no session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandKey {
    /// The key within its scope.
    pub key: KeyHash,
    /// One hash a field of the command.
    pub content: Box<[FieldHash]>,
    /// What came of it.
    pub made: Made,
    /// The journal position.
    pub seq: u64,
}

/// Is all of a partition's state that is not rows, as a checkpoint stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as in `Partition`")]
pub struct Head {
    pub seq: u64,
    pub covered: u64,
    pub last_at: Time,
    pub seed: Seed,
    pub accounts: TableHead,
    pub sessions: TableHead,
    pub payees: TableHead,
    pub notices: TableHead,
    pub writers: TableHead,
    pub command_keys: TableHead,
    pub books: Books,
    pub outbox: VecDeque<Outgoing>,
    pub outbox_last: u64,
    pub inbox: BTreeMap<u16, u64>,
}

/// Is one partition.
#[derive(Debug, Default)]
pub struct Partition {
    pub(crate) number: u16,
    pub(crate) seed: Seed,
    /// The last record applied.
    pub(crate) seq: u64,
    /// When that was decided: decisions never run back behind it.
    pub(crate) last_at: Time,
    pub(crate) accounts: Table<Account>,
    pub(crate) sessions: Table<Session>,
    pub(crate) payees: Table<Payee>,
    pub(crate) notices: Table<Notice>,
    pub(crate) writers: Table<Writer>,
    pub(crate) command_keys: Table<CommandKey>,
    pub(crate) books: Books,
    pub(crate) outbox: VecDeque<Outgoing>,
    pub(crate) outbox_last: u64,
    pub(crate) inbox: BTreeMap<u16, u64>,
    /// Settlements that no checkpoint has filed yet, by seq.
    pub(crate) unfiled: BTreeMap<u64, Settlement>,
    /// The seqs of the unfiled settlements, by session.
    pub(crate) unfiled_seqs: BTreeMap<SessionId, u64>,
    // What follows is derived from the rows and never stored.
    pub(crate) notice_slots: HashMap<u128, u32, BuildHasherDefault<IdHasher>>,
    pub(crate) command_slots: BTreeMap<KeyHash, u32>,
    pub(crate) ends: BTreeSet<(Time, u32)>,
}

/// Is a session as it is shown: without its keys and windows, its payees by id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in `Session`")]
pub struct SessionView {
    pub id: SessionId,
    pub account: AccountId,
    pub currency: Currency,
    pub bounds: Bounds,
    pub spent: Amount,
    pub remaining: Amount,
    pub debit_count: u64,
    pub opened_at: Time,
    pub payees: Vec<(PayeeId, PayeePart)>,
    pub about: About,
    /// True from the session's end on, swept or not.
    pub ended: bool,
}

impl Partition {
    /// Makes an empty partition.
    pub fn new(number: u16) -> Self {
        Self { number, ..Self::default() }
    }

    /// Returns its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Returns the seq of the last record applied.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Returns when the last record was decided.
    pub fn last_at(&self) -> Time {
        self.last_at
    }

    /// Returns the seed behind its hashes.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Returns the time of a decision made now: the clock's, or the last recorded one if the clock ran back (I9).
    pub fn decision_time(&self, clock: Time) -> Time {
        clock.max(self.last_at)
    }

    /// Returns its books.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Returns how many sessions are open.
    pub fn open_sessions(&self) -> u32 {
        self.sessions.len()
    }

    /// Finds an account. *Errors*: `UnknownAccount`.
    pub fn account(&self, id: AccountId) -> Result<&Account, Refusal> {
        self.accounts.get(id.slot()).filter(|account| account.id == id).ok_or(Refusal::UnknownAccount)
    }

    /// Finds an open session. *Errors*: `UnknownSession`, for settled ones too; the settlements know those.
    pub fn session(&self, id: SessionId) -> Result<&Session, Refusal> {
        self.sessions.get(id.slot()).filter(|session| session.id == id).ok_or(Refusal::UnknownSession)
    }

    /// Finds a payee at home. *Errors*: `UnknownPayee`.
    pub fn payee(&self, id: PayeeId) -> Result<&Payee, Refusal> {
        self.payees.get(id.slot()).filter(|payee| payee.id == id).ok_or(Refusal::UnknownPayee)
    }

    /// Finds a writer. *Errors*: `UnknownWriter`.
    pub fn writer(&self, id: WriterId) -> Result<&Writer, Refusal> {
        self.writers.get(id.slot()).filter(|writer| writer.id == id).ok_or(Refusal::UnknownWriter)
    }

    /// Finds what this partition knows of a payee. *Errors*: `PayeeNotHere`.
    pub fn notice(&self, id: PayeeId) -> Result<(u32, &Notice), Refusal> {
        let slot = *self.notice_slots.get(&id.bits()).ok_or(Refusal::PayeeNotHere)?;
        self.notices.get(slot).map(|notice| (slot, notice)).ok_or(Refusal::PayeeNotHere)
    }

    /// Finds a settlement that no checkpoint has filed yet.
    pub fn unfiled_settlement(&self, session: SessionId) -> Option<&Settlement> {
        self.unfiled_seqs.get(&session).and_then(|seq| self.unfiled.get(seq))
    }

    /// Returns the unfiled settlements after `seq`, in order.
    pub fn unfiled_after(&self, seq: u64) -> impl Iterator<Item = &Settlement> {
        self.unfiled.range(seq.saturating_add(1)..).map(|(_, settlement)| settlement)
    }

    /// Returns the lines that have not arrived yet, in order.
    pub fn outgoing(&self) -> impl Iterator<Item = &Outgoing> {
        self.outbox.iter()
    }

    /// Returns whether line `no` of `source` has arrived here.
    pub fn has_arrived(&self, source: u16, no: u64) -> bool {
        self.inbox.get(&source).is_some_and(|last| *last >= no)
    }

    /// Returns an open session whose end has come, the earliest first.
    pub fn due_session(&self, now: Time) -> Option<SessionId> {
        let (ends_at, slot) = *self.ends.first()?;
        if ends_at > now {
            return None;
        }
        self.sessions.get(slot).map(|session| session.id)
    }

    /// Returns an account's open session whose end has come.
    pub fn due_session_of(&self, account: AccountId, now: Time) -> Option<SessionId> {
        self.ends
            .iter()
            .take_while(|(ends_at, _)| *ends_at <= now)
            .filter_map(|(_, slot)| self.sessions.get(*slot))
            .find(|session| session.account == account.slot())
            .map(|session| session.id)
    }

    /// Returns what a session's account could still give.
    pub fn account_available(&self, session: &Session) -> Total {
        self.accounts.get(session.account).map_or(Total::ZERO, Account::available)
    }

    /// Shows a session.
    pub fn view(&self, session: &Session, now: Time) -> SessionView {
        let payees = session.payees.iter().filter_map(|part| Some((self.notices.get(part.payee)?.id, *part)));
        SessionView {
            id: session.id,
            account: self
                .accounts
                .get(session.account)
                .map_or_else(|| crate::apply::bug("no account"), |a| a.id),
            currency: session.currency,
            bounds: session.bounds,
            spent: session.spent_own,
            remaining: session.remaining(),
            debit_count: session.debit_count,
            opened_at: session.opened_at,
            payees: payees.collect(),
            about: (*session.about).clone(),
            ended: self.decision_time(now) >= session.bounds.ends_at,
        }
    }

    /// Returns rows of a table from `slot` on, at most `limit` slots far, for listing.
    pub fn accounts_from(&self, slot: u32, limit: u32) -> impl Iterator<Item = &Account> {
        (slot..self.accounts.slots().min(slot.saturating_add(limit))).filter_map(|at| self.accounts.get(at))
    }

    /// As `accounts_from`, for payees.
    pub fn payees_from(&self, slot: u32, limit: u32) -> impl Iterator<Item = &Payee> {
        (slot..self.payees.slots().min(slot.saturating_add(limit))).filter_map(|at| self.payees.get(at))
    }

    /// As `accounts_from`, for the open sessions of one account.
    pub fn sessions_from(&self, account: AccountId, slot: u32, limit: u32) -> impl Iterator<Item = &Session> {
        let end = self.sessions.slots().min(slot.saturating_add(limit));
        (slot..end).filter_map(|at| self.sessions.get(at)).filter(move |s| s.account == account.slot())
    }

    /// Returns how many slots each listed table has: accounts, payees, sessions.
    pub fn slot_counts(&self) -> (u32, u32, u32) {
        (self.accounts.slots(), self.payees.slots(), self.sessions.slots())
    }

    /// Returns what this partition knows of payees: after a crash, some of it may be older than the payees' homes.
    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.notices.iter().map(|(_, notice)| notice)
    }

    /// Says which invariant does not hold over the whole partition. *Cost*: walks every row.
    pub fn check_sound(&self) -> Result<(), &'static str> {
        self.check_sessions()?;
        self.check_books()?;
        if self.ends.len() != self.sessions.len() as usize {
            return Err("an open session has no end in the index, or a closed one has");
        }
        let blocked =
            |notice: &Notice| self.payees.get(notice.id.slot()).is_some_and(|p| p.version < notice.version);
        if self.notices.iter().any(|(_, n)| n.id.partition() == self.number && blocked(n)) {
            return Err("a notice is newer than its payee");
        }
        Ok(())
    }

    fn check_sessions(&self) -> Result<(), &'static str> {
        let mut reserved: BTreeMap<u32, (Total, u32)> = BTreeMap::new();
        for (_, session) in self.sessions.iter() {
            let parts = session.payees.iter();
            let spent: u128 = parts.clone().map(|part| u128::from(part.spent.nanos())).sum();
            if spent != u128::from(session.spent_own.nanos()) {
                return Err("a session's payees do not add up to what it spent");
            }
            if session.spent_own > session.bounds.cap {
                return Err("a session is over its cap");
            }
            if parts.clone().any(|part| part.cap.get().is_some_and(|cap| part.spent > cap)) {
                return Err("a payee is over its cap");
            }
            if parts.map(|part| part.debit_count).sum::<u64>() != session.debit_count {
                return Err("a session's payees do not count its debits");
            }
            let entry = reserved.entry(session.account).or_default();
            entry.0 = entry
                .0
                .checked_add(session.bounds.cap.into())
                .ok_or("reservations pass the greatest total")?;
            entry.1 += 1;
        }
        for (slot, account) in self.accounts.iter() {
            let (total, children) = reserved.get(&slot).copied().unwrap_or_default();
            if total != account.reserved_by_children || children != account.open_children {
                return Err("an account's reservation is not the sum of its open sessions' caps");
            }
            let used = account.reserved_by_children.checked_add(account.spent_below);
            if used.is_none_or(|used| used > account.deposited) {
                return Err("an account gave more than it has");
            }
        }
        Ok(())
    }

    fn check_books(&self) -> Result<(), &'static str> {
        if !self.books.sum_to_zero() {
            return Err("the books do not sum to zero");
        }
        fn sum(mut amounts: impl Iterator<Item = Total>) -> Option<Total> {
            amounts.try_fold(Total::ZERO, Total::checked_add)
        }
        for (currency, _) in self.books.iter() {
            let accounts = || self.accounts.iter().map(|(_, a)| a).filter(|a| a.currency == *currency);
            let sessions = || self.sessions.iter().map(|(_, s)| s).filter(|s| s.currency == *currency);
            let ledgers =
                self.payees.iter().flat_map(|(_, p)| &p.ledgers).filter(|l| l.currency == *currency);
            let pairs = [
                (Book::PayerAvailable, sum(accounts().map(Account::available))),
                (Book::Reserved, sum(sessions().map(|s| s.remaining().into()))),
                (Book::Unsettled, sum(sessions().map(|s| s.spent_own.into()))),
                (Book::PayeePayable, sum(ledgers.map(|l| l.payable))),
            ];
            for (book, total) in pairs {
                if total.is_none_or(|total| !self.books.holds(*currency, book, total)) {
                    return Err("a book is not what its rows hold");
                }
            }
        }
        Ok(())
    }

    /// Returns whether a payee may be paid, as this partition knows it.
    pub(crate) fn payee_status(&self, slot: u32) -> PayeeStatus {
        self.notices.get(slot).map_or(PayeeStatus::Closed, |notice| notice.status)
    }
}
