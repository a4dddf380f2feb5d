//! Owns: the state of one partition: its tables, what finds a row by another name, its books, outbox and inbox.
//! Never: changes any of it; that is `apply`'s alone. Never another partition's state.

use crate::{
    AccountId, Amount, CredentialId, Currency, DepositId, HoldId, PayeeId, Refusal, SessionId, Time,
    WriterId,
    account::Account,
    books::Books,
    control::Control,
    credential::Credential,
    decline::{Decline, Hit},
    deposit::Deposit,
    hash::{FieldHash, KeyHash, Seed},
    payee::{Notice, Payee, PayeeStatus},
    role::Actor,
    session::{About, Bounds, Guard, Hold, HoldEnd, Mode, PayeePart, Session},
    settlement::{Outgoing, Settlement},
    stops::Unsettled,
    table::{Table, TableHead},
    velocity::{Velocity, VelocityView},
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
    /// A deposit in this account, made before deposits had ids.
    Deposit(AccountId),
    /// This payee.
    Payee(PayeeId),
    /// This session.
    Session(SessionId),
    /// It was declined, and why.
    Declined(Decline),
    /// This deposit.
    DepositOf(DepositId),
    /// A reversal of this much, in this session.
    Reversal(SessionId, Amount),
    /// This credential.
    Credential(CredentialId),
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
    pub deposits: TableHead,
    pub credentials: TableHead,
    pub books: Books,
    pub outbox: VecDeque<Outgoing>,
    pub outbox_last: u64,
    pub inbox: BTreeMap<u16, u64>,
    pub front_ends: BTreeMap<Box<str>, Control>,
}

/// Says when an open session has to be settled; the earliest comes first. There is one for each, so it is kept without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(4))]
pub(crate) struct End {
    pub(crate) due_at: Time,
    pub(crate) slot: u32,
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
    pub(crate) deposits: Table<Deposit>,
    pub(crate) credentials: Table<Credential>,
    pub(crate) books: Books,
    pub(crate) outbox: VecDeque<Outgoing>,
    pub(crate) outbox_last: u64,
    pub(crate) inbox: BTreeMap<u16, u64>,
    /// The control words of front-ends, by their names.
    pub(crate) front_ends: BTreeMap<Box<str>, Control>,
    /// Settlements that no checkpoint has filed yet, by seq.
    pub(crate) unfiled: BTreeMap<u64, Settlement>,
    /// The seqs of the unfiled settlements, by session.
    pub(crate) unfiled_seqs: BTreeMap<SessionId, u64>,
    /// Keys of commands that no checkpoint has filed yet.
    pub(crate) unfiled_keys: BTreeMap<KeyHash, CommandKey>,
    // What follows is derived from the rows and never stored.
    pub(crate) notice_slots: HashMap<u128, u32, BuildHasherDefault<IdHasher>>,
    pub(crate) ends: BTreeSet<End>,
    /// The slots of parent and child of each session that stands under another.
    pub(crate) children: BTreeSet<(u32, u32)>,
    /// How many sessions are closing.
    pub(crate) closing: u32,
    /// Whether any session has, or had, limits in time of its own.
    pub(crate) has_limits: bool,
    /// How many envelopes and front-ends are stopped: a debit looks for them only where there are any.
    pub(crate) stops: u32,
    pub(crate) unsettled: Unsettled,
    /// How many tokens debits below have to look at: they were narrowed since, or their family was revoked.
    pub(crate) bent: u32,
}

/// Is a session as it is shown: without its keys and windows, its payees by id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in `Session`")]
pub struct SessionView {
    pub id: SessionId,
    pub account: AccountId,
    pub currency: Currency,
    pub parent: Option<SessionId>,
    pub mode: Mode,
    pub depth: u8,
    pub bounds: Bounds,
    pub spent: Amount,
    pub spent_below: Amount,
    pub held: Amount,
    pub reserved_by_children: Amount,
    pub open_children: u32,
    pub remaining: Amount,
    pub debit_count: u64,
    pub opened_at: Time,
    pub payees: Vec<(PayeeId, PayeePart)>,
    pub about: About,
    /// What few mandates say, and its holds; `None` for nothing.
    pub guard: Option<Guard>,
    /// Its limits in time.
    pub velocity: Vec<VelocityView>,
    /// True from the session's end on, swept or not.
    pub ended: bool,
    /// True while it is being settled, those below it first.
    pub closing: bool,
    /// What stops it, itself or above it.
    pub stop: Option<Hit>,
}

