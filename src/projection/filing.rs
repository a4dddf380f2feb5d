//! Owns: what one step writes: entries that may go ahead of the cursor, because they say in another form what is stored and
//! followed already, and those that go with it, all at once.
//! Never: a debit ahead of the cursor that counts it.

use crate::{
    follower::Options,
    gather::Touched,
    kind::{At, head::Head, session::Session},
    settled,
};
use tallystick_journal::{Entry, ProjectionStore, StorageFault};

/// Is what an entry costs beside its key and value, about.
const ENTRY_BYTES: usize = 64;

/// Gathers the entries of one step.
pub(crate) struct Filing<'a> {
    pub(crate) store: &'a dyn ProjectionStore,
    /// As it was before this step.
    pub(crate) head: Head,
    pub(crate) options: &'a Options,
    ahead: Vec<Entry>,
    ahead_bytes: usize,
    with_cursor: Vec<Entry>,
    bytes: u64,
}

impl<'a> Filing<'a> {
    pub(crate) fn new(store: &'a dyn ProjectionStore, head: Head, options: &'a Options) -> Self {
        let (ahead, with_cursor) = (Vec::new(), Vec::new());
        Self { store, head, options, ahead, ahead_bytes: 0, with_cursor, bytes: 0 }
    }

    /// Adds entries that belong together: ahead of the cursor if they are true whether this step ends or not.
    pub(crate) fn put_all(&mut self, entries: Vec<Entry>, is_ahead: bool) -> Result<(), StorageFault> {
        if !is_ahead {
            entries.into_iter().for_each(|entry| self.put(entry));
            return Ok(());
        }
        self.ahead_bytes += entries.iter().map(size).sum::<usize>();
        self.ahead.extend(entries);
        if self.ahead_bytes >= self.options.piece_bytes {
            self.store.write(&self.ahead)?;
            self.bytes += self.ahead_bytes as u64;
            self.ahead.clear();
            self.ahead_bytes = 0;
        }
        Ok(())
    }

    /// Adds an entry that is true once the cursor has moved.
    pub(crate) fn put(&mut self, entry: Entry) {
        self.bytes += size(&entry) as u64;
        self.with_cursor.push(entry);
    }

    /// Files what was gathered of one session.
    pub(crate) fn file(&mut self, touched: &mut Touched) -> Result<(), StorageFault> {
        if touched.settled.is_some() {
            return settled::file(touched, self);
        }
        let at = At::of(touched.id);
        touched.chunks().for_each(|done| self.put(done.entry(at)));
        if let Some(opened_seq) = touched.opened_seq {
            self.put(Session { opened_seq, settled: None }.entry(touched.id));
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ahead.is_empty() && self.with_cursor.is_empty()
    }

    /// Writes all of it with the new head. Returns about how many bytes the step wrote.
    ///
    /// ORDER: what went ahead was written before; the rest of it, the debits and the cursor are one write.
    pub(crate) fn finish(mut self, head: &Head) -> Result<u64, StorageFault> {
        self.put(head.entry());
        self.bytes += self.ahead_bytes as u64;
        self.ahead.append(&mut self.with_cursor);
        self.store.write(&self.ahead)?;
        Ok(self.bytes)
    }
}

fn size(entry: &Entry) -> usize {
    ENTRY_BYTES + entry.key.len() + entry.value.as_ref().map_or(0, Vec::len)
}
