//! Owns: what can go wrong between caller and server, and the two facts that a caller needs then: may I retry, and did
//! anything happen. Never: a decline; that is an answer.

use crate::v1::Refusal;
use std::{collections::BTreeMap, error::Error as _, time::Duration};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Says what became of an intent whose call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The intent was carried out.
    Yes,
    /// Nothing was decided and nothing changed.
    No,
    /// Either may be true: ask again with the same key, and the answer tells.
    Unknown,
}

/// Fails a call, or a writer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be used.
    #[error("`{uri}` is not an address to connect to: {reason}")]
    Address {
        /// What was given.
        uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The API key cannot be sent.
    #[error("the API key cannot be sent: it must be one word of plain characters")]
    Key,
    /// No connection, or it was lost before the answer came.
    #[error("the server cannot be reached: {message}")]
    Unreachable {
        /// What the transport said.
        message: String,
    },
    /// No answer came within the call's deadline.
    #[error("no answer within the deadline ({message})")]
    DeadlinePassed {
        /// Who gave up: the server or this client.
        message: String,
    },
    /// The server refused, and named its reason.
    #[error("refused ({}): {message}", refusal.as_str_name())]
    Refused {
        /// The server's reason.
        refusal: Refusal,
        /// What a person needs to know.
        message: String,
        /// What a program needs to know, for instance `field` or `expected`.
        metadata: BTreeMap<String, String>,
    },
    /// A status without a reason of ours: a proxy's, or a newer server's.
    #[error("the call failed with {code:?}: {message}")]
    Status {
        /// The gRPC code.
        code: Code,
        /// The status' text.
        message: String,
    },
    /// Trying went on for as long as was allowed.
    #[error("gave up after {limit:?}; the last try: {last}")]
    GaveUp {
        /// The total time limit.
        limit: Duration,
        /// Why the last try failed.
        last: Box<ClientError>,
    },
    /// The server's answer breaks the contract; going on could pay twice or lose an answer.
    #[error("the server contradicts the contract: {message}")]
    Contradiction {
        /// What was expected, and what came.
        message: String,
    },
    /// The writer has stopped; an earlier error says why.
    #[error("the writer has stopped")]
    WriterStopped,
}

impl ClientError {
    /// Reads a status: our own refusal if it carries one, the transport's fault otherwise.
    #[must_use]
    pub fn from_status(status: &Status) -> Self {
        let message = status.message().to_owned();
        if let Some((refusal, metadata)) = refusal_of(status) {
            return Self::Refused { refusal, message, metadata };
        }
        match status.code() {
            Code::DeadlineExceeded => Self::DeadlinePassed { message },
            Code::Unavailable => Self::Unreachable { message },
            // A status made on this side has the transport's error as its source; the server's own has none. HTTP/2's
            // "enhance your calm" and "inadequate security" are made into codes that would say that nothing happened.
            Code::Unknown
            | Code::Internal
            | Code::Cancelled
            | Code::ResourceExhausted
            | Code::PermissionDenied
                if status.source().is_some() =>
            {
                Self::Unreachable { message: with_sources(status) }
            }
            code => Self::Status { code, message },
        }
    }

    /// Returns whether the same intent, under the same key, may be sent again with hope.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::DeadlinePassed { .. } | Self::GaveUp { .. } => true,
            Self::Refused { refusal, .. } => refusal_may_retry(*refusal),
            Self::Status { code, .. } => matches!(code, Code::ResourceExhausted | Code::Aborted),
            Self::Address { .. } | Self::Key | Self::Contradiction { .. } | Self::WriterStopped => false,
        }
    }

    /// Returns whether the intent was carried out, as far as can be known.
    #[must_use]
    pub fn happened(&self) -> Happened {
        match self {
            Self::Address { .. } | Self::Key => Happened::No,
            Self::Refused { refusal, .. } => refusal_happened(*refusal),
            Self::GaveUp { last, .. } => last.happened(),
            Self::Status { code, .. } => status_happened(*code),
            Self::Unreachable { .. }
            | Self::DeadlinePassed { .. }
            | Self::Contradiction { .. }
            | Self::WriterStopped => Happened::Unknown,
        }
    }

    /// Returns whether the server found its own data damaged.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Status { code: Code::DataLoss, .. })
    }

    pub(crate) fn contradiction(message: impl Into<String>) -> Self {
        Self::Contradiction { message: message.into() }
    }

    pub(crate) fn lost(message: impl Into<String>) -> Self {
        Self::Unreachable { message: message.into() }
    }
}

/// Returns whether a refusal can turn into an answer when the same key is sent again.
pub(crate) fn refusal_may_retry(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Overloaded
        | Refusal::DeadlinePassed
        | Refusal::JournalFailed
        | Refusal::Draining
        | Refusal::IndexBehind
        | Refusal::Stalled
        | Refusal::NotAttempted => true,
        Refusal::Unspecified
        | Refusal::NumberGap
        | Refusal::Malformed
        | Refusal::UnknownAccount
        | Refusal::UnknownSession
        | Refusal::UnknownPayee
        | Refusal::UnknownWriter
        | Refusal::UnknownSettlement
        | Refusal::SessionRetired
        | Refusal::KeyReused
        | Refusal::WriterFenced
        | Refusal::BelowWindow
        | Refusal::KeysExhausted
        | Refusal::TooManyWriters
        | Refusal::TableFull
        | Refusal::UnknownDeposit
        | Refusal::UnknownDebit
        | Refusal::WrongState
        | Refusal::OpenChildren
        | Refusal::ReversalsExhausted
        | Refusal::CredentialUnknown
        | Refusal::Forbidden
        | Refusal::ControlFenced
        | Refusal::UnknownCredential
        | Refusal::SecretWrong
        | Refusal::UnknownHold
        | Refusal::UnknownToken
        | Refusal::FamilyRevoked
        | Refusal::IndexIncomplete => false,
    }
}

