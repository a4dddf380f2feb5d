//! Owns: the fake's state and rules; each is the shortest form that the contract allows.
//! Never: waits or answers anyone.

use prost::Message as _;
use std::{
    collections::{BTreeMap, VecDeque},
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    path::Path,
};
use tallystick_proto::v1::{self, DeclineCode, Outcome, Refusal};

/// Breaks something at one batch, counted over all streams from 1.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "the stand-alone fake breaks nothing by itself")]
pub(crate) enum Fault {
    /// The stream ends before the batch is decided.
    DropBefore(u64),
    /// The batch is decided and the stream ends before anybody hears it.
    DropAfter(u64),
    /// The item of this place and the rest of its session are shed.
    Shed(u64, usize),
    /// The stream ends when the nth positions request comes.
    DropAtPositions(u64),
}

/// Answers remembered for one writer in one session, as in the real server.
const ANSWERS_MAX: usize = 65_536;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) payees: BTreeMap<String, Payee>,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) writers: BTreeMap<String, u32>,
    keys: BTreeMap<String, String>,
    pub(crate) seq: u64,
    log: Option<File>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) batches_seen: u64,
    pub(crate) positions_seen: u64,
    pub(crate) replays: u64,
}

#[derive(Clone, Default)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) deposited: u128,
    pub(crate) reserved: u128,
    pub(crate) spent: u128,
}

#[derive(Clone, Default)]
pub(crate) struct Payee {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) payable: u128,
}

#[derive(Default)]
pub(crate) struct Session {
    pub(crate) account: String,
    pub(crate) cap: u64,
    pub(crate) spent: u64,
    default_payee_cap: u64,
    payee_caps: BTreeMap<String, u64>,
    pub(crate) lines: BTreeMap<String, (u64, u64)>,
    pub(crate) places: BTreeMap<String, Place>,
    pub(crate) settled: bool,
}

/// Where one writer stands in a session, and what may still be asked again.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) last: u64,
    pub(crate) window: VecDeque<Memory>,
}

#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) number: u64,
    payee: String,
    amount: u64,
    outcome: Outcome,
    code: DeclineCode,
    seq: u64,
}

/// One command that changes something; what is logged and what a restart replays.
pub(crate) enum Command {
    CreateAccount(v1::CreateAccountRequest),
    Deposit(v1::DepositRequest),
    CreatePayee(v1::CreatePayeeRequest),
    OpenSession(v1::OpenSessionRequest),
    Settle(v1::SettleRequest),
    Hello(v1::Hello),
    Batch(String, v1::DebitBatch),
}

