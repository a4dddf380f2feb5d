//! Owns: what the wire contract says of each field by itself, and of two requests under one key. Never: state.

use crate::asked::{Asked, External, Key, Named, NewAccount, NewDebit, NewSession};
use std::collections::BTreeSet;
use tallystick_core::{
    Amount, EnvelopeId, Refusal, Span, Time,
    account::Funding,
    command::Act,
    velocity::{Pace, VelocityLimit},
};

const MOST_NANOS: u64 = (1 << 63) - 1;
const MINUTE_NS: u64 = 60_000_000_000;
const DAY_NS: u64 = 86_400_000_000_000;
pub(super) const THIRTY_DAYS: Span = Span::from_ns(30 * DAY_NS);
const HOUR: Span = Span::from_ns(3_600_000_000_000);

/// Names the field only: which words state the rule is not part of the contract, and is not compared.
pub(super) fn malformed(field: &'static str) -> Refusal {
    Refusal::Malformed { field, rule: "" }
}

fn rule(holds: bool, field: &'static str) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(malformed(field)) }
}

fn key(key: &Key) -> Result<(), Refusal> {
    rule((1..=255).contains(&key.len()), "idempotency_key")
}

fn amount(amount: Amount, field: &'static str) -> Result<(), Refusal> {
    rule((1..=MOST_NANOS).contains(&amount.nanos()), field)
}

fn optional(amount: Amount, field: &'static str) -> Result<(), Refusal> {
    rule(amount.nanos() <= MOST_NANOS, field)
}

/// Checks the fields of a request, in the order of the wire. *Errors*: `Malformed`, naming the first that breaks its rule.
pub(super) fn check(asked: &Asked) -> Result<(), Refusal> {
    match asked {
        Asked::CreateAccount(new) => check_account(new),
        Asked::Deposit { key: k, amount: a, .. }
        | Asked::Withdraw { key: k, amount: a, .. }
        | Asked::Repay { key: k, amount: a, .. } => key(k).and_then(|()| amount(*a, "amount_nanos")),
        Asked::SetCreditLimit { key: k, limit, .. } => {
            key(k).and_then(|()| amount(*limit, "credit_limit_nanos"))
        }
        Asked::CreatePayee { key: k, name } => {
            key(k).and_then(|()| rule((1..=255).contains(&name.len()), "name"))
        }
        Asked::OpenSession(new) => check_session(new),
        Asked::TopUp { key: k, add, extend_by, .. } => {
            key(k)?;
            optional(*add, "add_nanos")?;
            rule(*extend_by <= THIRTY_DAYS, "extend_by")?;
            rule(!add.is_zero() || extend_by.ns() > 0, "add_nanos")
        }
        Asked::Reverse { key: k, amount: a, .. } => key(k).and_then(|()| optional(*a, "amount_nanos")),
        Asked::Debit(new) => check_debit(new),
        Asked::MoveDeposit { .. }
        | Asked::BlockPayee(_)
        | Asked::Batch(_)
        | Asked::OpenWriter(_)
        | Asked::Position { .. }
        | Asked::Settle { .. }
        | Asked::Control { .. }
        | Asked::ShowAccount(_)
        | Asked::ShowPayee(_)
        | Asked::ShowSession(_)
        | Asked::ShowSettlement(_)
        | Asked::LookUpKey { .. }
        | Asked::LookUpNumber { .. }
        | Asked::Totals => Ok(()),
    }
}

fn check_account(new: &NewAccount) -> Result<(), Refusal> {
    key(&new.key)?;
    rule(new.reference.len() <= 255, "reference")?;
    if new.funding == Funding::CreditLine {
        amount(new.credit_limit, "credit_limit_nanos")?;
    } else {
        rule(new.credit_limit.is_zero(), "credit_limit_nanos")?;
    }
    let is_external = new.funding == Funding::ExternalAuthority;
    rule(new.external.is_some() == is_external, "external_authority")?;
    let Some(external) = &new.external else { return velocity(&new.velocity) };
    rule((1..=255).contains(&external.reference.len()), "external_authority.reference")?;
    amount(external.amount, "external_authority.amount_nanos")?;
    rule(external.usable_until != Time::ZERO, "external_authority.usable_until")?;
    rule(external.margin <= THIRTY_DAYS, "external_authority.margin")?;
    velocity(&new.velocity)
}

