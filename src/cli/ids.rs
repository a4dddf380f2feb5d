//! Owns: ids as they are given on the command line, in full, and what is said when one is of another kind.
//! Never: looks a thing up.

use tallystick_core::{
    AccountId, CredentialId, DebitId, DepositId, PayeeId, SessionId, SettlementId, WriterId, id::IdFault,
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
    /// Reads a writer's id.
    writer = WriterId, "a writer";
    /// Reads a credential's id.
    credential = CredentialId, "a credential";
}

/// Reads the id of what a session can stand under.
pub(crate) fn envelope(text: &str) -> Result<String, String> {
    if text.starts_with(SessionId::PREFIX) { session(text) } else { account(text) }
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
        (SettlementId::PREFIX, "a settlement"),
        (DebitId::PREFIX, "a debit"),
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
    fn another_kind_and_half_an_id_are_named() {
        let said = session(&format!("acc_{ZEROS}")).unwrap_err();
        assert_eq!(said, "that is the id of an account; a session's begins with ses_");
        assert_eq!(payee("acme").unwrap_err(), "a payee's id begins with pay_");
        assert!(account("acc_00g0").unwrap_err().contains("given in full"));
        assert!(account(&format!("acc_{}", "Z".repeat(26))).is_err());
    }
}
