//! Owns: what is asked of control words: pause, resume, revoke. Never: which of them whoever asks may; that is the roles'.

use super::{check_length, credential::check_front_end};
use crate::{
    Refusal,
    control::{ControlOf, State},
    limits,
    role::Act,
};

/// Asks for something to be paused, to go on, or to be revoked. It has no key: what is so already is not done again.
#[derive(Debug, Clone, Copy)]
pub struct SetControl<'a> {
    /// What.
    pub on: ControlOf<'a>,
    /// The state asked for.
    pub to: State,
    /// The epoch of the control word that whoever asks knows of. To go on it must be given; a stop needs none.
    pub epoch: Option<u64>,
    /// Why, in their words.
    pub note: &'a str,
}

impl SetControl<'_> {
    /// Returns what act it is.
    pub const fn act(&self) -> Act {
        match self.to {
            State::Open => Act::Resume,
            State::Paused => Act::Pause,
            State::Revoked(_) => Act::Revoke,
        }
    }

    /// Checks the fields alone. *Errors*: `Malformed`.
    pub fn check(&self) -> Result<(), Refusal> {
        if let ControlOf::FrontEnd(name) = self.on {
            check_length(name.len(), 1, limits::FRONT_END_BYTES, ("front_end", "must be 1 to 64 bytes"))?;
            check_front_end(name)?;
        }
        if self.to == State::Open && self.epoch.is_none() {
            return Err(Refusal::malformed("epoch", "must be given, as the pause to be ended told it"));
        }
        check_length(self.note.len(), 0, limits::CONTROL_NOTE_BYTES, ("note", "must be at most 128 bytes"))
    }
}