fn velocity(limits: &[VelocityLimit]) -> Result<(), Refusal> {
    rule(limits.len() <= 8, "velocity")?;
    for limit in limits {
        rule((1..=MOST_NANOS).contains(&limit.most), "velocity.most")?;
        let is_rate = limit.pace == Pace::Rate;
        let (least, most) = if is_rate { (0, MINUTE_NS) } else { (MINUTE_NS, 400 * DAY_NS) };
        rule(limit.per.ns() > least && limit.per.ns() <= most, "velocity.per")?;
        rule(limit.burst <= if is_rate { MOST_NANOS } else { 0 }, "velocity.burst")?;
    }
    Ok(())
}

/// Returns an authority with the margin that is meant when none is said.
pub(super) fn with_margin(external: &External) -> External {
    let margin = if external.margin.ns() == 0 { HOUR } else { external.margin };
    External { margin, ..external.clone() }
}

/// Says whether an authority can be used, at some instant, by a session that ends the margin before.
pub(super) fn is_usable(external: &External, now: Time) -> bool {
    external.usable_until.since(now) > external.margin
}

fn check_session(new: &NewSession) -> Result<(), Refusal> {
    key(&new.key)?;
    amount(new.cap, "cap_nanos")?;
    let may_inherit = matches!(new.parent, EnvelopeId::Session(_));
    rule(new.ttl <= THIRTY_DAYS && (new.ttl.ns() > 0 || may_inherit), "ttl")?;
    rule(new.payees.len() <= 1_024, "payee_ids")?;
    rule(new.payee_caps.len() <= 1_024, "payee_caps")?;
    let listed: BTreeSet<_> = new.payees.iter().copied().collect();
    let capped: BTreeSet<_> = new.payee_caps.iter().map(|(payee, _)| *payee).collect();
    rule(listed.len() == new.payees.len(), "payee_ids")?;
    rule(capped.len() == new.payee_caps.len(), "payee_caps")?;
    for (payee, cap) in &new.payee_caps {
        amount(*cap, "payee_caps.cap_nanos")?;
        rule(listed.is_empty() || listed.contains(payee), "payee_caps.payee_id")?;
    }
    optional(new.default_payee_cap, "default_payee_cap_nanos")?;
    optional(new.debit_min, "debit_min_nanos")?;
    optional(new.debit_max, "debit_max_nanos")?;
    optional(new.approval_above, "approval_above_nanos")?;
    velocity(&new.velocity)?;
    rule(new.debit_max.is_zero() || new.debit_max >= new.debit_min, "debit_max_nanos")?;
    rule(new.principal.len() <= 255, "authority.principal")?;
    rule(new.method.len() <= 64, "authority.method")?;
    rule(new.reference.len() <= 255, "reference")
}

pub(super) fn check_debit(new: &NewDebit) -> Result<(), Refusal> {
    rule(new.act == Act::Debit || !new.partial, "accept_partial")?;
    match new.act {
        Act::Void { .. } => rule(new.amount.is_zero(), "amount_nanos")?,
        Act::Debit | Act::Capture { .. } => amount(new.amount, "amount_nanos")?,
        Act::Hold { .. } => {
            amount(new.amount, "amount_nanos")?;
            rule(new.whole() <= MOST_NANOS, "tolerance_nanos")?;
        }
    }
    match &new.named {
        Named::Key(k) => key(k)?,
        Named::Number(at) => {
            rule(at.number > 0, "number")?;
            rule(at.acked_through < at.number, "acked_through")?;
        }
    }
    rule(new.reference.len() <= 128, "reference")
}

