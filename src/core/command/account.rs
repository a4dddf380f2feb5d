//! Owns: what is asked of accounts: to be made, to take money in, to give it out.

use super::{
    Command, Scope, check_amount, check_key, check_length, check_name, credential::check_front_end,
    hash_number, hash_optional, hash_texts, hash_velocity,
};
use crate::{
    AccountId, Amount, Currency, Refusal, Time,
    account::Funding,
    hash::{FieldHash, KeyHash, Seed},
    limits,
    record::{ExternalFacts, MethodFacts},
    velocity::VelocityLimit,
};
use alloc::vec::Vec;

/// Asks for an account.
#[derive(Debug, Clone, Copy)]
pub struct CreateAccount<'a> {
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// The account's currency.
    pub currency: Currency,
    /// The caller's own name for the account.
    pub reference: &'a str,
    /// Where its money comes from.
    pub funding: Funding,
    /// Of a credit line; otherwise nothing.
    pub credit_limit: Amount,
    /// Of an external authority, with its amount.
    pub external: Option<(Amount, ExternalFacts<'a>)>,
    /// The payment method behind it.
    pub method: MethodFacts<'a>,
    /// The front-end that asks, and whose it will be; empty for the operator. Its keys are its own.
    pub front_end: &'a str,
    /// How many debits, or how much, in how long.
    pub velocity: &'a [VelocityLimit],
}

/// Adds money to an account.
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
    /// It is on its way, and not available yet.
    pub pending: bool,
}

/// Takes available money out of an account.
#[derive(Debug, Clone, Copy)]
pub struct Withdraw<'a> {
    /// The account.
    pub account: AccountId,
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
}

/// Pays back what a credit line has outstanding.
#[derive(Debug, Clone, Copy)]
pub struct Repay<'a> {
    /// The account.
    pub account: AccountId,
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
}

/// Gives a credit line another limit.
#[derive(Debug, Clone, Copy)]
pub struct SetCreditLimit<'a> {
    /// The account.
    pub account: AccountId,
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// The limit from now on.
    pub limit: Amount,
}

impl<'a> CreateAccount<'a> {
    /// Asks for a prepaid account of which nothing else is said.
    pub const fn prepaid(key: &'a [u8], currency: Currency) -> Self {
        let method = MethodFacts { kind: "", brand: "", last_four: "", funding_type: "" };
        Self {
            key,
            currency,
            reference: "",
            funding: Funding::Prepaid,
            credit_limit: Amount::ZERO,
            external: None,
            method,
            front_end: "",
            velocity: &[],
        }
    }

    fn check_funding(&self) -> Result<(), Refusal> {
        match self.funding {
            Funding::CreditLine => check_amount(self.credit_limit, "credit_limit_nanos")?,
            Funding::Prepaid | Funding::ExternalAuthority if !self.credit_limit.is_zero() => {
                return Err(Refusal::malformed(
                    "credit_limit_nanos",
                    "must be 0 unless funding is CREDIT_LINE",
                ));
            }
            Funding::Prepaid | Funding::ExternalAuthority => {}
        }
        match (self.funding, self.external) {
            (Funding::ExternalAuthority, None) => Err(Refusal::malformed(
                "external_authority",
                "must be given when funding is EXTERNAL_AUTHORITY",
            )),
            (Funding::ExternalAuthority, Some((amount, facts))) => check_external(amount, &facts),
            (Funding::Prepaid | Funding::CreditLine, Some(_)) => Err(Refusal::malformed(
                "external_authority",
                "must be left out unless funding is EXTERNAL_AUTHORITY",
            )),
            (Funding::Prepaid | Funding::CreditLine, None) => Ok(()),
        }
    }

    fn check_method(&self) -> Result<(), Refusal> {
        let texts = [
            (self.method.kind, "payment_method.kind"),
            (self.method.brand, "payment_method.brand"),
            (self.method.funding_type, "payment_method.funding_type"),
        ];
        for (text, field) in texts {
            check_length(text.len(), 0, limits::METHOD_BYTES, (field, "must be at most 64 bytes"))?;
        }
        let digits = self.method.last_four;
        if !digits.is_empty() && (digits.len() != 4 || digits.bytes().any(|byte| !byte.is_ascii_digit())) {
            return Err(Refusal::malformed("payment_method.last_four", "must be empty or four digits"));
        }
        Ok(())
    }
}

fn check_external(amount: Amount, facts: &ExternalFacts<'_>) -> Result<(), Refusal> {
    check_name(facts.reference, "external_authority.reference", 1)?;
    check_amount(amount, "external_authority.amount_nanos")?;
    if facts.usable_until == Time::ZERO {
        return Err(Refusal::malformed("external_authority.usable_until", "must be given"));
    }
    if facts.margin > limits::SESSION_LIFE {
        return Err(Refusal::malformed("external_authority.margin", "must be at most 30 days"));
    }
    Ok(())
}

