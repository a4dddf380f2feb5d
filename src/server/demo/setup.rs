//! Owns: accounts, payees and sessions as the plan wants them, made on the server. Never: a debit.

use super::{
    error::DemoError,
    plan::{ACCOUNT_COUNT, Agent, PAYEES, Plan},
};
use std::time::Duration;
use tallystick_client::{
    Client, PayeeId, SessionId,
    v1::{
        Account, Authority, CreateAccountRequest, CreatePayeeRequest, DepositRequest, GetAccountRequest,
        OpenSessionRequest, Outcome, PayeeCap,
    },
};

pub(super) const CURRENCY: &str = "USD";
const SESSION_TTL: Duration = Duration::from_secs(24 * 3_600);

/// Holds the ids that the server gave, in the plan's order.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) accounts: Vec<String>,
    pub(super) payees: Vec<PayeeId>,
    pub(super) sessions: Vec<SessionId>,
}

impl Stage {
    /// Funds the accounts, registers the payees, opens a capped session for each agent.
    pub(super) async fn set(client: &Client, plan: &Plan) -> Result<Self, DemoError> {
        let mut stage = Self { accounts: Vec::new(), payees: Vec::new(), sessions: Vec::new() };
        for index in 0..ACCOUNT_COUNT {
            stage.accounts.push(fund(client, index, plan.deposits_nanos[index]).await?);
        }
        for (name, _) in PAYEES {
            stage.payees.push(register(client, name).await?);
        }
        for (index, agent) in plan.agents.iter().enumerate() {
            let session = stage.open(client, index, agent).await?;
            stage.sessions.push(session);
        }
        Ok(stage)
    }

    async fn open(&self, client: &Client, index: usize, agent: &Agent) -> Result<SessionId, DemoError> {
        let doing = format!("open the session of agent {index}");
        let cap = |(payee, cap_nanos): (usize, u64)| PayeeCap {
            payee_id: self.payees[payee].to_string(),
            cap_nanos,
        };
        let request = OpenSessionRequest {
            account_id: self.accounts[agent.account].clone(),
            idempotency_key: format!("demo-session-{index}"),
            cap_nanos: agent.cap_nanos,
            currency: CURRENCY.to_owned(),
            ttl: SESSION_TTL.try_into().ok(),
            payee_caps: agent.payee_cap.map(cap).into_iter().collect(),
            authority: Some(Authority {
                principal: format!("owner of agent {index}"),
                method: "demo".to_owned(),
                ..Authority::default()
            }),
            reference: format!("agent-{index}"),
            ..OpenSessionRequest::default()
        };
        let response = client.open_session(request).await.map_err(DemoError::call(&doing))?;
        if response.outcome() != Outcome::Approved {
            let problem = format!("agent {index}'s session was declined: {}", response.code().as_str_name());
            return Err(DemoError::Workload { problem });
        }
        let session = response.session.ok_or_else(|| DemoError::answer(&doing, "session"))?;
        Ok(SessionId::new(&session.session_id))
    }
}

/// Reads one account.
pub(super) async fn account(client: &Client, account_id: &str) -> Result<Account, DemoError> {
    let doing = format!("read account {account_id}");
    let request = GetAccountRequest { account_id: account_id.to_owned() };
    let response = client.get_account(request).await.map_err(DemoError::call(&doing))?;
    response.account.ok_or_else(|| DemoError::answer(&doing, "account"))
}

async fn fund(client: &Client, index: usize, amount_nanos: u64) -> Result<String, DemoError> {
    let doing = format!("create account {index}");
    let create = CreateAccountRequest {
        idempotency_key: format!("demo-account-{index}"),
        currency: CURRENCY.to_owned(),
        reference: format!("team-{index}"),
        ..CreateAccountRequest::default()
    };
    let created = client.create_account(create).await.map_err(DemoError::call(&doing))?;
    let account_id = created.account.ok_or_else(|| DemoError::answer(&doing, "account"))?.account_id;
    let deposit = DepositRequest {
        account_id: account_id.clone(),
        idempotency_key: format!("demo-deposit-{index}"),
        amount_nanos,
        currency: CURRENCY.to_owned(),
        ..DepositRequest::default()
    };
    client.deposit(deposit).await.map_err(DemoError::call(format!("fund account {index}")))?;
    Ok(account_id)
}

async fn register(client: &Client, name: &str) -> Result<PayeeId, DemoError> {
    let doing = format!("register {name}");
    let request = CreatePayeeRequest { idempotency_key: format!("demo-payee-{name}"), name: name.to_owned() };
    let response = client.create_payee(request).await.map_err(DemoError::call(&doing))?;
    let payee = response.payee.ok_or_else(|| DemoError::answer(&doing, "payee"))?;
    Ok(PayeeId::new(&payee.payee_id))
}
