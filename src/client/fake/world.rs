//! Owns: the fake's state, and what it shows of it. Never: changes anything but by a rule in `money` or `decide`.

use std::collections::{BTreeMap, VecDeque};
use tallystick_proto::v1::{self, DeclineCode, EnvelopeMode, Outcome, SessionState};

/// Breaks something at one batch, counted over all streams from 1.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The stream ends before the batch is decided.
    DropBefore(u64),
    /// The batch is decided and the stream ends before anybody hears it.
    DropAfter(u64),
    /// The item of this place and the rest of its session are shed.
    Shed(u64, usize),
    /// The stream ends when the nth positions request comes.
    DropAtPositions(u64),
}

#[derive(Debug, Default)]
pub struct World {
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(super) deposits: BTreeMap<String, v1::DepositInfo>,
    pub(super) payees: BTreeMap<String, Payee>,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(super) writers: BTreeMap<String, u32>,
    pub(super) debits: BTreeMap<u64, v1::DebitInfo>,
    pub(super) settlements: Vec<v1::Settlement>,
    pub(super) keys: BTreeMap<String, String>,
    /// Control words, by the ids of what they are of, or `front-end:` and a name.
    pub(super) controls: BTreeMap<String, v1::Control>,
    pub(super) seq: u64,
    pub faults: Vec<Fault>,
    pub(crate) batches_seen: u64,
    pub(super) positions_seen: u64,
    pub(super) replays: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(super) id: String,
    pub(super) currency: String,
    pub(super) reference: String,
    pub(super) is_credit_line: bool,
    pub(super) deposited: u128,
    pub(super) pending: u128,
    pub(super) withdrawn: u128,
    pub(super) limit: u128,
    pub(super) repaid: u128,
    pub(super) reserved: u128,
    pub(super) spent: u128,
}

impl Account {
    pub(super) fn available(&self) -> u128 {
        (self.deposited + self.limit + self.repaid)
            .saturating_sub(self.withdrawn + self.reserved + self.spent)
    }

    pub(super) fn shown(&self) -> Option<v1::Account> {
        let funding = if self.is_credit_line { v1::Funding::CreditLine } else { v1::Funding::Prepaid };
        Some(v1::Account {
            account_id: self.id.clone(),
            currency: self.currency.clone(),
            reference: self.reference.clone(),
            deposited_nanos_total: self.deposited.to_string(),
            reserved_nanos_total: self.reserved.to_string(),
            spent_nanos_total: self.spent.to_string(),
            available_nanos_total: self.available().to_string(),
            funding: funding.into(),
            state: v1::AccountState::Active.into(),
            pending_nanos_total: self.pending.to_string(),
            withdrawn_nanos_total: self.withdrawn.to_string(),
            deficit_nanos_total: "0".to_owned(),
            credit_limit_nanos_total: self.limit.to_string(),
            outstanding_nanos_total: if self.is_credit_line {
                self.spent.saturating_sub(self.repaid)
            } else {
                0
            }
            .to_string(),
            repaid_nanos_total: self.repaid.to_string(),
            ..v1::Account::default()
        })
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Payee {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) payable: u128,
    pub(super) settlement_count: u64,
    pub(super) is_blocked: bool,
}

impl Payee {
    pub(super) fn shown(&self) -> Option<v1::Payee> {
        let position = v1::Position {
            currency: "USD".to_owned(),
            payable_nanos_total: self.payable.to_string(),
            settlement_count: self.settlement_count,
        };
        let status = if self.is_blocked { v1::PayeeStatus::Blocked } else { v1::PayeeStatus::Active };
        Some(v1::Payee {
            payee_id: self.id.clone(),
            name: self.name.clone(),
            status: status.into(),
            positions: vec![position],
            ..v1::Payee::default()
        })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(super) id: String,
    pub(super) account: String,
    pub(super) currency: String,
    pub(super) parent: String,
    pub(super) mode: EnvelopeMode,
    pub(super) cap: u64,
    pub(crate) spent: u64,
    pub(super) spent_below: u64,
    pub(super) reserved_by_children: u64,
    pub(super) asked: v1::OpenSessionRequest,
    pub(super) lines: BTreeMap<String, (u64, u64)>,
    pub(crate) places: BTreeMap<String, Place>,
    pub(super) settled: bool,
    /// By the seq at which they were placed, ended ones too.
    pub(super) holds: BTreeMap<u64, v1::HoldInfo>,
}

impl Session {
    pub(super) fn held(&self) -> u64 {
        self.holds.values().map(|hold| hold.held_nanos).sum()
    }

