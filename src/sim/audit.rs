//! Owns: what clients asked and heard, and what that must come to in the end: I1 to I11, by answers alone.
//! Never: the engine, the journal, the model: it sees what a payer, a payee and a front-end could see.

use crate::{
    asked::{Asked, Heard},
    model::{CallNo, Wrong},
};

/// Listens at the door.
#[derive(Debug, Default)]
pub struct Auditor {}

impl Auditor {
    /// Takes note that a call was sent, for the first time or again.
    pub fn asked(&mut self, call: CallNo, asked: &Asked) {
        let _ = (call, asked);
    }

    /// Takes note of an answer that reached its client. *Errors*: it goes against what was heard before.
    pub fn heard(&mut self, call: CallNo, heard: &Heard) -> Result<(), Wrong> {
        let _ = (call, heard);
        Ok(())
    }
}
