//! Owns: the control word: whether what stands below an envelope goes on, which change of it that was, and who made it.
//! One word stops all below: debits read it on their way up, and nothing below is written. Never: decides.

use crate::{EnvelopeId, Time};
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// Is the partition in which a front-end's control is decided; the others are told.
pub const FRONT_END_HOME: u16 = 0;

/// Says what becomes of open holds below what was revoked. Rows store the place: a new one comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Promises {
    /// They can be captured until their time.
    Honour,
    /// They are given back.
    Void,
}

/// Says whether what an envelope allows can be used. Rows store the place: a new one comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum State {
    /// It can.
    #[default]
    Open,
    /// Not now: no debits, no holds, nothing new. Captures go on.
    Paused,
    /// Never again: it is settled, and all that is below it.
    Revoked(Promises),
}

impl State {
    /// Returns its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Paused => "PAUSED",
            Self::Revoked(_) => "REVOKED",
        }
    }

    /// Returns whether it is revoked, either way.
    pub const fn is_revoked(self) -> bool {
        matches!(self, Self::Revoked(_))
    }

    /// Returns whether what is asked is so already. What voids its holds does all that honouring them asks for.
    pub(crate) fn is_as_asked(self, asked: Self) -> bool {
        self == asked || (self == Self::Revoked(Promises::Void) && asked.is_revoked())
    }

    /// Returns whether it can become another. What is revoked stays so; it can still void its holds.
    pub(crate) fn leads_to(self, to: Self) -> bool {
        !self.is_as_asked(to) && (!self.is_revoked() || to.is_revoked())
    }
}

/// Is a control word. One that nobody ever set is open, at epoch zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// What is so.
    pub state: State,
    /// How often it was changed: whoever names another epoch knows an older state, and is fenced.
    pub epoch: u64,
    /// Who changed it last: the number of an actor.
    pub by: u32,
    /// When.
    pub at: Time,
    /// Why, in their words.
    pub note: Box<str>,
}

/// Says what a control word is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlOf<'a> {
    /// An account, a session, a token.
    Envelope(EnvelopeId),
    /// A front-end: all of its accounts.
    FrontEnd(&'a str),
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 4] =
        [State::Open, State::Paused, State::Revoked(Promises::Honour), State::Revoked(Promises::Void)];

    #[test]
    fn what_is_revoked_only_ever_becomes_more_so() {
        let leads = STATES.map(|from| STATES.map(|to| u8::from(from.leads_to(to))));
        assert_eq!(leads, [[0, 1, 1, 1], [1, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]);
    }

    #[test]
    fn what_is_so_already_is_never_a_change() {
        for from in STATES {
            for to in STATES {
                assert!(!(from.is_as_asked(to) && from.leads_to(to)), "{from:?} {to:?}");
            }
        }
        assert!(State::Revoked(Promises::Void).is_as_asked(State::Revoked(Promises::Honour)));
    }
}
