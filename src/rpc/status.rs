//! Owns: every way a call can end without an answer, as a gRPC status: one exhaustive table, no catch-all. Each has the
//! reason as a `Refusal` of the wire contract in `google.rpc.ErrorInfo`, and the two facts a client needs in its metadata:
//! `retry` (no, same_key, fixed: after mending the request) and `happened` (no, unknown).
//! Never: a decline.

use tallystick_core::Refusal;
use tallystick_engine::Fault;
use tallystick_proto::v1;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

const DOMAIN: &str = "tallystick";
/// Begins every reason's name in the wire contract, and is left out in statuses.
const PREFIX: &str = "REFUSAL_";

/// Is what tonic-types asks for; its order is never seen.
#[expect(clippy::disallowed_types, reason = "another crate's signature")]
type Facts = std::collections::HashMap<String, String>;

/// Is one row of the table.
struct Ending {
    code: Code,
    reason: v1::Refusal,
    text: String,
    retry: &'static str,
    happened: &'static str,
    /// One more fact: its name and value.
    fact: Option<(&'static str, String)>,
}

/// Is a fact's value as text.
struct Fact(String);

impl From<&&'static str> for Fact {
    fn from(text: &&'static str) -> Self {
        Self((*text).into())
    }
}

impl From<&u64> for Fact {
    fn from(number: &u64) -> Self {
        Self(number.to_string())
    }
}

impl From<&u32> for Fact {
    fn from(number: &u32) -> Self {
        Self(number.to_string())
    }
}

impl Ending {
    fn new(code: Code, reason: v1::Refusal, text: impl Into<String>) -> Self {
        Self { code, reason, text: text.into(), retry: "no", happened: "no", fact: None }
    }

    fn retry(self, retry: &'static str) -> Self {
        Self { retry, ..self }
    }

    fn fact(self, name: &'static str, value: impl Into<Fact>) -> Self {
        Self { fact: Some((name, value.into().0)), ..self }
    }

    fn status(self) -> Status {
        let mut details = ErrorDetails::new();
        let mut facts = vec![("retry", self.retry.to_owned()), ("happened", self.happened.to_owned())];
        if let Some((name, value)) = self.fact {
            if self.reason == v1::Refusal::Malformed {
                details.add_bad_request_violation(&value, &self.text);
            }
            facts.push((name, value));
        }
        let reason = self.reason.as_str_name().trim_start_matches(PREFIX);
        details.set_error_info(
            reason,
            DOMAIN,
            facts.into_iter().map(|(name, value)| (name.into(), value)).collect::<Facts>(),
        );
        Status::with_error_details(self.code, self.text, details)
    }
}

