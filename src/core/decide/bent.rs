//! Owns: the rungs of what became narrower above a session after it was opened, or was revoked there: a token, amended, or its
//! family. Without such a token in the partition no debit comes by here. Never: writes.

use super::Ask;
use crate::{
    Amount, Decline, DeclineCode, EnvelopeId, Hit, Level, Next, Partition, SessionId,
    session::{Session, Token},
    tree::At,
};

/// Puts the rungs above among those that a debit has climbed: the first limit hit is the one with the smaller code, and of two
/// alike the nearer.
#[cold]
pub(super) fn among(
    partition: &Partition,
    session: &Session,
    ask: &Ask,
    own: Result<Amount, Hit>,
) -> Result<Amount, Hit> {
    let before = |hit: &Hit| own.err().is_none_or(|own| hit.decline.code < own.decline.code);
    match first(partition, session, ask, own.unwrap_or(Amount::ZERO)).filter(before) {
        Some(hit) => Err(hit),
        None => own,
    }
}

fn first(partition: &Partition, session: &Session, ask: &Ask, taken: Amount) -> Option<Hit> {
    let hit = |code, of: SessionId, next| Hit {
        decline: Decline::new(code, Level::Token, next),
        limit_of: EnvelopeId::Session(of),
    };
    if let Some((code, of)) = partition.revoked_above(session) {
        return Some(hit(code, of, Next::Nothing));
    }
    let bent = core::iter::once(session).chain(partition.sessions_above(session));
    let hits = bent.filter(|above| above.is_bent()).filter_map(|above| {
        let bounds = above.bounds();
        let barred = above.token().is_some_and(|token| token.barred.binary_search(&ask.payee).is_ok());
        if barred || (bounds.payees_restricted && above.part(ask.payee).is_none()) {
            return Some(hit(DeclineCode::PayeeNotAllowed, above.id, Next::Nothing));
        }
        if ask.amount < bounds.debit_min {
            return Some(hit(DeclineCode::BelowDebitMin, above.id, Next::Nothing));
        }
        if let Some(most) = bounds.debit_max.get().filter(|most| ask.amount > *most) {
            return Some(hit(DeclineCode::AboveDebitMax, above.id, Next::SmallerAmount(most)));
        }
        let threshold = above.guard().and_then(|guard| guard.approval_above.get());
        threshold
            .filter(|most| taken > *most)
            .map(|_| hit(DeclineCode::ApprovalRequired, above.id, Next::AskApproval))
    });
    hits.min_by_key(|hit| hit.decline.code)
}

impl Partition {
    /// Says what stops a session: a control word, or a family that was revoked; of both, what the ladder comes to first.
    pub(crate) fn stop_of(&self, session: &Session) -> Option<Hit> {
        let word = self.goes_on(At::Session(session.id.slot())).err();
        let family = self.revoked_above(session).map(|(code, of)| Hit {
            decline: Decline::new(code, of.level(), Next::Nothing),
            limit_of: EnvelopeId::Session(of),
        });
        word.into_iter().chain(family).min_by_key(|hit| hit.decline.code)
    }

    /// Returns why nothing is approved in a session below a family that was revoked: its period's token is, too, and what was opened
    /// below that is paused. *Cost*: looks above only while the partition has a token that was amended or revoked.
    pub(crate) fn revoked_above(&self, session: &Session) -> Option<(DeclineCode, SessionId)> {
        if self.bent == 0 {
            return None;
        }
        let mut above = core::iter::once(session).chain(self.sessions_above(session));
        let revoked = above.find(|above| above.token().is_some_and(Token::is_revoked))?;
        let of_family =
            session.id == revoked.id || (session.is_period() && session.parent() == Some(revoked.id.slot()));
        let code = if of_family { DeclineCode::Revoked } else { DeclineCode::Paused };
        Some((code, revoked.id))
    }
}
