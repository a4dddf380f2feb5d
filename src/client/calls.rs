//! Owns: every unary call, its deadline, and its retries under the same key. Never: changes a request between tries.

use crate::{Client, ClientError, backoff::Backoff, v1};
use std::sync::{Mutex, PoisonError};
use tonic::{Request, Response, Status};

/// Writes one method a call. All of them may be tried again: each has a key, or is idempotent by nature, or only reads.
macro_rules! calls {
    ($($(#[$doc:meta])* $face:ident.$call:ident($request:ident) -> $response:ident;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                pub async fn $call(&self, request: v1::$request) -> Result<v1::$response, ClientError> {
                    self.retry(&request, |request| {
                        let mut face = self.$face();
                        async move { face.$call(request).await }
                    })
                    .await
                }
            )*
        }
    };
}

calls! {
    /// Creates an account.
    accounts.create_account(CreateAccountRequest) -> CreateAccountResponse;
    /// Adds money to an account.
    accounts.deposit(DepositRequest) -> DepositResponse;
    /// Makes a pending deposit available.
    accounts.confirm_deposit(ConfirmDepositRequest) -> ConfirmDepositResponse;
    /// Ends a pending deposit that will not come.
    accounts.fail_deposit(FailDepositRequest) -> FailDepositResponse;
    /// Takes an available deposit back.
    accounts.return_deposit(ReturnDepositRequest) -> ReturnDepositResponse;
    /// Lists an account's deposits, a page.
    accounts.list_deposits(ListDepositsRequest) -> ListDepositsResponse;
    /// Takes available money out of an account.
    accounts.withdraw(WithdrawRequest) -> WithdrawResponse;
    /// Pays back what a credit line has outstanding.
    accounts.repay(RepayRequest) -> RepayResponse;
    /// Sets the limit of a credit line.
    accounts.set_credit_limit(SetCreditLimitRequest) -> SetCreditLimitResponse;
    /// Shows an account.
    accounts.get_account(GetAccountRequest) -> GetAccountResponse;
    /// Lists accounts, a page.
    accounts.list_accounts(ListAccountsRequest) -> ListAccountsResponse;
    /// Registers a payee.
    payees.create_payee(CreatePayeeRequest) -> CreatePayeeResponse;
    /// Blocks a payee.
    payees.block_payee(BlockPayeeRequest) -> BlockPayeeResponse;
    /// Shows a payee with its positions.
    payees.get_payee(GetPayeeRequest) -> GetPayeeResponse;
    /// Lists payees, a page.
    payees.list_payees(ListPayeesRequest) -> ListPayeesResponse;
    /// Opens a session.
    authorizer.open_session(OpenSessionRequest) -> OpenSessionResponse;
    /// Shows a session, or its settlement.
    authorizer.get_session(GetSessionRequest) -> GetSessionResponse;
    /// Lists an account's open sessions, a page.
    authorizer.list_sessions(ListSessionsRequest) -> ListSessionsResponse;
    /// Decides one debit.
    authorizer.authorize(AuthorizeRequest) -> AuthorizeResponse;
    /// Promises an amount to a payee.
    authorizer.hold(HoldRequest) -> HoldResponse;
    /// Takes an amount out of a hold.
    authorizer.capture(CaptureRequest) -> CaptureResponse;
    /// Ends a hold, and gives back what it still holds.
    authorizer.void(VoidRequest) -> VoidResponse;
    /// Shows a hold.
    authorizer.get_hold(GetHoldRequest) -> GetHoldResponse;
    /// Lists the open holds of a session, a page.
    authorizer.list_holds(ListHoldsRequest) -> ListHoldsResponse;
    /// Closes a session and settles it.
    authorizer.settle(SettleRequest) -> SettleResponse;
    /// Raises a session's cap, moves its end, or both.
    authorizer.top_up(TopUpRequest) -> TopUpResponse;
    /// Takes back a debit of an open session, all or part of it.
    authorizer.reverse(ReverseRequest) -> ReverseResponse;
    /// Stops a session, a token, an account or a front-end for now.
    authorizer.pause(PauseRequest) -> PauseResponse;
    /// Ends a pause.
    authorizer.resume(ResumeRequest) -> ResumeResponse;
    /// Stops the same for good.
    authorizer.revoke(RevokeRequest) -> RevokeResponse;
    /// Says what became of a debit.
    authorizer.lookup_debit(LookupDebitRequest) -> LookupDebitResponse;
    /// Lists the debits of a session, a page.
    authorizer.list_debits(ListDebitsRequest) -> ListDebitsResponse;
    /// Makes a credential.
    credentials.create_credential(CreateCredentialRequest) -> CreateCredentialResponse;
    /// Revokes a credential.
    credentials.revoke_credential(RevokeCredentialRequest) -> RevokeCredentialResponse;
    /// Shows a credential.
    credentials.get_credential(GetCredentialRequest) -> GetCredentialResponse;
    /// Issues a token.
    tokens.issue_token(IssueTokenRequest) -> IssueTokenResponse;
    /// Narrows a token, or widens it.
    tokens.amend_token(AmendTokenRequest) -> AmendTokenResponse;
    /// Yields the token of the period that it is now.
    tokens.refresh_token(RefreshTokenRequest) -> RefreshTokenResponse;
    /// Shows a token.
    tokens.get_token(GetTokenRequest) -> GetTokenResponse;
    /// Lists the tokens of an account, a page.
    tokens.list_tokens(ListTokensRequest) -> ListTokensResponse;
    /// Lists what is open below an envelope, a page.
    tokens.get_tree(GetTreeRequest) -> GetTreeResponse;
    /// Lists credentials, a page.
    credentials.list_credentials(ListCredentialsRequest) -> ListCredentialsResponse;
    /// Shows a settlement.
    settlements.get_settlement(GetSettlementRequest) -> GetSettlementResponse;
    /// Lists settlements from a cursor, a page.
    settlements.list_settlements(ListSettlementsRequest) -> ListSettlementsResponse;
}

impl Client {
    /// Tries until there is an answer, an error that no retry helps against, or no time left.
    async fn retry<Q, A, F>(&self, request: &Q, attempt: impl Fn(Request<Q>) -> F) -> Result<A, ClientError>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let limit = self.options.retry_limit;
        // The last error is kept outside of the timed future, so that giving up can say why.
        let last = Mutex::new(ClientError::DeadlinePassed { message: "no try has ended".to_owned() });
        let tries = async {
            let mut backoff = Backoff::new(self.options.pause_least, self.options.pause_most);
            loop {
                match self.attempt_once(request.clone(), &attempt).await {
                    Err(error) if error.may_retry() => {
                        *last.lock().unwrap_or_else(PoisonError::into_inner) = error;
                    }
                    done => return done,
                }
                backoff.pause().await;
            }
        };
        match tokio::time::timeout(limit, tries).await {
            Ok(done) => done,
            Err(_) => {
                let last = Box::new(last.into_inner().unwrap_or_else(PoisonError::into_inner));
                Err(ClientError::GaveUp { limit, last })
            }
        }
    }

    async fn attempt_once<Q, A, F>(
        &self,
        message: Q,
        attempt: &impl Fn(Request<Q>) -> F,
    ) -> Result<A, ClientError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let deadline = self.options.call_deadline;
        let mut request = self.signed(message);
        request.set_timeout(deadline);
        match tokio::time::timeout(deadline, attempt(request)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(ClientError::from_status(&status)),
            Err(_) => Err(ClientError::DeadlinePassed { message: format!("waited {deadline:?}") }),
        }
    }
}
