//! Owns: what callers ask for, as typed values, and the rules a request must keep before anything is looked up.
//! Never: state; these checks read the command alone.

use crate::{
    AccountId, Amount, Currency, PayeeId, Refusal, SessionId, Span, Time,
    hash::{FieldHash, Seed},
    limits,
    writer::Numbered,
};
use alloc::vec::Vec;

/// Asks for a prepaid account.
#[derive(Debug, Clone, Copy)]
pub struct CreateAccount<'a> {
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// The account's currency.
    pub currency: Currency,
    /// The caller's own name for the account.
    pub reference: &'a str,
}

/// Adds available money to an account.
#[derive(Debug, Clone, Copy)]
pub struct Deposit<'a> {
    /// The account.
    pub account: AccountId,
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
}

/// Asks for a payee.
#[derive(Debug, Clone, Copy)]
pub struct CreatePayee<'a> {
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// The payee's name.
    pub name: &'a str,
}

/// Asks for a session under an account.
#[derive(Debug, Clone)]
pub struct OpenSession<'a> {
    /// The account.
    pub account: AccountId,
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// Must be the account's.
    pub currency: Currency,
    /// The most that can be spent.
    pub cap: Amount,
    /// How long, from `not_before` or from the decision.
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
}

/// Says how a debit is recognised when it is sent again.
#[derive(Debug, Clone, Copy)]
pub enum Intent<'a> {
    /// By a free-form key.
    Key(&'a [u8]),
    /// By a place in a writer's count.
    Number(Numbered),
}

/// Asks for an amount to be taken at once.
#[derive(Debug, Clone, Copy)]
pub struct Debit<'a> {
    /// Out of which session.
    pub session: SessionId,
    /// To whom.
    pub payee: PayeeId,
    /// How much.
    pub amount: Amount,
    /// In which currency, if it says.
    pub currency: Currency,
    /// How it is recognised.
    pub intent: Intent<'a>,
    /// The payee's own id for it.
    pub reference: &'a str,
    /// A hash of what was bought.
    pub evidence: Option<[u8; 32]>,
}

/// Refuses a key that is empty or too long.
pub(crate) fn check_key(key: &[u8]) -> Result<(), Refusal> {
    check_length(key.len(), 1, limits::KEY_BYTES, ("idempotency_key", "must be 1 to 255 bytes"))
}

pub(crate) fn check_name(name: &str, field: &'static str, least: usize) -> Result<(), Refusal> {
    let rule = if least == 0 { "must be at most 255 bytes" } else { "must be 1 to 255 bytes" };
    check_length(name.len(), least, limits::NAME_BYTES, (field, rule))
}

fn check_length(
    length: usize,
    least: usize,
    most: usize,
    (field, rule): (&'static str, &'static str),
) -> Result<(), Refusal> {
    if length < least || length > most { Err(Refusal::malformed(field, rule)) } else { Ok(()) }
}

pub(crate) fn check_amount(amount: Amount, field: &'static str) -> Result<(), Refusal> {
    if amount.is_nameable() { Ok(()) } else { Err(Refusal::malformed(field, "must be 1 to 2^63-1 nanos")) }
}

fn check_optional_amount(amount: Amount, field: &'static str) -> Result<(), Refusal> {
    if amount.is_zero() || amount.is_nameable() {
        Ok(())
    } else {
        Err(Refusal::malformed(field, "must be at most 2^63-1 nanos; 0 means none"))
    }
}

impl CreateAccount<'_> {
    /// Checks the fields alone.
    pub fn check(&self) -> Result<(), Refusal> {
        check_key(self.key)?;
        check_name(self.reference, "reference", 0)
    }

    pub(crate) const FIELDS: &'static [&'static str] = &["currency", "reference"];

    pub(crate) fn content(&self, seed: Seed) -> Vec<FieldHash> {
        [seed.field(&self.currency.number().to_le_bytes()), seed.field(self.reference.as_bytes())].into()
    }
}

impl Deposit<'_> {
    /// Checks the fields alone.
    pub fn check(&self) -> Result<(), Refusal> {
        check_key(self.key)?;
        check_amount(self.amount, "amount_nanos")
    }

    pub(crate) const FIELDS: &'static [&'static str] = &["amount_nanos", "currency"];

    pub(crate) fn content(&self, seed: Seed) -> Vec<FieldHash> {
        let currency = seed.field(&self.currency.number().to_le_bytes());
        [seed.field(&self.amount.nanos().to_le_bytes()), currency].into()
    }
}

impl CreatePayee<'_> {
    /// Checks the fields alone.
    pub fn check(&self) -> Result<(), Refusal> {
        check_key(self.key)?;
        check_name(self.name, "name", 1)
    }

    pub(crate) const FIELDS: &'static [&'static str] = &["name"];

    pub(crate) fn content(&self, seed: Seed) -> Vec<FieldHash> {
        [seed.field(self.name.as_bytes())].into()
    }
}

impl OpenSession<'_> {
    /// Checks the fields alone, in the order in which the wire lists them.
    pub fn check(&self) -> Result<(), Refusal> {
        check_key(self.key)?;
        check_amount(self.cap, "cap_nanos")?;
        if self.ttl.ns() == 0 || self.ttl > limits::SESSION_LIFE {
            return Err(Refusal::malformed("ttl", "must be more than 0 and at most 30 days"));
        }
        self.check_payees()?;
        check_optional_amount(self.default_payee_cap, "default_payee_cap_nanos")?;
        check_optional_amount(self.debit_min, "debit_min_nanos")?;
        check_optional_amount(self.debit_max, "debit_max_nanos")?;
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

    pub(crate) const FIELDS: &'static [&'static str] = &[
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
    ];

    pub(crate) fn content(&self, seed: Seed) -> Vec<FieldHash> {
        let number = |n: u64| seed.field(&n.to_le_bytes());
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
        ]
        .into()
    }
}

fn has_twins(payees: impl Iterator<Item = PayeeId>) -> bool {
    let mut sorted: Vec<PayeeId> = payees.collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
}

impl Debit<'_> {
    /// Checks the fields alone.
    pub fn check(&self) -> Result<(), Refusal> {
        check_amount(self.amount, "amount_nanos")?;
        match self.intent {
            Intent::Key(key) => check_key(key)?,
            Intent::Number(at) if at.number == 0 => {
                return Err(Refusal::malformed("number", "must count from 1"));
            }
            Intent::Number(at) if at.acked_through >= at.number => {
                return Err(Refusal::malformed("acked_through", "must be below the number it comes with"));
            }
            Intent::Number(_) => {}
        }
        let reference = ("reference", "must be at most 128 bytes");
        check_length(self.reference.len(), 0, limits::DEBIT_REFERENCE_BYTES, reference)
    }
}
