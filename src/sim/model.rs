//! Owns: what should come of everything, in the words of the design and by no code of core's: it predicts each answer, and
//! what the journal says, from what was asked and when.
//! Never: core's decisions; the engine's state.

use crate::asked::{Asked, Heard};
use tallystick_core::{Record, Stamp, Time};

/// Says what was expected and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong(pub String);

/// Numbers the calls of one world.
pub type CallNo = u64;

/// Says when a call was decided: the records it wrote are those after `before`, up to `after`; none when they are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The last seq drawn before the engine was asked.
    pub before: u64,
    /// The last seq drawn when it had decided.
    pub after: u64,
    /// What its clock said.
    pub now: Time,
}

/// Follows the journal, and predicts.
#[derive(Debug, Default)]
pub struct Model {
    /// Up to here it has followed.
    seq: u64,
}

impl Model {
    /// Takes note of a call that was just decided. What it should come to is predicted when the journal has been followed to
    /// `span.before`, and compared with the records it wrote.
    pub fn asked(&mut self, call: CallNo, span: Span, asked: &Asked) {
        let _ = (call, span, asked);
    }

    /// Follows one record that the journal has, in order of seq. *Errors*: it is not what was to be written.
    pub fn record(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>) -> Result<(), Wrong> {
        let _ = (stamp, record);
        self.seq = seq;
        Ok(())
    }

    /// Compares what was heard with what was predicted. All that it depends on has been followed.
    pub fn heard(&mut self, call: CallNo, heard: &Heard) -> Result<(), Wrong> {
        let _ = (call, heard);
        Ok(())
    }

    /// Forgets calls whose answers nobody will hear, and all that was decided after `last_seq`, which a crash took.
    pub fn crashed(&mut self, last_seq: u64) {
        let _ = last_seq;
    }
}
