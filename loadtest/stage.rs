//! Owns: the accounts, payees and sessions that a run needs. Never: a debit.

// Requests gain optional fields from time to time; what is not named here stays at its default.
#![allow(clippy::needless_update, reason = "as long as every field happens to be named")]

use crate::{LoadArgs, LoadError, progress::Progress};
use std::time::Duration;
use tallystick_client::{
    Client, PayeeId, SessionId, WriterOptions,
    v1::{CreateAccountRequest, CreatePayeeRequest, DepositRequest, OpenSessionRequest, Outcome},
};

pub(crate) const CURRENCY: &str = "USD";
const SESSION_TTL: Duration = Duration::from_secs(24 * 3_600);

/// Holds the ids that a run uses.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) payees: Vec<PayeeId>,
    pub(crate) sessions: Vec<SessionId>,
    /// Makes keys different from those of every other run.
    pub(crate) label: String,
}

/// Says what a stage is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) accounts: u32,
    pub(crate) sessions: u32,
    pub(crate) cap_nanos: u64,
}

impl Size {
    pub(crate) fn of(args: &LoadArgs) -> Self {
        Self { accounts: args.accounts, sessions: args.sessions, cap_nanos: args.cap_nanos }
    }
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
        let request =
            CreatePayeeRequest { idempotency_key: name.clone(), name, ..CreatePayeeRequest::default() };
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
        size: Size,
        label: &str,
        payees: &[PayeeId],
    ) -> Result<Self, LoadError> {
        let account_count = size.accounts.min(size.sessions);
        let mut accounts = Vec::new();
        for index in 0..account_count {
            let sessions = u64::from(size.sessions.div_ceil(account_count));
            accounts
                .push(fund(client, &format!("{label}-account-{index}"), sessions * size.cap_nanos).await?);
        }
        let mut sessions = Vec::new();
        let mut progress = Progress::new("opening sessions".to_owned(), size.sessions.into());
        for (index, account) in (0..size.sessions).zip(accounts.iter().cycle()) {
            let key = format!("{label}-session-{index}");
            sessions.push(open(client, &key, account, size.cap_nanos).await?);
            progress.step();
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
        ..CreateAccountRequest::default()
    };
    let created = client.create_account(create).await.map_err(LoadError::call(doing))?;
    let account_id = created.account.ok_or_else(|| LoadError::answer(doing, "no account"))?.account_id;
    let deposit = DepositRequest {
        account_id: account_id.clone(),
        idempotency_key: format!("{key}-deposit"),
        amount_nanos,
        currency: CURRENCY.to_owned(),
        ..DepositRequest::default()
    };
    client.deposit(deposit).await.map_err(LoadError::call("fund an account"))?;
    Ok(account_id)
}

async fn open(client: &Client, key: &str, account_id: &str, cap_nanos: u64) -> Result<SessionId, LoadError> {
    let doing = "open a session";
    let request = OpenSessionRequest {
        account_id: account_id.to_owned(),
        idempotency_key: key.to_owned(),
        cap_nanos,
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