fn refused(refusal: &Refusal) -> Ending {
    use v1::Refusal as Reason;
    match refusal {
        Refusal::Malformed { field, rule } => {
            let ending = Ending::new(Code::InvalidArgument, Reason::Malformed, format!("{field} {rule}"));
            ending.retry("fixed").fact("field", field)
        }
        Refusal::UnknownAccount => {
            Ending::new(Code::NotFound, Reason::UnknownAccount, "there is no such account")
        }
        Refusal::UnknownSession => {
            Ending::new(Code::NotFound, Reason::UnknownSession, "there is no such session")
        }
        Refusal::UnknownPayee => Ending::new(Code::NotFound, Reason::UnknownPayee, "there is no such payee"),
        Refusal::UnknownWriter => {
            Ending::new(Code::NotFound, Reason::UnknownWriter, "there is no such writer")
        }
        Refusal::UnknownSettlement => {
            let text = "there is no such settlement; its session may still be open";
            Ending::new(Code::NotFound, Reason::UnknownSettlement, text)
        }
        Refusal::SessionRetired => {
            let text = "the session is settled and its keys are gone: what became of this debit is not said here, \
                        look at the settlement";
            let mut ending = Ending::new(Code::FailedPrecondition, Reason::SessionRetired, text);
            ending.happened = "unknown";
            ending
        }
        Refusal::KeyReused { field } => {
            let text = format!("the key was used for another intent: {field} differs");
            Ending::new(Code::AlreadyExists, Reason::KeyReused, text).retry("fixed").fact("field", field)
        }
        Refusal::NumberGap { expected } => {
            let text = format!("the next number of this writer in this session is {expected}");
            Ending::new(Code::FailedPrecondition, Reason::NumberGap, text)
                .retry("fixed")
                .fact("expected", expected)
        }
        Refusal::WriterFenced { epoch } => {
            let text = format!("a newer stream of this writer is at work: epoch {epoch}");
            Ending::new(Code::FailedPrecondition, Reason::WriterFenced, text).fact("epoch", epoch)
        }
        Refusal::BelowWindow => {
            let text = "the number was decided, and its answer is no longer in memory";
            let mut ending = Ending::new(Code::OutOfRange, Reason::BelowWindow, text);
            ending.happened = "unknown";
            ending
        }
        Refusal::KeysExhausted => {
            let text = "the session remembers 65,536 keys and takes no more: number the debits instead";
            Ending::new(Code::ResourceExhausted, Reason::KeysExhausted, text).retry("fixed")
        }
        Refusal::TooManyWriters => {
            let text = "the session has 64 writers and takes no more: use one of them";
            Ending::new(Code::ResourceExhausted, Reason::TooManyWriters, text).retry("fixed")
        }
        Refusal::TableFull => {
            let text = "the table is full; another idempotency key may find another one";
            Ending::new(Code::ResourceExhausted, Reason::TableFull, text).retry("fixed")
        }
        Refusal::NotAttempted { expected } => {
            let text = format!(
                "an earlier debit of this writer and session was refused; the next number is {expected}"
            );
            Ending::new(Code::FailedPrecondition, Reason::NotAttempted, text)
                .retry("fixed")
                .fact("expected", expected)
        }
        Refusal::UnknownDeposit => {
            Ending::new(Code::NotFound, Reason::UnknownDeposit, "there is no such deposit")
        }
        Refusal::UnknownDebit => {
            let text = "there is no such debit: nothing was decided under this id";
            Ending::new(Code::NotFound, Reason::UnknownDebit, text)
        }
        Refusal::WrongState { state } => {
            let text = format!("it is {state}, and cannot come into the state asked for");
            Ending::new(Code::FailedPrecondition, Reason::WrongState, text).fact("state", state)
        }
        Refusal::OpenChildren => {
            let text = "the session has open sessions below it: settle those first, or ask for cascade";
            Ending::new(Code::FailedPrecondition, Reason::OpenChildren, text).retry("fixed")
        }
        Refusal::ReversalsExhausted => {
            let text = "the session remembers 65,536 reversed debits and takes no more";
            Ending::new(Code::ResourceExhausted, Reason::ReversalsExhausted, text)
        }
        Refusal::CredentialUnknown => {
            let text = "no key is heard here: give one that was not revoked, as the metadata `authorization: Bearer tsk_…`";
            Ending::new(Code::Unauthenticated, Reason::CredentialUnknown, text)
        }
        Refusal::Forbidden { needs } => {
            let text = format!("the credential may not do this: it takes one of the roles {needs}");
            let mut ending = Ending::new(Code::PermissionDenied, Reason::Forbidden, text);
            ending.fact = Some(("roles", needs.to_string()));
            ending
        }
        Refusal::ControlFenced { epoch } => {
            let text = format!("its control was changed since: epoch {epoch} now");
            Ending::new(Code::FailedPrecondition, Reason::ControlFenced, text)
                .retry("fixed")
                .fact("epoch", epoch)
        }
        Refusal::UnknownCredential => {
            Ending::new(Code::NotFound, Reason::UnknownCredential, "there is no such credential")
        }
        // The engine mends this one by itself; should it ever leave, the payee is simply not known.
        Refusal::SecretWrong => Ending::new(
            Code::PermissionDenied,
            Reason::SecretWrong,
            "this takes the secret of its session or token",
        ),
        Refusal::UnknownToken => Ending::new(Code::NotFound, Reason::UnknownToken, "there is no such token"),
        Refusal::FamilyRevoked => {
            let text = "a spent refresh secret of this mandate was used again, so two have it: the mandate is revoked";
            Ending::new(Code::PermissionDenied, Reason::FamilyRevoked, text)
        }
        Refusal::UnknownHold => {
            Ending::new(Code::NotFound, Reason::UnknownHold, "there is no such hold here")
        }
        // Neither leaves the engine.
        Refusal::OpenHolds | Refusal::HoldDue => {
            Ending::new(Code::Unavailable, Reason::Overloaded, "holds are in the way").retry("same_key")
        }
        Refusal::PayeeNotHere => Ending::new(Code::NotFound, Reason::UnknownPayee, "there is no such payee"),
    }
}

fn fault(fault: &Fault) -> Ending {
    match fault {
        Fault::Refused(refusal) => refused(refusal),
        Fault::JournalFailed => {
            let text = "the journal cannot be written: the outcome is unknown, ask again with the same key when the server \
                        is back";
            let mut ending =
                Ending::new(Code::Unavailable, v1::Refusal::JournalFailed, text).retry("same_key");
            ending.happened = "unknown";
            ending
        }
        Fault::Storage(storage) => {
            tracing::error!(%storage, "a read from storage failed");
            let text = "something that has left memory could not be read: nothing happened";
            Ending::new(Code::Unavailable, v1::Refusal::JournalFailed, text).retry("same_key")
        }
    }
}

