//! Owns: the fake's rules for accounts, deposits, and the life of a session but for its debits.
//! Never: a rule in a longer form than callers' tests need.

use super::world::{Account, Session, World};
use tallystick_proto::v1::{self, DepositState, EnvelopeMode, Refusal, SettlementReason};

impl World {
    pub(super) fn create_account(&mut self, m: &v1::CreateAccountRequest) -> Account {
        self.seq += 1;
        let id = self.id_of("acc_", &m.idempotency_key);
        let made = Account {
            id: id.clone(),
            currency: m.currency.clone(),
            reference: m.reference.clone(),
            is_credit_line: m.funding() == v1::Funding::CreditLine,
            limit: m.credit_limit_nanos.into(),
            ..Account::default()
        };
        self.accounts.entry(id).or_insert(made).clone()
    }

    pub(super) fn deposit(&mut self, m: &v1::DepositRequest) -> Option<(Account, v1::DepositInfo)> {
        let fresh = self.is_new("deposit", &m.idempotency_key);
        let deposit_id = self.id_of("dep_", &m.idempotency_key);
        let account = self.accounts.get_mut(&m.account_id)?;
        if fresh {
            let (sum, state) = if m.pending {
                (&mut account.pending, DepositState::Pending)
            } else {
                (&mut account.deposited, DepositState::Available)
            };
            *sum += u128::from(m.amount_nanos);
            let info = v1::DepositInfo {
                deposit_id: deposit_id.clone(),
                account_id: m.account_id.clone(),
                amount_nanos: m.amount_nanos,
                state: state.into(),
                ..v1::DepositInfo::default()
            };
            self.deposits.insert(deposit_id.clone(), info);
        }
        Some((account.clone(), self.deposits.get(&deposit_id)?.clone()))
    }

    /// Moves a deposit into another state; returns whether it was there already.
    pub(super) fn move_deposit(
        &mut self,
        id: &str,
        to: DepositState,
    ) -> Result<(Account, v1::DepositInfo, bool), Refusal> {
        self.seq += 1;
        let deposit = self.deposits.get_mut(id).ok_or(Refusal::UnknownDeposit)?;
        let account = self.accounts.get_mut(&deposit.account_id).ok_or(Refusal::UnknownAccount)?;
        let amount = u128::from(deposit.amount_nanos);
        let replayed = deposit.state() == to;
        match (deposit.state(), to) {
            _ if replayed => {}
            (DepositState::Pending, DepositState::Available) => {
                account.pending -= amount;
                account.deposited += amount;
            }
            (DepositState::Pending, DepositState::Failed) => account.pending -= amount,
            (DepositState::Available, DepositState::Returned) => account.deposited -= amount,
            _ => return Err(Refusal::WrongState),
        }
        deposit.set_state(to);
        Ok((account.clone(), deposit.clone(), replayed))
    }

    /// Takes money out; `None` as a sum that is not there.
    pub(super) fn withdraw(&mut self, m: &v1::WithdrawRequest) -> Result<(Account, bool), Refusal> {
        let fresh = self.is_new("withdraw", &m.idempotency_key);
        let account = self.accounts.get_mut(&m.account_id).ok_or(Refusal::UnknownAccount)?;
        let enough = account.available() >= u128::from(m.amount_nanos);
        if fresh && enough {
            account.withdrawn += u128::from(m.amount_nanos);
        }
        Ok((account.clone(), enough || !fresh))
    }

    pub(super) fn repay(&mut self, m: &v1::RepayRequest) -> Result<Account, Refusal> {
        let fresh = self.is_new("repay", &m.idempotency_key);
        let account = self.accounts.get_mut(&m.account_id).ok_or(Refusal::UnknownAccount)?;
        if !account.is_credit_line {
            return Err(Refusal::WrongState);
        }
        if fresh {
            account.repaid += u128::from(m.amount_nanos);
        }
        Ok(account.clone())
    }

    pub(super) fn set_credit_limit(&mut self, m: &v1::SetCreditLimitRequest) -> Result<Account, Refusal> {
        self.seq += 1;
        let account = self.accounts.get_mut(&m.account_id).ok_or(Refusal::UnknownAccount)?;
        account.limit = m.credit_limit_nanos.into();
        Ok(account.clone())
    }

