//! Owns: what happened, as data. A record is all that `apply` needs, and all that is ever written: replaying the records
//! is the same world (I7). Numbers of kinds are stored and never change meaning.
//!
//! Places kept for what is planned, so that no stored byte changes its meaning: 55-59
//! batches and payouts, 65-69 tokens, 70-79 approvals, 80-89 refunds and disputes, 92-99 actors.
//! Never: how a record is laid out in bytes; that is the journal's.

mod account;
mod control;
mod credential;
mod token;

use crate::{
    AccountId, Amount, Cap, Currency, Decline, EnvelopeId, PayeeId, SessionId, Time, WriterId,
    command::{Act, Scope},
    control::State,
    hash::{FieldHash, KeyHash, Seed},
    keys::Verdict,
    payee::PayeeStatus,
    session::{Bounds, Clauses, Mode},
    settlement::{Line, Outgoing, Reason},
    writer::Numbered,
};
use alloc::vec::Vec;

pub use account::{
    AccountCreated, CreditLimitSet, DepositMade, DepositMoved, Deposited, ExternalFacts, MethodFacts, Repaid,
    Withdrawn,
};
pub use control::ControlSet;
pub use credential::{CredentialMade, CredentialRevoked};
pub use token::{
    Amended, AuthorityFacts, FamilyRevoked, PeriodBegun, RefreshSeen, RenewalFacts, TokenAmended, TokenPart,
};

/// Is what every record says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The partition it changes.
    pub partition: u16,
    /// When it was decided; never before the record before it in the same partition.
    pub at: Time,
    /// Who asked: see `Actor`; zero for what the system does by itself.
    pub actor: u32,
}

/// Is the first record of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Genesis {
    /// The secret behind every keyed hash.
    pub seed: Seed,
    /// How many partitions there are.
    pub partitions: u16,
}

/// Is the key of a command that has no session, with its content hashed field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// The key within its scope.
    pub key: KeyHash,
    /// One hash a field, in the command's order.
    pub content: Vec<FieldHash>,
}

/// A payee was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayeeCreated<'a> {
    /// Its id.
    pub id: PayeeId,
    /// Its status.
    pub status: PayeeStatus,
    /// Its name.
    pub name: &'a str,
    /// The command's key.
    pub keyed: Keyed,
}

/// A payee's status changed, at home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayeeStatusSet {
    /// Which payee.
    pub id: PayeeId,
    /// Its status from now on.
    pub status: PayeeStatus,
    /// Which change this is.
    pub version: u32,
}

/// A partition is going to have a notice: the home remembers whom to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayeeShared {
    /// Which payee.
    pub id: PayeeId,
    /// Which partition.
    pub with: u16,
}

/// A partition took notice of a payee, or of its newer status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayeeNoticed {
    /// Which payee.
    pub id: PayeeId,
    /// The notice's slot.
    pub slot: u32,
    /// Its status.
    pub status: PayeeStatus,
    /// Which change of status that is.
    pub version: u32,
}

/// A session was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOpened<'a> {
    /// Its id.
    pub id: SessionId,
    /// Its account.
    pub account: AccountId,
    /// The session it stands under; `None` straight on the account.
    pub parent: Option<SessionId>,
    /// How it stands to its parent.
    pub mode: Mode,
    /// What bounds its debits: what was asked, within what the parent allows.
    pub bounds: Bounds,
    /// What most mandates do not say.
    pub clauses: Clauses,
    /// What makes a token of it.
    pub token: Option<TokenPart<'a>>,
    /// The payees listed or capped at opening: notice slot and cap, in order of slot.
    pub payees: Vec<(u32, Cap)>,
    /// Who approved it.
    pub principal: &'a str,
    /// How.
    pub method: &'a str,
    /// What proves it.
    pub evidence_hash: Option<[u8; 32]>,
    /// When; zero if not said.
    pub approved_at: Time,
    /// The caller's name for it.
    pub reference: &'a str,
    /// The command's key.
    pub keyed: Keyed,
}

