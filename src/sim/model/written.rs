//! Owns: the records that one call wrote, taken one by one as they are predicted. Never: what they should say.

use super::state::{Name, State};
use std::fmt::Debug;
use tallystick_core::{DeclineCode, Record, Stamp, Time, hash::KeyHash};

/// Says why a prediction stops.
#[derive(Debug)]
pub(super) enum Off {
    /// What is there is not what should be.
    Wrong(String),
    /// There should be more: a crash took it, or a fault of the storage kept it from being written.
    Short(String),
}

/// Is one record with its place.
pub(super) type Entry<'a> = (u64, Stamp, Record<'a>);

/// Is what a call wrote and has not been predicted yet.
pub(super) struct Written<'a> {
    entries: &'a [Entry<'a>],
    /// What the clock said.
    pub(super) now: Time,
}

/// Is what is borrowed of a call's records.
pub(super) struct Took<'a> {
    pub(super) seq: u64,
    pub(super) at: Time,
    pub(super) record: &'a Record<'a>,
}

impl<'a> Written<'a> {
    pub(super) fn new(entries: &'a [Entry<'a>], now: Time) -> Self {
        Self { entries, now }
    }

    pub(super) fn peek(&self) -> Option<&'a Entry<'a>> {
        self.entries.first()
    }

    /// Returns whether the first debit among them is declined because of a window.
    pub(super) fn declines_by_window(&self) -> bool {
        let mut debits = self.entries.iter().filter_map(|(_, _, record)| match record {
            Record::Debited(debited) => Some(debited.verdict),
            _ => None,
        });
        matches!(debits.next(), Some(Some((DeclineCode::VelocityWindow, _))))
    }

    pub(super) fn next(&mut self, what: &str) -> Result<&'a Entry<'a>, Off> {
        let (first, rest) =
            self.entries.split_first().ok_or_else(|| Off::Short(format!("{what} is not written")))?;
        self.entries = rest;
        Ok(first)
    }
}

pub(super) fn wrong<T>(text: String) -> Result<T, Off> {
    Err(Off::Wrong(text))
}

pub(super) fn other<T>(what: &str, seq: u64, record: &Record<'_>) -> Result<T, Off> {
    wrong(format!("{what} was to be written; record {seq} is {record:?}"))
}

/// Compares what should be written with what is.
pub(super) fn same<T: PartialEq + Debug>(seq: u64, should: &T, is: &T) -> Result<(), Off> {
    if should == is { Ok(()) } else { wrong(format!("record {seq} is {is:?}; predicted was {should:?}")) }
}

impl State {
    /// Takes the next record of a call, which must be decided in `partition` at the time that the rules say.
    pub(super) fn take<'a>(
        &mut self,
        w: &mut Written<'a>,
        partition: u16,
        what: &str,
    ) -> Result<Took<'a>, Off> {
        let (seq, stamp, record) = w.next(what)?;
        if stamp.partition != partition {
            return wrong(format!(
                "{what} was to be written in partition {partition}; record {seq} is {record:?}"
            ));
        }
        let at = self.at(partition, w.now);
        if stamp.at != at || stamp.actor != 0 {
            return wrong(format!("record {seq} says {stamp:?}; predicted was {at}, by nobody"));
        }
        self.last_at.insert(partition, at);
        Ok(Took { seq: *seq, at, record })
    }

    /// Remembers which intent a hash stands for: no two of them share one.
    pub(super) fn bind(&mut self, seq: u64, hash: KeyHash, name: Name) -> Result<(), Off> {
        match self.hashes.insert(hash, name) {
            None => Ok(()),
            Some(before) => wrong(format!("record {seq} has the key of {before:?}")),
        }
    }
}
