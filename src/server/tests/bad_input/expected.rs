//! Owns: how a refusal looks to a caller, in a status or in a batch, and that it is what the contract says it is.

use tallystick_proto::v1::{Refusal, RefusedDebit};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Is what a row must come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    /// Absent in batches.
    code: Option<Code>,
    /// Empty where the transport refuses before any of us sees the message.
    reason: &'static str,
    /// The field or fact that is named; empty where there is none.
    named: &'static str,
}

const fn expect(code: Code, reason: &'static str, named: &'static str) -> Expected {
    Expected { code: Some(code), reason, named }
}

pub(crate) const fn malformed(field: &'static str) -> Expected {
    expect(Code::InvalidArgument, "MALFORMED", field)
}

pub(crate) const fn key_reused(field: &'static str) -> Expected {
    expect(Code::AlreadyExists, "KEY_REUSED", field)
}

pub(crate) const fn unknown(reason: &'static str) -> Expected {
    expect(Code::NotFound, reason, "")
}

pub(crate) const RETIRED: Expected = expect(Code::FailedPrecondition, "SESSION_RETIRED", "");
pub(crate) const BELOW_WINDOW: Expected = expect(Code::OutOfRange, "BELOW_WINDOW", "");
pub(crate) const KEYS_EXHAUSTED: Expected = expect(Code::ResourceExhausted, "KEYS_EXHAUSTED", "");
pub(crate) const TOO_MANY_WRITERS: Expected = expect(Code::ResourceExhausted, "TOO_MANY_WRITERS", "");
pub(crate) const DEADLINE: Expected = expect(Code::DeadlineExceeded, "DEADLINE_PASSED", "");

pub(crate) const OPEN_CHILDREN: Expected = expect(Code::FailedPrecondition, "OPEN_CHILDREN", "cascade");

pub(crate) const fn wrong_state(state: &'static str) -> Expected {
    expect(Code::FailedPrecondition, "WRONG_STATE", state)
}

pub(crate) const fn gap(expected: &'static str) -> Expected {
    expect(Code::FailedPrecondition, "NUMBER_GAP", expected)
}

pub(crate) const fn fenced(epoch: &'static str) -> Expected {
    expect(Code::FailedPrecondition, "WRITER_FENCED", epoch)
}

/// Is what the transport says by itself: no reason, `named` is somewhere in its text.
pub(crate) const fn transport(code: Code, named: &'static str) -> Expected {
    expect(code, "", named)
}

pub(crate) const fn in_batch(reason: &'static str, named: &'static str) -> Expected {
    Expected { code: None, reason, named }
}

/// Is what a caller was told.
#[derive(Debug)]
pub(crate) struct Said {
    code: Option<Code>,
    reason: String,
    message: String,
    /// The facts of a status, and the violation it names.
    facts: Vec<(String, String)>,
    violation: Option<(String, String)>,
}

impl Said {
    pub(crate) fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let (mut reason, mut facts) = (String::new(), Vec::new());
        if let Some(info) = details.error_info() {
            assert_eq!(info.domain, "tallystick", "{status:?}");
            reason.clone_from(&info.reason);
            facts = info.metadata.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        }
        let violation = details.bad_request().map(|bad| {
            assert_eq!(bad.field_violations.len(), 1, "{bad:?}");
            (bad.field_violations[0].field.clone(), bad.field_violations[0].description.clone())
        });
        Self { code: Some(status.code()), reason, message: status.message().into(), facts, violation }
    }

    pub(crate) fn of_debit(refused: &RefusedDebit) -> Self {
        let reason = refused.refusal().as_str_name().trim_start_matches("REFUSAL_").to_owned();
        let facts = [("expected".to_owned(), refused.expected_number.to_string())].into();
        Self { code: None, reason, message: refused.message.clone(), facts, violation: None }
    }

    fn fact(&self, name: &str) -> &str {
        self.facts.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn assert_is(&self, expected: &Expected, sent: &str) {
        // The transport watches deadlines too, and answers first when a message's body is still on its way.
        if expected.reason == DEADLINE.reason && self.reason.is_empty() {
            assert_eq!(
                (self.code, self.message.as_str()),
                (Some(Code::Cancelled), "Timeout expired"),
                "{sent}"
            );
            return;
        }
        assert_eq!(self.code, expected.code, "{sent}: {self:?}");
        assert_eq!(self.reason, expected.reason, "{sent}: {self:?}");
        // A call that does not exist is the one thing that the transport has no words for.
        assert!(!self.message.is_empty() || self.code == Some(Code::Unimplemented), "{sent}: no text");
        assert!(!self.message.contains("bug") && self.message.len() < 300, "{sent}: {self:?}");
        match self.reason.as_str() {
            "MALFORMED" => self.assert_names_the_field(expected, sent),
            "NUMBER_GAP" | "NOT_ATTEMPTED" => assert_eq!(self.fact("expected"), expected.named, "{sent}"),
            "KEY_REUSED" if self.code.is_some() => assert_eq!(self.fact("field"), expected.named, "{sent}"),
            "WRITER_FENCED" if self.code.is_some() => {
                assert_eq!(self.fact("epoch"), expected.named, "{sent}");
            }
            _ => {}
        }
        assert!(self.message.contains(expected.named), "{sent}: {self:?} does not name {}", expected.named);
        if self.code.is_some() && !self.reason.is_empty() {
            let known = Refusal::from_str_name(&format!("REFUSAL_{}", self.reason));
            assert!(known.is_some(), "{sent}: {} is not in the contract", self.reason);
            assert!(["no", "fixed", "same_key"].contains(&self.fact("retry")), "{sent}: {self:?}");
            let unsaid = ["SESSION_RETIRED", "BELOW_WINDOW"].contains(&self.reason.as_str());
            assert_eq!(self.fact("happened"), if unsaid { "unknown" } else { "no" }, "{sent}");
        }
    }

    fn assert_names_the_field(&self, expected: &Expected, sent: &str) {
        assert!(self.message.starts_with(&format!("{} ", expected.named)), "{sent}: {self:?}");
        if self.code.is_some() {
            assert_eq!(self.fact("field"), expected.named, "{sent}");
            let violation = (expected.named.to_owned(), self.message.clone());
            assert_eq!(self.violation.as_ref(), Some(&violation), "{sent}");
        }
    }

    /// Returns the row of the table.
    pub(crate) fn row(&self, sent: &str) -> [String; 4] {
        let code = self.code.map_or_else(|| "(in batch)".into(), |code| format!("{code:?}"));
        let reason = if self.reason.is_empty() { "-".into() } else { self.reason.clone() };
        [sent.into(), code, reason, self.message.clone()]
    }
}
