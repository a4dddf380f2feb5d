//! Owns: why a command has no outcome: one line that says what, which field, which rule, and what to do next; and how the
//! process ends then. Never: a decline; that is an outcome.

use crate::{Exit, advice};
use serde_json::{Value, json};
use std::{fmt, io};
use tallystick_client::{ClientError, Happened, v1::Refusal};
use tallystick_journal::StorageFault;

/// Ends a command without an outcome.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was given cannot be used.
    Usage {
        /// The argument, or the column.
        field: String,
        /// What was given.
        given: String,
        /// The rule, as a sentence's end: "must be …".
        rule: String,
    },
    /// An input file cannot be used.
    Input(String),
    /// A call ended without an answer.
    Call {
        /// What was tried.
        doing: &'static str,
        /// Why there is no answer.
        error: Box<ClientError>,
        /// The key that was sent, if the call has one.
        key: Option<String>,
    },
    /// An answer lacks what the contract promises.
    Answer {
        /// What was tried.
        doing: &'static str,
        /// What should have been there.
        missing: &'static str,
    },
    /// The data folder cannot be read.
    Storage(StorageFault),
    /// The journal says what the rules do not.
    Unsound(String),
    /// What was asked for cannot be had, and asking again will not help.
    Refused {
        /// What was tried.
        doing: &'static str,
        /// Why not, and what would do.
        why: String,
    },
    /// Something else failed.
    Failed {
        /// What was tried.
        doing: &'static str,
        /// What went wrong.
        why: String,
    },
}

impl Failure {
    /// Refuses an argument.
    pub(crate) fn usage(field: &str, given: &str, rule: &str) -> Self {
        Self::Usage { field: field.to_owned(), given: given.to_owned(), rule: rule.to_owned() }
    }

    /// Wraps the failure of a call without a key.
    pub(crate) fn call(doing: &'static str) -> impl FnOnce(ClientError) -> Self {
        move |error| Self::Call { doing, error: Box::new(error), key: None }
    }

    /// Wraps the failure of a call that was sent under `key`.
    pub(crate) fn keyed(doing: &'static str, key: &str) -> impl FnOnce(ClientError) -> Self {
        let key = key.to_owned();
        move |error| Self::Call { doing, error: Box::new(error), key: Some(key) }
    }

    /// Wraps a failure of the operating system.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Failed { doing, why: error.to_string() }
    }

    /// Says how the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::Input(_) => Exit::Usage,
            Self::Call { error, .. } => call_exit(error),
            Self::Answer { .. } | Self::Failed { .. } => Exit::Failed,
            Self::Refused { .. } => Exit::Refused,
            Self::Storage(StorageFault::Io(_)) => Exit::Storage,
            Self::Storage(StorageFault::Corrupt { .. } | StorageFault::Newer { .. }) | Self::Unsound(_) => {
                Exit::Corrupt
            }
            Self::Storage(StorageFault::InUse(_)) => Exit::InUse,
        }
    }

    /// Says it to a program.
    pub(crate) fn json(&self) -> Value {
        let mut error = json!({ "message": self.to_string(), "exit": self.exit() as u8 });
        if let Self::Call { error: fault, key, .. } = self {
            let refusal = refusal_of(fault);
            error["reason"] = json!(refusal.map(|(refusal, _)| name(refusal)));
            error["field"] = json!(refusal.and_then(|(_, field)| field));
            error["happened"] = json!(match fault.happened() {
                Happened::Yes => "yes",
                Happened::No => "no",
                Happened::Unknown => "unknown",
            });
            error["may_retry"] = json!(fault.may_retry());
            error["key"] = json!(key);
        }
        json!({ "error": error })
    }
}

