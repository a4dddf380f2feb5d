//! Owns: what is asked of sessions, but for their debits: to open, to be topped up, to have a debit taken back.

use super::{
    Command, Scope, check_amount, check_key, check_length, check_name, check_optional_amount, hash_number,
    hash_optional, hash_velocity,
};
use crate::{
    Amount, Cap, Currency, EnvelopeId, PayeeId, Refusal, SessionId, Span, Time,
    hash::{FieldHash, KeyHash, Seed},
    limits,
    role::Act,
    session::{Clauses, Mode, SecretHash},
    velocity::VelocityLimit,
};
use alloc::vec::Vec;

/// Asks for a session under an account or another session.
#[derive(Debug, Clone)]
pub struct OpenSession<'a> {
    /// What it stands under.
    pub parent: EnvelopeId,
    /// How it stands to that.
    pub mode: Mode,
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// Must be the account's.
    pub currency: Currency,
    /// The most that can be spent.
    pub cap: Amount,
    /// How long, from `not_before` or from the decision; zero until the parent session's end.
    pub ttl: Span,
    /// No debit before; zero for none.
    pub not_before: Time,
    /// When not empty, the only payees that can be paid.
    pub payees: Vec<PayeeId>,
    /// Caps of single payees.
    pub payee_caps: Vec<(PayeeId, Amount)>,
    /// The cap of every other payee; zero for none.
    pub default_payee_cap: Amount,
    /// The least debit.
    pub debit_min: Amount,
    /// The greatest debit; zero for none.
    pub debit_max: Amount,
    /// Who approved it.
    pub principal: &'a str,
    /// How.
    pub method: &'a str,
    /// What proves it.
    pub evidence_hash: Option<[u8; 32]>,
    /// When; zero if not said.
    pub approved_at: Time,
    /// The caller's own name for the session.
    pub reference: &'a str,
    /// What most mandates do not say.
    pub clauses: Clauses,
    /// The hash of the secret that was presented for the parent.
    pub parent_proof: Option<&'a SecretHash>,
}

/// Raises a session's cap, moves its end, or both.
#[derive(Debug, Clone, Copy)]
pub struct TopUp<'a> {
    /// Which session.
    pub session: SessionId,
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// Added to the cap; zero leaves it.
    pub add: Amount,
    /// Added to the end; zero leaves it.
    pub extend_by: Span,
    /// The hash of the secret that was presented for what the session stands under.
    pub parent_proof: Option<&'a SecretHash>,
}

/// Takes back a debit, all of it or in part. What the debit was is given by whoever looked it up in what is durable and
/// never changes.
#[derive(Debug, Clone, Copy)]
pub struct Reverse<'a> {
    /// Out of which session.
    pub session: SessionId,
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// Which debit: its seq.
    pub debit_seq: u64,
    /// Whom it paid.
    pub payee: PayeeId,
    /// What it took.
    pub taken: Amount,
    /// How much to take back; zero for all that is left of it.
    pub amount: Amount,
}

impl<'a> OpenSession<'a> {
    /// Asks for a reserved session that is bounded by its cap and its time alone.
    pub const fn capped(
        parent: EnvelopeId,
        key: &'a [u8],
        (cap, currency): (Amount, Currency),
        ttl: Span,
    ) -> Self {
        Self {
            parent,
            mode: Mode::Reserved,
            key,
            currency,
            cap,
            ttl,
            not_before: Time::ZERO,
            payees: Vec::new(),
            payee_caps: Vec::new(),
            default_payee_cap: Amount::ZERO,
            debit_min: Amount::ZERO,
            debit_max: Amount::ZERO,
            principal: "",
            method: "",
            evidence_hash: None,
            approved_at: Time::ZERO,
            reference: "",
            clauses: Clauses { secret: None, approval_above: Cap::NONE, carry: false, velocity: Vec::new() },
            parent_proof: None,
        }
    }

    /// Returns what act it is: that depends on what the session is to stand under.
    pub const fn act(&self) -> Act {
        match self.parent {
            EnvelopeId::Account(_) => Act::OpenOnAccount,
            EnvelopeId::Session(_) => Act::OpenWithin,
        }
    }

    /// Checks the fields alone, of a session or of what has them in common with one: `life` bounds how long it lasts, `rule` says so.
    pub(super) fn check_for(&self, life: Span, rule: &'static str) -> Result<(), Refusal> {
        check_key(self.key)?;
        check_amount(self.cap, "cap_nanos")?;
        let on_account = matches!(self.parent, EnvelopeId::Account(_));
        if (on_account && self.ttl.ns() == 0) || self.ttl > life {
            return Err(Refusal::malformed("ttl", rule));
        }
        self.check_payees()?;
        check_optional_amount(self.default_payee_cap, "default_payee_cap_nanos")?;
        check_optional_amount(self.debit_min, "debit_min_nanos")?;
        check_optional_amount(self.debit_max, "debit_max_nanos")?;
        let approval = Amount::from_nanos(self.clauses.approval_above.nanos_or_zero());
        check_optional_amount(approval, "approval_above_nanos")?;
        VelocityLimit::check_all(&self.clauses.velocity)?;
        if !self.debit_max.is_zero() && self.debit_max < self.debit_min {
            return Err(Refusal::malformed("debit_max_nanos", "must be at least debit_min_nanos"));
        }
        check_name(self.principal, "authority.principal", 0)?;
        let method = ("authority.method", "must be at most 64 bytes");
        check_length(self.method.len(), 0, limits::METHOD_BYTES, method)?;
        check_name(self.reference, "reference", 0)
    }