fn refusal_happened(refusal: Refusal) -> Happened {
    match refusal {
        Refusal::BelowWindow => Happened::Yes,
        Refusal::JournalFailed
        | Refusal::SessionRetired
        | Refusal::WriterFenced
        | Refusal::IndexIncomplete
        | Refusal::Stalled
        | Refusal::Unspecified => Happened::Unknown,
        Refusal::Malformed
        | Refusal::UnknownAccount
        | Refusal::UnknownSession
        | Refusal::UnknownPayee
        | Refusal::UnknownWriter
        | Refusal::UnknownSettlement
        | Refusal::KeyReused
        | Refusal::NumberGap
        | Refusal::KeysExhausted
        | Refusal::TooManyWriters
        | Refusal::Overloaded
        | Refusal::DeadlinePassed
        | Refusal::Draining
        | Refusal::NotAttempted
        | Refusal::TableFull
        | Refusal::UnknownDeposit
        | Refusal::UnknownDebit
        | Refusal::WrongState
        | Refusal::OpenChildren
        | Refusal::ReversalsExhausted
        | Refusal::CredentialUnknown
        | Refusal::Forbidden
        | Refusal::ControlFenced
        | Refusal::UnknownCredential
        | Refusal::SecretWrong
        | Refusal::UnknownHold
        | Refusal::UnknownToken
        | Refusal::FamilyRevoked
        | Refusal::IndexBehind => Happened::No,
    }
}

fn status_happened(code: Code) -> Happened {
    match code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Unauthenticated => Happened::No,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Happened::Unknown,
    }
}

/// Reads the `google.rpc.ErrorInfo` of our domain; the reason is the enum's name, with or without its prefix.
fn refusal_of(status: &Status) -> Option<(Refusal, BTreeMap<String, String>)> {
    let info = status.get_details_error_info()?;
    let refusal = Refusal::from_str_name(&info.reason)
        .or_else(|| Refusal::from_str_name(&format!("REFUSAL_{}", info.reason)))?;
    Some((refusal, info.metadata.into_iter().collect()))
}

fn with_sources(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    fn refused(code: Code, reason: &str) -> ClientError {
        let details = ErrorDetails::with_error_info(
            reason,
            "tallystick",
            [("field".to_owned(), "amount_nanos".to_owned())],
        );
        ClientError::from_status(&Status::with_error_details(code, "because", details))
    }

    #[test]
    fn reads_reason_and_metadata_of_error_info() {
        for reason in ["REFUSAL_KEY_REUSED", "KEY_REUSED"] {
            let error = refused(Code::AlreadyExists, reason);
            let ClientError::Refused { refusal, metadata, .. } = &error else { panic!("{error:?}") };
            assert_eq!(*refusal, Refusal::KeyReused);
            assert_eq!(metadata["field"], "amount_nanos");
            assert!(!error.may_retry());
            assert_eq!(error.happened(), Happened::No);
        }
    }

    #[test]
    fn overload_may_be_retried_and_a_failed_journal_is_unknown() {
        let shed = refused(Code::ResourceExhausted, "REFUSAL_OVERLOADED");
        assert!(shed.may_retry());
        assert_eq!(shed.happened(), Happened::No);
        let journal = refused(Code::Unavailable, "REFUSAL_JOURNAL_FAILED");
        assert!(journal.may_retry());
        assert_eq!(journal.happened(), Happened::Unknown);
    }

    #[test]
    fn keys_exhausted_shares_its_code_with_overload_and_is_not_retried() {
        assert!(!refused(Code::ResourceExhausted, "REFUSAL_KEYS_EXHAUSTED").may_retry());
    }

    /// A server that had stood still took its callers' resets for a flood and ended the connection, with debits in flight:
    /// nobody said that nothing had happened (found by `server/tests/decides_once_when_it_was_stopped_for_long.rs`).
    #[test]
    fn what_the_transport_says_is_no_refusal_whatever_its_code() {
        for code in [Code::ResourceExhausted, Code::PermissionDenied, Code::Internal, Code::Unknown] {
            let mut status = Status::new(code, "h2 protocol error: http2 error");
            status.set_source(std::sync::Arc::new(std::io::Error::other("too_many_resets")));
            let error = ClientError::from_status(&status);
            assert!(error.may_retry(), "{code:?}");
            assert_eq!(error.happened(), Happened::Unknown, "{code:?}");
        }
    }

    #[test]
    fn plain_statuses_keep_their_code() {
        let bad = ClientError::from_status(&Status::invalid_argument("no"));
        assert!(!bad.may_retry());
        assert_eq!(bad.happened(), Happened::No);
        let gone = ClientError::from_status(&Status::unavailable("gone"));
        assert!(gone.may_retry());
        assert_eq!(gone.happened(), Happened::Unknown);
    }
}
