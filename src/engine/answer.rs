//! Owns: what operations answer. Never: undurable; answers travel in tickets.

use tallystick_core::{
    Amount, Decline, DeclineCode, EnvelopeId, SessionId, Time,
    account::Account,
    command::Act,
    decide::DebitReplay,
    deposit::Deposit,
    partition::{HoldView, SessionView},
    settlement::Settlement,
};

/// Is a row together with the record behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// The journal position.
    pub seq: u64,
    /// True when it had been done before, under the same key.
    pub replayed: bool,
}

/// Is what was decided about a debit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DebitAnswer {
    /// In which session.
    pub session: SessionId,
    /// What was to be done.
    pub act: Act,
    /// It captured a hold that had ended: a debit like any other.
    pub late: bool,
    /// The hold that was placed, captured or given back, as it is now; `None` of a debit, of a hold that was declined, and of
    /// one that ended too long ago to be remembered.
    pub hold: Option<HoldView>,
    /// The journal position; of the original on a replay.
    pub seq: u64,
    /// When it was decided; on a replay, when it was asked again.
    pub at: Time,
    /// How much was asked.
    pub amount: Amount,
    /// What was taken; nothing when declined.
    pub taken: Amount,
    /// Why not; `None` when approved.
    pub decline: Option<Decline>,
    /// Whose limit said no; not remembered, so `None` on a replay.
    pub limit_of: Option<EnvelopeId>,
    /// What the session can still spend, now, everything above it considered.
    pub remaining: Amount,
    /// Nothing more can be approved as things stand.
    pub is_final: bool,
    /// What the payee can still get, now, caps above considered; `None` without a cap.
    pub payee_remaining: Option<Amount>,
    /// Set aside by holds, now.
    pub held: Amount,
    /// True when it had been decided before.
    pub replayed: bool,
}

/// Is what a batch says of one debit: there are many of them, and nobody reads more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebitOutcome {
    /// The journal position; of the original on a replay.
    pub seq: u64,
    /// Why it was declined; `None` when approved.
    pub declined: Option<DeclineCode>,
    /// What was taken, where that is less than was asked; zero otherwise.
    pub partial: Amount,
    /// As in `DebitAnswer`.
    pub late: bool,
    /// As in `DebitAnswer`.
    pub hold: Option<Box<HoldView>>,
    /// What the session can still spend, now, everything above it considered.
    pub remaining: Amount,
    /// Nothing more can be approved as things stand.
    pub is_final: bool,
    /// True when it had been decided before.
    pub replayed: bool,
}

/// Is what became of a request to open a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenAnswer {
    /// It is open.
    Opened(Box<SessionView>),
    /// A replay found that it was opened and has been settled since.
    Settled(Box<Settlement>),
    /// It was not opened.
    Declined(Decline),
}

/// Is a session as it can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionShown {
    /// Open, or past its end and not swept yet.
    Open(Box<SessionView>),
    /// Settled.
    Settled(Box<Settlement>),
}

/// Is a deposit with its account, as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepositAnswer {
    /// The account.
    pub account: Account,
    /// The deposit; `None` for one made before deposits had ids.
    pub deposit: Option<Deposit>,
}

/// Is what became of a request to take money out, with the account as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithdrawAnswer {
    /// The account.
    pub account: Account,
    /// Why not; `None` when it was taken out.
    pub decline: Option<Decline>,
}

/// Is what became of a top-up, with the session as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopUpAnswer {
    /// The session.
    pub session: SessionShown,
    /// Why not; `None` when it was topped up.
    pub decline: Option<Decline>,
}

/// Is what a reversal took back, with the session as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReverseAnswer {
    /// The session.
    pub session: SessionShown,
    /// How much this call took back.
    pub reversed: Amount,
}

/// Is a settlement just made or found, or a session that waits for its holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleAnswer {
    /// The session: settled, or closing.
    pub session: SessionShown,
    /// How many sessions below were settled for it.
    pub cascaded: u32,
}

impl SettleAnswer {
    /// Returns the settlement; `None` while the session is closing.
    pub fn settlement(&self) -> Option<&Settlement> {
        match &self.session {
            SessionShown::Settled(settlement) => Some(settlement),
            SessionShown::Open(_) => None,
        }
    }
}

/// Says what memory knows of a debit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It was decided.
    Decided(DebitReplay, tallystick_core::PayeeId),
    /// It never was: the session is open and remembers all that were, this one's answer included.
    NeverSeen,
    /// It was, and its answer has left memory.
    Forgotten,
    /// The session is not open: only the index can know.
    NotOpen,
}