impl World {
    /// Opens a world that keeps its commands in a file, and replays the ones that are there.
    #[allow(dead_code, reason = "used by the stand-alone fake only")]
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let mut world = Self::default();
        let mut bytes = Vec::new();
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        file.read_to_end(&mut bytes)?;
        let mut rest = bytes.as_slice();
        while let Some((command, tail)) = read(rest) {
            world.apply(command);
            rest = tail;
        }
        world.log = Some(file);
        Ok(world)
    }

    /// Logs a command.
    pub(crate) fn keep(&mut self, command: &Command) {
        let Some(log) = &mut self.log else { return };
        let (kind, writer, body) = match command {
            Command::CreateAccount(m) => (1, "", m.encode_to_vec()),
            Command::Deposit(m) => (2, "", m.encode_to_vec()),
            Command::CreatePayee(m) => (3, "", m.encode_to_vec()),
            Command::OpenSession(m) => (4, "", m.encode_to_vec()),
            Command::Settle(m) => (5, "", m.encode_to_vec()),
            Command::Hello(m) => (6, "", m.encode_to_vec()),
            Command::Batch(writer, m) => (7, writer.as_str(), m.encode_to_vec()),
        };
        let mut record = vec![kind, u8::try_from(writer.len()).expect("a short id")];
        record.extend_from_slice(writer.as_bytes());
        record.extend_from_slice(&u32::try_from(body.len()).expect("a small body").to_le_bytes());
        record.extend_from_slice(&body);
        log.write_all(&record).expect("the log can be written");
    }

    fn apply(&mut self, command: Command) {
        match command {
            Command::CreateAccount(m) => drop(self.create_account(&m)),
            Command::Deposit(m) => drop(self.deposit(&m)),
            Command::CreatePayee(m) => drop(self.create_payee(&m)),
            Command::OpenSession(m) => drop(self.open_session(&m)),
            Command::Settle(m) => drop(self.settle(&m.session_id)),
            Command::Hello(m) => drop(self.hello(&m.writer_id)),
            Command::Batch(writer, m) => drop(self.decide(&writer, &m, None)),
        }
    }

    /// Gives a key's id: the one it had, or a new one.
    fn id_of(&mut self, prefix: &str, key: &str) -> String {
        let next = self.keys.len() + 1;
        self.keys.entry(format!("{prefix}{key}")).or_insert_with(|| format!("{prefix}{next:026}")).clone()
    }

    pub(crate) fn create_account(&mut self, m: &v1::CreateAccountRequest) -> Account {
        self.seq += 1;
        let id = self.id_of("acc_", &m.idempotency_key);
        self.accounts.entry(id.clone()).or_insert(Account { id, ..Account::default() }).clone()
    }

    pub(crate) fn deposit(&mut self, m: &v1::DepositRequest) -> Option<Account> {
        self.seq += 1;
        let fresh = self.keys.insert(format!("dep_{}", m.idempotency_key), String::new()).is_none();
        let account = self.accounts.get_mut(&m.account_id)?;
        if fresh {
            account.deposited += u128::from(m.amount_nanos);
        }
        Some(account.clone())
    }

    pub(crate) fn create_payee(&mut self, m: &v1::CreatePayeeRequest) -> Payee {
        self.seq += 1;
        let id = self.id_of("pay_", &m.idempotency_key);
        let payee = Payee { id: id.clone(), name: m.name.clone(), payable: 0 };
        self.payees.entry(id).or_insert(payee).clone()
    }

    pub(crate) fn open_session(&mut self, m: &v1::OpenSessionRequest) -> Option<String> {
        self.seq += 1;
        let id = self.id_of("ses_", &m.idempotency_key);
        if self.sessions.contains_key(&id) {
            return Some(id);
        }
        let account = self.accounts.get_mut(&m.account_id)?;
        if account.deposited - account.reserved - account.spent < u128::from(m.cap_nanos) {
            return None;
        }
        account.reserved += u128::from(m.cap_nanos);
        let payee_caps = m.payee_caps.iter().map(|cap| (cap.payee_id.clone(), cap.cap_nanos)).collect();
        let session = Session {
            account: m.account_id.clone(),
            cap: m.cap_nanos,
            default_payee_cap: m.default_payee_cap_nanos,
            payee_caps,
            ..Session::default()
        };
        self.sessions.insert(id.clone(), session);
        Some(id)
    }

    pub(crate) fn settle(&mut self, id: &str) -> Option<v1::Settlement> {
        self.seq += 1;
        let session = self.sessions.get_mut(id)?;
        if !session.settled {
            session.settled = true;
            let account = self.accounts.get_mut(&session.account)?;
            account.reserved -= u128::from(session.cap);
            account.spent += u128::from(session.spent);
            for (payee, (nanos, _)) in &session.lines {
                self.payees.get_mut(payee)?.payable += u128::from(*nanos);
            }
        }
        let line = |(payee, (nanos, count)): (&String, &(u64, u64))| v1::SettlementLine {
            payee_id: payee.clone(),
            amount_nanos: *nanos,
            debit_count: *count,
        };
        Some(v1::Settlement {
            settlement_id: id.replace("ses_", "set_"),
            session_id: id.to_owned(),
            account_id: session.account.clone(),
            currency: "USD".to_owned(),
            lines: session.lines.iter().map(line).collect(),
            total_nanos: session.spent,
            debit_count: session.lines.values().map(|(_, count)| count).sum(),
            released_nanos: session.cap - session.spent,
            ..v1::Settlement::default()
        })
    }

    pub(crate) fn hello(&mut self, writer_id: &str) -> Option<(String, u32)> {
        if writer_id.is_empty() {
            let id = format!("wri_{:026}", self.writers.len() + 1);
            self.writers.insert(id.clone(), 1);
            return Some((id, 1));
        }
        let epoch = self.writers.get_mut(writer_id)?;
        *epoch += 1;
        Some((writer_id.to_owned(), *epoch))
    }

    /// Decides a batch in its order; from `shed` on, its session's items are not tried.
    pub(crate) fn decide(
        &mut self,
        writer: &str,
        batch: &v1::DebitBatch,
        shed: Option<usize>,
    ) -> Vec<v1::DebitResult> {
        let mut stopped = BTreeMap::new();
        let mut results = Vec::with_capacity(batch.debits.len());
        for (index, debit) in batch.debits.iter().enumerate() {
            let refusal = if shed == Some(index) {
                Some(Refusal::Overloaded)
            } else {
                stopped.get(&debit.session).map(|()| Refusal::NotAttempted)
            };
            let decided = match refusal {
                Some(refusal) => Err(refusal),
                None => self.decide_one(writer, batch, debit),
            };
            results.push(decided.unwrap_or_else(|refusal| {
                stopped.insert(debit.session, ());
                refused(refusal)
            }));
        }
        results
    }

    fn decide_one(
        &mut self,
        writer: &str,
        batch: &v1::DebitBatch,
        debit: &v1::StreamDebit,
    ) -> Result<v1::DebitResult, Refusal> {
        let session_id = batch.session_ids.get(debit.session as usize).ok_or(Refusal::Malformed)?;
        let payee_id = batch.payee_ids.get(debit.payee as usize).ok_or(Refusal::Malformed)?;
        if debit.amount_nanos == 0 || debit.number == 0 || debit.acked_through >= debit.number {
            return Err(Refusal::Malformed);
        }
        let session = self.sessions.get_mut(session_id).ok_or(Refusal::UnknownSession)?;
        if session.settled {
            return Err(Refusal::SessionRetired);
        }
        let known_payee = self.payees.contains_key(payee_id);
        let place = session.places.entry(writer.to_owned()).or_default();
        while place.window.front().is_some_and(|memory| memory.number <= debit.acked_through) {
            place.window.pop_front();
        }
        if debit.number <= place.last {
            let memory = place.window.iter().find(|memory| memory.number == debit.number);
            let memory = memory.ok_or(Refusal::BelowWindow)?.clone();
            if memory.payee != *payee_id || memory.amount != debit.amount_nanos {
                return Err(Refusal::KeyReused);
            }
            self.replays += 1;
            return Ok(session.answer(&memory, true));
        }
        if !known_payee {
            return Err(Refusal::UnknownPayee);
        }
        if debit.number != place.last + 1 {
            return Err(Refusal::NumberGap);
        }
        self.seq += 1;
        Ok(session.take(writer, payee_id, debit, self.seq))
    }
}

