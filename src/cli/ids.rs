//! Owns: ids as they are given on the command line, in full, and what is said when one is of another kind.
//! Never: looks a thing up.

use std::fmt;
use tallystick_core::{
    AccountId, CredentialId, DebitId, DepositId, HoldId, PayeeId, SessionId, SettlementId, WriterId,
    id::IdFault,
};

macro_rules! readers {
    ($($(#[$doc:meta])* $name:ident = $id:ident, $thing:literal;)*) => {
        $(
            $(#[$doc])*
            pub(crate) fn $name(text: &str) -> Result<String, String> {
                read(text, $thing, $id::PREFIX, $id::parse(text).err())
            }
        )*
    };
}

readers! {
    /// Reads an account's id.
    account = AccountId, "an account";
    /// Reads a payee's id.
    payee = PayeeId, "a payee";
    /// Reads a session's id.
    session = SessionId, "a session";
    /// Reads a deposit's id.
    deposit = DepositId, "a deposit";
    /// Reads a debit's id.
    debit = DebitId, "a debit";
    /// Reads a hold's id.
    hold = HoldId, "a hold";
    /// Reads a writer's id.
    writer = WriterId, "a writer";
    /// Reads a credential's id.
    credential = CredentialId, "a credential";
}

/// Reads the id of what a session can stand under.
pub(crate) fn envelope(text: &str) -> Result<String, String> {
    match text.get(..4) {
        Some(SessionId::PREFIX) => session(text),
        Some(SessionId::TOKEN_PREFIX) => token(text),
        _ => account(text),
    }
}

/// Reads the id of what can be debited, and settled: a session's or a token's.
pub(crate) fn debited(text: &str) -> Result<String, String> {
    if text.starts_with(SessionId::TOKEN_PREFIX) { token(text) } else { session(text) }
}

/// Reads a token's id.
pub(crate) fn token(text: &str) -> Result<String, String> {
    read(text, "a token", SessionId::TOKEN_PREFIX, SessionId::parse_token(text).err())
}

/// Reads the id of what a token can stand under: an account's or a token's.
pub(crate) fn above_token(text: &str) -> Result<String, String> {
    if text.starts_with(SessionId::TOKEN_PREFIX) { token(text) } else { account(text) }
}

/// Is what can be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// By its id.
    Session(String),
    /// By its id.
    Token(String),
    /// By its id.
    Account(String),
    /// By its name.
    FrontEnd(String),
}

/// Begins a front-end's name where it could be an id.
const FRONT_END: &str = "front-end:";

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) | Self::Token(id) | Self::Account(id) => f.write_str(id),
            Self::FrontEnd(name) => write!(f, "{FRONT_END}{name}"),
        }
    }
}

/// Reads what can be stopped.
pub(crate) fn target(text: &str) -> Result<Target, String> {
    if let Some(name) = text.strip_prefix(FRONT_END) {
        return Ok(Target::FrontEnd(name.to_owned()));
    }
    if text.starts_with(SessionId::TOKEN_PREFIX) {
        return token(text).map(Target::Token);
    }
    if text.starts_with(SessionId::PREFIX) {
        return session(text).map(Target::Session);
    }
    if text.starts_with(AccountId::PREFIX) {
        return account(text).map(Target::Account);
    }
    Err("what can be stopped begins with ses_, tok_, acc_ or front-end:".to_owned())
}

/// Reads a settlement's id, or its session's.
pub(crate) fn settlement(text: &str) -> Result<String, String> {
    if text.starts_with(SessionId::PREFIX) {
        return session(text);
    }
    read(text, "a settlement", SettlementId::PREFIX, SettlementId::parse(text).err())
}

fn read(text: &str, thing: &str, prefix: &str, fault: Option<IdFault>) -> Result<String, String> {
    match fault {
        // Whether the bits stand for anything is the server's to say.
        None | Some(IdFault::Bits) => Ok(text.to_owned()),
        Some(IdFault::Prefix) => Err(match kind_of(text) {
            Some(other) => format!("that is the id of {other}; {thing}'s begins with {prefix}"),
            None => format!("{thing}'s id begins with {prefix}"),
        }),
        Some(IdFault::Text) => {
            Err(format!("{thing}'s id is {prefix} and 26 characters of 0-9a-v, given in full"))
        }
    }
}

fn kind_of(text: &str) -> Option<&'static str> {
    let kinds = [
        (AccountId::PREFIX, "an account"),
        (PayeeId::PREFIX, "a payee"),
        (SessionId::PREFIX, "a session"),
        (SessionId::TOKEN_PREFIX, "a token"),
        (SettlementId::PREFIX, "a settlement"),
        (DebitId::PREFIX, "a debit"),
        (HoldId::PREFIX, "a hold"),
        (WriterId::PREFIX, "a writer"),
        (DepositId::PREFIX, "a deposit"),
        (CredentialId::PREFIX, "a credential"),
    ];
    kinds.into_iter().find(|(prefix, _)| text.starts_with(prefix)).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZEROS: &str = "00000000000000000000000000";

    #[test]
    fn ids_are_taken_in_full() {
        for (reader, prefix) in [
            (account as fn(&str) -> _, "acc_"),
            (payee, "pay_"),
            (session, "ses_"),
            (deposit, "dep_"),
            (debit, "deb_"),
            (hold, "hld_"),
            (writer, "wri_"),
            (envelope, "acc_"),
            (envelope, "ses_"),
            (settlement, "set_"),
            (settlement, "ses_"),
        ] {
            let text = format!("{prefix}{ZEROS}");
            assert_eq!(reader(&text), Ok(text));
        }
    }

    #[test]
    fn what_can_be_stopped_is_told_apart_by_its_beginning() {
        for text in
            [&format!("ses_{ZEROS}"), &format!("tok_{ZEROS}"), &format!("acc_{ZEROS}"), "front-end:shop"]
        {
            assert_eq!(target(text).unwrap().to_string(), *text);
        }
        assert_eq!(target("front-end:shop"), Ok(Target::FrontEnd("shop".into())));
        assert!(target(&format!("pay_{ZEROS}")).unwrap_err().contains("front-end:"));
        assert!(target("tok_1").unwrap_err().contains("given in full"));
    }

    #[test]
    fn another_kind_and_half_an_id_are_named() {
        let said = session(&format!("acc_{ZEROS}")).unwrap_err();
        assert_eq!(said, "that is the id of an account; a session's begins with ses_");
        assert_eq!(payee("acme").unwrap_err(), "a payee's id begins with pay_");
        assert!(account("acc_00g0").unwrap_err().contains("given in full"));
        assert!(account(&format!("acc_{}", "Z".repeat(26))).is_err());
    }
}