/// Says how the process ends after a call without an answer.
fn call_exit(error: &ClientError) -> Exit {
    match error {
        ClientError::Address { .. } | ClientError::Key => Exit::Usage,
        ClientError::Unreachable { .. } | ClientError::DeadlinePassed { .. } | ClientError::GaveUp { .. } => {
            Exit::Unavailable
        }
        ClientError::Refused { refusal, .. } => refusal_exit(*refusal),
        damaged if damaged.is_damage() => Exit::Corrupt,
        ClientError::Status { .. } if error.may_retry() => Exit::Unavailable,
        ClientError::Status { .. } if error.happened() == Happened::No => Exit::Refused,
        ClientError::Status { .. } | ClientError::Contradiction { .. } | ClientError::WriterStopped => {
            Exit::Failed
        }
    }
}

/// Says how the process ends after a refusal.
pub(crate) fn refusal_exit(refusal: Refusal) -> Exit {
    match refusal {
        Refusal::Overloaded
        | Refusal::DeadlinePassed
        | Refusal::JournalFailed
        | Refusal::Draining
        | Refusal::Stalled
        | Refusal::IndexBehind => Exit::Unavailable,
        Refusal::Unspecified
        | Refusal::IndexIncomplete
        | Refusal::Malformed
        | Refusal::UnknownAccount
        | Refusal::UnknownSession
        | Refusal::UnknownPayee
        | Refusal::UnknownWriter
        | Refusal::UnknownSettlement
        | Refusal::SessionRetired
        | Refusal::KeyReused
        | Refusal::NumberGap
        | Refusal::WriterFenced
        | Refusal::BelowWindow
        | Refusal::KeysExhausted
        | Refusal::TooManyWriters
        | Refusal::NotAttempted
        | Refusal::TableFull
        | Refusal::UnknownDeposit
        | Refusal::UnknownDebit
        | Refusal::WrongState
        | Refusal::OpenChildren
        | Refusal::CredentialUnknown
        | Refusal::Forbidden
        | Refusal::ControlFenced
        | Refusal::UnknownCredential
        | Refusal::SecretWrong
        | Refusal::UnknownHold
        | Refusal::UnknownToken
        | Refusal::FamilyRevoked
        | Refusal::ReversalsExhausted => Exit::Refused,
    }
}

/// Returns a refusal's name without its prefix.
pub(crate) fn name(refusal: Refusal) -> &'static str {
    refusal.as_str_name().trim_start_matches("REFUSAL_")
}

/// Returns the refusal behind an error, and the field that it names.
fn refusal_of(error: &ClientError) -> Option<(Refusal, Option<&str>)> {
    match error {
        ClientError::Refused { refusal, metadata, .. } => {
            Some((*refusal, metadata.get("field").map(String::as_str)))
        }
        ClientError::GaveUp { last, .. } => refusal_of(last),
        _ => None,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { field, given, rule } => write!(f, "{field} {rule}; `{given}` was given"),
            Self::Input(text) => f.write_str(text),
            Self::Call { doing, error, key } => write_call(f, doing, error, key.as_deref()),
            Self::Answer { doing, missing } => {
                write!(f, "cannot {doing}: the server's answer has no {missing}; is it another version?")
            }
            Self::Storage(fault) => fault.fmt(f),
            Self::Unsound(text) => f.write_str(text),
            Self::Refused { doing, why } | Self::Failed { doing, why } => write!(f, "cannot {doing}: {why}"),
        }
    }
}

