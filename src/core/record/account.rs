//! Owns: what happened to accounts and deposits, as data. Never: what a session did.

use super::Keyed;
use crate::{
    AccountId, Amount, Currency, DepositId, Span, Time, Total, account::Funding, deposit::DepositState,
    velocity::VelocityLimit,
};
use alloc::vec::Vec;

/// Is what is said of an external authority, beside its amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExternalFacts<'a> {
    /// The authority's own name.
    pub reference: &'a str,
    /// Nothing can be collected from here on.
    pub usable_until: Time,
    /// Sessions end at least this long before.
    pub margin: Span,
}

/// Is what is said of a payment method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MethodFacts<'a> {
    /// "card", "bank_account" …
    pub kind: &'a str,
    /// The brand.
    pub brand: &'a str,
    /// Four digits, or nothing.
    pub last_four: &'a str,
    /// "credit", "debit" …
    pub funding_type: &'a str,
}

/// An account was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountCreated<'a> {
    /// Its id.
    pub id: AccountId,
    /// Its currency.
    pub currency: Currency,
    /// Where its money comes from.
    pub funding: Funding,
    /// The limit of a credit line, or the amount of an external authority; otherwise nothing.
    pub limit: Amount,
    /// With an external authority.
    pub external: Option<ExternalFacts<'a>>,
    /// The payment method behind it.
    pub method: MethodFacts<'a>,
    /// The caller's name for it.
    pub reference: &'a str,
    /// The front-end whose it is; empty for the operator's.
    pub front_end: &'a str,
    /// How many debits, or how much, in how long.
    pub velocity: Vec<VelocityLimit>,
    /// The command's key.
    pub keyed: Keyed,
}

/// Money became available. Written before deposits had ids, and still read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposited {
    /// Where.
    pub account: AccountId,
    /// How much.
    pub amount: Amount,
    /// What all its deposits came to: asserted when applied.
    pub deposited_after: Total,
    /// The command's key.
    pub keyed: Keyed,
}

/// A deposit was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepositMade {
    /// Its id.
    pub id: DepositId,
    /// Where.
    pub account: AccountId,
    /// How much.
    pub amount: Amount,
    /// On its way, or available at once.
    pub state: DepositState,
    /// What all its account's deposits of that state came to: asserted when applied.
    pub total_after: Total,
    /// The command's key.
    pub keyed: Keyed,
}

/// A deposit came into another state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepositMoved {
    /// Which deposit.
    pub id: DepositId,
    /// Its state from now on.
    pub to: DepositState,
    /// What its account's available deposits came to: asserted when applied.
    pub deposited_after: Total,
}

/// Available money was taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// Where from.
    pub account: AccountId,
    /// How much.
    pub amount: Amount,
    /// What all its withdrawals came to: asserted when applied.
    pub withdrawn_after: Total,
    /// The command's key.
    pub keyed: Keyed,
}

/// A credit line was repaid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaid {
    /// Which account.
    pub account: AccountId,
    /// How much.
    pub amount: Amount,
    /// What all its repayments came to: asserted when applied.
    pub repaid_after: Total,
    /// The command's key.
    pub keyed: Keyed,
}

/// A credit line was given another limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditLimitSet {
    /// Which account.
    pub account: AccountId,
    /// Its limit from now on.
    pub limit: Amount,
    /// The command's key.
    pub keyed: Keyed,
}
