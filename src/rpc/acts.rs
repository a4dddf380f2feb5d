//! Owns: which acts each call of ours may come to: the one place that knows paths and roles together. A call that is not here is
//! not let in. Never: who asks; a rule about roles; that is core's.

use tallystick_core::role::{Act, Roles};

/// Begins the paths of our own services.
pub(crate) const OURS: &str = "/tallystick.v1.";

/// Returns what a call may come to; nothing for one that there is not. Which of several it is depends on what it says, and
/// is tested where that is read.
pub(crate) fn acts(path: &str) -> &'static [Act] {
    match path.strip_prefix(OURS).unwrap_or_default() {
        "Accounts/CreateAccount" => &[Act::CreateAccount],
        "Accounts/Deposit" => &[Act::Deposit],
        "Accounts/ConfirmDeposit" | "Accounts/FailDeposit" | "Accounts/ReturnDeposit" => &[Act::MoveDeposit],
        "Accounts/ListDeposits" | "Accounts/GetAccount" => &[Act::ReadAccount],
        "Accounts/Withdraw" => &[Act::Withdraw],
        "Accounts/Repay" => &[Act::Repay],
        "Accounts/SetCreditLimit" => &[Act::SetCreditLimit],
        "Accounts/ListAccounts" => &[Act::ListAccounts],
        "Payees/CreatePayee" => &[Act::CreatePayee],
        "Payees/BlockPayee" => &[Act::BlockPayee],
        "Payees/GetPayee" => &[Act::ReadPayee],
        "Payees/ListPayees" => &[Act::ListPayees],
        "Authorizer/OpenSession" => &[Act::OpenWithin, Act::OpenOnAccount],
        "Authorizer/TopUp" => &[Act::RaiseWithin, Act::Raise],
        "Authorizer/GetSession" | "Authorizer/ListDebits" => &[Act::ReadSession],
        "Authorizer/ListSessions" => &[Act::ListSessions],
        "Authorizer/Authorize" => &[Act::Debit],
        "Authorizer/Hold" => &[Act::Hold],
        "Authorizer/Capture" => &[Act::Capture],
        "Authorizer/Void" => &[Act::Void],
        "Authorizer/AuthorizeStream" => &[Act::Debit, Act::Hold, Act::Capture, Act::Void],
        "Authorizer/Settle" => &[Act::Settle],
        "Authorizer/Reverse" => &[Act::Reverse],
        "Authorizer/LookupDebit" | "Authorizer/GetHold" => &[Act::ReadDebit],
        "Authorizer/ListHolds" => &[Act::ReadSession],
        "Authorizer/Pause" => &[Act::Pause],
        "Authorizer/Resume" => &[Act::Resume],
        "Authorizer/Revoke" => &[Act::Revoke],
        "Tokens/IssueToken" => &[Act::IssueToken],
        "Tokens/AmendToken" => &[Act::AmendToken],
        "Tokens/RefreshToken" => &[Act::RefreshToken],
        "Tokens/RevokeToken" => &[Act::RevokeToken],
        "Tokens/GetToken" => &[Act::ReadToken],
        "Tokens/ListTokens" => &[Act::ListTokens],
        "Tokens/GetTree" => &[Act::ListSessions],
        "Settlements/GetSettlement" | "Settlements/ListSettlements" => &[Act::ReadSettlements],
        "Credentials/CreateCredential" => &[Act::CreateCredential],
        "Credentials/RevokeCredential" => &[Act::RevokeCredential],
        "Credentials/GetCredential" | "Credentials/ListCredentials" => &[Act::ReadCredentials],
        _ => &[],
    }
}

/// Returns the roles each of which may do one of these.
pub(crate) fn roles(acts: &[Act]) -> Roles {
    acts.iter().fold(Roles::NONE, |roles, act| roles.and(act.roles()))
}