/// Makes the status of a fault.
pub(crate) fn of(what: &Fault) -> Status {
    fault(what).status()
}

/// Makes the status of a refusal.
pub(crate) fn of_refusal(refusal: &Refusal) -> Status {
    refused(refusal).status()
}

/// Reads the reason back from a status of ours; `None` for one that is HTTP/2's or tonic's.
pub(crate) fn reason(status: &Status) -> Option<v1::Refusal> {
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
    v1::Refusal::from_str_name(&format!("{PREFIX}{}", info.reason))
}

/// Makes the refusal of one debit in a batch: the same table, without a status.
pub(crate) fn in_batch(refusal: &Refusal) -> v1::RefusedDebit {
    let ending = refused(refusal);
    let expected_number = match refusal {
        Refusal::NumberGap { expected } | Refusal::NotAttempted { expected } => *expected,
        _ => 0,
    };
    v1::RefusedDebit { refusal: ending.reason.into(), message: ending.text, expected_number }
}

/// Says that a field breaks a rule that only the face can see.
pub(crate) fn malformed(field: &'static str, rule: &'static str) -> Status {
    of_refusal(&Refusal::Malformed { field, rule })
}

/// Says that the index has not come far enough.
pub(crate) fn index_behind(cursor: u64, needed: u64) -> Status {
    let text = format!("the index has come to seq {cursor} of {needed}: ask again");
    Ending::new(Code::Unavailable, v1::Refusal::IndexBehind, text)
        .retry("same_key")
        .fact("cursor", &cursor)
        .status()
}

/// Says that the index was begun when what is asked for had left the journal.
pub(crate) fn index_incomplete(complete_from: u64) -> Status {
    let text =
        format!("the index knows nothing of this, and nothing of what came before seq {complete_from}");
    let mut ending = Ending::new(Code::FailedPrecondition, v1::Refusal::IndexIncomplete, text)
        .fact("complete_from", &complete_from);
    ending.happened = "unknown";
    ending.status()
}

/// Says that there is too much in flight.
pub(crate) fn overloaded() -> Status {
    let text = "too much is in flight: nothing happened, ask again later with the same key";
    Ending::new(Code::ResourceExhausted, v1::Refusal::Overloaded, text).retry("same_key").status()
}

/// Says that too many calls are open.
pub(crate) fn too_many_calls() -> Status {
    let text = "too many calls are open, of all or of this address: nothing happened, ask again later with the same key";
    Ending::new(Code::ResourceExhausted, v1::Refusal::Overloaded, text).retry("same_key").status()
}

/// Says that a message did not come whole in time.
pub(crate) fn too_slow() -> Status {
    let text = "the message did not come whole in time: nothing came of it, send it again with the same key";
    Ending::new(Code::DeadlineExceeded, v1::Refusal::DeadlinePassed, text).retry("same_key").status()
}

/// Says that nobody read a stream's answers.
pub(crate) fn stalled() -> Status {
    let text = "the answers were not read in time and the stream has ended: what was decided stays decided, open another \
                one and ask again with the same keys or numbers";
    let mut ending = Ending::new(Code::Aborted, v1::Refusal::Stalled, text).retry("same_key");
    ending.happened = "unknown";
    ending.status()
}

/// Says that the deadline had passed.
pub(crate) fn deadline_passed() -> Status {
    let text = "the deadline had passed before anything was done: nothing happened";
    Ending::new(Code::DeadlineExceeded, v1::Refusal::DeadlinePassed, text).retry("same_key").status()
}

/// Says that the server is going.
pub(crate) fn draining() -> Status {
    let text = "the server is draining: nothing happened, ask the next one with the same key";
    Ending::new(Code::Unavailable, v1::Refusal::Draining, text).retry("same_key").status()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_request_names_field_and_rule_twice() {
        let status = malformed("cap_nanos", "must be 1 to 2^63-1 nanos");
        let details = status.get_error_details();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "cap_nanos must be 1 to 2^63-1 nanos");
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "cap_nanos");
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("MALFORMED", "tallystick"));
        assert_eq!(info.metadata["happened"], "no");
        assert_eq!(reason(&status), Some(v1::Refusal::Malformed));
        assert_eq!(reason(&Status::internal("another's")), None);
    }

    #[test]
    fn a_failed_journal_is_unavailable_and_its_outcome_unknown() {
        let status = of(&Fault::JournalFailed);
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.get_error_details().error_info().unwrap().metadata["happened"], "unknown");
    }
}
