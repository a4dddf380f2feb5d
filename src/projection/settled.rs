//! Owns: what becomes of a session's debits when it settles: its chunks, some of them small because little came at a time,
//! are gathered into full ones, and its keys and numbers are filed for the retry window.
//!
//! A debit is thus written once or twice, however it came. Chunks may overlap for a moment, between two writes of a large
//! session; each says the truth, and readers go by seq. Never: a change of what a debit says.

use crate::{
    filing::Filing,
    gather::Touched,
    kind::{
        At, CHUNK, PLACE_BYTES,
        chunk::{By, Done, Item, Numbers, View, Writer},
        due, keys, number,
        session::Session,
    },
};
use std::{collections::VecDeque, ops::ControlFlow};
use tallystick_core::{SessionId, hash::KeyHash};
use tallystick_journal::StorageFault;

/// Files a settled session.
pub(crate) fn file(touched: &mut Touched, filing: &mut Filing<'_>) -> Result<(), StorageFault> {
    let id = touched.id;
    let mut row = Session::default();
    let mut again = Again::new(id);
    match touched.opened_seq {
        Some(opened_seq) => row.opened_seq = opened_seq,
        // Only what was opened before this step can have chunks already.
        None => {
            row = Session::load(filing.store, id)?.unwrap_or_default();
            let mut from = Some(row.opened_seq);
            while let Some(from_seq) = from {
                let (page, next) = page(filing, id, from_seq)?;
                from = next;
                for (first_seq, last_seq, value) in &page {
                    again.old.push_back((*first_seq, *last_seq));
                    again.push_all(*first_seq, value, filing)?;
                }
            }
        }
    }
    for done in touched.chunks() {
        again.push_all(done.first_seq, &done.value, filing)?;
    }
    again.finish(filing)?;
    row.settled = touched.settled;
    filing.put(row.entry(id));
    if let Some((_, at)) = touched.settled
        && again.is_recalled
        && let Some(goes_at) = at.checked_add(filing.options.retry_window)
    {
        filing.put(due::entry(goes_at, id));
    }
    Ok(())
}

/// Is a stored chunk: its first seq, its last seq, its value.
type Stored = (u64, u64, Vec<u8>);

/// Reads some chunks of a session, from `from_seq` on. Returns where the next ones begin, if there may be more.
fn page(
    filing: &Filing<'_>,
    id: SessionId,
    from_seq: u64,
) -> Result<(Vec<Stored>, Option<u64>), StorageFault> {
    let at = At::of(id);
    let (mut all, mut bytes, mut next) = (Vec::new(), 0, None);
    filing.store.range(CHUNK.table, &at.key(from_seq), &mut |key, value| {
        if !key.starts_with(&at.key(0)[..PLACE_BYTES]) {
            return Ok(ControlFlow::Break(()));
        }
        let view = View::parse(key, value)?;
        if view.session != id {
            // Sessions take turns in a place: after another one's debits, there are none of this one.
            return Ok(if all.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
        }
        if bytes >= filing.options.piece_bytes {
            next = Some(view.first_seq);
            return Ok(ControlFlow::Break(()));
        }
        bytes += value.len();
        all.push((view.first_seq, view.last_seq, value.to_vec()));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((all, next))
}

/// Writes a session's debits again, in full chunks.
struct Again {
    id: SessionId,
    last_seq: u64,
    writer: Writer,
    /// Full chunks, with the numbers that they have.
    ready: Vec<(Done, Vec<Numbers>)>,
    keys: Vec<(KeyHash, u64)>,
    /// Stored chunks, first and last seq, whose debits are not all written again yet.
    old: VecDeque<(u64, u64)>,
    /// The first seqs of the chunks written, ascending.
    firsts: Vec<u64>,
    is_recalled: bool,
}

impl Again {
    fn new(id: SessionId) -> Self {
        let (writer, old) = (Writer::default(), VecDeque::new());
        Self {
            id,
            last_seq: 0,
            writer,
            ready: Vec::new(),
            keys: Vec::new(),
            old,
            firsts: Vec::new(),
            is_recalled: false,
        }
    }

    fn push_all(
        &mut self,
        first_seq: u64,
        value: &[u8],
        filing: &mut Filing<'_>,
    ) -> Result<(), StorageFault> {
        let view = View::parse(&At::of(self.id).key(first_seq), value)?;
        view.items(|item| self.push(item))?;
        self.write_ready(filing)
    }

    fn push(&mut self, item: &Item<'_>) {
        if item.seq <= self.last_seq {
            return;
        }
        self.last_seq = item.seq;
        if let By::Key(hash) = item.by {
            self.keys.push((hash, item.seq));
        }
        if !self.writer.fits(item) {
            self.end_chunk();
        }
        self.writer.push(item);
    }

    fn end_chunk(&mut self) {
        let writers = self.writer.writers().to_vec();
        self.ready.extend(self.writer.finish(self.id).map(|done| (done, writers)));
    }

    fn write_ready(&mut self, filing: &mut Filing<'_>) -> Result<(), StorageFault> {
        for (done, writers) in std::mem::take(&mut self.ready) {
            self.write(done, &writers, filing)?;
        }
        Ok(())
    }

    /// Writes one chunk, and removes those that it replaces: in one write with it.
    fn write(
        &mut self,
        done: Done,
        writers: &[Numbers],
        filing: &mut Filing<'_>,
    ) -> Result<(), StorageFault> {
        let (at, first_seq, last_seq) = (At::of(self.id), done.first_seq, done.last_seq);
        // What ends at or below the cursor is stored and followed: it only lies in other chunks.
        let is_ahead = last_seq <= filing.head.cursor;
        let mut entries = Vec::new();
        for numbers in writers {
            self.is_recalled = true;
            entries.push(number::entry(self.id, numbers.writer, numbers.first, first_seq));
        }
        self.firsts.push(first_seq);
        let is_as_it_was = self.old.contains(&(first_seq, last_seq));
        if !is_as_it_was {
            entries.push(done.entry(at));
        }
        while let Some((old_first, _)) = self.old.pop_front_if(|(_, old_last)| *old_last <= last_seq) {
            if self.firsts.binary_search(&old_first).is_err() {
                entries.push(CHUNK.gone(&at.key(old_first)));
            }
        }
        filing.put_all(entries, is_ahead)
    }

    fn finish(&mut self, filing: &mut Filing<'_>) -> Result<(), StorageFault> {
        self.end_chunk();
        self.write_ready(filing)?;
        self.keys.sort_unstable();
        self.is_recalled |= !self.keys.is_empty();
        // A key that leads to a seq beyond the cursor leads nowhere until the cursor is there.
        keys::entries(self.id, &self.keys).try_for_each(|entry| filing.put_all(vec![entry], true))
    }
}
