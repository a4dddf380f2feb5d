//! Owns: the `Accounts` service. Never: a rule.

use crate::{command, decode, encode, service::Shared};
use tallystick_core::{Time, deposit::DepositState};
use tallystick_engine::{Answer, DepositAnswer, Engine, Ticket};
use tallystick_proto::v1::{self, accounts_server::Accounts};
use tonic::{Request, Response, Status};

pub(crate) struct AccountsFace(pub(crate) Shared);

#[tonic::async_trait]
impl Accounts for AccountsFace {
    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Result<Response<v1::CreateAccountResponse>, Status> {
        let answer = self
            .0
            .unary(request, |engine, r| {
                let velocity = command::velocity_limits(&r.velocity)?;
                Ok(engine.create_account(&command::create_account(&r, &velocity)?))
            })
            .await?;
        Ok(Response::new(v1::CreateAccountResponse {
            account: Some(encode::account(&answer.value, self.0.engine.now())),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn deposit(
        &self,
        request: Request<v1::DepositRequest>,
    ) -> Result<Response<v1::DepositResponse>, Status> {
        let ask = |engine: &Engine, r: v1::DepositRequest| Ok(engine.deposit(&command::deposit(&r)?));
        let answer = self.0.unary(request, ask).await?;
        let (account, deposit) = shown(&answer.value, self.0.engine.now());
        Ok(Response::new(v1::DepositResponse {
            account,
            deposit,
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn confirm_deposit(
        &self,
        request: Request<v1::ConfirmDepositRequest>,
    ) -> Result<Response<v1::ConfirmDepositResponse>, Status> {
        let ask = |engine: &Engine, r: v1::ConfirmDepositRequest| {
            ask_move(engine, &r.deposit_id, DepositState::Available)
        };
        let answer = self.0.unary(request, ask).await?;
        let (account, deposit) = shown(&answer.value, self.0.engine.now());
        Ok(Response::new(v1::ConfirmDepositResponse {
            account,
            deposit,
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn fail_deposit(
        &self,
        request: Request<v1::FailDepositRequest>,
    ) -> Result<Response<v1::FailDepositResponse>, Status> {
        let ask = |engine: &Engine, r: v1::FailDepositRequest| {
            ask_move(engine, &r.deposit_id, DepositState::Failed)
        };
        let answer = self.0.unary(request, ask).await?;
        let (account, deposit) = shown(&answer.value, self.0.engine.now());
        Ok(Response::new(v1::FailDepositResponse {
            account,
            deposit,
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn return_deposit(
        &self,
        request: Request<v1::ReturnDepositRequest>,
    ) -> Result<Response<v1::ReturnDepositResponse>, Status> {
        let ask = |engine: &Engine, r: v1::ReturnDepositRequest| {
            ask_move(engine, &r.deposit_id, DepositState::Returned)
        };
        let answer = self.0.unary(request, ask).await?;
        let (account, deposit) = shown(&answer.value, self.0.engine.now());
        Ok(Response::new(v1::ReturnDepositResponse {
            account,
            deposit,
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn list_deposits(
        &self,
        request: Request<v1::ListDepositsRequest>,
    ) -> Result<Response<v1::ListDepositsResponse>, Status> {
        let ask = |engine: &Engine, r: v1::ListDepositsRequest| {
            let account = decode::account(&r.account_id, "account_id").map_err(decode::refuse)?;
            let page =
                engine.deposits(account, decode::cursor(&r.page_token)?, decode::page_size(r.page_size)?);
            Ok(page.map(|page| (account, page)))
        };
        let (account, page) = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::ListDepositsResponse {
            deposits: page.rows.iter().map(|row| encode::deposit(row, account)).collect(),
            next_page_token: encode::page_token(page.next),
        }))
    }

    async fn withdraw(
        &self,
        request: Request<v1::WithdrawRequest>,
    ) -> Result<Response<v1::WithdrawResponse>, Status> {
        let ask = |engine: &Engine, r: v1::WithdrawRequest| Ok(engine.withdraw(&command::withdraw(&r)?));
        let answer = self.0.unary(request, ask).await?;
        let decline = answer.value.decline;
        Ok(Response::new(v1::WithdrawResponse {
            outcome: encode::outcome(decline.as_ref()).into(),
            account: Some(encode::account(&answer.value.account, self.0.engine.now())),
            code: decline.map_or(0, |no| encode::code(no.code).into()),
            level: decline.map_or(0, |no| encode::level(no.level).into()),
            next: decline.map(|no| encode::next(no.next)),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn repay(&self, request: Request<v1::RepayRequest>) -> Result<Response<v1::RepayResponse>, Status> {
        let ask = |engine: &Engine, r: v1::RepayRequest| Ok(engine.repay(&command::repay(&r)?));
        let answer = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::RepayResponse {
            account: Some(encode::account(&answer.value, self.0.engine.now())),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn set_credit_limit(
        &self,
        request: Request<v1::SetCreditLimitRequest>,
    ) -> Result<Response<v1::SetCreditLimitResponse>, Status> {
        let ask = |engine: &Engine, r: v1::SetCreditLimitRequest| {
            Ok(engine.set_credit_limit(&command::set_credit_limit(&r)?))
        };
        let answer = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::SetCreditLimitResponse {
            account: Some(encode::account(&answer.value, self.0.engine.now())),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Result<Response<v1::GetAccountResponse>, Status> {
        let ask = |engine: &Engine, r: v1::GetAccountRequest| {
            Ok(engine.account(decode::account(&r.account_id, "account_id").map_err(decode::refuse)?))
        };
        let account = self.0.unary(request, ask).await?;
        let account = Some(encode::account(&account, self.0.engine.now()));
        Ok(Response::new(v1::GetAccountResponse { account }))
    }

    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Result<Response<v1::ListAccountsResponse>, Status> {
        let ask = |engine: &Engine, r: v1::ListAccountsRequest| {
            Ok(engine.accounts(decode::cursor(&r.page_token)?, decode::page_size(r.page_size)?))
        };
        let (page, now) = (self.0.unary(request, ask).await?, self.0.engine.now());
        Ok(Response::new(v1::ListAccountsResponse {
            accounts: page.rows.iter().map(|row| encode::account(row, now)).collect(),
            next_page_token: encode::page_token(page.next),
        }))
    }
}

fn ask_move(engine: &Engine, id: &str, to: DepositState) -> Result<Ticket<Answer<DepositAnswer>>, Status> {
    Ok(engine.move_deposit(decode::deposit(id, "deposit_id").map_err(decode::refuse)?, to))
}

fn shown(answer: &DepositAnswer, now: Time) -> (Option<v1::Account>, Option<v1::DepositInfo>) {
    let deposit = answer.deposit.as_ref().map(|deposit| encode::deposit(deposit, answer.account.id));
    (Some(encode::account(&answer.account, now)), deposit)
}
