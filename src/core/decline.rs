//! Owns: why the rules say no, as data: numbered codes in the order of the ladder, the level, what to do next.
//! Never: decides; a code here is given by exactly one line of `decide`.

use crate::{Amount, EnvelopeId, Time};
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $network:literal;)*) => {
        /// Numbers the reasons for a decline. The numbers are stored and on the wire, are never reused, and ascend in
        /// the order in which the limits are tested: the first limit hit wins (I4).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "u16", try_from = "u16")]
        #[repr(u16)]
        pub enum DeclineCode {
            $($(#[$doc])* $name = $number,)*
        }

        impl DeclineCode {
            /// Lists every code in the order of the ladder.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the stored number.
            pub const fn number(self) -> u16 {
                self as u16
            }

            /// Reads a stored number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Returns the name used on the wire, in reports and in logs.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Returns the card network response code (ISO 8583 field 39) that comes nearest.
            pub const fn network_code(self) -> &'static str {
                match self {
                    $(Self::$name => $network,)*
                }
            }
        }
    };
}

codes! {
    /// It, or something above it, was revoked.
    Revoked = 100, "REVOKED", "R1";
    /// It, or something above it, is paused.
    Paused = 110, "PAUSED", "62";
    /// The session is closing, closed or past its end; the token is, or it was for one use and has been used.
    SessionEnded = 120, "SESSION_ENDED", "54";
    /// The session has not begun.
    NotYetValid = 130, "NOT_YET_VALID", "57";
    /// The request names another currency.
    CurrencyMismatch = 140, "CURRENCY_MISMATCH", "57";
    /// The payee is blocked.
    PayeeBlocked = 150, "PAYEE_BLOCKED", "62";
    /// The payee is not on the session's allow-list.
    PayeeNotAllowed = 160, "PAYEE_NOT_ALLOWED", "57";
    /// One payee more than a session may have.
    TooManyPayees = 165, "TOO_MANY_PAYEES", "57";
    /// Below the least debit.
    BelowDebitMin = 170, "BELOW_DEBIT_MIN", "13";
    /// Above the greatest debit.
    AboveDebitMax = 171, "ABOVE_DEBIT_MAX", "61";
    /// Too fast.
    VelocityRate = 180, "VELOCITY_RATE", "65";
    /// Too much in a rolling window.
    VelocityWindow = 181, "VELOCITY_WINDOW", "61";
    /// Above what this payee may still get.
    PayeeCap = 190, "PAYEE_CAP", "61";
    /// Above what the hold still holds.
    AboveHold = 195, "ABOVE_HOLD", "61";
    /// The hold is captured to its end, or was given back.
    HoldEnded = 196, "HOLD_ENDED", "54";
    /// One open hold more than a session may have.
    TooManyHolds = 197, "TOO_MANY_HOLDS", "65";
    /// Above what is left of the envelope.
    Cap = 200, "CAP", "51";
    /// One open session more than its parent may have.
    TooManyChildren = 210, "TOO_MANY_CHILDREN", "65";
    /// Deeper below its account than a session may lie.
    TooDeep = 211, "TOO_DEEP", "57";
    /// Above what needs no human.
    ApprovalRequired = 220, "APPROVAL_REQUIRED", "1A";
}

impl From<DeclineCode> for u16 {
    fn from(code: DeclineCode) -> Self {
        code.number()
    }
}

impl TryFrom<u16> for DeclineCode {
    type Error = &'static str;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        Self::from_number(number).ok_or("no decline has this number")
    }
}

/// Says where in the tree the limit stands. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Level {
    /// The account.
    Account = 1,
    /// The token.
    Token = 2,
    /// The session.
    Session = 3,
    /// One payee's part, or the payee itself.
    Payee = 4,
}

/// Says what the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// Nothing makes this intent succeed.
    Nothing,
    /// More room is needed; what is above could give at most this.
    TopUp(Amount),
    /// The same intent can succeed from this instant on, under a new key.
    WaitUntil(Time),
    /// At most this would fit.
    SmallerAmount(Amount),
    /// This decline is remembered under its key: only a new key can bring a new decision.
    NewKey,
    /// Somebody who may has to approve it.
    AskApproval,
}

/// Is a decline: an outcome like any other, remembered and durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    /// The first limit hit.
    pub code: DeclineCode,
    /// Where it stands.
    pub level: Level,
    /// What to do next.
    pub next: Next,
}

/// Is a decline just decided, with the envelope whose limit said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// The first limit hit.
    pub decline: Decline,
    /// Whose limit it is.
    pub limit_of: EnvelopeId,
}

impl Decline {
    pub(crate) const fn new(code: DeclineCode, level: Level, next: Next) -> Self {
        Self { code, level, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_come_back_and_are_never_zero() {
        assert!(DeclineCode::ALL.is_sorted_by(|a, b| a.number() < b.number()));
        for code in DeclineCode::ALL {
            assert_eq!(DeclineCode::from_number(code.number()), Some(*code));
        }
        assert_eq!(DeclineCode::from_number(0), None, "zero is approval's number in records");
    }
}
