//! Owns: the record and group formats, their checksums and chain, the promises a journal and a checkpoint store make,
//! and the watermark that tells who may be answered.
//! Never: RocksDB, tokio, a clock; deciding anything about money.

pub mod memory;
pub mod storage;

pub use storage::{
    Checkpoint, Checkpoints, Durability, Floor, Journal, Row, StorageFault, Tables, TrimStep, Visit,
};