impl Command for CreateAccount<'_> {
    const FIELDS: &'static [&'static str] = &[
        "currency",
        "reference",
        "funding",
        "credit_limit_nanos",
        "external_authority",
        "payment_method",
        "velocity",
    ];

    fn check(&self) -> Result<(), Refusal> {
        check_key(self.key)?;
        check_name(self.reference, "reference", 0)?;
        check_front_end(self.front_end)?;
        self.check_funding()?;
        self.check_method()?;
        VelocityLimit::check_all(self.velocity)
    }

    fn key_hash(&self, seed: Seed) -> KeyHash {
        Scope::CreateAccount.hash(seed, front_end_scope(seed, self.front_end), self.key)
    }

    fn content(&self, seed: Seed) -> Vec<FieldHash> {
        let mut external = Vec::new();
        if let Some((amount, facts)) = &self.external {
            external.extend(amount.nanos().to_le_bytes());
            external.extend(facts.usable_until.ns().to_le_bytes());
            external.extend(facts.margin.ns().to_le_bytes());
            external.extend(facts.reference.as_bytes());
        }
        let method = [self.method.kind, self.method.brand, self.method.last_four, self.method.funding_type];
        [
            seed.field(&self.currency.number().to_le_bytes()),
            seed.field(self.reference.as_bytes()),
            // Accounts were prepaid before they said so.
            hash_optional(seed, if self.funding == Funding::Prepaid { 0 } else { self.funding as u64 }),
            hash_optional(seed, self.credit_limit.nanos()),
            seed.field(&external),
            hash_texts(seed, &method),
            hash_velocity(seed, self.velocity),
        ]
        .into()
    }
}

/// Returns what a front-end's keys are hashed with, so that no two share them: zero for the operator's.
fn front_end_scope(seed: Seed, name: &str) -> u128 {
    if name.is_empty() { 0 } else { seed.key(b"front_end", name.as_bytes()).0 }
}

fn check_money(key: &[u8], amount: Amount) -> Result<(), Refusal> {
    check_key(key)?;
    check_amount(amount, "amount_nanos")
}

fn hash_money(seed: Seed, amount: Amount, currency: Currency) -> Vec<FieldHash> {
    [hash_number(seed, amount.nanos()), seed.field(&currency.number().to_le_bytes())].into()
}

impl Command for Deposit<'_> {
    const FIELDS: &'static [&'static str] = &["amount_nanos", "currency", "pending"];

    fn check(&self) -> Result<(), Refusal> {
        check_money(self.key, self.amount)
    }

    fn key_hash(&self, seed: Seed) -> KeyHash {
        Scope::Deposit.hash(seed, self.account.bits(), self.key)
    }

    fn content(&self, seed: Seed) -> Vec<FieldHash> {
        let mut content = hash_money(seed, self.amount, self.currency);
        content.push(hash_optional(seed, self.pending.into()));
        content
    }
}

impl Command for Withdraw<'_> {
    const FIELDS: &'static [&'static str] = &["amount_nanos", "currency"];

    fn check(&self) -> Result<(), Refusal> {
        check_money(self.key, self.amount)
    }

    fn key_hash(&self, seed: Seed) -> KeyHash {
        Scope::Withdraw.hash(seed, self.account.bits(), self.key)
    }

    fn content(&self, seed: Seed) -> Vec<FieldHash> {
        hash_money(seed, self.amount, self.currency)
    }
}

impl Command for Repay<'_> {
    const FIELDS: &'static [&'static str] = &["amount_nanos", "currency"];

    fn check(&self) -> Result<(), Refusal> {
        check_money(self.key, self.amount)
    }

    fn key_hash(&self, seed: Seed) -> KeyHash {
        Scope::Repay.hash(seed, self.account.bits(), self.key)
    }

    fn content(&self, seed: Seed) -> Vec<FieldHash> {
        hash_money(seed, self.amount, self.currency)
    }
}

impl Command for SetCreditLimit<'_> {
    const FIELDS: &'static [&'static str] = &["credit_limit_nanos"];

    fn check(&self) -> Result<(), Refusal> {
        check_key(self.key)?;
        check_amount(self.limit, "credit_limit_nanos")
    }

    fn key_hash(&self, seed: Seed) -> KeyHash {
        Scope::SetCreditLimit.hash(seed, self.account.bits(), self.key)
    }

    fn content(&self, seed: Seed) -> Vec<FieldHash> {
        [hash_number(seed, self.limit.nanos())].into()
    }
}
