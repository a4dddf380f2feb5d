//! Owns: a debit as the caller says it, an answer as the caller hears it. Never: a number; that is the book's.
//! Never: makes up a key; a debit has one when the caller gave it one.

use crate::{
    ClientError, PayeeId, SessionId,
    error::refusal_may_retry,
    v1::{
        CaptureTerms, DebitResult, DeclineCode, HoldInfo, HoldTerms, Outcome, Refusal, VoidTerms,
        stream_debit::Act,
    },
};

/// Asks for one amount, for one payee, out of one session; or for a hold of it, or something of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debit {
    /// Whose cap it comes out of.
    pub session: SessionId,
    /// Who is owed.
    pub payee: PayeeId,
    /// 1 … 2^63-1 nanos; 0 to void a hold.
    pub amount_nanos: u64,
    /// The payee's own id for it, at most 128 bytes; may be empty.
    pub reference: String,
    /// Empty, or 32 bytes: a hash of what was bought.
    pub evidence_hash: Vec<u8>,
    /// Take what still fits, when that is less than the amount.
    pub accept_partial: bool,
    /// Empty, so that the writer numbers it; or 1-255 bytes, by which it is recognised whoever sends it again, and when.
    pub key: String,
    /// What to do, if not to take the amount at once.
    pub act: Option<Act>,
}

impl Debit {
    /// Asks without reference or evidence.
    #[must_use]
    pub fn new(session: &SessionId, payee: &PayeeId, amount_nanos: u64) -> Self {
        Self {
            session: session.clone(),
            payee: payee.clone(),
            amount_nanos,
            reference: String::new(),
            evidence_hash: Vec::new(),
            accept_partial: false,
            key: String::new(),
            act: None,
        }
    }

    /// Asks to set an amount aside; what is unset in `terms` is as in `HoldRequest`.
    #[must_use]
    pub fn hold(session: &SessionId, payee: &PayeeId, amount_nanos: u64, terms: HoldTerms) -> Self {
        Self { act: Some(Act::Hold(Box::new(terms))), ..Self::new(session, payee, amount_nanos) }
    }

    /// Asks to take an amount out of a hold; `last` gives the rest of it back.
    #[must_use]
    pub fn capture(
        session: &SessionId,
        payee: &PayeeId,
        amount_nanos: u64,
        (hold_id, last): (&str, bool),
    ) -> Self {
        let terms = CaptureTerms { hold_id: hold_id.to_owned(), last };
        Self { act: Some(Act::Capture(Box::new(terms))), ..Self::new(session, payee, amount_nanos) }
    }

    /// Asks to give back what a hold still holds.
    #[must_use]
    pub fn void(session: &SessionId, payee: &PayeeId, hold_id: &str) -> Self {
        let terms = VoidTerms { hold_id: hold_id.to_owned() };
        Self { act: Some(Act::Void(Box::new(terms))), ..Self::new(session, payee, 0) }
    }

    /// Returns whether what is approved of it is spent: a hold only sets it aside, a void gives it back.
    #[must_use]
    pub fn spends(&self) -> bool {
        matches!(self.act, None | Some(Act::Capture(_)))
    }

    pub(super) fn is_numbered(&self) -> bool {
        self.key.is_empty()
    }
}

/// Tells what became of one debit; heard once, when it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The amount was taken.
    Approved {
        /// The journal position.
        seq: u64,
        /// What was taken, when that is less than was asked.
        partial_nanos: Option<u64>,
        /// What the session can still spend.
        remaining_nanos: u64,
        /// Decided earlier, and heard only now.
        replayed: bool,
    },
    /// A hold was placed, or given back: nothing was spent by it.
    Held {
        /// The journal position; that of a hold names it.
        seq: u64,
        /// The hold as it is now; `None` when the server no longer remembers it.
        hold: Option<Box<HoldInfo>>,
        /// What the session can still spend.
        remaining_nanos: u64,
        /// Decided earlier, and heard only now.
        replayed: bool,
    },
    /// A rule said no.
    Declined {
        /// The first limit hit.
        code: DeclineCode,
        /// The journal position.
        seq: u64,
        /// What the session can still spend.
        remaining_nanos: u64,
        /// Decided earlier, and heard only now.
        replayed: bool,
    },
    /// The server would not decide it, and asking again does not help.
    Refused {
        /// The server's reason.
        refusal: Refusal,
        /// What a person needs to know.
        message: String,
    },
}

/// Sorts one result of a batch.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Decided: final, and the number is used up.
    Decided(Answer),
    /// Refused for good, and the number is free again.
    Undecided(Answer),
    /// Not decided now; the same debit goes out again.
    Again,
}

impl Verdict {
    pub(super) fn read(result: DebitResult, debit: &Debit) -> Result<Self, ClientError> {
        let (outcome, code) = (result.outcome(), result.code());
        let DebitResult { seq, remaining_nanos, replayed, refused, partial_nanos, hold, .. } = result;
        if let Some(refused) = refused {
            return Self::refused(refused.refusal(), refused.message);
        }
        match outcome {
            Outcome::Approved if !debit.spends() => {
                Ok(Self::Decided(Answer::Held { seq, hold, remaining_nanos, replayed }))
            }
            Outcome::Approved => {
                let partial_nanos = (partial_nanos != 0).then_some(partial_nanos);
                Ok(Self::Decided(Answer::Approved { seq, partial_nanos, remaining_nanos, replayed }))
            }
            Outcome::Declined => Ok(Self::Decided(Answer::Declined { code, seq, remaining_nanos, replayed })),
            Outcome::Pending | Outcome::Unspecified => {
                Err(ClientError::contradiction(format!("a debit was answered {}", outcome.as_str_name())))
            }
        }
    }

    /// Reads a refusal.
    ///
    /// *Errors*: a fenced or unknown writer ends the writer, a failed journal ends the stream.
    pub(super) fn refused(refusal: Refusal, message: String) -> Result<Self, ClientError> {
        match refusal {
            Refusal::WriterFenced | Refusal::UnknownWriter | Refusal::JournalFailed | Refusal::Draining => {
                Err(ClientError::Refused { refusal, message, metadata: Default::default() })
            }
            // The gap is the shadow of an earlier refusal in the same session; it closes when that one goes out again.
            Refusal::NumberGap => Ok(Self::Again),
            Refusal::BelowWindow | Refusal::KeyReused => {
                Ok(Self::Decided(Answer::Refused { refusal, message }))
            }
            again if refusal_may_retry(again) => Ok(Self::Again),
            _ => Ok(Self::Undecided(Answer::Refused { refusal, message })),
        }
    }
}
