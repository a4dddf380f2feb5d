//! Is what tests of tokens need beside the world: a key that is no secret, weeks that are all alike, and short ways to ask.
#![allow(dead_code, reason = "each test uses its part")]

use crate::world::{SECOND, USD, World};
use tallystick_core::{
    Amount, EnvelopeId, PayeeId, SessionId, Span, Time,
    command::{AmendToken, AskRenewal, Debit, IssueToken, OpenSession, RefreshToken},
    partition::SessionView,
    period::{Period, Rolling, Rule},
    seal::{Purpose, Seal, SecretName},
    session::{Prefix, SecretHash},
};
use tallystick_engine::{Answer, DebitAnswer, Fault, RefreshAnswer, TokenAnswer, TokenShown};

pub(crate) const HOUR: u64 = 3_600 * SECOND;
pub(crate) const WEEK: u64 = 7 * 24 * HOUR;

/// Derives "secrets" that anybody could.
pub(crate) struct OpenSeal;

impl Seal for OpenSeal {
    fn seal(&self, name: &SecretName) -> (SecretHash, Prefix) {
        (hash(name), Prefix::of("tks_abcdef").unwrap())
    }
}

/// Returns the hash of a derived secret.
pub(crate) fn hash(name: &SecretName) -> SecretHash {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&name.token.bits().to_be_bytes());
    bytes[16..20].copy_from_slice(&name.generation.to_be_bytes());
    bytes[20] = name.purpose as u8;
    // The first bytes are what spent secrets are known again by: mix the rest into them.
    for at in 0..8 {
        bytes[at] ^= bytes[at + 8].rotate_left(3) ^ bytes[19].wrapping_mul(29) ^ bytes[20].wrapping_mul(83);
    }
    SecretHash(bytes)
}

pub(crate) fn secret(token: SessionId) -> SecretHash {
    hash(&SecretName { token, generation: 0, purpose: Purpose::Token })
}

pub(crate) fn refresh_secret(standing: SessionId, generation: u32) -> SecretHash {
    hash(&SecretName { token: standing, generation, purpose: Purpose::Refresh })
}

pub(crate) fn nanos(amount: u64) -> Amount {
    Amount::from_nanos(amount)
}

/// Asks for a shared token of a year.
pub(crate) fn token<'a>(parent: EnvelopeId, key: &'a str, cap: u64) -> IssueToken<'a> {
    let ttl = Span::from_days(365);
    let open = OpenSession {
        mode: tallystick_core::session::Mode::Shared,
        principal: "cfo",
        ..OpenSession::capped(parent, key.as_bytes(), (nanos(cap), USD), ttl)
    };
    IssueToken { open, one_time: false, prefix: Prefix::default(), agreement: "agreement 12", renewal: None }
}

/// Asks for a standing mandate whose weeks begin when it is issued.
pub(crate) fn weekly<'a>(parent: EnvelopeId, key: &'a str, cap: u64) -> IssueToken<'a> {
    let rule = Rule::Rolling(Rolling { every: Span::from_ns(WEEK), anchor: Time::ZERO });
    let renewal = AskRenewal { rule, total_cap: Amount::ZERO, rollover: false, refresh: None };
    IssueToken { renewal: Some(renewal), ..token(parent, key, cap) }
}

pub(crate) fn periods(rule: &Rule, at: Time) -> Option<Period> {
    match rule {
        Rule::Rolling(rolling) => rolling.period(at),
        Rule::Calendar(_) => None,
    }
}

impl World {
    pub(crate) fn issue(&self, command: &IssueToken<'_>) -> SessionId {
        match self.engine().issue_token(command, &OpenSeal).wait().unwrap().value {
            TokenAnswer::Open(shown) => shown.session.id,
            other => panic!("not issued: {other:?}"),
        }
    }

    pub(crate) fn refresh(
        &self,
        standing: SessionId,
        presented: SecretHash,
    ) -> Result<Answer<RefreshAnswer>, Fault> {
        let command = RefreshToken { token: standing, presented, refresh: None, secret: None, period: None };
        self.engine().refresh_token(&command, &OpenSeal, &periods).wait()
    }

    /// Refreshes with the secret of the generation before.
    pub(crate) fn begin_period(&self, standing: SessionId, generation: u32) -> SessionId {
        let answer = self.refresh(standing, refresh_secret(standing, generation - 1)).unwrap();
        match answer.value {
            RefreshAnswer::Yielded { token, generation: is, .. } => {
                assert_eq!((is, answer.replayed), (generation, false));
                token.session.id
            }
            RefreshAnswer::Declined(decline) => panic!("not refreshed: {decline:?}"),
        }
    }

    pub(crate) fn token(&self, id: SessionId) -> TokenShown {
        self.engine().token(id).wait().unwrap()
    }

    /// Debits a token, or a session, with the secret that it has.
    pub(crate) fn spend(
        &self,
        id: SessionId,
        proof: Option<&SecretHash>,
        (payee, amount, key): (PayeeId, u64, &str),
    ) -> DebitAnswer {
        let command = Debit { proof, ..crate::world::by_key(id, payee, amount, key) };
        self.engine().debit(&command).wait().unwrap()
    }

    pub(crate) fn amend(&self, command: &AmendToken<'_>) -> Result<TokenShown, Fault> {
        match self.engine().amend_token(command).wait()?.value {
            TokenAnswer::Open(shown) => Ok(shown),
            other => panic!("not amended: {other:?}"),
        }
    }
}

pub(crate) fn counts(view: &SessionView) -> (u64, u64, u64, u64) {
    (view.spent.nanos(), view.spent_below.nanos(), view.reserved_by_children.nanos(), view.remaining.nanos())
}

/// Checks the living world, and its journal record by record: the rules say each again, and everything is sound after each.
pub(crate) fn sound(world: &World) {
    assert_eq!(world.engine().check_sound(), Ok(()));
    let disk = world.disk.copy();
    crate::world::audit(&disk.journal);
    crate::world::audit_every_seq(&disk.archive);
}