/// Is a hold as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldView {
    /// In which session, or token.
    pub session: SessionId,
    /// When it was placed, in the order of decisions.
    pub seq: u64,
    /// To whom it is promised.
    pub payee: PayeeId,
    /// In which currency.
    pub currency: Currency,
    /// How it ended; `None` while it is open. One whose time is over has expired, given back or not yet.
    pub end: Option<HoldEnd>,
    /// What it is.
    pub hold: Hold,
}

impl HoldView {
    /// Returns its id.
    pub fn id(&self) -> HoldId {
        self.session.hold(self.seq)
    }
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

    /// Begins to bring a session's row from memory. Whoever has several debits to decide touches the rows of the next few
    /// before it decides the first: then it waits for all of them at once, and not for one after another.
    pub fn touch(&self, id: SessionId) {
        core::hint::black_box(self.sessions.get(id.slot()).map(Session::touch));
    }

    /// Returns whether it is worth while to touch what sessions have beside their rows.
    #[inline]
    pub fn has_beside(&self) -> bool {
        self.has_limits
    }

    /// As `touch`, for where a session's limits in time are. Its row should be there by then.
    pub fn touch_beside(&self, id: SessionId) {
        core::hint::black_box(self.sessions.get(id.slot()).map(Session::touch_beside));
    }

