//! Owns: core's values into wire values. Never: leaves out what a caller needs to act on a decline.

use crate::{currency, status};
use prost_types::Timestamp;
use tallystick_core::{
    Decline, DeclineCode, Level, Next, Refusal, Time,
    account::Account,
    partition::SessionView,
    payee::{Payee, PayeeStatus},
    settlement::{Reason, Settlement},
};
use tallystick_engine::Durability;
use tallystick_engine::{Cursor, DebitAnswer, Engine};
use tallystick_proto::v1;

/// Writes an instant.
#[expect(clippy::cast_possible_wrap, reason = "2^64 ns are 18 billion seconds")]
pub(crate) fn time(at: Time) -> Timestamp {
    Timestamp { seconds: (at.ns() / 1_000_000_000) as i64, nanos: (at.ns() % 1_000_000_000) as i32 }
}

fn optional_time(at: Time) -> Option<Timestamp> {
    (at != Time::ZERO).then(|| time(at))
}

pub(crate) fn durability(engine: &Engine) -> v1::Durability {
    match engine.durability() {
        Durability::Fsync => v1::Durability::Fsync,
        Durability::Os => v1::Durability::Os,
    }
}

pub(crate) fn page_token(next: Option<Cursor>) -> String {
    next.map(|next| format!("{}.{}", next.partition, next.slot)).unwrap_or_default()
}

pub(crate) fn code(code: DeclineCode) -> v1::DeclineCode {
    match code {
        DeclineCode::Revoked => v1::DeclineCode::Revoked,
        DeclineCode::Paused => v1::DeclineCode::Paused,
        DeclineCode::SessionEnded => v1::DeclineCode::SessionEnded,
        DeclineCode::NotYetValid => v1::DeclineCode::NotYetValid,
        DeclineCode::CurrencyMismatch => v1::DeclineCode::CurrencyMismatch,
        DeclineCode::PayeeBlocked => v1::DeclineCode::PayeeBlocked,
        DeclineCode::PayeeNotAllowed => v1::DeclineCode::PayeeNotAllowed,
        DeclineCode::TooManyPayees => v1::DeclineCode::TooManyPayees,
        DeclineCode::BelowDebitMin => v1::DeclineCode::BelowDebitMin,
        DeclineCode::AboveDebitMax => v1::DeclineCode::AboveDebitMax,
        DeclineCode::VelocityRate => v1::DeclineCode::VelocityRate,
        DeclineCode::VelocityWindow => v1::DeclineCode::VelocityWindow,
        DeclineCode::PayeeCap => v1::DeclineCode::PayeeCap,
        DeclineCode::Cap => v1::DeclineCode::Cap,
        DeclineCode::TooManyChildren => v1::DeclineCode::TooManyChildren,
        DeclineCode::ApprovalRequired => v1::DeclineCode::ApprovalRequired,
    }
}

pub(crate) fn level(level: Level) -> v1::Level {
    match level {
        Level::Account => v1::Level::Account,
        Level::Token => v1::Level::Token,
        Level::Session => v1::Level::Session,
        Level::Payee => v1::Level::Payee,
    }
}

pub(crate) fn next(next: Next) -> v1::Next {
    let (action, at_most_nanos, at) = match next {
        Next::Nothing => (v1::NextAction::Nothing, 0, None),
        Next::TopUp(most) => (v1::NextAction::TopUp, most.nanos(), None),
        Next::WaitUntil(until) => (v1::NextAction::WaitUntil, 0, Some(time(until))),
        Next::SmallerAmount(most) => (v1::NextAction::SmallerAmount, most.nanos(), None),
        Next::NewKey => (v1::NextAction::NewKey, 0, None),
    };
    v1::Next { action: action.into(), at_most_nanos, at }
}

pub(crate) fn account(account: &Account) -> v1::Account {
    v1::Account {
        account_id: account.id.to_string(),
        currency: currency::text(account.currency),
        reference: account.reference.to_string(),
        deposited_nanos_total: account.deposited.nanos().to_string(),
        reserved_nanos_total: account.reserved_by_children.nanos().to_string(),
        spent_nanos_total: account.spent_below.nanos().to_string(),
        available_nanos_total: account.available().nanos().to_string(),
        open_session_count: account.open_children,
        created_at: Some(time(account.created_at)),
    }
}

pub(crate) fn payee(payee: &Payee) -> v1::Payee {
    let status = match payee.status {
        PayeeStatus::Pending => v1::PayeeStatus::Pending,
        PayeeStatus::Active => v1::PayeeStatus::Active,
        PayeeStatus::Blocked => v1::PayeeStatus::Blocked,
        PayeeStatus::Closed => v1::PayeeStatus::Closed,
    };
    let positions = payee.ledgers.iter().map(|ledger| v1::Position {
        currency: currency::text(ledger.currency),
        payable_nanos_total: ledger.payable.nanos().to_string(),
        settlement_count: ledger.lines,
    });
    v1::Payee {
        payee_id: payee.id.to_string(),
        name: payee.name.to_string(),
        status: status.into(),
        positions: positions.collect(),
        created_at: Some(time(payee.created_at)),
    }
}

