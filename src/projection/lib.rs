//! Owns: what is derived from the journal and asked for apart from decisions: debits by session, where keys and numbers of
//! settled sessions led, look-ups in all three forms. It follows by the watermark, from a cursor of its own.
//! Never: the engine (it can neither slow nor change a decision); decides; tells of anything that is not durable; RocksDB,
//! tokio, a clock. Deleting all of it loses nothing that the journal still has.

mod begin;
mod filing;
mod follower;
mod gather;
mod kind;
mod list;
mod lookup;
mod pace;
mod recall;
mod rewind;
mod run;
mod settled;
mod shared;
mod sync;

pub use follower::{Events, Follower, Options, Parts, Silent, Step, Stepped};
pub use kind::{
    chunk::{By, What},
    head::cursor_of,
};
pub use list::{Listed, Page};
pub use lookup::{DebitInfo, Lookup, Lookups};
pub use rewind::Rewind;
pub use run::Following;
pub use shared::{Reach, Stopped};
pub use tallystick_journal::StorageFault;
