//! Owns: every act there is, and which roles may do it: the one table. Never: a state; what an act is may depend on where a
//! session stands, and that is looked up by whoever names the act.

use super::{Role, Roles};

/// Names a kind of command or reading, as far as roles tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the calls")]
pub enum Act {
    CreateAccount,
    SetCreditLimit,
    Deposit,
    MoveDeposit,
    Withdraw,
    Repay,
    CreatePayee,
    BlockPayee,
    /// Opens a session straight on an account.
    OpenOnAccount,
    /// Opens a session within a session or a token.
    OpenWithin,
    /// Raises a session that stands straight on its account.
    Raise,
    /// Raises a session within the one or the token it stands under.
    RaiseWithin,
    Debit,
    Hold,
    Capture,
    Void,
    Reverse,
    Approve,
    Settle,
    Payout,
    IssueToken,
    AmendToken,
    RefreshToken,
    RevokeToken,
    Pause,
    Resume,
    Revoke,
    CreateCredential,
    RevokeCredential,
    /// Reads one account, or what is on it.
    ReadAccount,
    ListAccounts,
    /// Reads one session, its debits, or one of them.
    ReadSession,
    /// Reads one debit or hold.
    ReadDebit,
    ListSessions,
    ReadPayee,
    ListPayees,
    ReadToken,
    ListTokens,
    ReadSettlements,
    ReadCredentials,
}

impl Act {
    /// Lists all of them, in the order in which they are shown.
    pub const ALL: [Self; 40] = [
        Self::CreateAccount,
        Self::SetCreditLimit,
        Self::Deposit,
        Self::MoveDeposit,
        Self::Withdraw,
        Self::Repay,
        Self::CreatePayee,
        Self::BlockPayee,
        Self::OpenOnAccount,
        Self::OpenWithin,
        Self::Raise,
        Self::RaiseWithin,
        Self::Debit,
        Self::Hold,
        Self::Capture,
        Self::Void,
        Self::Reverse,
        Self::Approve,
        Self::Settle,
        Self::Payout,
        Self::IssueToken,
        Self::AmendToken,
        Self::RefreshToken,
        Self::RevokeToken,
        Self::Pause,
        Self::Resume,
        Self::Revoke,
        Self::CreateCredential,
        Self::RevokeCredential,
        Self::ReadAccount,
        Self::ListAccounts,
        Self::ReadSession,
        Self::ReadDebit,
        Self::ListSessions,
        Self::ReadPayee,
        Self::ListPayees,
        Self::ReadToken,
        Self::ListTokens,
        Self::ReadSettlements,
        Self::ReadCredentials,
    ];

    /// Returns whether it changes what all front-ends share.
    pub const fn is_everybodys(self) -> bool {
        matches!(self, Self::CreatePayee | Self::BlockPayee | Self::Payout)
    }

    /// Returns the roles each of which may do it.
    pub const fn roles(self) -> Roles {
        match self {
            Self::Deposit | Self::MoveDeposit | Self::Withdraw | Self::Repay => Roles::of(&[Role::Fund]),
            // An account with a credit line, and a limit, are authority; so is whatever may be spent later.
            Self::CreateAccount
            | Self::SetCreditLimit
            | Self::OpenOnAccount
            | Self::Raise
            | Self::IssueToken
            | Self::AmendToken => Roles::of(&[Role::Grant]),
            Self::Debit | Self::Hold | Self::RefreshToken => Roles::of(&[Role::Authorize]),
            // What is given here was given before; who may give more may give this.
            Self::OpenWithin | Self::RaiseWithin => Roles::of(&[Role::Authorize, Role::Grant]),
            Self::Capture | Self::Void | Self::Reverse => Roles::of(&[Role::Collect]),
            Self::Approve => Roles::of(&[Role::Approve]),
            Self::Settle => Roles::of(&[Role::Settle]),
            Self::Payout => Roles::of(&[Role::Payout]),
            // Whoever gave authority may take it back.
            Self::Pause | Self::Revoke | Self::RevokeToken => {
                Roles::of(&[Role::Stop, Role::Grant, Role::Operate])
            }
            // To go on is to be given authority again: a stop never resumes.
            Self::Resume => Roles::of(&[Role::Grant, Role::Operate]),
            Self::CreatePayee | Self::CreateCredential => Roles::of(&[Role::Operate]),
            Self::BlockPayee | Self::RevokeCredential => Roles::of(&[Role::Stop, Role::Operate]),
            Self::ReadAccount | Self::ListAccounts => {
                Roles::of(&[Role::Fund, Role::Grant, Role::Stop, Role::Operate, Role::Audit])
            }
            Self::ListSessions | Self::ListTokens => {
                Roles::of(&[Role::Grant, Role::Stop, Role::Settle, Role::Operate, Role::Audit])
            }
            Self::ReadSession => {
                let holders = Roles::of(&[Role::Grant, Role::Authorize, Role::Approve, Role::Stop]);
                holders.and(Roles::of(&[Role::Settle, Role::Operate, Role::Audit]))
            }
            Self::ReadDebit | Self::ReadToken => Self::ReadSession.roles().with(Role::Collect),
            Self::ReadPayee => Roles::ALL,
            Self::ListPayees => {
                Roles::of(&[Role::Grant, Role::Stop, Role::Payout, Role::Operate, Role::Audit])
            }
            Self::ReadSettlements => Roles::of(&[Role::Settle, Role::Payout, Role::Operate, Role::Audit]),
            Self::ReadCredentials => Roles::of(&[Role::Operate, Role::Audit]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_is_somebodys_and_listed_once() {
        for (nth, act) in Act::ALL.into_iter().enumerate() {
            assert_eq!(act as usize, nth);
            assert!(!act.roles().is_empty(), "{act:?}");
        }
    }

    #[test]
    fn who_stops_cannot_go_on_and_who_audits_changes_nothing() {
        assert!(!Act::Resume.roles().has(Role::Stop));
        let reads = Act::ReadAccount as usize;
        for act in Act::ALL {
            assert_eq!(act.roles().has(Role::Audit), act as usize >= reads, "{act:?}");
        }
    }
}
