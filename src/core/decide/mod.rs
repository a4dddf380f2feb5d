//! Owns: the rules. Each command is one pure function of (state, command, time) that returns the record to write, or the
//! answer given before, or a refusal. Nothing here changes anything.
//! Never: I/O, a clock, randomness; what is drawn is handed in.

mod account;
mod amend;
mod bent;
mod control;
mod credential;
mod debit;
mod hold;
mod open;
mod raise;
mod refresh;
mod register;
mod reverse;
mod settle;
mod token;
mod velocity;

use crate::{
    Decline, EnvelopeId, Partition, Record, Refusal,
    command::{Command, Scope},
    hash::FieldHash,
    partition::CommandKey,
    record::{CommandDeclined, Keyed},
};

pub use account::{create_account, deposit, move_deposit, repay, set_credit_limit, withdraw};
pub use amend::amend_token;
pub use control::{set_control, take_control};
pub use credential::{create_credential, revoke_credential};
pub use debit::{DebitReplay, Judged, Judgement, debit, judge, look_up};
pub use hold::lapse;
pub use open::open_session;
pub use raise::top_up;
pub use refresh::{Refreshed, refresh_token};
pub use register::{block_payee, create_payee, open_writer, position_writer, post_settlement, take_notice};
pub use reverse::reverse;
pub use settle::{close, settle};
pub use token::issue_token;

pub(crate) use debit::{Ask, check_secret};
pub(crate) use hold::{Ruled, rule_act};
pub(crate) use open::room_for;

/// Is what a decision comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and nearly always the record")]
pub enum Decided<'a, T> {
    /// Something new: write this.
    Record(Record<'a>),
    /// Nothing new: this was the answer.
    Replay(T),
}

impl<'a, T> Decided<'a, T> {
    /// Leaves out what the answer was.
    pub(crate) fn without_answer(self) -> Decided<'a, ()> {
        match self {
            Self::Record(record) => Decided::Record(record),
            Self::Replay(_) => Decided::Replay(()),
        }
    }
}

impl Partition {
    /// Recognises a command by its key: `filed` is what the index says of it, if anything.
    /// *Errors*: `KeyReused`, naming the first field that differs.
    fn recognise<C: Command>(
        &self,
        command: &C,
        filed: Option<&CommandKey>,
    ) -> Result<Result<Keyed, CommandKey>, Refusal> {
        let (key, content) = (command.key_hash(self.seed), command.content(self.seed));
        let Some(before) = self.unfiled_keys.get(&key).or(filed) else {
            return Ok(Ok(Keyed { key, content }));
        };
        // A key that was filed before a field existed said nothing of it, and nothing is what it is compared with.
        let was = before.content.iter().copied().chain(core::iter::repeat(FieldHash::default()));
        let mut pairs = was.zip(&content).zip(C::FIELDS);
        match pairs.find(|((was, is), _)| was != *is) {
            Some((_, field)) => Err(Refusal::KeyReused { field }),
            None => Ok(Err(before.clone())),
        }
    }
}

/// Makes the record of a command that the rules declined.
fn declined<'a, T>(command: Scope, on: EnvelopeId, decline: Decline, keyed: Keyed) -> Decided<'a, T> {
    Decided::Record(Record::CommandDeclined(CommandDeclined { command, on, decline, keyed }))
}
