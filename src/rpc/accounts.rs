//! Owns: the `Accounts` service. Never: a rule.

use crate::{decode, encode, service::Shared};
use tallystick_core::command;
use tallystick_proto::v1::{self, accounts_server::Accounts};
use tonic::{Request, Response, Status};

pub(crate) struct AccountsFace(pub(crate) Shared);

#[tonic::async_trait]
impl Accounts for AccountsFace {
    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Result<Response<v1::CreateAccountResponse>, Status> {
        let ask = |engine: &tallystick_engine::Engine, r: v1::CreateAccountRequest| {
            let currency = decode::currency(&r.currency)?;
            let key = r.idempotency_key.as_bytes();
            Ok(engine.create_account(&command::CreateAccount { key, currency, reference: &r.reference }))
        };
        let answer = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::CreateAccountResponse {
            account: Some(encode::account(&answer.value)),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn deposit(
        &self,
        request: Request<v1::DepositRequest>,
    ) -> Result<Response<v1::DepositResponse>, Status> {
        let ask = |engine: &tallystick_engine::Engine, r: v1::DepositRequest| {
            Ok(engine.deposit(&command::Deposit {
                account: decode::account(&r.account_id, "account_id").map_err(decode::refuse)?,
                key: r.idempotency_key.as_bytes(),
                amount: decode::amount(r.amount_nanos),
                currency: decode::currency(&r.currency)?,
            }))
        };
        let answer = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::DepositResponse {
            account: Some(encode::account(&answer.value)),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Result<Response<v1::GetAccountResponse>, Status> {
        let ask = |engine: &tallystick_engine::Engine, r: v1::GetAccountRequest| {
            Ok(engine.account(decode::account(&r.account_id, "account_id").map_err(decode::refuse)?))
        };
        let account = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::GetAccountResponse { account: Some(encode::account(&account)) }))
    }

    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Result<Response<v1::ListAccountsResponse>, Status> {
        let ask = |engine: &tallystick_engine::Engine, r: v1::ListAccountsRequest| {
            Ok(engine.accounts(decode::cursor(&r.page_token)?, decode::page_size(r.page_size)?))
        };
        let page = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::ListAccountsResponse {
            accounts: page.rows.iter().map(encode::account).collect(),
            next_page_token: encode::page_token(page.next),
        }))
    }
}
