//! Owns: what operations answer. Never: undurable; answers travel in tickets.

use tallystick_core::{Amount, Decline, SessionId, Time, partition::SessionView, settlement::Settlement};

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
    /// The journal position; of the original on a replay.
    pub seq: u64,
    /// When it was decided; on a replay, when it was asked again.
    pub at: Time,
    /// How much was asked.
    pub amount: Amount,
    /// Why not; `None` when approved.
    pub decline: Option<Decline>,
    /// What the session can still spend, now.
    pub remaining: Amount,
    /// What the payee can still get, now; `None` without a cap.
    pub payee_remaining: Option<Amount>,
    /// Set aside by holds, now.
    pub held: Amount,
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
