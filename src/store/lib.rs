//! Owns: RocksDB, in two instances, behind the traits of `tallystick-journal`: how bytes lie on the disk, and what each
//! RocksDB option is set to and why.
//! Never: tonic, tokio, a clock; what the bytes of a group, a row or a settlement mean; deciding anything about money.

pub mod backup;
mod fault;
mod folder;
mod format;
mod index;
mod instance;
mod journal;
mod kind;
mod log_scan;
mod manifest;
mod opening;
mod options;
mod reader;
mod restored;
mod sealed;
mod store;

pub use format::STORE_FORMAT;
pub use index::RocksIndex;
pub use journal::RocksJournal;
pub use options::StoreOptions;
pub use reader::StoreReader;
pub use store::{Store, WeakStore};
