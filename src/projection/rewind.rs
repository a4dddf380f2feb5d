//! Owns: an index taken back to an earlier seq, for a journal that is put back: what came later leaves it, and it can be
//! followed on from there.
//! Never: while somebody follows or looks up; what the retry window has let go of, which comes back only as what the debits
//! themselves tell.

use crate::kind::{
    At, CHUNK, DUE, KEYS, Kind, NUMBER, REVERSAL, SESSION,
    chunk::{View, Writer},
    due,
    head::Head,
    reversal,
    session::Session,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};
use tallystick_core::{Amount, Record, SessionId, Stamp, Time};
use tallystick_journal::{Entry, Floor, ProjectionStore, StorageFault};

/// Bounds the entries of one write.
const ENTRIES_MOST: usize = 4_096;

/// Takes an index back.
#[derive(Debug, Default)]
pub struct Rewind {
    through_seq: u64,
    /// The latest decision up to there.
    latest: Time,
    /// What was taken back of debits after that.
    reversed: BTreeMap<(At, u64), Amount>,
}

impl Rewind {
    /// Begins to take an index back to `through_seq`.
    pub fn new(through_seq: u64) -> Self {
        Self { through_seq, ..Self::default() }
    }

    /// Takes a record of the journal: all those from `through_seq` on up to where the index has followed, and at least one
    /// before.
    pub fn take(&mut self, seq: u64, stamp: &Stamp, record: &Record<'_>) {
        if seq <= self.through_seq {
            self.latest = self.latest.max(stamp.at);
        } else if let Record::Reversed(back) = record {
            let sum = self.reversed.entry((At::of(back.session), back.debit_seq)).or_default();
            *sum = sum.checked_add(back.amount).unwrap_or(Amount::MAX);
        }
    }

    /// Takes the index back, to a journal whose last group is `last`. One that has not come so far stays as it is.
    ///
    /// *Errors*: the disk's; `Corrupt`, naming the place. What is half taken back is of no use.
    pub fn apply(self, store: &dyn ProjectionStore, last: Floor) -> Result<(), StorageFault> {
        assert_eq!(last.seq, self.through_seq, "bug: taken back to another seq");
        let Some(head) = Head::load(store)?.filter(|head| head.cursor > last.seq) else { return Ok(()) };
        let mut entries = self.chunks(store)?;
        let (sessions, opened_again) = self.sessions(store)?;
        entries.extend(sessions);
        for id in &opened_again {
            for kind in [KEYS, NUMBER] {
                entries.extend(of_session(store, kind, *id)?);
            }
        }
        entries.extend(due_of(store, &opened_again)?);
        for ((at, seq), back) in &self.reversed {
            let left = reversal::find(store, *at, *seq)?.checked_sub(*back).unwrap_or(Amount::ZERO);
            entries.push(match left {
                Amount::ZERO => REVERSAL.gone(&at.key(*seq)),
                left => reversal::entry(*at, *seq, left),
            });
        }
        let latest = self.latest.min(head.latest);
        entries.push(Head { cursor: last.seq, check: last.check, latest, ..head }.entry());
        entries.chunks(ENTRIES_MOST).try_for_each(|some| store.write(some))
    }

    /// Cuts the chunks that reach further.
    fn chunks(&self, store: &dyn ProjectionStore) -> Result<Vec<Entry>, StorageFault> {
        let (mut entries, mut writer) = (Vec::new(), Writer::default());
        store.range(CHUNK.table, &[], &mut |key, value| {
            let chunk = View::parse(key, value)?;
            if chunk.first_seq > self.through_seq {
                entries.push(CHUNK.gone(key));
            } else if chunk.last_seq > self.through_seq {
                chunk.items(|item| {
                    if item.seq <= self.through_seq {
                        writer.push(item);
                    }
                })?;
                entries.extend(writer.finish(chunk.session).map(|done| done.entry(chunk.at)));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(entries)
    }

    /// Forgets sessions that were opened later. *Returns*, too, those that were settled later: they are open again.
    fn sessions(
        &self,
        store: &dyn ProjectionStore,
    ) -> Result<(Vec<Entry>, BTreeSet<SessionId>), StorageFault> {
        let (mut entries, mut open) = (Vec::new(), BTreeSet::new());
        store.range(SESSION.table, &[], &mut |key, value| {
            let (id, row) = Session::read(key, value)?;
            let is_settled_later = row.settled.is_some_and(|(seq, _)| seq > self.through_seq);
            if is_settled_later {
                open.insert(id);
            }
            if row.opened_seq > self.through_seq {
                entries.push(SESSION.gone(key));
            } else if is_settled_later {
                // One that was opened before the index began had no row before it was settled.
                entries.push(match row.opened_seq {
                    0 => SESSION.gone(key),
                    _ => Session { settled: None, ..row }.entry(id),
                });
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((entries, open))
    }
}

/// Removes what a kind keeps of a session.
fn of_session(store: &dyn ProjectionStore, kind: Kind, id: SessionId) -> Result<Vec<Entry>, StorageFault> {
    let (prefix, mut entries) = (id.bits().to_be_bytes(), Vec::new());
    store.range(kind.table, &prefix, &mut |key, _| {
        if !key.starts_with(&prefix) {
            return Ok(ControlFlow::Break(()));
        }
        entries.push(kind.gone(key));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(entries)
}

fn due_of(store: &dyn ProjectionStore, ids: &BTreeSet<SessionId>) -> Result<Vec<Entry>, StorageFault> {
    let mut entries = Vec::new();
    store.range(DUE.table, &[], &mut |key, value| {
        if ids.contains(&due::decode(key, value)?.1) {
            entries.push(DUE.gone(key));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_core::{
        hash::{KeyHash, Seed},
        id::Place,
        record::{Keyed, Reversed},
    };
    use tallystick_journal::memory::MemoryProjection;

    #[test]
    fn what_was_taken_back_later_is_not() {
        let store = MemoryProjection::default();
        let session = SessionId::new(Place { partition: 1, slot: 2, generation: 3 }, 4);
        let (at, nanos) = (At::of(session), Amount::from_nanos);
        let head =
            Head { cursor: 20, check: 1, complete_from: 1, seed: Seed([0; 16]), latest: Time::from_ns(9) };
        let stored = [(5, 50), (6, 20), (7, 30)].map(|(seq, sum)| reversal::entry(at, seq, nanos(sum)));
        store.write(&[&[head.entry()], &stored[..]].concat()).unwrap();
        let mut rewind = Rewind::new(10);
        let stamp = |ns| Stamp { partition: 1, at: Time::from_ns(ns), actor: 0 };
        for (seq, debit_seq, amount) in [(9, 5, 30), (12, 5, 15), (13, 5, 5), (14, 6, 20)] {
            let back = Reversed {
                session,
                debit_seq,
                payee: 0,
                amount: nanos(amount),
                reversed_after: nanos(0),
                keyed: Keyed { key: KeyHash(seq.into()), content: Vec::new() },
            };
            rewind.take(seq, &stamp(seq.min(8)), &Record::Reversed(back));
        }
        rewind.apply(&store, Floor { seq: 10, check: 2 }).unwrap();
        let sums = [5, 6, 7].map(|seq| reversal::find(&store, at, seq).unwrap().nanos());
        assert_eq!(sums, [30, 0, 30]);
        let head = Head::load(&store).unwrap().unwrap();
        assert_eq!((head.cursor, head.check, head.latest), (10, 2, Time::from_ns(8)));
    }
}
