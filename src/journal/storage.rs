//! Owns: what the engine may ask of a disk, as traits: `Journal`, `Checkpoints`, `Tables`.
//! Never: what the bytes mean. Implemented in `tallystick-store` over RocksDB, and in `memory` for tests.

use std::{fmt, ops::ControlFlow};

/// Says how far an appended group is from harm when `Journal::append` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Synced to stable storage: survives a power cut.
    Fsync,
    /// Handed to the operating system: survives a crash of the process, not a power cut.
    Os,
}

/// Says what went wrong below us. Two texts: `Display` is for our log and names the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageFault {
    /// The disk refused or failed. After a failed append nothing is known about the group: the process must stop.
    Io(String),
    /// Bytes that were once written are not what was written. Never repaired, never skipped.
    Corrupt {
        /// Names the place as closely as it is known: file, key or seq.
        place: String,
        /// Says what was expected and what was found.
        finding: String,
    },
    /// A newer build wrote this. Nothing is wrong with it; this build cannot know what it says.
    Newer {
        /// Names the place as closely as it is known.
        place: String,
        /// The version that it has.
        found: u32,
        /// The newest version that this build reads; zero where it knows nothing of the kind.
        known: u32,
    },
    /// Another process has the data folder open.
    InUse(String),
}

impl fmt::Display for StorageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(text) => write!(f, "storage failed: {text}"),
            Self::Corrupt { place, finding } => write!(f, "corrupt data at {place}: {finding}"),
            Self::Newer { place, found, known } => write!(
                f,
                "{place} has format version {found}, newer than {known}, the newest that this build reads: use the build \
                 that wrote it"
            ),
            Self::InUse(text) => write!(f, "the data folder is in use by another process: {text}"),
        }
    }
}

impl std::error::Error for StorageFault {}

/// Is called with each stored value in key order; `Break` ends the walk early without a fault.
pub type Visit<'a> = dyn FnMut(u64, &[u8]) -> Result<ControlFlow<()>, StorageFault> + 'a;

/// Says whether `Journal::trim` has more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrimStep {
    /// A step was taken; call again later.
    More,
    /// Nothing more can go for now.
    Done,
}

/// Keeps groups of records in seq order. One writer appends; anyone may read.
pub trait Journal: Send + Sync {
    /// Stores one encoded group under its first seq.
    ///
    /// *Ordering*: when it returns `Ok`, the group is as durable as `durability()` says, and so are all before it.
    /// *Errors*: any fault means that the outcome is unknown. The caller never retries: it poisons itself and stops.
    fn append(&self, first_seq: u64, group: &[u8]) -> Result<(), StorageFault>;

    /// Visits, in order, the last group whose first seq is at or below `from_seq` and every later one.
    /// When no group starts at or below `from_seq`, starts with the first group there is.
    fn read(&self, from_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault>;

    /// Gives back the space of groups that lie wholly below `before_seq`, in one small step (a large delete stalls other
    /// files' syncs). May keep more than asked; never removes a group that reaches `before_seq`.
    fn trim(&self, before_seq: u64) -> Result<TrimStep, StorageFault>;

    /// Says what `append` promises.
    fn durability(&self) -> Durability;

    /// Says how many bytes the journal occupies on its disk, about.
    fn size_bytes(&self) -> u64;
}

/// One checkpointed row: `value` absent means that the row is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The kind of row, as numbered in `rows`.
    pub table: u8,
    /// Its place in that table.
    pub slot: u32,
    /// Encoded by `rows`; opaque here.
    pub value: Option<Vec<u8>>,
}

/// What one partition adds to its checkpoint: all of it is stored at once, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which partition.
    pub partition: u16,
    /// Encoded head: the seq that this checkpoint contains, and all that is not rows.
    pub head: Vec<u8>,
    /// Rows that changed since the checkpoint before.
    pub rows: Vec<Row>,
    /// Settlements made since the checkpoint before: (id, seq, encoded settlement). They go to `Tables`.
    pub settlements: Vec<([u8; 16], u64, Vec<u8>)>,
    /// Keys of commands remembered since the checkpoint before: (key hash, encoded). They go to `Tables`, for good.
    pub command_keys: Vec<([u8; 16], Vec<u8>)>,
}

/// The point that recovery must reach, kept apart from the journal so that a journal cut short is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floor {
    /// The last seq of a durable group.
    pub seq: u64,
    /// That group's checksum.
    pub check: u64,
}

/// Keeps the newest checkpoint of each partition, and the durable floor.
pub trait Checkpoints: Send + Sync {
    /// Stores all of `checkpoints` at once, synced, or none of them.
    fn save(&self, checkpoints: &[Checkpoint]) -> Result<(), StorageFault>;

    /// Visits each partition that has a checkpoint: its number and its encoded head.
    fn heads(&self, visit: &mut Visit<'_>) -> Result<(), StorageFault>;

    /// Visits the rows of one partition, tables in ascending order, slots ascending in each. The visited number is
    /// `table << 32 | slot`.
    fn rows(&self, partition: u16, visit: &mut Visit<'_>) -> Result<(), StorageFault>;

    /// Reads the durable floor; `None` in a folder that never had one.
    fn floor(&self) -> Result<Option<Floor>, StorageFault>;

    /// Moves the durable floor, synced.
    fn set_floor(&self, floor: Floor) -> Result<(), StorageFault>;
}

/// Answers questions about what has left memory.
pub trait Tables: Send + Sync {
    /// Finds an encoded settlement by its id.
    fn settlement(&self, id: [u8; 16]) -> Result<Option<Vec<u8>>, StorageFault>;

    /// Visits encoded settlements by seq, beginning after `after_seq`.
    fn settlements_after(&self, after_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault>;

    /// Finds what was filed under a command's key hash in a partition.
    fn command_key(&self, partition: u16, hash: [u8; 16]) -> Result<Option<Vec<u8>>, StorageFault>;
}
