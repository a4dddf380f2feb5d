//! Owns: the debits of a session in the order they were decided, a page at a time; of settled sessions, too.
//! Never: one twice; a page that leaves out a debit and goes on after it.

use crate::{
    kind::{At, CHUNK, PLACE_BYTES, REVERSAL, chunk::View, payee, reversal, session::Session},
    lookup::{DebitInfo, Lookups, shown},
};
use std::{collections::BTreeMap, ops::ControlFlow};
use tallystick_core::{Amount, PayeeId, SessionId, id::Place};
use tallystick_journal::StorageFault;

/// Is a page of a session's debits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order of seq.
    pub debits: Vec<DebitInfo>,
    /// What to give as `after_seq` for the next page; the same as before when there was nothing new.
    pub next_after_seq: u64,
    /// The page holds for everything decided up to here.
    pub as_of_seq: u64,
    /// Whether the session was ever seen.
    pub is_known: bool,
    /// Debits before this seq may be missing: the projection began when they were gone.
    pub missing_before: Option<u64>,
}

/// Is what listing comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// A page.
    Page(Page),
    /// As `Lookup::Behind`.
    Behind {
        /// The projection has come so far.
        cursor: u64,
    },
}

impl Lookups {
    /// Lists debits of a session that were decided after `after_seq`, at most `most`. `holds_for` is as for `by_id`.
    /// *Errors*: the disk's; `Corrupt`, naming the place.
    pub fn list(
        &self,
        session: SessionId,
        after_seq: u64,
        most: usize,
        holds_for: u64,
    ) -> Result<Listed, StorageFault> {
        // ORDER: the cursor is read first; what is read afterwards holds at least as much.
        let as_of_seq = self.cursor();
        if as_of_seq < holds_for {
            return Ok(Listed::Behind { cursor: as_of_seq });
        }
        let row = Session::load(self.store.as_ref(), session)?;
        let opened_seq = row.map_or(0, |row| row.opened_seq);
        let from = self.chunk_before(session, opened_seq.max(after_seq.saturating_add(1)))?;
        let mut debits: Vec<DebitInfo> = Vec::new();
        let (mut last_seq, mut slots) = (after_seq, Vec::new());
        self.walk(session, from, &mut |chunk, _| {
            chunk.items(|item| {
                // Chunks of a session that is settling may overlap.
                if item.seq > last_seq && debits.len() < most {
                    last_seq = item.seq;
                    slots.push(item.payee);
                    debits.push(shown(session, item, NOBODY, Amount::ZERO));
                }
            })?;
            Ok(if debits.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        self.add_payees(session, &slots, &mut debits)?;
        self.add_reversals(session, &mut debits)?;
        let is_known = row.is_some() || !debits.is_empty();
        let complete_from = self.complete_from();
        let missing_before = (opened_seq == 0 && complete_from > 1).then_some(complete_from);
        Ok(Listed::Page(Page { debits, next_after_seq: last_seq, as_of_seq, is_known, missing_before }))
    }

    /// Returns the first seq of the session's chunk that may have `seq`; `seq` itself if none does.
    fn chunk_before(&self, session: SessionId, seq: u64) -> Result<u64, StorageFault> {
        let wanted = At::of(session).key(seq);
        let found = self.store.last_through(CHUNK.table, &wanted)?;
        let Some((key, value)) = found.filter(|(key, _)| key.starts_with(&wanted[..PLACE_BYTES])) else {
            return Ok(seq);
        };
        let chunk = View::parse(&key, &value)?;
        Ok(if chunk.session == session { chunk.first_seq } else { seq })
    }

    fn add_payees(
        &self,
        session: SessionId,
        slots: &[u32],
        debits: &mut [DebitInfo],
    ) -> Result<(), StorageFault> {
        let mut known: BTreeMap<u32, PayeeId> = BTreeMap::new();
        for (slot, debit) in slots.iter().zip(debits) {
            debit.payee = match known.get(slot) {
                Some(id) => *id,
                None => {
                    let id = payee::find(self.store.as_ref(), session.partition(), *slot)?;
                    known.insert(*slot, id);
                    id
                }
            };
        }
        Ok(())
    }

    fn add_reversals(&self, session: SessionId, debits: &mut [DebitInfo]) -> Result<(), StorageFault> {
        let (Some(first), Some(last)) = (debits.first(), debits.last()) else { return Ok(()) };
        let (at, last_seq) = (At::of(session), last.seq);
        self.store.range(REVERSAL.table, &at.key(first.seq), &mut |key, value| {
            let (place, seq, sum) = reversal::decode(key, value)?;
            if place != at || seq > last_seq {
                return Ok(ControlFlow::Break(()));
            }
            if let Ok(nth) = debits.binary_search_by_key(&seq, |debit| debit.seq)
                && let Some(debit) = debits.get_mut(nth)
            {
                debit.reversed = sum;
            }
            Ok(ControlFlow::Continue(()))
        })
    }
}

/// Stands for a payee until it is known.
const NOBODY: PayeeId = PayeeId::new(Place { partition: 0, slot: 0, generation: 0 }, 0);