/// Returns the name of the first field that is told apart, in the order of the wire.
fn first<const N: usize>(fields: [(bool, &'static str); N]) -> Option<&'static str> {
    fields.into_iter().find(|(is_same, _)| !is_same).map(|(_, field)| field)
}

/// Returns the first field in which a request under a known key differs from the one before.
pub(crate) fn differs(before: &Asked, now: &Asked) -> Option<&'static str> {
    match (before, now) {
        (Asked::CreateAccount(a), Asked::CreateAccount(b)) => first([
            (a.currency == b.currency, "currency"),
            (a.reference == b.reference, "reference"),
            (a.funding == b.funding, "funding"),
            (a.credit_limit == b.credit_limit, "credit_limit_nanos"),
            (a.external == b.external, "external_authority"),
            (a.velocity == b.velocity, "velocity"),
        ]),
        (
            Asked::Deposit { amount: a, currency: b, pending: c, .. },
            Asked::Deposit { amount: x, currency: y, pending: z, .. },
        ) => first([(a == x, "amount_nanos"), (b == y, "currency"), (c == z, "pending")]),
        (Asked::Withdraw { amount: a, currency: b, .. }, Asked::Withdraw { amount: x, currency: y, .. })
        | (Asked::Repay { amount: a, currency: b, .. }, Asked::Repay { amount: x, currency: y, .. }) => {
            first([(a == x, "amount_nanos"), (b == y, "currency")])
        }
        (Asked::SetCreditLimit { limit: a, .. }, Asked::SetCreditLimit { limit: x, .. }) => {
            first([(a == x, "credit_limit_nanos")])
        }
        (Asked::CreatePayee { name: a, .. }, Asked::CreatePayee { name: x, .. }) => first([(a == x, "name")]),
        (Asked::OpenSession(a), Asked::OpenSession(b)) => session_differs(a, b),
        (Asked::TopUp { add: a, extend_by: b, .. }, Asked::TopUp { add: x, extend_by: y, .. }) => {
            first([(a == x, "add_nanos"), (b == y, "extend_by")])
        }
        (Asked::Reverse { debit_seq: a, amount: b, .. }, Asked::Reverse { debit_seq: x, amount: y, .. }) => {
            first([(a == x, "debit_id"), (b == y, "amount_nanos")])
        }
        _ => Some("a request of another kind"),
    }
}

fn session_differs(a: &NewSession, b: &NewSession) -> Option<&'static str> {
    let authority = |s: &NewSession| (s.principal.clone(), s.method.clone(), s.evidence_hash, s.approved_at);
    first([
        (a.currency == b.currency, "currency"),
        (a.cap == b.cap, "cap_nanos"),
        (a.ttl == b.ttl, "ttl"),
        (a.not_before == b.not_before, "not_before"),
        (a.payees == b.payees, "payee_ids"),
        (a.payee_caps == b.payee_caps, "payee_caps"),
        (a.default_payee_cap == b.default_payee_cap, "default_payee_cap_nanos"),
        (a.debit_min == b.debit_min, "debit_min_nanos"),
        (a.debit_max == b.debit_max, "debit_max_nanos"),
        (authority(a) == authority(b), "authority"),
        (a.reference == b.reference, "reference"),
        (a.mode == b.mode, "mode"),
        (a.approval_above == b.approval_above, "approval_above_nanos"),
        (a.secret == b.secret, "secret_hash"),
        (a.velocity == b.velocity, "velocity"),
    ])
}

/// Returns the first field in which a debit under a known key or number differs from the one before.
pub(crate) fn debit_differs(a: &NewDebit, b: &NewDebit) -> Option<&'static str> {
    first([
        (a.amount == b.amount, "amount_nanos"),
        (a.payee == b.payee, "payee_id"),
        (a.currency == b.currency, "currency"),
        (a.reference == b.reference, "reference"),
        (act_number(a.act) == act_number(b.act), "act"),
        (a.partial == b.partial, "accept_partial"),
        // What only holds, captures and voids say is told apart together with the evidence.
        (a.act == b.act && a.evidence == b.evidence, terms(a.act)),
    ])
}

fn act_number(act: Act) -> u8 {
    match act {
        Act::Debit => 0,
        Act::Hold { .. } => 1,
        Act::Capture { .. } => 2,
        Act::Void { .. } => 3,
    }
}

fn terms(act: Act) -> &'static str {
    match act {
        Act::Debit => "evidence_hash",
        Act::Hold { .. } => "tolerance_nanos, capture_until or evidence_hash",
        Act::Capture { .. } => "hold_id, last or evidence_hash",
        Act::Void { .. } => "hold_id or evidence_hash",
    }
}
