//! Owns: what a token has that a session has not: whether it is for one use, how it is renewed, what was done with its secrets.
//! Never: counters and bounds; those are the session's that it is, too. Never a secret, only hashes and first characters.

use super::SecretHash;
use crate::{
    Amount, Cap, SessionId, Time, limits,
    period::{Period, Rule},
};
use alloc::{boxed::Box, vec::Vec};
use serde::{Deserialize, Serialize};

/// Is the first characters of a secret, for support: printable, and too few to guess the rest from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Prefix([u8; limits::PREFIX_BYTES]);

impl Prefix {
    /// Takes a text; `None` when it is too long, or not printable ASCII.
    pub fn of(text: &str) -> Option<Self> {
        let mut bytes = [0; limits::PREFIX_BYTES];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        text.bytes().all(|byte| byte.is_ascii_graphic()).then_some(Self(bytes))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        self.0.get(..end).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

/// Is what is kept of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its hash.
    pub hash: SecretHash,
    /// Its first characters.
    pub prefix: Prefix,
    /// Whether the server derived it, so that it can be said again.
    pub derived: bool,
}

/// Is what each period's token of a standing mandate begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Each {
    /// Its cap.
    pub cap: Amount,
    /// Its cap of a payee that has none of its own.
    pub default_payee_cap: Cap,
    /// Its payees that are listed or capped: notice slot and cap, in order of slot.
    pub payees: Vec<(u32, Cap)>,
}

/// Is how a standing mandate renews itself, and how far that has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// When its periods begin.
    pub rule: Rule,
    /// What each period's token begins with.
    pub each: Each,
    /// Whether a period gets what was left of the one before, too.
    pub rollover: bool,
    /// The secret that brings the next refresh.
    pub refresh: Kept,
    /// The one before it.
    pub previous: Option<SecretHash>,
    /// How often it was refreshed.
    pub generation: u32,
    /// When last.
    pub rotated_at: Time,
    /// The newest refresh secret was presented: whoever presents the one before is not retrying.
    pub seen: bool,
    /// The first 64 bits of the hashes of secrets before `previous`, the oldest first: to know them again.
    pub spent: Vec<u64>,
    /// The last period's token; it may be settled.
    pub current: Option<SessionId>,
    /// The last period.
    pub last: Period,
    /// What was left of that one's cap when its token was settled.
    pub left: Amount,
    /// When a spent secret was used again; zero if none was.
    pub revoked_at: Time,
}

/// Says what kind of token it is. Rows store the place: a new one comes last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Role {
    /// As it is, until its end.
    #[default]
    Single,
    /// Yields a token each period; nothing is debited on it itself.
    Standing(Box<Family>),
    /// One period's token of the standing mandate that it stands under.
    Period,
}

/// Is what a token has that a session has not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What kind it is.
    pub role: Role,
    /// For one debit, one hold or one session.
    pub one_time: bool,
    /// The first characters of its secret.
    pub prefix: Prefix,
    /// Whether the server derived its secret.
    pub derived: bool,
    /// The agreement's reference.
    pub agreement: Box<str>,
    /// Something was asked of it.
    pub used: bool,
    /// When its one use came; zero before.
    pub consumed_at: Time,
    /// When it is due to be settled, if that is not its end: of one that was consumed before, of one whose period is over while
    /// sessions are carried after; zero for its end.
    pub due_at: Time,
    /// Something about it is narrower than what was opened below it may be.
    pub narrowed: bool,
    /// Payees taken off its allow-list, in order.
    pub barred: Vec<u32>,
    /// The first 64 bits of the evidence that was used before the authority's, the oldest first: it is new no more.
    pub evidence_used: Vec<u64>,
    /// How often it was amended.
    pub amended_count: u32,
    /// When last; zero if never.
    pub amended_at: Time,
}

impl Token {
    /// Returns how it is renewed; `None` for what is no standing mandate.
    pub fn family(&self) -> Option<&Family> {
        if let Role::Standing(family) = &self.role { Some(family) } else { None }
    }

    pub(crate) fn family_mut(&mut self) -> Option<&mut Family> {
        if let Role::Standing(family) = &mut self.role { Some(family) } else { None }
    }

    /// Returns whether its one use has come.
    pub fn is_consumed(&self) -> bool {
        self.consumed_at != Time::ZERO
    }

    /// Leaves a token whose one use is over for a while, for retries.
    pub(crate) fn linger(&mut self, at: Time) {
        if self.is_consumed() && self.due_at == Time::ZERO {
            self.due_at = at.checked_add(limits::CONSUMED_LINGERS).unwrap_or(at);
        }
    }

    /// Returns whether a spent secret of its family was used again.
    pub fn is_revoked(&self) -> bool {
        self.family().is_some_and(|family| family.revoked_at != Time::ZERO)
    }

    /// Returns whether a debit below has to look at it, though its own session was opened within it.
    pub fn is_bent(&self) -> bool {
        self.narrowed || self.is_revoked()
    }
}

/// Returns what a hash is known again by.
pub(crate) fn fingerprint(hash: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Remembers a hash, and forgets the oldest beyond the bound.
pub(crate) fn remember(all: &mut Vec<u64>, hash: &[u8; 32]) {
    if all.len() >= limits::SPENT_SECRETS_REMEMBERED {
        all.remove(0);
    }
    all.push(fingerprint(hash));
}

impl Family {
    /// Returns whether a secret was the refresh secret of an earlier generation than `previous`.
    pub fn is_spent(&self, hash: &SecretHash) -> bool {
        self.spent.contains(&fingerprint(&hash.0))
    }

    /// Takes the next refresh secret in place of the one that was presented.
    pub(crate) fn rotate(&mut self, next: Kept, at: Time) {
        if let Some(previous) = self.previous.replace(self.refresh.hash) {
            remember(&mut self.spent, &previous.0);
        }
        self.refresh = next;
        self.generation += 1;
        self.rotated_at = at;
        self.seen = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_short_and_printable() {
        for text in ["", "tks_0123", "twelve-chars"] {
            assert_eq!(Prefix::of(text).unwrap().as_str(), text);
        }
        for text in ["thirteen-char", "a b", "\u{e9}", "\0"] {
            assert_eq!(Prefix::of(text), None, "{text}");
        }
    }
}
