//! Owns: the first shape of a command's key and of the decline it may hold. Never: what came of a command since.

use serde::Deserialize;
use tallystick_core::{
    AccountId, DeclineCode, Level, Next, PayeeId, SessionId,
    hash::{FieldHash, KeyHash},
    partition,
};

/// Is a decline's code, which was stored by its place among those there were; it is stored by its number now.
#[derive(Deserialize)]
pub(super) enum Code {
    Revoked,
    Paused,
    SessionEnded,
    NotYetValid,
    CurrencyMismatch,
    PayeeBlocked,
    PayeeNotAllowed,
    TooManyPayees,
    BelowDebitMin,
    AboveDebitMax,
    VelocityRate,
    VelocityWindow,
    PayeeCap,
    Cap,
    TooManyChildren,
    ApprovalRequired,
}

impl From<Code> for DeclineCode {
    fn from(old: Code) -> Self {
        match old {
            Code::Revoked => Self::Revoked,
            Code::Paused => Self::Paused,
            Code::SessionEnded => Self::SessionEnded,
            Code::NotYetValid => Self::NotYetValid,
            Code::CurrencyMismatch => Self::CurrencyMismatch,
            Code::PayeeBlocked => Self::PayeeBlocked,
            Code::PayeeNotAllowed => Self::PayeeNotAllowed,
            Code::TooManyPayees => Self::TooManyPayees,
            Code::BelowDebitMin => Self::BelowDebitMin,
            Code::AboveDebitMax => Self::AboveDebitMax,
            Code::VelocityRate => Self::VelocityRate,
            Code::VelocityWindow => Self::VelocityWindow,
            Code::PayeeCap => Self::PayeeCap,
            Code::Cap => Self::Cap,
            Code::TooManyChildren => Self::TooManyChildren,
            Code::ApprovalRequired => Self::ApprovalRequired,
        }
    }
}

#[derive(Deserialize)]
struct Decline {
    code: Code,
    level: Level,
    next: Next,
}

#[derive(Deserialize)]
enum Made {
    Account(AccountId),
    Deposit(AccountId),
    Payee(PayeeId),
    Session(SessionId),
    Declined(Decline),
}

#[derive(Deserialize)]
pub(crate) struct CommandKey {
    key: KeyHash,
    content: Box<[FieldHash]>,
    made: Made,
    seq: u64,
}

impl From<CommandKey> for partition::CommandKey {
    fn from(old: CommandKey) -> Self {
        let made = match old.made {
            Made::Account(id) => partition::Made::Account(id),
            Made::Deposit(id) => partition::Made::Deposit(id),
            Made::Payee(id) => partition::Made::Payee(id),
            Made::Session(id) => partition::Made::Session(id),
            Made::Declined(Decline { code, level, next }) => {
                partition::Made::Declined(tallystick_core::Decline { code: code.into(), level, next })
            }
        };
        Self { key: old.key, content: old.content, made, seq: old.seq }
    }
}