pub(crate) fn session(view: &SessionView) -> v1::Session {
    let payees = view.payees.iter().map(|(id, part)| v1::PayeeSpend {
        payee_id: id.to_string(),
        spent_nanos: part.spent.nanos(),
        debit_count: part.debit_count,
        cap_nanos: part.cap.nanos_or_zero(),
    });
    let authority = &view.about.authority;
    let state = if view.ended { v1::SessionState::Expired } else { v1::SessionState::Open };
    v1::Session {
        session_id: view.id.to_string(),
        account_id: view.account.to_string(),
        state: state.into(),
        currency: currency::text(view.currency),
        cap_nanos: view.bounds.cap.nanos(),
        spent_nanos: view.spent.nanos(),
        remaining_nanos: view.remaining.nanos(),
        debit_count: view.debit_count,
        opened_at: Some(time(view.opened_at)),
        not_before: optional_time(view.bounds.not_before),
        ends_at: Some(time(view.bounds.ends_at)),
        payees_restricted: view.bounds.payees_restricted,
        payees: payees.collect(),
        default_payee_cap_nanos: view.bounds.default_payee_cap.nanos_or_zero(),
        debit_min_nanos: view.bounds.debit_min.nanos(),
        debit_max_nanos: view.bounds.debit_max.nanos_or_zero(),
        authority: Some(v1::Authority {
            principal: authority.principal.to_string(),
            method: authority.method.to_string(),
            evidence_hash: authority.evidence_hash.map(Vec::from).unwrap_or_default(),
            approved_at: optional_time(authority.approved_at),
        }),
        reference: view.about.reference.to_string(),
    }
}

/// Shows what is left of a session once it is settled.
pub(crate) fn settled_session(settlement: &Settlement) -> v1::Session {
    let payees = settlement.lines.iter().map(|line| v1::PayeeSpend {
        payee_id: line.payee.to_string(),
        spent_nanos: line.amount.nanos(),
        debit_count: line.debit_count,
        cap_nanos: 0,
    });
    v1::Session {
        session_id: settlement.session.to_string(),
        account_id: settlement.account.to_string(),
        state: v1::SessionState::Settled.into(),
        currency: currency::text(settlement.currency),
        cap_nanos: settlement.total.nanos().saturating_add(settlement.released.nanos()),
        spent_nanos: settlement.total.nanos(),
        debit_count: settlement.debit_count,
        opened_at: Some(time(settlement.opened_at)),
        payees: payees.collect(),
        ..v1::Session::default()
    }
}

pub(crate) fn settlement(settlement: &Settlement) -> v1::Settlement {
    let lines = settlement.lines.iter().map(|line| v1::SettlementLine {
        payee_id: line.payee.to_string(),
        amount_nanos: line.amount.nanos(),
        debit_count: line.debit_count,
    });
    let reason = match settlement.reason {
        Reason::Closed => v1::SettlementReason::Closed,
        Reason::Expired => v1::SettlementReason::Expired,
    };
    v1::Settlement {
        settlement_id: settlement.id().to_string(),
        session_id: settlement.session.to_string(),
        account_id: settlement.account.to_string(),
        currency: currency::text(settlement.currency),
        reason: reason.into(),
        lines: lines.collect(),
        total_nanos: settlement.total.nanos(),
        debit_count: settlement.debit_count,
        released_nanos: settlement.released.nanos(),
        opened_at: Some(time(settlement.opened_at)),
        settled_at: Some(time(settlement.settled_at)),
        seq: settlement.seq,
    }
}

fn outcome(decline: Option<&Decline>) -> v1::Outcome {
    if decline.is_none() { v1::Outcome::Approved } else { v1::Outcome::Declined }
}

pub(crate) fn decision(answer: &DebitAnswer, durability: v1::Durability) -> v1::Decision {
    let decline = answer.decline.as_ref();
    v1::Decision {
        outcome: outcome(decline).into(),
        debit_id: answer.session.debit(answer.seq).to_string(),
        code: decline.map_or(0, |no| code(no.code).into()),
        level: decline.map_or(0, |no| level(no.level).into()),
        network_code: decline.map(|no| no.code.network_code().into()).unwrap_or_default(),
        amount_nanos: answer.amount.nanos(),
        remaining_nanos: answer.remaining.nanos(),
        payee_remaining_nanos: answer.payee_remaining.map(tallystick_core::Amount::nanos),
        held_nanos: answer.held.nanos(),
        seq: answer.seq,
        replayed: answer.replayed,
        durability: durability.into(),
        next: decline.map(|no| next(no.next)),
        decided_at: (!answer.replayed).then(|| time(answer.at)),
    }
}

pub(crate) fn debit_result(result: &Result<DebitAnswer, Refusal>) -> v1::DebitResult {
    match result {
        Ok(answer) => v1::DebitResult {
            outcome: outcome(answer.decline.as_ref()).into(),
            code: answer.decline.map_or(0, |no| code(no.code).into()),
            seq: answer.seq,
            remaining_nanos: answer.remaining.nanos(),
            replayed: answer.replayed,
            refused: None,
        },
        Err(refusal) => {
            v1::DebitResult { refused: Some(status::in_batch(refusal)), ..v1::DebitResult::default() }
        }
    }
}