/// A session was not opened. Written before sessions had parents; `CommandDeclined` has taken its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDeclined {
    /// Under which account.
    pub account: AccountId,
    /// Why.
    pub decline: Decline,
    /// The command's key.
    pub keyed: Keyed,
}

/// A command on an account or a session was declined, and is remembered so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandDeclined {
    /// What was asked.
    pub command: Scope,
    /// What it was asked of.
    pub on: EnvelopeId,
    /// Why.
    pub decline: Decline,
    /// The command's key.
    pub keyed: Keyed,
}

/// A session's cap was raised, its end moved, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToppedUp {
    /// Which session.
    pub session: SessionId,
    /// Added to its cap.
    pub add: Amount,
    /// Its end from now on.
    pub ends_at: Time,
    /// The command's key.
    pub keyed: Keyed,
}

/// A session takes no more debits; what is open below it is being settled first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionClosing {
    /// Which session.
    pub session: SessionId,
}

/// A debit was taken back, all of it or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reversed {
    /// Out of which session.
    pub session: SessionId,
    /// Which debit: its seq.
    pub debit_seq: u64,
    /// Its payee: the notice's slot.
    pub payee: u32,
    /// How much.
    pub amount: Amount,
    /// What all reversals of this debit came to: asserted when applied.
    pub reversed_after: Amount,
    /// The command's key.
    pub keyed: Keyed,
}

/// Says how a debit is recognised, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredIntent {
    /// By a key.
    Key(KeyHash),
    /// By a number.
    Number(Numbered),
}

/// A debit was decided: approved without a verdict, declined with one. So was a hold, a capture, a void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debited<'a> {
    /// Out of which session.
    pub session: SessionId,
    /// What was to be done; a hold's end is the one it has, if it was approved.
    pub act: Act,
    /// The end that was asked for a hold: zero for none, and for what is no hold.
    pub asked_until: Time,
    /// A capture that came after its hold had ended: a debit like any other.
    pub late: bool,
    /// To whom: the notice's slot.
    pub payee: u32,
    /// How much was asked.
    pub amount: Amount,
    /// In which currency, as stated.
    pub currency: Currency,
    /// Whether less would do.
    pub partial: bool,
    /// What was decided.
    pub verdict: Verdict,
    /// What was taken: `amount`, or less if less would do; nothing when declined. Of a void, what was given back.
    pub taken: Amount,
    /// How it is recognised.
    pub intent: StoredIntent,
    /// The payee's own id for it.
    pub reference: &'a str,
    /// A hash of what was bought.
    pub evidence: Option<[u8; 32]>,
}

/// A hold's time was over: what it still held was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldLapsed {
    /// In which session.
    pub session: SessionId,
    /// Which hold: its seq.
    pub hold: u64,
    /// What was given back: asserted when applied.
    pub released: Amount,
}

/// A writer was given an epoch; the first one made the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterOpened {
    /// Which writer.
    pub id: WriterId,
    /// Its newest epoch.
    pub epoch: u32,
}

/// A session adopted a writer's newer epoch: older ones are fenced there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterPositioned {
    /// Which session.
    pub session: SessionId,
    /// Which writer.
    pub writer: WriterId,
    /// Its epoch.
    pub epoch: u32,
}

/// A session was closed and settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettled {
    /// Which session.
    pub session: SessionId,
    /// Why now.
    pub reason: Reason,
    /// What each payee is owed, in id order.
    pub lines: Vec<Line>,
    /// The sum of the lines.
    pub total: Amount,
    /// What goes back to the parent.
    pub released: Amount,
}

/// A settlement line reached the payee's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettlementPosted {
    /// The partition it came from.
    pub source: u16,
    /// The line.
    pub outgoing: Outgoing,
}

