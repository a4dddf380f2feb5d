//! Owns: what the model remembers: flat lists of what happened, each as it was asked. Never: a counter; what anything comes to
//! is summed anew each time it is asked.

use crate::asked::{Asked, External, Key, NewDebit, NewSession, Stopped};
use std::collections::{BTreeMap, BTreeSet};
use tallystick_core::{
    AccountId, Currency, Decline, DepositId, PayeeId, SessionId, Time, WriterId,
    account::Funding,
    control::Control,
    deposit::DepositState,
    hash::KeyHash,
    payee::PayeeStatus,
    session::{HoldEnd, SecretHash},
    settlement::{Outgoing, Settlement},
    velocity::VelocityLimit,
};

#[derive(Debug)]
pub(super) struct Account {
    pub(super) currency: Currency,
    pub(super) reference: String,
    pub(super) front_end: String,
    pub(super) velocity: Vec<VelocityLimit>,
    pub(super) funding: Funding,
    /// Of a credit line, or what an external authority allows.
    pub(super) limit: u64,
    /// With the margin that is meant when none is said.
    pub(super) external: Option<External>,
    pub(super) created_at: Time,
    pub(super) withdrawals: Vec<u64>,
    pub(super) repayments: Vec<u64>,
    /// Every session that ever stood straight on it.
    pub(super) children: Vec<SessionId>,
}

#[derive(Debug)]
pub(super) struct Deposit {
    pub(super) account: AccountId,
    pub(super) amount: u64,
    pub(super) state: DepositState,
    pub(super) created_at: Time,
    pub(super) changed_at: Time,
}

#[derive(Debug)]
pub(super) struct Payee {
    pub(super) name: String,
    pub(super) status: PayeeStatus,
    pub(super) version: u32,
    /// The partitions that its home says know of it.
    pub(super) known_in: BTreeSet<u16>,
    pub(super) created_at: Time,
}

/// Is what a partition knows of a payee.
#[derive(Debug, Clone, Copy)]
pub(super) struct Notice {
    pub(super) slot: u32,
    pub(super) version: u32,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) account: AccountId,
    pub(super) parent: Option<SessionId>,
    pub(super) currency: Currency,
    pub(super) shared: bool,
    pub(super) depth: u8,
    pub(super) cap: u64,
    pub(super) begins: Time,
    pub(super) ends: Time,
    /// The only payees that can be paid, if there is such a list: its own or one above it.
    pub(super) allowed: Option<BTreeSet<PayeeId>>,
    pub(super) caps: BTreeMap<PayeeId, u64>,
    pub(super) default_cap: u64,
    pub(super) min: u64,
    /// Zero for none.
    pub(super) max: u64,
    /// Debits above it need somebody's approval; zero for none.
    pub(super) approval: u64,
    pub(super) secret: Option<SecretHash>,
    pub(super) velocity: Vec<VelocityLimit>,
    pub(super) asked: Box<NewSession>,
    pub(super) opened_at: Time,
    pub(super) closing: bool,
    /// Somebody asked for the settlement of this very one.
    pub(super) asked_to_close: bool,
    pub(super) settled: Option<Settlement>,
    /// The seqs of all debits decided on it, declined ones too.
    pub(super) debits: Vec<u64>,
    /// Those of them that are approved holds.
    pub(super) holds: Vec<u64>,
    /// Every session that ever stood straight under it.
    pub(super) children: Vec<SessionId>,
    /// The newest epoch of each writer that it has seen.
    pub(super) epochs: BTreeMap<WriterId, u32>,
}

#[derive(Debug)]
pub(super) struct Debit {
    pub(super) asked: NewDebit,
    pub(super) seq: u64,
    pub(super) decline: Option<Decline>,
    pub(super) taken: u64,
    /// What was taken back of it, once each.
    pub(super) back: Vec<u64>,
    pub(super) at: Time,
    /// Of a capture: its hold had ended.
    pub(super) late: bool,
    /// Of a hold: no capture from here on.
    pub(super) until: Time,
    /// Of a hold: what was captured of it, once each.
    pub(super) captures: Vec<u64>,
    /// Of a hold that is not open any more.
    pub(super) ended: Option<HoldEnd>,
}

impl Debit {
    pub(super) fn reversed(&self) -> u64 {
        self.back.iter().sum()
    }

    /// Returns what is spent by it. What a hold sets aside is not.
    pub(super) fn net(&self) -> u128 {
        if !self.asked.spends() {
            return 0;
        }
        u128::from(self.taken) - u128::from(self.reversed())
    }
}

/// Is a settlement's line on its way, or arrived.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) source: u16,
    pub(super) outgoing: Outgoing,
    pub(super) posted: bool,
    pub(super) told: bool,
}

/// Names an intent that is remembered for good: what is asked, of what, and the caller's key.
pub(crate) type Name = (&'static str, u128, Key);

#[derive(Debug, Clone)]
pub(super) enum Made {
    Account(AccountId),
    Deposit(DepositId),
    Payee(PayeeId),
    Session(SessionId),
    Declined(Decline),
    Reversal(u64),
    /// Money went in or out, or a limit was set; the account shows it.
    Done,
}

/// Is a remembered intent.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) asked: Asked,
    pub(super) made: Made,
    pub(super) seq: u64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) deposits: BTreeMap<DepositId, Deposit>,
    pub(super) payees: BTreeMap<PayeeId, Payee>,
    pub(super) notices: BTreeMap<(u16, PayeeId), Notice>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) debits: BTreeMap<u64, Debit>,
    pub(super) writers: BTreeMap<WriterId, u32>,
    /// The control word of whatever ever had one, and when it was first revoked.
    pub(super) controls: BTreeMap<Stopped, (Control, Option<Time>)>,
    /// What a partition knows of a front-end's, away from its home.
    pub(super) told_controls: BTreeMap<(u16, String), u64>,
    pub(super) done: BTreeMap<Name, Done>,
    pub(super) lines: Vec<Line>,
    /// Each hash of a key stands for one intent.
    pub(super) hashes: BTreeMap<KeyHash, Name>,
    /// When the last record of a partition was decided.
    pub(super) last_at: BTreeMap<u16, Time>,
    /// Nothing is decided before it: the latest that the last start found.
    pub(super) floor: Time,
}

impl State {
    /// Returns when a decision of a partition is made if the clock says `now`: it never runs back.
    pub(super) fn at(&self, partition: u16, now: Time) -> Time {
        let last = self.last_at.get(&partition).copied().unwrap_or_default();
        now.max(self.floor).max(last)
    }

    /// Returns a session that is not settled.
    pub(super) fn open(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id).filter(|session| session.settled.is_none())
    }
}