fn write_call(
    f: &mut fmt::Formatter<'_>,
    doing: &str,
    error: &ClientError,
    key: Option<&str>,
) -> fmt::Result {
    match error {
        ClientError::Refused { refusal, message, .. } => {
            write!(f, "cannot {doing}: {message} ({}); {}", name(*refusal), advice::of(*refusal))?;
        }
        other => write!(f, "cannot {doing}: {other}")?,
    }
    match (error.happened(), key) {
        (Happened::Unknown, Some(key)) => {
            write!(f, "; whether it happened is not known: the same command with --key {key} tells")
        }
        (_, Some(key)) if error.may_retry() => {
            write!(f, "; nothing happened: try the same command with --key {key}")
        }
        (Happened::Unknown, None) if !error.may_retry() => f.write_str("; whether it happened is not known"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeMap, time::Duration};

    fn refused(refusal: Refusal) -> ClientError {
        let message = "amount_nanos must be 1 to 2^63-1 nanos".to_owned();
        let metadata = BTreeMap::from([("field".to_owned(), "amount_nanos".to_owned())]);
        ClientError::Refused { refusal, message, metadata }
    }

    #[test]
    fn every_refusal_ends_refused_or_unavailable_as_its_retry_says() {
        let mut seen = 0;
        for refusal in (1..100).filter_map(|number| Refusal::try_from(number).ok()) {
            // What a batch did not try is only tried again by sending the batch again.
            let retry = refused(refusal).may_retry() && refusal != Refusal::NotAttempted;
            let wanted = if retry { Exit::Unavailable } else { Exit::Refused };
            assert_eq!(refusal_exit(refusal), wanted, "{}", name(refusal));
            assert!(!advice::of(refusal).is_empty());
            seen += 1;
        }
        assert_eq!(seen, 35, "a new refusal wants its exit code and its advice");
    }

    #[test]
    fn every_way_a_call_fails_has_its_exit_code() {
        let message = String::new;
        let lost = ClientError::Unreachable { message: message() };
        let gave_up = ClientError::GaveUp { limit: Duration::from_secs(1), last: Box::new(lost.clone()) };
        let table = [
            (ClientError::Address { uri: message(), reason: message() }, Exit::Usage),
            (lost, Exit::Unavailable),
            (gave_up, Exit::Unavailable),
            (ClientError::DeadlinePassed { message: message() }, Exit::Unavailable),
            (ClientError::Contradiction { message: message() }, Exit::Failed),
            (ClientError::WriterStopped, Exit::Failed),
            (refused(Refusal::Malformed), Exit::Refused),
            (refused(Refusal::Overloaded), Exit::Unavailable),
        ];
        for (error, exit) in table {
            assert_eq!(Failure::call("pay")(error.clone()).exit(), exit, "{error:?}");
        }
    }

    #[test]
    fn storage_and_the_rest_have_theirs() {
        let corrupt = StorageFault::Corrupt { place: "journal".into(), finding: "gap".into() };
        let table = [
            (Failure::Storage(StorageFault::Io("full".into())), Exit::Storage),
            (Failure::Storage(corrupt), Exit::Corrupt),
            (
                Failure::Storage(StorageFault::Newer { place: "FORMAT".into(), found: 9, known: 2 }),
                Exit::Corrupt,
            ),
            (Failure::Storage(StorageFault::InUse("/d".into())), Exit::InUse),
            (Failure::Unsound("record 7".into()), Exit::Corrupt),
            (Failure::usage("AMOUNT", "x", "must be"), Exit::Usage),
            (Failure::Input("row 2".into()), Exit::Usage),
            (Failure::Answer { doing: "pay", missing: "decision" }, Exit::Failed),
            (Failure::Failed { doing: "draw", why: "none".into() }, Exit::Failed),
            (Failure::Refused { doing: "back up", why: "gone".into() }, Exit::Refused),
        ];
        for (failure, exit) in table {
            assert_eq!(failure.exit(), exit, "{failure}");
        }
    }

    #[test]
    fn a_line_says_what_which_field_which_rule_and_what_next() {
        let said = Failure::keyed("pay", "k1")(refused(Refusal::Malformed)).to_string();
        assert_eq!(
            said,
            "cannot pay: amount_nanos must be 1 to 2^63-1 nanos (MALFORMED); mend it and send it again"
        );
        let lost = ClientError::Unreachable { message: "gone".into() };
        let said = Failure::keyed("pay", "k1")(lost).to_string();
        assert!(said.ends_with("the same command with --key k1 tells"), "{said}");
        let said = Failure::keyed("pay", "k1")(refused(Refusal::Overloaded)).to_string();
        assert!(said.ends_with("nothing happened: try the same command with --key k1"), "{said}");
        let said = Failure::keyed("pay", "k1")(refused(Refusal::KeyReused)).json();
        let error = &said["error"];
        assert_eq!(error["reason"], "KEY_REUSED");
        assert_eq!(error["field"], "amount_nanos");
        assert_eq!((&error["happened"], &error["exit"]), (&json!("no"), &json!(11)));
    }
}