impl Session {
    /// Takes an amount, or says which cap is in the way.
    fn take(&mut self, writer: &str, payee: &str, debit: &v1::StreamDebit, seq: u64) -> v1::DebitResult {
        let amount = debit.amount_nanos;
        let payee_cap = match self.payee_caps.get(payee).copied().unwrap_or(self.default_payee_cap) {
            0 => u64::MAX,
            cap => cap,
        };
        let line = self.lines.get(payee).copied().unwrap_or_default();
        let code = if payee_cap - line.0 < amount {
            DeclineCode::PayeeCap
        } else if self.cap - self.spent < amount {
            DeclineCode::Cap
        } else {
            self.spent += amount;
            self.lines.insert(payee.to_owned(), (line.0 + amount, line.1 + 1));
            DeclineCode::Unspecified
        };
        let outcome = if code == DeclineCode::Unspecified { Outcome::Approved } else { Outcome::Declined };
        let memory = Memory { number: debit.number, payee: payee.to_owned(), amount, outcome, code, seq };
        let place = self.places.entry(writer.to_owned()).or_default();
        place.last = debit.number;
        place.window.push_back(memory.clone());
        if place.window.len() > ANSWERS_MAX {
            place.window.pop_front();
        }
        self.answer(&memory, false)
    }

    fn answer(&self, memory: &Memory, replayed: bool) -> v1::DebitResult {
        v1::DebitResult {
            outcome: memory.outcome.into(),
            code: memory.code.into(),
            seq: memory.seq,
            remaining_nanos: self.cap - self.spent,
            replayed,
            refused: None,
        }
    }
}

pub(crate) fn refused(refusal: Refusal) -> v1::DebitResult {
    let message = format!("the fake says {}", refusal.as_str_name());
    let refused = v1::RefusedDebit { refusal: refusal.into(), message, expected_number: 0 };
    v1::DebitResult { refused: Some(refused), ..v1::DebitResult::default() }
}

/// Reads one record; a torn one at the end counts as none.
fn read(bytes: &[u8]) -> Option<(Command, &[u8])> {
    let kind = *bytes.first()?;
    let writer_len = usize::from(*bytes.get(1)?);
    let writer = String::from_utf8(bytes.get(2..2 + writer_len)?.to_vec()).ok()?;
    let rest = bytes.get(2 + writer_len..)?;
    let body_len = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?) as usize;
    let body = rest.get(4..4 + body_len)?;
    let command = match kind {
        1 => Command::CreateAccount(v1::CreateAccountRequest::decode(body).ok()?),
        2 => Command::Deposit(v1::DepositRequest::decode(body).ok()?),
        3 => Command::CreatePayee(v1::CreatePayeeRequest::decode(body).ok()?),
        4 => Command::OpenSession(v1::OpenSessionRequest::decode(body).ok()?),
        5 => Command::Settle(v1::SettleRequest::decode(body).ok()?),
        6 => Command::Hello(v1::Hello::decode(body).ok()?),
        7 => Command::Batch(writer, v1::DebitBatch::decode(body).ok()?),
        _ => return None,
    };
    Some((command, &rest[4 + body_len..]))
}
