//! Owns: the accounts, payees and sessions that a run needs, with caps that it cannot reach. Never: a debit.

use crate::{Args, LoadError};
use std::time::Duration;
use tallystick_client::{
    Client, PayeeId, SessionId, WriterOptions,
    v1::{CreateAccountRequest, CreatePayeeRequest, DepositRequest, OpenSessionRequest, Outcome},
};

pub(crate) const CURRENCY: &str = "USD";
/// What each debit asks for: one generated token.
pub(crate) const AMOUNT_NANOS: u64 = 600;
/// 10,000 USD: 16 thousand million debits.
const CAP_NANOS: u64 = 10_000_000_000_000;
const SESSION_TTL: Duration = Duration::from_secs(24 * 3_600);

/// Holds the ids that a run uses.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) payees: Vec<PayeeId>,
    pub(crate) sessions: Vec<SessionId>,
    /// Makes keys different from those of every other run.
    pub(crate) label: String,
}

/// Returns a word that is new with every start, so that keys on a server with a memory are new too: the id of a writer,
/// which the server gives out once.
pub(crate) async fn label(client: &Client) -> Result<String, LoadError> {
    let writer = client.writer(WriterOptions::default()).await.map_err(LoadError::call("open a stream"))?;
    Ok(format!("load-{}", writer.writer_id()))
}

/// Registers the payees.
pub(crate) async fn payees(client: &Client, label: &str, count: u32) -> Result<Vec<PayeeId>, LoadError> {
    let doing = "register a payee";
    let mut payees = Vec::new();
    for index in 0..count {
        let name = format!("{label}-payee-{index}");
        let request = CreatePayeeRequest { idempotency_key: name.clone(), name };
        let response = client.create_payee(request).await.map_err(LoadError::call(doing))?;
        let payee = response.payee.ok_or_else(|| LoadError::answer(doing, "no payee"))?;
        payees.push(PayeeId::new(&payee.payee_id));
    }
    Ok(payees)
}

impl Stage {
    /// Funds the accounts and opens the sessions.
    pub(crate) async fn set(
        client: &Client,
        args: &Args,
        label: &str,
        payees: &[PayeeId],
    ) -> Result<Self, LoadError> {
        let account_count = args.accounts.min(args.sessions);
        let mut accounts = Vec::new();
        for index in 0..account_count {
            let sessions = u64::from(args.sessions.div_ceil(account_count));
            accounts.push(fund(client, &format!("{label}-account-{index}"), sessions * CAP_NANOS).await?);
        }
        let mut sessions = Vec::new();
        for (index, account) in (0..args.sessions).zip(accounts.iter().cycle()) {
            sessions.push(open(client, &format!("{label}-session-{index}"), account).await?);
        }
        Ok(Self { payees: payees.to_vec(), sessions, label: label.to_owned() })
    }
}

async fn fund(client: &Client, key: &str, amount_nanos: u64) -> Result<String, LoadError> {
    let doing = "create an account";
    let create = CreateAccountRequest {
        idempotency_key: key.to_owned(),
        currency: CURRENCY.to_owned(),
        reference: key.to_owned(),
    };
    let created = client.create_account(create).await.map_err(LoadError::call(doing))?;
    let account_id = created.account.ok_or_else(|| LoadError::answer(doing, "no account"))?.account_id;
    let deposit = DepositRequest {
        account_id: account_id.clone(),
        idempotency_key: format!("{key}-deposit"),
        amount_nanos,
        currency: CURRENCY.to_owned(),
    };
    client.deposit(deposit).await.map_err(LoadError::call("fund an account"))?;
    Ok(account_id)
}

async fn open(client: &Client, key: &str, account_id: &str) -> Result<SessionId, LoadError> {
    let doing = "open a session";
    let request = OpenSessionRequest {
        account_id: account_id.to_owned(),
        idempotency_key: key.to_owned(),
        cap_nanos: CAP_NANOS,
        currency: CURRENCY.to_owned(),
        ttl: SESSION_TTL.try_into().ok(),
        ..OpenSessionRequest::default()
    };
    let response = client.open_session(request).await.map_err(LoadError::call(doing))?;
    if response.outcome() != Outcome::Approved {
        return Err(LoadError::answer(doing, response.code().as_str_name()));
    }
    let session = response.session.ok_or_else(|| LoadError::answer(doing, "no session"))?;
    Ok(SessionId::new(&session.session_id))
}
