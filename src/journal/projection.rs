//! Owns: what a projection may ask of a disk: `ProjectionStore`; and `NeededFrom`, by which it keeps the journal from being
//! trimmed under it.
//! Never: what an entry means; that is the projection's. Implemented in `tallystick-store`, and in `memory` for tests.

use crate::{
    StorageFault,
    sync::atomic::{AtomicU64, Ordering},
};
use std::ops::ControlFlow;

/// Is one change of what is stored: `value` absent means that the key goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The kind of entry, as numbered by the projection.
    pub table: u8,
    /// Its key in that table. Keys sort by their bytes.
    pub key: Vec<u8>,
    /// Opaque here.
    pub value: Option<Vec<u8>>,
}

/// Is a key and its value.
pub type Stored = (Vec<u8>, Vec<u8>);

/// Is called with each stored key and value in key order; `Break` ends the walk early without a fault.
pub type VisitEntry<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StorageFault> + 'a;

/// Keeps what a projection derives from the journal. One writer; anyone may read.
pub trait ProjectionStore: Send + Sync {
    /// Stores all of `entries` at once, or none of them; of two with one key the later one stands.
    ///
    /// *Ordering*: what a crash leaves is the writes up to some point in their order, all those before a `sync` among
    /// them. So a cursor that is written with the data it speaks of is never ahead of them.
    fn write(&self, entries: &[Entry]) -> Result<(), StorageFault>;

    /// Makes everything written so far survive a power cut. *Cost*: a file's write and its sync.
    fn sync(&self) -> Result<(), StorageFault>;

    /// Finds a value.
    fn get(&self, table: u8, key: &[u8]) -> Result<Option<Vec<u8>>, StorageFault>;

    /// Finds the last entry of a table whose key is `key` or sorts before it.
    fn last_through(&self, table: u8, key: &[u8]) -> Result<Option<Stored>, StorageFault>;

    /// Visits the entries of a table from `from` on, as they were at one moment. `visit` must not ask the store.
    fn range(&self, table: u8, from: &[u8], visit: &mut VisitEntry<'_>) -> Result<(), StorageFault>;

    /// Removes everything, as one write.
    fn clear(&self) -> Result<(), StorageFault>;
}

/// Is the first seq that a follower of the journal has yet to make durable elsewhere: trimming asks here, and stops below.
#[derive(Debug)]
pub struct NeededFrom(AtomicU64);

impl NeededFrom {
    /// Returns the first seq that must stay.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Moves it. A follower that begins anew moves it back: what is gone by then is gone.
    pub fn set(&self, seq: u64) {
        self.0.store(seq, Ordering::Release);
    }
}

impl Default for NeededFrom {
    /// Needs nothing: nobody follows.
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}
