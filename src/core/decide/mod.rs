//! Owns: the rules. Each command is one pure function of (state, command, time) that returns the record to write, or the
//! answer given before, or a refusal. Nothing here changes anything.
//! Never: I/O, a clock, randomness; what is drawn is handed in.

mod debit;
mod open;
mod register;
mod settle;

use crate::{
    Partition, Record, Refusal, SessionId,
    hash::{FieldHash, KeyHash, Seed},
    partition::CommandKey,
};

pub use debit::{DebitReplay, debit};
pub use open::open_session;
pub use register::{
    block_payee, create_account, create_payee, deposit, open_writer, position_writer, post_settlement,
    take_notice,
};
pub use settle::settle;

/// Is what a decision comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and nearly always the record")]
pub enum Decided<'a, T> {
    /// Something new: write this.
    Record(Record<'a>),
    /// Nothing new: this was the answer.
    Replay(T),
}

/// Scopes of keys, so that one text may name intents of several kinds. The numbers go into stored hashes.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Scope {
    Debit = 1,
    CreateAccount = 2,
    Deposit = 3,
    CreatePayee = 4,
    OpenSession = 5,
}

fn key_hash(seed: &Seed, scope: Scope, id: u128, key: &[u8]) -> KeyHash {
    let mut bytes = [scope as u8; 17];
    bytes.split_at_mut(1).1.copy_from_slice(&id.to_le_bytes());
    seed.key(&bytes, key)
}

/// Hashes a debit's key as its session's records have it; for those who look a debit up.
pub fn debit_key(seed: &Seed, session: SessionId, key: &[u8]) -> KeyHash {
    key_hash(seed, Scope::Debit, session.bits(), key)
}

impl Partition {
    /// Hashes a key in the scope of a kind of command and of the id it acts on (zero for none).
    pub(crate) fn key_hash(&self, scope: Scope, id: u128, key: &[u8]) -> KeyHash {
        key_hash(&self.seed, scope, id, key)
    }

    /// Finds what a command's key made before. *Errors*: `KeyReused`, naming the first field that differs.
    pub(crate) fn find_command(
        &self,
        key: KeyHash,
        content: &[FieldHash],
        fields: &[&'static str],
    ) -> Result<Option<&CommandKey>, Refusal> {
        let Some(row) = self.command_slots.get(&key).and_then(|slot| self.command_keys.get(*slot)) else {
            return Ok(None);
        };
        let mut pairs = row.content.iter().zip(content).zip(fields);
        match pairs.find(|((was, is), _)| was != is) {
            Some((_, field)) => Err(Refusal::KeyReused { field }),
            None => Ok(Some(row)),
        }
    }
}
