//! Owns: what may be chosen about a store when it is opened.
//! Never: RocksDB's own options; those are in `instance`, `journal::options` and `index::options`.

use tallystick_journal::Durability;

const MIB: u64 = 1 << 20;

/// Says how to open a store. Start from `StoreOptions::new` and change what differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// What `Journal::append` promises when it returns.
    pub durability: Durability,
    /// How much of the journal gathers in memory before it is written out as one file; also about the size of each
    /// file that `trim` removes, so that no single delete is large.
    pub journal_file_bytes: u64,
    /// How fast the journal may write its files out, per second. It must exceed the sustained rate of `append`, or
    /// appends will in the end wait for it; the lower it is, the less it disturbs the syncs that run beside it.
    pub journal_flush_bytes_per_second: u64,
    /// How fast the index may write its files out and compact them, per second.
    pub index_flush_bytes_per_second: u64,
}

impl StoreOptions {
    /// Gives the defaults for one durability.
    pub fn new(durability: Durability) -> Self {
        Self {
            durability,
            journal_file_bytes: 16 * MIB,
            journal_flush_bytes_per_second: 256 * MIB,
            index_flush_bytes_per_second: 128 * MIB,
        }
    }
}

impl Default for StoreOptions {
    /// Gives `StoreOptions::new(Durability::Fsync)`: whoever does not choose gets the mode that loses nothing.
    fn default() -> Self {
        Self::new(Durability::Fsync)
    }
}
