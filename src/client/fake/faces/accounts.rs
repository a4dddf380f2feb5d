//! Owns: the fake's accounts service. Never: a rule; they are the world's.

use super::{Answered, DURABILITY, status};
use crate::fake::{Fake, world::Account};
use tallystick_proto::v1::{self, DepositState, Refusal, accounts_server::Accounts};
use tonic::{Request, Response};

#[tonic::async_trait]
impl Accounts for Fake {
    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Answered<v1::CreateAccountResponse> {
        let mut world = self.world();
        let account = world.create_account(&request.into_inner()).shown();
        let response =
            v1::CreateAccountResponse { account, seq: world.seq, replayed: false, durability: DURABILITY };
        Ok(Response::new(response))
    }

    async fn deposit(&self, request: Request<v1::DepositRequest>) -> Answered<v1::DepositResponse> {
        let mut world = self.world();
        let made = world.deposit(&request.into_inner());
        let (account, deposit) = made.ok_or_else(|| status(Refusal::UnknownAccount))?;
        let (account, deposit) = (account.shown(), Some(deposit));
        let seq = world.seq;
        let durability = DURABILITY;
        Ok(Response::new(v1::DepositResponse { account, deposit, seq, replayed: false, durability }))
    }

    async fn confirm_deposit(
        &self,
        request: Request<v1::ConfirmDepositRequest>,
    ) -> Answered<v1::ConfirmDepositResponse> {
        let mut world = self.world();
        let moved = world.move_deposit(&request.into_inner().deposit_id, DepositState::Available);
        let (account, deposit, replayed) = moved.map_err(status)?;
        let (account, deposit, seq) = (account.shown(), Some(deposit), world.seq);
        let durability = DURABILITY;
        Ok(Response::new(v1::ConfirmDepositResponse { account, deposit, seq, replayed, durability }))
    }

    async fn fail_deposit(
        &self,
        request: Request<v1::FailDepositRequest>,
    ) -> Answered<v1::FailDepositResponse> {
        let mut world = self.world();
        let moved = world.move_deposit(&request.into_inner().deposit_id, DepositState::Failed);
        let (account, deposit, replayed) = moved.map_err(status)?;
        let (account, deposit, seq) = (account.shown(), Some(deposit), world.seq);
        let durability = DURABILITY;
        Ok(Response::new(v1::FailDepositResponse { account, deposit, seq, replayed, durability }))
    }

    async fn return_deposit(
        &self,
        request: Request<v1::ReturnDepositRequest>,
    ) -> Answered<v1::ReturnDepositResponse> {
        let mut world = self.world();
        let moved = world.move_deposit(&request.into_inner().deposit_id, DepositState::Returned);
        let (account, deposit, replayed) = moved.map_err(status)?;
        let (account, deposit, seq) = (account.shown(), Some(deposit), world.seq);
        let durability = DURABILITY;
        Ok(Response::new(v1::ReturnDepositResponse { account, deposit, seq, replayed, durability }))
    }

    async fn list_deposits(
        &self,
        request: Request<v1::ListDepositsRequest>,
    ) -> Answered<v1::ListDepositsResponse> {
        let id = request.into_inner().account_id;
        let deposits = self.world().deposits.values().filter(|d| d.account_id == id).cloned().collect();
        Ok(Response::new(v1::ListDepositsResponse { deposits, next_page_token: String::new() }))
    }

    async fn withdraw(&self, request: Request<v1::WithdrawRequest>) -> Answered<v1::WithdrawResponse> {
        let mut world = self.world();
        let (account, enough) = world.withdraw(&request.into_inner()).map_err(status)?;
        let mut response = v1::WithdrawResponse {
            outcome: v1::Outcome::Approved.into(),
            account: account.shown(),
            seq: world.seq,
            durability: DURABILITY,
            ..v1::WithdrawResponse::default()
        };
        if !enough {
            response.set_outcome(v1::Outcome::Declined);
            response.set_code(v1::DeclineCode::Cap);
            response.set_level(v1::Level::Account);
            let at_most_nanos = u64::try_from(account.available()).unwrap_or(u64::MAX);
            response.next =
                Some(v1::Next { action: v1::NextAction::SmallerAmount.into(), at_most_nanos, at: None });
        }
        Ok(Response::new(response))
    }

    async fn repay(&self, request: Request<v1::RepayRequest>) -> Answered<v1::RepayResponse> {
        let mut world = self.world();
        let account = world.repay(&request.into_inner()).map_err(status)?.shown();
        let seq = world.seq;
        Ok(Response::new(v1::RepayResponse { account, seq, replayed: false, durability: DURABILITY }))
    }

    async fn set_credit_limit(
        &self,
        request: Request<v1::SetCreditLimitRequest>,
    ) -> Answered<v1::SetCreditLimitResponse> {
        let mut world = self.world();
        let account = world.set_credit_limit(&request.into_inner()).map_err(status)?.shown();
        let seq = world.seq;
        Ok(Response::new(v1::SetCreditLimitResponse {
            account,
            seq,
            replayed: false,
            durability: DURABILITY,
        }))
    }

    async fn get_account(&self, request: Request<v1::GetAccountRequest>) -> Answered<v1::GetAccountResponse> {
        let world = self.world();
        let found = world.accounts.get(&request.into_inner().account_id);
        let found = found.ok_or_else(|| status(Refusal::UnknownAccount))?;
        Ok(Response::new(v1::GetAccountResponse { account: found.shown() }))
    }

    async fn list_accounts(&self, _: Request<v1::ListAccountsRequest>) -> Answered<v1::ListAccountsResponse> {
        let accounts = self.world().accounts.values().filter_map(Account::shown).collect();
        Ok(Response::new(v1::ListAccountsResponse { accounts, next_page_token: String::new() }))
    }
}