    pub(super) fn open_holds(&self) -> impl Iterator<Item = &v1::HoldInfo> {
        self.holds.values().filter(|hold| hold.state() == v1::HoldState::Open)
    }

    pub(super) fn remaining(&self) -> u64 {
        self.cap - self.spent - self.spent_below - self.reserved_by_children - self.held()
    }

    pub(super) fn payee_cap(&self, payee: &str) -> u64 {
        let own = self.asked.payee_caps.iter().find(|cap| cap.payee_id == payee);
        own.map_or(self.asked.default_payee_cap_nanos, |cap| cap.cap_nanos)
    }

    pub(super) fn shown(&self) -> v1::Session {
        let part = |(payee, (nanos, count)): (&String, &(u64, u64))| v1::PayeeSpend {
            payee_id: payee.clone(),
            spent_nanos: *nanos,
            debit_count: *count,
            cap_nanos: self.payee_cap(payee),
            spent_below_nanos: 0,
        };
        v1::Session {
            session_id: self.id.clone(),
            account_id: self.account.clone(),
            state: SessionState::Open.into(),
            currency: self.currency.clone(),
            cap_nanos: self.cap,
            spent_nanos: self.spent,
            remaining_nanos: self.remaining(),
            debit_count: self.lines.values().map(|(_, count)| count).sum(),
            payees: self.lines.iter().map(part).collect(),
            default_payee_cap_nanos: self.asked.default_payee_cap_nanos,
            debit_min_nanos: self.asked.debit_min_nanos,
            debit_max_nanos: self.asked.debit_max_nanos,
            authority: self.asked.authority.clone(),
            reference: self.asked.reference.clone(),
            parent_session_id: self.parent.clone(),
            mode: self.mode.into(),
            depth: if self.parent.is_empty() { 1 } else { 2 },
            spent_below_nanos: self.spent_below,
            reserved_by_children_nanos: self.reserved_by_children,
            velocity: self
                .asked
                .velocity
                .iter()
                .map(|limit| v1::VelocityLimit { left: limit.most, ..*limit })
                .collect(),
            held_nanos: self.held(),
            open_hold_count: self.open_holds().fold(0, |count, _| count + 1),
            ..v1::Session::default()
        }
    }
}

/// Where one writer stands in a session, and what may still be asked again.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) last: u64,
    pub(crate) window: VecDeque<Memory>,
}

#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(super) number: u64,
    pub(super) payee: String,
    pub(super) amount: u64,
    pub(super) taken: u64,
    pub(super) outcome: Outcome,
    pub(super) code: DeclineCode,
    pub(super) seq: u64,
    pub(super) hold: Option<u64>,
}

impl World {
    /// Gives a key's id: the one it had, or a new one.
    pub(super) fn id_of(&mut self, prefix: &str, key: &str) -> String {
        let next = self.keys.len() + 1;
        self.keys.entry(format!("{prefix}{key}")).or_insert_with(|| format!("{prefix}{next:025}0")).clone()
    }

    /// Counts a decision; returns false when the key was used before.
    pub(super) fn is_new(&mut self, scope: &str, key: &str) -> bool {
        self.seq += 1;
        self.keys.insert(format!("{scope}:{key}"), String::new()).is_none()
    }

    pub(super) fn create_payee(&mut self, m: &v1::CreatePayeeRequest) -> Payee {
        self.seq += 1;
        let id = self.id_of("pay_", &m.idempotency_key);
        let payee = Payee { id: id.clone(), name: m.name.clone(), ..Payee::default() };
        self.payees.entry(id).or_insert(payee).clone()
    }

    pub(crate) fn hello(&mut self, writer_id: &str) -> Option<(String, u32)> {
        if writer_id.is_empty() {
            let id = format!("wri_{:025}0", self.writers.len() + 1);
            self.writers.insert(id.clone(), 1);
            return Some((id, 1));
        }
        let epoch = self.writers.get_mut(writer_id)?;
        *epoch += 1;
        Some((writer_id.to_owned(), *epoch))
    }
}
