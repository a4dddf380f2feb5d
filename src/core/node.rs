//! Owns: one open envelope as a tree shows it: what it has, what it can still give, and which limit would say no first.
//! Never: a payee's caps; which payee asks is not known here.

use crate::{
    Amount, DeclineCode, EnvelopeId, Partition, Time,
    session::{Guard, Mode, Role, Session},
    tree::At,
};
use alloc::boxed::Box;

/// Is one open envelope of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in `Session`")]
pub struct Node {
    pub id: crate::SessionId,
    pub parent: EnvelopeId,
    pub role: Option<Role>,
    pub mode: Mode,
    pub depth: u8,
    pub cap: Amount,
    pub spent: Amount,
    pub spent_below: Amount,
    pub held: Amount,
    pub reserved_by_children: Amount,
    /// What is left of its own cap.
    pub remaining: Amount,
    /// What can be spent in it, everything above it considered.
    pub available: Amount,
    /// What would say no first.
    pub next: NextDecline,
    pub reference: Box<str>,
    pub ends_at: Time,
}

/// Is the limit that would say no first, to whichever payee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextDecline {
    /// With which code.
    pub code: DeclineCode,
    /// Whose limit it is.
    pub limit_of: EnvelopeId,
    /// Any more than this is declined.
    pub above: Amount,
}

impl Partition {
    /// Shows one open envelope.
    pub fn node(&self, session: &Session, now: Time) -> Node {
        Node {
            id: session.id,
            parent: self.envelope(session.above()).id(),
            role: session.token().map(|token| token.role.clone()),
            mode: session.mode,
            depth: session.depth,
            cap: session.cap(),
            spent: session.spent_own,
            spent_below: session.spent_below(),
            held: session.held(),
            reserved_by_children: session.reserved_by_children(),
            remaining: session.remaining(),
            available: self.spendable(session),
            next: self.next_decline(session, now),
            reference: session.about().reference,
            ends_at: session.ends_at(),
        }
    }

    fn next_decline(&self, session: &Session, now: Time) -> NextDecline {
        let own = EnvelopeId::Session(session.id);
        let nothing = |code, limit_of| NextDecline { code, limit_of, above: Amount::ZERO };
        if let Some((code, limit_of)) = self.revoked_above(session) {
            return nothing(code, EnvelopeId::Session(limit_of));
        }
        if self.has_ended(session, now) {
            return nothing(DeclineCode::SessionEnded, own);
        }
        let bounds = session.bounds();
        if now < bounds.not_before {
            return nothing(DeclineCode::NotYetValid, own);
        }
        let (left, limit_of) = self.room(At::Session(session.id.slot()));
        let cap = NextDecline { code: DeclineCode::Cap, limit_of, above: left };
        let approval = session.guard().map(|guard: &Guard| guard.approval_above).unwrap_or_default();
        let most = |code, above| NextDecline { code, limit_of: own, above };
        let others = [
            bounds.debit_max.get().map(|above| most(DeclineCode::AboveDebitMax, above)),
            Some(cap),
            approval.get().map(|above| most(DeclineCode::ApprovalRequired, above)),
        ];
        // Of two that begin at the same amount, the ladder comes to the first.
        others.into_iter().flatten().min_by_key(|limit| limit.above).unwrap_or(cap)
    }

    /// Returns whether a session lies below an envelope, or is it.
    pub fn is_below(&self, session: &Session, root: EnvelopeId) -> bool {
        match root {
            EnvelopeId::Account(id) => session.account == id.slot(),
            EnvelopeId::Session(id) => {
                session.id == id || self.sessions_above(session).any(|above| above.id == id)
            }
        }
    }
}
