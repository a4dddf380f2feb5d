//! Owns: why a request is not decided at all. A refusal is no outcome: nothing changed, nothing is remembered (I11).
//! Never: a decline; those are decisions.

use crate::role::Roles;

/// Says why a request was refused, with what the caller needs to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A field breaks a rule; both are named.
    Malformed {
        /// The field's name on the wire.
        field: &'static str,
        /// The rule, as a sentence's end: "must be …".
        rule: &'static str,
    },
    /// No such account.
    UnknownAccount,
    /// No such session now. Whether there was one is for the settlements to say.
    UnknownSession,
    /// No such payee.
    UnknownPayee,
    /// No such writer.
    UnknownWriter,
    /// No such settlement.
    UnknownSettlement,
    /// The session is settled and its keys are gone: outcome unknown, never a decline.
    SessionRetired,
    /// The key or number was used for another intent.
    KeyReused {
        /// The first field that differs, by its name on the wire.
        field: &'static str,
    },
    /// The writer's number is not the next.
    NumberGap {
        /// The one that is.
        expected: u64,
    },
    /// A newer epoch of this writer is at work.
    WriterFenced {
        /// The newest epoch seen.
        epoch: u32,
    },
    /// The number was decided, and its answer is no longer in memory.
    BelowWindow,
    /// The session remembers as many free-form keys as it may.
    KeysExhausted,
    /// The session has as many writers as it may.
    TooManyWriters,
    /// A table of fixed size is full.
    TableFull,
    /// No such deposit.
    UnknownDeposit,
    /// No such debit.
    UnknownDebit,
    /// What it is asked of is in another state.
    WrongState {
        /// The state it is in, by its name on the wire.
        state: &'static str,
    },
    /// The session has open sessions below it.
    OpenChildren,
    /// The session remembers as many reversed debits as it may.
    ReversalsExhausted,
    /// An earlier debit of the same batch, session and writer was refused, so this one was not tried.
    NotAttempted {
        /// The number that must come next.
        expected: u64,
    },
    /// No such hold, or it ended too long ago to be remembered.
    UnknownHold,
    /// The envelope has a secret, and what was presented is not it, or nothing was.
    SecretWrong,
    /// No such token now, or it is of another kind than what is asked.
    UnknownToken,
    /// A spent refresh secret of the token's family was used again, and the family revoked.
    FamilyRevoked,
    /// The session has open holds. Never leaves the engine, which lets it close and settles it when the last one ends.
    OpenHolds,
    /// The hold's time is over, and no record says so yet. Never leaves the engine, which writes one and asks again.
    HoldDue,
    /// Nobody is heard with what was presented: no key, one that is not known, or one that was revoked.
    CredentialUnknown,
    /// Whoever asks holds no role that may do this.
    Forbidden {
        /// The roles each of which may.
        needs: Roles,
    },
    /// The control word was changed since: whoever asks knows an older one.
    ControlFenced {
        /// Its epoch now.
        epoch: u64,
    },
    /// No such credential.
    UnknownCredential,
    /// The payee's home has not told this partition of it yet. Never leaves the engine, which mends it and asks again.
    PayeeNotHere,
}

impl Refusal {
    pub(crate) const fn malformed(field: &'static str, rule: &'static str) -> Self {
        Self::Malformed { field, rule }
    }
}