/// Lines were taken out of an outbox: they have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxDelivered {
    /// All up to this number.
    pub through: u64,
}

/// Is one thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is documented by its content")]
pub enum Record<'a> {
    Genesis(Genesis),
    AccountCreated(AccountCreated<'a>),
    Deposited(Deposited),
    DepositMoved(DepositMoved),
    Withdrawn(Withdrawn),
    Repaid(Repaid),
    DepositMade(DepositMade),
    CreditLimitSet(CreditLimitSet),
    PayeeCreated(PayeeCreated<'a>),
    PayeeStatusSet(PayeeStatusSet),
    PayeeShared(PayeeShared),
    PayeeNoticed(PayeeNoticed),
    SessionOpened(SessionOpened<'a>),
    OpenDeclined(OpenDeclined),
    ToppedUp(ToppedUp),
    SessionClosing(SessionClosing),
    ControlSet(ControlSet<'a>),
    CommandDeclined(CommandDeclined),
    Debited(Debited<'a>),
    HoldLapsed(HoldLapsed),
    Reversed(Reversed),
    WriterOpened(WriterOpened),
    WriterPositioned(WriterPositioned),
    TokenAmended(TokenAmended<'a>),
    PeriodBegun(PeriodBegun),
    FamilyRevoked(FamilyRevoked),
    RefreshSeen(RefreshSeen),
    SessionSettled(SessionSettled),
    SettlementPosted(SettlementPosted),
    OutboxDelivered(OutboxDelivered),
    CredentialMade(CredentialMade<'a>),
    CredentialRevoked(CredentialRevoked),
}

impl Record<'_> {
    /// Returns the stored number of this kind of record.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Genesis(_) => 1,
            Self::AccountCreated(_) => 10,
            Self::Deposited(_) => 11,
            Self::DepositMoved(_) => 12,
            Self::Withdrawn(_) => 13,
            Self::Repaid(_) => 14,
            Self::DepositMade(_) => 15,
            Self::CreditLimitSet(_) => 16,
            Self::PayeeCreated(_) => 20,
            Self::PayeeStatusSet(_) => 21,
            Self::PayeeShared(_) => 22,
            Self::PayeeNoticed(_) => 23,
            Self::SessionOpened(SessionOpened { token: None, .. }) => 30,
            Self::SessionOpened(SessionOpened { token: Some(_), .. }) => 60,
            Self::TokenAmended(_) => 61,
            Self::PeriodBegun(_) => 62,
            Self::FamilyRevoked(_) => 63,
            Self::RefreshSeen(_) => 64,
            Self::OpenDeclined(_) => 31,
            Self::ToppedUp(_) => 32,
            Self::ControlSet(ControlSet { control, .. }) => match control.state {
                State::Paused => 33,
                State::Open => 34,
                State::Revoked(_) => 35,
            },
            Self::SessionClosing(_) => 36,
            Self::CommandDeclined(_) => 37,
            Self::HoldLapsed(_) => 38,
            Self::Debited(Debited { act: Act::Debit, .. } | Debited { late: true, .. }) => 40,
            Self::Debited(Debited { act: Act::Hold { .. }, .. }) => 41,
            Self::Debited(Debited { act: Act::Capture { .. }, .. }) => 42,
            Self::Debited(Debited { act: Act::Void { .. }, .. }) => 43,
            Self::Reversed(_) => 44,
            Self::WriterOpened(_) => 45,
            Self::WriterPositioned(_) => 46,
            Self::SessionSettled(_) => 50,
            Self::SettlementPosted(_) => 51,
            Self::OutboxDelivered(_) => 52,
            Self::CredentialMade(_) => 90,
            Self::CredentialRevoked(_) => 91,
        }
    }

    /// Returns how many sessions a period's beginning carries over; none for every other record.
    pub fn carried_count(&self) -> usize {
        if let Self::PeriodBegun(begun) = self { begun.carried.len() } else { 0 }
    }
}
