//! Owns: when and in which order decisions happen: shards and their locks, lanes, the committer, tickets, recovery,
//! checkpoints and the sweeper, behind the `Engine` handle.
//! Never: a rule about money (core's), a byte format (the journal's), RocksDB, tokio, tonic; a clock or randomness of its
//! own: both are handed in.

mod answer;
mod asking;
mod checkpoint;
mod commit;
mod control;
mod credentials;
mod debits;
mod engine;
mod fault;
mod keyed;
mod lane;
mod ledger;
mod listing;
mod options;
mod raising;
mod recovery;
mod running;
mod sessions;
mod settling;
mod shard;
mod stepped;
mod sync;
mod tally;
mod ticket;
mod tokens;
mod totals;
mod unwinding;
mod writers;

pub use answer::{
    Answer, DebitAnswer, DebitOutcome, DepositAnswer, Known, OpenAnswer, ReverseAnswer, SessionShown,
    SettleAnswer, TopUpAnswer, WithdrawAnswer,
};
pub use asking::Asker;
pub use checkpoint::{Aside, CheckpointSummary};
pub use engine::{Engine, EngineStats};
pub use fault::Fault;
pub use listing::{Cursor, Page};
pub use options::{Events, Options, Parts, Silent};
pub use recovery::RecoverySummary;
pub use running::{Running, StartFault};
pub use stepped::Stepped;
pub use tally::{Committed, Decision, Operation, Tally};
pub use tallystick_journal::Durability;
pub use ticket::Ticket;
pub use tokens::{Periods, RefreshAnswer, TokenAnswer, TokenShown};
pub use totals::Totals;
