//! Owns: what happened to control words, as data. Never: what stands below.

use crate::control::{Control, ControlOf};

/// A control word was set: paused, open again, revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlSet<'a> {
    /// Whose.
    pub on: ControlOf<'a>,
    /// The word from now on. Of a front-end away from its home, as it was decided there.
    pub control: Control,
}
