//! Owns: the record and group formats, their checksums and chain, the promises that a journal, a checkpoint store and a
//! projection's store make, and the watermark that tells who may be answered.
//! Never: RocksDB, tokio, a clock; deciding anything about money.

pub mod codec;
pub mod group;
pub mod memory;
pub mod projection;
pub mod rows;
pub mod storage;
mod sync;
pub mod watermark;
pub mod wire;

pub use group::{Chain, GroupView, GroupWriter, read_record};
pub use projection::{Entry, NeededFrom, ProjectionStore, VisitEntry};
pub use storage::{
    Checkpoint, Checkpoints, Durability, Floor, Journal, Row, StorageFault, Tables, TrimStep, Visit,
};
pub use watermark::{JournalFailed, Watermark};
pub use wire::Damage;
