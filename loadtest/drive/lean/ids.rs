//! Owns: the ids of one share as the wire has them, written once. Never: an id that the stage does not have.

use crate::drive::share::Share;
use prost::encoding::{encode_varint, encoded_len_varint};
use tallystick_client::PayeeId;

/// Holds one kind of id as fields of one number, one after the other and then all of them again: as many as are wanted
/// from any place on are one slice.
#[derive(Debug)]
pub(super) struct Ids {
    bytes: Vec<u8>,
    /// Where each field begins, and the end.
    starts: Vec<usize>,
    count: usize,
}

impl Ids {
    /// Writes the share's own sessions under a field number below 16.
    pub(super) fn sessions(share: &Share, field: u8) -> Self {
        let own = (0..share.own_count()).map(|place| share.own_session(place));
        Self::write(field, own.map(|session| share.stage.sessions[session].as_str()))
    }

    /// Writes the stage's payees under a field number below 16.
    pub(super) fn payees(share: &Share, field: u8) -> Self {
        Self::write(field, share.stage.payees.iter().map(PayeeId::as_str))
    }

    fn write<'a>(field: u8, texts: impl Iterator<Item = &'a str> + Clone) -> Self {
        let (mut bytes, mut starts) = (Vec::new(), vec![0]);
        for text in texts.clone().chain(texts.clone()) {
            put_text(&mut bytes, field, text);
            starts.push(bytes.len());
        }
        Self { bytes, starts, count: texts.count() }
    }

    /// Returns how many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns `count` ids, of at most as many as there are, beginning with the nth.
    pub(super) fn from(&self, nth: usize, count: usize) -> &[u8] {
        &self.bytes[self.starts[nth]..self.starts[nth + count]]
    }
}

/// Appends a text under a field number below 16.
pub(super) fn put_text(out: &mut Vec<u8>, field: u8, text: &str) {
    out.push(key(field, LENGTH_DELIMITED));
    encode_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

pub(super) const VARINT: u8 = 0;
pub(super) const LENGTH_DELIMITED: u8 = 2;

/// Returns the byte before a field, for numbers below 16.
pub(super) const fn key(field: u8, wire_type: u8) -> u8 {
    field << 3 | wire_type
}

/// Returns the bytes that a length takes.
pub(super) fn length_bytes(length: usize) -> usize {
    encoded_len_varint(length as u64)
}