    /// Opens a session; `None` for one that there is no room for.
    pub(super) fn open_session(&mut self, m: &v1::OpenSessionRequest) -> Result<Option<String>, Refusal> {
        self.seq += 1;
        let id = self.id_of("ses_", &m.idempotency_key);
        if self.sessions.contains_key(&id) {
            return Ok(Some(id));
        }
        let reserved = m.mode() != EnvelopeMode::Shared;
        let (account, currency) = if m.parent_session_id.is_empty() {
            let account = self.accounts.get_mut(&m.account_id).ok_or(Refusal::UnknownAccount)?;
            if reserved {
                if account.available() < m.cap_nanos.into() {
                    return Ok(None);
                }
                account.reserved += u128::from(m.cap_nanos);
            }
            (account.id.clone(), account.currency.clone())
        } else {
            let parent = self.sessions.get_mut(&m.parent_session_id).ok_or(Refusal::UnknownSession)?;
            if reserved {
                if parent.remaining() < m.cap_nanos {
                    return Ok(None);
                }
                parent.reserved_by_children += m.cap_nanos;
            }
            (parent.account.clone(), parent.currency.clone())
        };
        let session = Session {
            id: id.clone(),
            account,
            currency,
            parent: m.parent_session_id.clone(),
            mode: if reserved { EnvelopeMode::Reserved } else { EnvelopeMode::Shared },
            cap: m.cap_nanos,
            asked: m.clone(),
            ..Session::default()
        };
        self.sessions.insert(id.clone(), session);
        Ok(Some(id))
    }

    /// Raises a cap; `None` when there is no room for it.
    pub(super) fn top_up(&mut self, m: &v1::TopUpRequest) -> Result<Option<v1::Session>, Refusal> {
        self.seq += 1;
        let session = self.sessions.get_mut(&m.session_id).ok_or(Refusal::UnknownSession)?;
        let account = self.accounts.get_mut(&session.account).ok_or(Refusal::UnknownAccount)?;
        if account.available() < u128::from(m.add_nanos) {
            return Ok(None);
        }
        account.reserved += u128::from(m.add_nanos);
        session.cap += m.add_nanos;
        Ok(Some(session.shown()))
    }

    /// Settles a session; returns whether it was settled before, and how many below it were settled too.
    pub(super) fn settle(&mut self, id: &str, cascade: bool) -> Result<(v1::Settlement, bool, u32), Refusal> {
        if let Some(before) = self.settlements.iter().find(|before| before.session_id == id) {
            return Ok((before.clone(), true, 0));
        }
        let below = self.sessions.values().filter(|s| s.parent == id && !s.settled);
        let below: Vec<String> = below.map(|s| s.id.clone()).collect();
        if !self.sessions.contains_key(id) {
            return Err(Refusal::UnknownSession);
        }
        if !below.is_empty() && !cascade {
            return Err(Refusal::OpenChildren);
        }
        let mut cascaded = 0;
        for child in below {
            cascaded += 1 + self.settle(&child, true)?.2;
        }
        self.seq += 1;
        let settlement = self.settle_one(id)?;
        self.settlements.push(settlement.clone());
        Ok((settlement, false, cascaded))
    }

    fn settle_one(&mut self, id: &str) -> Result<v1::Settlement, Refusal> {
        let session = self.sessions.get_mut(id).ok_or(Refusal::UnknownSession)?;
        session.settled = true;
        let (parent, account, spent) = (session.parent.clone(), session.account.clone(), session.spent);
        let (cap, shared) = (session.cap, session.mode == EnvelopeMode::Shared);
        let released = if shared { 0 } else { cap - spent - session.spent_below };
        let line = |(payee, (nanos, count)): (&String, &(u64, u64))| v1::SettlementLine {
            payee_id: payee.clone(),
            amount_nanos: *nanos,
            debit_count: *count,
        };
        let settlement = v1::Settlement {
            settlement_id: id.replace("ses_", "set_"),
            session_id: id.to_owned(),
            account_id: account.clone(),
            currency: session.currency.clone(),
            reason: SettlementReason::Closed.into(),
            lines: session.lines.iter().map(line).collect(),
            total_nanos: spent,
            debit_count: session.lines.values().map(|(_, count)| count).sum(),
            released_nanos: released,
            seq: self.seq,
            parent_session_id: parent.clone(),
            spent_below_nanos: session.spent_below,
            ..v1::Settlement::default()
        };
        for line in &settlement.lines {
            let payee = self.payees.get_mut(&line.payee_id).ok_or(Refusal::UnknownPayee)?;
            payee.payable += u128::from(line.amount_nanos);
            payee.settlement_count += 1;
        }
        match self.sessions.get_mut(&parent) {
            // What a shared one spent counts above it already.
            _ if shared => {}
            Some(above) => {
                above.reserved_by_children -= cap;
                above.spent_below += cap - released;
            }
            None => {
                let account = self.accounts.get_mut(&account).ok_or(Refusal::UnknownAccount)?;
                account.reserved -= u128::from(cap);
                account.spent += u128::from(cap - released);
            }
        }
        Ok(settlement)
    }
}