    fn check_payees(&self) -> Result<(), Refusal> {
        check_length(
            self.payees.len(),
            0,
            limits::PAYEES_LISTED,
            ("payee_ids", "must list at most 1,024 payees"),
        )?;
        check_length(
            self.payee_caps.len(),
            0,
            limits::PAYEES_LISTED,
            ("payee_caps", "must list at most 1,024 payees"),
        )?;
        if has_twins(self.payees.iter().copied()) {
            return Err(Refusal::malformed("payee_ids", "must list each payee once"));
        }
        if has_twins(self.payee_caps.iter().map(|(payee, _)| *payee)) {
            return Err(Refusal::malformed("payee_caps", "must list each payee once"));
        }
        let mut listed = self.payees.clone();
        listed.sort_unstable();
        for (payee, cap) in &self.payee_caps {
            check_amount(*cap, "payee_caps.cap_nanos")?;
            if !listed.is_empty() && listed.binary_search(payee).is_err() {
                return Err(Refusal::malformed("payee_caps.payee_id", "must be on the allow-list payee_ids"));
            }
        }
        Ok(())
    }
}

impl Command for OpenSession<'_> {
    const FIELDS: &'static [&'static str] = &[
        "currency",
        "cap_nanos",
        "ttl",
        "not_before",
        "payee_ids",
        "payee_caps",
        "default_payee_cap_nanos",
        "debit_min_nanos",
        "debit_max_nanos",
        "authority",
        "reference",
        "mode",
        "approval_above_nanos",
        "secret_hash",
        "carry",
        "velocity",
    ];

    fn check(&self) -> Result<(), Refusal> {
        self.check_for(limits::SESSION_LIFE, "must be more than 0 and at most 30 days")
    }

    fn key_hash(&self, seed: Seed) -> KeyHash {
        Scope::OpenSession.hash(seed, self.parent.bits(), self.key)
    }

    fn content(&self, seed: Seed) -> Vec<FieldHash> {
        let number = |n: u64| hash_number(seed, n);
        let payees: Vec<u8> = self.payees.iter().flat_map(|payee| payee.bits().to_le_bytes()).collect();
        let mut caps = Vec::new();
        for (payee, cap) in &self.payee_caps {
            caps.extend(payee.bits().to_le_bytes());
            caps.extend(cap.nanos().to_le_bytes());
        }
        let mut authority = Vec::new();
        for text in [self.principal, self.method] {
            authority.extend((text.len() as u64).to_le_bytes());
            authority.extend(text.as_bytes());
        }
        authority.extend(self.evidence_hash.iter().flatten());
        authority.extend(self.approved_at.ns().to_le_bytes());
        [
            seed.field(&self.currency.number().to_le_bytes()),
            number(self.cap.nanos()),
            number(self.ttl.ns()),
            number(self.not_before.ns()),
            seed.field(&payees),
            seed.field(&caps),
            number(self.default_payee_cap.nanos()),
            number(self.debit_min.nanos()),
            number(self.debit_max.nanos()),
            seed.field(&authority),
            seed.field(self.reference.as_bytes()),
            hash_optional(seed, u64::from(self.mode == Mode::Shared)),
            hash_optional(seed, self.clauses.approval_above.nanos_or_zero()),
            seed.field(self.clauses.secret.as_ref().map_or(&[], |secret| secret.0.as_slice())),
            hash_optional(seed, u64::from(self.clauses.carry)),
            hash_velocity(seed, &self.clauses.velocity),
        ]
        .into()
    }
}

fn has_twins(payees: impl Iterator<Item = PayeeId>) -> bool {
    let mut sorted: Vec<PayeeId> = payees.collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
}

impl Command for TopUp<'_> {
    const FIELDS: &'static [&'static str] = &["add_nanos", "extend_by"];

    fn check(&self) -> Result<(), Refusal> {
        check_key(self.key)?;
        check_optional_amount(self.add, "add_nanos")?;
        if self.extend_by > limits::SESSION_LIFE {
            return Err(Refusal::malformed("extend_by", "must be at most 30 days"));
        }
        if self.add.is_zero() && self.extend_by.ns() == 0 {
            return Err(Refusal::malformed("add_nanos", "must be given, or extend_by, or both"));
        }
        Ok(())
    }

    fn key_hash(&self, seed: Seed) -> KeyHash {
        Scope::TopUp.hash(seed, self.session.bits(), self.key)
    }

    fn content(&self, seed: Seed) -> Vec<FieldHash> {
        [hash_optional(seed, self.add.nanos()), hash_optional(seed, self.extend_by.ns())].into()
    }
}

impl Command for Reverse<'_> {
    const FIELDS: &'static [&'static str] = &["debit_id", "amount_nanos"];

    fn check(&self) -> Result<(), Refusal> {
        check_key(self.key)?;
        check_optional_amount(self.amount, "amount_nanos")
    }

    fn key_hash(&self, seed: Seed) -> KeyHash {
        Scope::Reverse.hash(seed, self.session.bits(), self.key)
    }

    fn content(&self, seed: Seed) -> Vec<FieldHash> {
        [hash_number(seed, self.debit_seq), hash_optional(seed, self.amount.nanos())].into()
    }
}
