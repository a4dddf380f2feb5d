//! Owns: what happened to tokens. A token's issue is a `SessionOpened` with a token's part. Never: a secret.

use super::Keyed;
use crate::{Cap, Time};
use crate::{
    SessionId,
    period::{Period, Rule},
    session::{Bounds, Each, Kept, Prefix},
};
use alloc::vec::Vec;

/// Is how a standing mandate renews itself, as it is issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalFacts {
    /// When its periods begin.
    pub rule: Rule,
    /// What each period's token begins with.
    pub each: Each,
    /// Whether a period gets what was left of the one before, too.
    pub rollover: bool,
    /// The first refresh secret.
    pub refresh: Kept,
}

/// Is what makes a token of a session that is opened. Its secret's hash is with the clauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPart<'a> {
    /// For one debit, one hold or one session.
    pub one_time: bool,
    /// The first characters of its secret.
    pub prefix: Prefix,
    /// Whether the server derived its secret.
    pub derived: bool,
    /// The agreement's reference.
    pub agreement: &'a str,
    /// For a standing mandate.
    pub renewal: Option<RenewalFacts>,
}

/// Is what an amendment makes of one token. What it does not change is here as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amended {
    /// What bounds its debits from now on.
    pub bounds: Bounds,
    /// Its threshold for approval.
    pub approval_above: Cap,
    /// Its payees that are put on the list, or have another cap: notice slot and cap, in order of slot.
    pub payees: Vec<(u32, Cap)>,
    /// Its payees that are off the list, all of them, in order of slot.
    pub barred: Vec<u32>,
    /// Whether it is narrower than what was opened below it may be.
    pub narrowed: bool,
}

/// Is the authority behind an amendment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorityFacts<'a> {
    /// Who.
    pub principal: &'a str,
    /// How.
    pub method: &'a str,
    /// What proves it.
    pub evidence_hash: Option<[u8; 32]>,
    /// When; zero if not said.
    pub approved_at: Time,
    /// The agreement's reference.
    pub agreement: &'a str,
}

/// A token was narrowed or widened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAmended<'a> {
    /// Which token.
    pub token: SessionId,
    /// What it is from now on.
    pub own: Amended,
    /// Of a standing mandate: what each period's token begins with from now on.
    pub each: Option<Each>,
    /// Of a standing mandate: what its period's token is from now on.
    pub current: Option<(SessionId, Amended)>,
    /// The authority behind it, if there is a new one.
    pub authority: Option<AuthorityFacts<'a>>,
    /// The command's key.
    pub keyed: Keyed,
}

/// A period of a standing mandate begins: its token is there, and the last one's takes nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodBegun {
    /// The standing mandate.
    pub standing: SessionId,
    /// The new token.
    pub id: SessionId,
    /// The period.
    pub period: Period,
    /// What bounds its debits.
    pub bounds: Bounds,
    /// Its threshold for approval.
    pub approval_above: Cap,
    /// Its payees that are listed or capped.
    pub payees: Vec<(u32, Cap)>,
    /// Its secret.
    pub secret: Kept,
    /// The next refresh secret.
    pub refresh: Kept,
    /// Which refresh this is.
    pub generation: u32,
    /// The token that takes nothing more, unless it is settled.
    pub closed: Option<SessionId>,
    /// Sessions of that one which go on in the new one.
    pub carried: Vec<SessionId>,
}

/// A spent refresh secret was used again: nothing below the mandate is approved any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyRevoked {
    /// The standing mandate.
    pub standing: SessionId,
}

/// The newest refresh secret was presented for the first time, too early to refresh: the one before it is spent for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshSeen {
    /// The standing mandate.
    pub standing: SessionId,
}