    /// As `touch`, for a session's limits in time. What `touch_beside` touches should be there by then.
    pub fn touch_limits(&self, id: SessionId) {
        core::hint::black_box(self.sessions.get(id.slot()).map(Session::touch_limits));
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

    /// Finds the account at a slot. *Errors*: `UnknownAccount`.
    pub fn account_at(&self, slot: u32) -> Result<&Account, Refusal> {
        self.accounts.get(slot).ok_or(Refusal::UnknownAccount)
    }

    /// Finds a deposit. *Errors*: `UnknownDeposit`.
    pub fn deposit(&self, id: DepositId) -> Result<&Deposit, Refusal> {
        self.deposits.get(id.slot()).filter(|deposit| deposit.id == id).ok_or(Refusal::UnknownDeposit)
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

    /// Finds a credential that an actor may know of. *Errors*: `UnknownCredential`.
    pub fn credential(&self, actor: &Actor, id: CredentialId) -> Result<&Credential, Refusal> {
        let row = self.credentials.get(id.slot()).filter(|row| row.id == id);
        let in_view = |row: &&Credential| !actor.is_bounded() || row.front_end == actor.front_end;
        row.filter(in_view).ok_or(Refusal::UnknownCredential)
    }

    /// Returns every credential, in the order in which they were made.
    pub fn credentials(&self) -> impl Iterator<Item = &Credential> {
        self.credentials.iter().map(|(_, row)| row)
    }

    /// Finds what this partition knows of a payee. *Errors*: `PayeeNotHere`.
    pub fn notice(&self, id: PayeeId) -> Result<(u32, &Notice), Refusal> {
        let slot = *self.notice_slots.get(&id.bits()).ok_or(Refusal::PayeeNotHere)?;
        self.notices.get(slot).map(|notice| (slot, notice)).ok_or(Refusal::PayeeNotHere)
    }

    /// Returns the payee that a notice's slot stands for.
    pub fn payee_at(&self, slot: u32) -> Option<PayeeId> {
        self.notices.get(slot).map(|notice| notice.id)
    }

    /// Finds a settlement that no checkpoint has filed yet.
    pub fn unfiled_settlement(&self, session: SessionId) -> Option<&Settlement> {
        self.unfiled_seqs.get(&session).and_then(|seq| self.unfiled.get(seq))
    }

    /// Finds a command's key that no checkpoint has filed yet.
    pub fn unfiled_command(&self, key: KeyHash) -> Option<&CommandKey> {
        self.unfiled_keys.get(&key)
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

    /// Shows a session.
    pub fn view(&self, session: &Session, now: Time) -> SessionView {
        let payees = session.payees().filter_map(|part| Some((self.notices.get(part.payee)?.id, part)));
        SessionView {
            id: session.id,
            account: self
                .accounts
                .get(session.account)
                .map_or_else(|| crate::apply::bug("no account"), |a| a.id),
            currency: session.currency,
            parent: session.parent().and_then(|slot| self.sessions.get(slot)).map(|parent| parent.id),
            mode: session.mode,
            depth: session.depth,
            bounds: session.bounds(),
            spent: session.spent_own,
            spent_below: session.spent_below(),
            held: session.held(),
            reserved_by_children: session.reserved_by_children(),
            open_children: session.open_children(),
            remaining: session.remaining(),
            debit_count: session.debit_count,
            opened_at: session.opened_at,
            payees: payees.collect(),
            about: session.about(),
            guard: session.guard().cloned(),
            velocity: Velocity::views(session.velocity(), self.decision_time(now)),
            ended: self.has_ended(session, self.decision_time(now)),
            closing: session.closing_at() != Time::ZERO,
            stop: self.stop_of(session),
        }
    }

    /// Shows a hold, open or ended. *Errors*: `UnknownHold`, for one that ended too long ago to be remembered, too.
    pub fn hold(&self, session: &Session, seq: u64, now: Time) -> Result<HoldView, Refusal> {
        let found = session.holds().and_then(|holds| holds.find(seq));
        found
            .and_then(|(end, hold)| self.hold_view(session, (seq, end, hold), now))
            .ok_or(Refusal::UnknownHold)
    }

    /// Finds the session that a hold is in, by the hold's own id. *Errors*: `UnknownHold`.
    pub fn session_of(&self, hold: HoldId) -> Result<&Session, Refusal> {
        let session = self.sessions.get(hold.session_slot()).ok_or(Refusal::UnknownHold)?;
        let has = session.holds().is_some_and(|holds| holds.find(hold.seq()).is_some());
        if has { Ok(session) } else { Err(Refusal::UnknownHold) }
    }

    /// Shows the open holds of a session that were placed after `seq`, at most `most`.
    pub fn holds_after(&self, session: &Session, seq: u64, most: usize, now: Time) -> Vec<HoldView> {
        let Some(holds) = session.holds() else { return Vec::new() };
        let open = holds.open_after(seq).take(most);
        open.filter_map(|(seq, hold)| self.hold_view(session, (seq, None, hold), now)).collect()
    }

    fn hold_view(
        &self,
        session: &Session,
        (seq, end, hold): (u64, Option<HoldEnd>, &Hold),
        now: Time,
    ) -> Option<HoldView> {
        let payee = self.payee_at(hold.payee)?;
        let is_over = hold.until <= self.decision_time(now);
        let end = end.or(is_over.then_some(HoldEnd::Expired));
        Some(HoldView { session: session.id, seq, payee, currency: session.currency, end, hold: *hold })
    }

    /// Returns rows of a table from `slot` on, at most `limit` slots far, for listing.
    pub fn accounts_from(&self, slot: u32, limit: u32) -> impl Iterator<Item = &Account> {
        (slot..self.accounts.slots().min(slot.saturating_add(limit))).filter_map(|at| self.accounts.get(at))
    }

    /// As `accounts_from`, for payees.
    pub fn payees_from(&self, slot: u32, limit: u32) -> impl Iterator<Item = &Payee> {
        (slot..self.payees.slots().min(slot.saturating_add(limit))).filter_map(|at| self.payees.get(at))
    }

    /// As `accounts_from`, for the deposits of one account.
    pub fn deposits_from(&self, account: AccountId, slot: u32, limit: u32) -> impl Iterator<Item = &Deposit> {
        let end = self.deposits.slots().min(slot.saturating_add(limit));
        (slot..end).filter_map(|at| self.deposits.get(at)).filter(move |d| d.account == account.slot())
    }

    /// As `accounts_from`, for the open sessions of one account.
    pub fn sessions_from(&self, account: AccountId, slot: u32, limit: u32) -> impl Iterator<Item = &Session> {
        let end = self.sessions.slots().min(slot.saturating_add(limit));
        (slot..end).filter_map(|at| self.sessions.get(at)).filter(move |s| s.account == account.slot())
    }

    /// Returns how many slots each listed table has: accounts, payees, sessions, deposits.
    pub fn slot_counts(&self) -> (u32, u32, u32, u32) {
        (self.accounts.slots(), self.payees.slots(), self.sessions.slots(), self.deposits.slots())
    }

    /// Returns what this partition knows of payees: after a crash, some of it may be older than the payees' homes.
    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.notices.iter().map(|(_, notice)| notice)
    }

    /// Returns whether a payee may be paid, as this partition knows it.
    pub(crate) fn payee_status(&self, slot: u32) -> PayeeStatus {
        self.notices.get(slot).map_or(PayeeStatus::Closed, |notice| notice.status)
    }
}
