//! Owns: the rules. Amounts, ids, envelopes, the decline ladder, settlement, postings: one pure function of
//! (state, command, time) and one `apply` that turns a record into state, live and in recovery alike.
//! Never: I/O, a clock, threads, async, randomness, floats, logging, unordered iteration.
#![no_std]
#![deny(clippy::float_arithmetic, clippy::indexing_slicing)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod account;
pub mod amount;
pub mod apply;
pub mod books;
pub mod command;
pub mod control;
pub mod credential;
pub mod currency;
pub mod cut;
pub mod decide;
pub mod decline;
pub mod deposit;
pub mod hash;
pub mod id;
pub mod keys;
pub mod limits;
pub mod node;
pub mod partition;
pub mod payee;
pub mod period;
pub mod record;
pub mod refusal;
pub mod role;
pub mod seal;
pub mod session;
pub mod settlement;
mod sound;
pub mod stops;
pub mod table;
pub mod time;
pub mod tree;
pub mod velocity;
pub mod verify;
pub mod writer;

pub use amount::{Amount, Cap, Total};
pub use currency::Currency;
pub use decline::{Decline, DeclineCode, Hit, Level, Next};
pub use id::{
    AccountId, CredentialId, DebitId, DepositId, EnvelopeId, HoldId, IdSource, PayeeId, SessionId,
    SettlementId, WriterId,
};
pub use partition::Partition;
pub use record::{Record, Stamp};
pub use refusal::Refusal;
pub use time::{Clock, Span, Time};

/// How many partitions a journal is divided into, for ever. The genesis record repeats it.
pub const PARTITIONS: u16 = 256;
