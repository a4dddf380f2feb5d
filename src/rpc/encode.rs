//! Owns: core's values into wire values. Never: leaves out what a caller needs to act on a decline.

use crate::{controls, currency, holds, status, velocity};
use prost_types::Timestamp;
use tallystick_core::{
    AccountId, Decline, DeclineCode, Level, Next, Refusal, Span, Time,
    account::{Account, Funding, PaymentMethod},
    credential::Credential,
    deposit::{Deposit, DepositState},
    partition::SessionView,
    payee::{Payee, PayeeStatus},
    session::Mode,
    settlement::{Reason, Settlement},
    velocity::Velocity,
};
use tallystick_engine::Durability;
use tallystick_engine::{Cursor, DebitAnswer, DebitOutcome, Engine};
use tallystick_projection::DebitInfo;
use tallystick_proto::v1;

/// Writes an instant.
#[expect(clippy::cast_possible_wrap, reason = "2^64 ns are 18 billion seconds")]
pub(crate) fn time(at: Time) -> Timestamp {
    Timestamp { seconds: (at.ns() / 1_000_000_000) as i64, nanos: (at.ns() % 1_000_000_000) as i32 }
}

#[expect(clippy::cast_possible_wrap, reason = "2^64 ns are 18 billion seconds")]
pub(crate) fn span(span: Span) -> prost_types::Duration {
    prost_types::Duration {
        seconds: (span.ns() / 1_000_000_000) as i64,
        nanos: (span.ns() % 1_000_000_000) as i32,
    }
}

pub(crate) fn optional_time(at: Time) -> Option<Timestamp> {
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
        DeclineCode::AboveHold => v1::DeclineCode::AboveHold,
        DeclineCode::HoldEnded => v1::DeclineCode::HoldEnded,
        DeclineCode::TooManyHolds => v1::DeclineCode::TooManyHolds,
        DeclineCode::Cap => v1::DeclineCode::Cap,
        DeclineCode::TooManyChildren => v1::DeclineCode::TooManyChildren,
        DeclineCode::TooDeep => v1::DeclineCode::TooDeep,
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
        Next::AskApproval => (v1::NextAction::AskApproval, 0, None),
    };
    v1::Next { action: action.into(), at_most_nanos, at }
}

/// Shows an account, with what is left of its limits in time at `now`.
pub(crate) fn account(account: &Account, now: Time) -> v1::Account {
    v1::Account {
        account_id: account.id.to_string(),
        currency: currency::text(account.currency),
        reference: account.terms.reference.to_string(),
        deposited_nanos_total: account.deposited.nanos().to_string(),
        reserved_nanos_total: account.reserved_by_children.nanos().to_string(),
        spent_nanos_total: account.spent_below.nanos().to_string(),
        available_nanos_total: account.available().nanos().to_string(),
        open_session_count: account.open_children,
        created_at: Some(time(account.created_at)),
        funding: match account.funding {
            Funding::Prepaid => v1::Funding::Prepaid,
            Funding::CreditLine => v1::Funding::CreditLine,
            Funding::ExternalAuthority => v1::Funding::ExternalAuthority,
        }
        .into(),
        state: if account.deficit().nanos() > 0 {
            v1::AccountState::Deficit
        } else {
            v1::AccountState::Active
        }
        .into(),
        pending_nanos_total: account.pending.nanos().to_string(),
        withdrawn_nanos_total: account.withdrawn.nanos().to_string(),
        deficit_nanos_total: account.deficit().nanos().to_string(),
        credit_limit_nanos_total: match account.funding {
            Funding::CreditLine => account.limit.nanos(),
            Funding::Prepaid | Funding::ExternalAuthority => 0,
        }
        .to_string(),
        outstanding_nanos_total: account.outstanding().nanos().to_string(),
        repaid_nanos_total: account.repaid.nanos().to_string(),
        external_authority: account.terms.external.as_ref().map(|external| v1::ExternalAuthority {
            reference: external.reference.to_string(),
            amount_nanos: account.limit.at_most_amount().nanos(),
            usable_until: Some(time(external.usable_until)),
            margin: Some(span(external.margin)),
        }),
        payment_method: payment_method(&account.terms.method),
        control: account.control.as_deref().map(controls::control),
        front_end: account.terms.front_end.to_string(),
        velocity: velocity::shown(&Velocity::views(&account.velocity, now)),
    }
}

pub(crate) fn payment_method(method: &PaymentMethod) -> Option<v1::PaymentMethod> {
    (*method != PaymentMethod::default()).then(|| v1::PaymentMethod {
        kind: method.kind.to_string(),
        brand: method.brand.to_string(),
        last_four: method.last_four.to_string(),
        funding_type: method.funding_type.to_string(),
    })
}

pub(crate) fn deposit(deposit: &Deposit, account: AccountId) -> v1::DepositInfo {
    let state = match deposit.state {
        DepositState::Pending => v1::DepositState::Pending,
        DepositState::Available => v1::DepositState::Available,
        DepositState::Returned => v1::DepositState::Returned,
        DepositState::Failed => v1::DepositState::Failed,
    };
    v1::DepositInfo {
        deposit_id: deposit.id.to_string(),
        account_id: account.to_string(),
        amount_nanos: deposit.amount.nanos(),
        state: state.into(),
        created_at: Some(time(deposit.created_at)),
        changed_at: Some(time(deposit.changed_at)),
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

pub(crate) fn credential(row: &Credential) -> v1::Credential {
    // A role's number on the wire is the stored one.
    let roles = row.roles.iter().map(|role| i32::from(role as u8)).collect();
    v1::Credential {
        credential_id: row.id.to_string(),
        name: row.name.to_string(),
        prefix: row.prefix.to_string(),
        roles,
        payee_id: row.payee.map(|payee| payee.to_string()).unwrap_or_default(),
        front_end: row.front_end.to_string(),
        development: row.is_development,
        created_at: Some(time(row.created_at)),
        revoked_at: row.is_revoked().then(|| time(row.revoked_at)),
        actor: row.id.actor(),
    }
}

pub(crate) fn session(view: &SessionView) -> v1::Session {
    let payees = view.payees.iter().map(|(id, part)| v1::PayeeSpend {
        payee_id: id.to_string(),
        spent_nanos: part.spent.nanos(),
        debit_count: part.debit_count,
        cap_nanos: part.cap.nanos_or_zero(),
        spent_below_nanos: part.spent_below.nanos(),
    });
    let authority = &view.about.authority;
    // What is for good comes before what is not.
    let stop = view.stop.map(|hit| hit.decline.code);
    let state = match (stop, view.closing, view.ended) {
        (Some(DeclineCode::Revoked), _, _) => v1::SessionState::Revoked,
        (_, true, _) => v1::SessionState::Closing,
        (_, false, true) => v1::SessionState::Expired,
        (Some(_), false, false) => v1::SessionState::Paused,
        (None, false, false) => v1::SessionState::Open,
    };
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
        parent_session_id: view
            .parent
            .filter(|id| !id.is_token())
            .map(|id| id.to_string())
            .unwrap_or_default(),
        parent_token_id: view.parent.filter(|id| id.is_token()).map(|id| id.to_string()).unwrap_or_default(),
        carry: view.guard.as_ref().is_some_and(|guard| guard.carry),
        approval_above_nanos: view.guard.as_ref().map_or(0, |guard| guard.approval_above.nanos_or_zero()),
        mode: match view.mode {
            Mode::Reserved => v1::EnvelopeMode::Reserved,
            Mode::Shared => v1::EnvelopeMode::Shared,
        }
        .into(),
        depth: view.depth.into(),
        spent_below_nanos: view.spent_below.nanos(),
        reserved_by_children_nanos: view.reserved_by_children.nanos(),
        has_secret: view.guard.as_ref().is_some_and(|guard| guard.secret.is_some()),
        open_child_count: view.open_children,
        control: view.guard.as_ref().and_then(|guard| guard.control.as_deref()).map(controls::control),
        velocity: velocity::shown(&view.velocity),
        held_nanos: view.held.nanos(),
        open_hold_count: view
            .guard
            .as_ref()
            .map_or(0, |guard| u32::try_from(guard.holds.open_count()).unwrap_or(u32::MAX)),
    }
}

/// Shows what is left of a session once it is settled.
pub(crate) fn settled_session(settlement: &Settlement) -> v1::Session {
    let payees = settlement.lines.iter().map(|line| v1::PayeeSpend {
        payee_id: line.payee.to_string(),
        spent_nanos: line.amount.nanos(),
        debit_count: line.debit_count,
        ..v1::PayeeSpend::default()
    });
    v1::Session {
        session_id: settlement.session.to_string(),
        account_id: settlement.account.to_string(),
        state: v1::SessionState::Settled.into(),
        currency: currency::text(settlement.currency),
        cap_nanos: settlement
            .total
            .nanos()
            .saturating_add(settlement.spent_below.nanos())
            .saturating_add(settlement.released.nanos()),
        spent_nanos: settlement.total.nanos(),
        spent_below_nanos: settlement.spent_below.nanos(),
        parent_session_id: settlement.parent.map(|id| id.to_string()).unwrap_or_default(),
        debit_count: settlement.debit_count,
        opened_at: Some(time(settlement.opened_at)),
        payees: payees.collect(),
        ..v1::Session::default()
    }
}

/// Shows a settlement; `account` is its account, which says whether it is to be collected.
pub(crate) fn settlement(settlement: &Settlement, account: Option<&Account>) -> v1::Settlement {
    let lines = settlement.lines.iter().map(|line| v1::SettlementLine {
        payee_id: line.payee.to_string(),
        amount_nanos: line.amount.nanos(),
        debit_count: line.debit_count,
    });
    let reason = match settlement.reason {
        Reason::Closed => v1::SettlementReason::Closed,
        Reason::Expired => v1::SettlementReason::Expired,
        Reason::Cascade => v1::SettlementReason::Cascade,
        Reason::Revoked => v1::SettlementReason::Revoked,
        Reason::Consumed => v1::SettlementReason::Consumed,
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
        parent_session_id: settlement.parent.map(|id| id.to_string()).unwrap_or_default(),
        spent_below_nanos: settlement.spent_below.nanos(),
        collection: account
            .and_then(|account| account.terms.external.as_ref())
            .filter(|_| !settlement.total.is_zero())
            .map(|external| v1::Collection {
                authority_reference: external.reference.to_string(),
                amount_nanos: settlement.total.nanos(),
                usable_until: Some(time(external.usable_until)),
            }),
    }
}

pub(crate) fn outcome(decline: Option<&Decline>) -> v1::Outcome {
    if decline.is_none() { v1::Outcome::Approved } else { v1::Outcome::Declined }
}

pub(crate) fn decision(answer: &DebitAnswer, durability: v1::Durability) -> v1::Decision {
    let decline = answer.decline.as_ref();
    let mut decision = v1::Decision {
        outcome: outcome(decline).into(),
        debit_id: answer.session.debit(answer.seq).to_string(),
        code: decline.map_or(0, |no| code(no.code).into()),
        level: decline.map_or(0, |no| level(no.level).into()),
        network_code: decline.map(|no| no.code.network_code().into()).unwrap_or_default(),
        amount_nanos: decline.map_or(answer.taken, |_| answer.amount).nanos(),
        remaining_nanos: answer.remaining.nanos(),
        payee_remaining_nanos: answer.payee_remaining.map(tallystick_core::Amount::nanos),
        held_nanos: answer.held.nanos(),
        seq: answer.seq,
        replayed: answer.replayed,
        durability: durability.into(),
        next: decline.map(|no| next(no.next)),
        decided_at: (!answer.replayed).then(|| time(answer.at)),
        asked_nanos: answer.amount.nanos(),
        final_unit: answer.is_final,
        limit_id: answer.limit_of.map(|id| id.to_string()).unwrap_or_default(),
        hold_id: String::new(),
        late_of: String::new(),
    };
    holds::name_hold(answer, &mut decision);
    decision
}

/// Shows again what was decided about a debit of a session that has settled since: nothing remains there.
pub(crate) fn recalled(debit: &DebitInfo, durability: v1::Durability) -> v1::Decision {
    let (hold_id, late_of) = holds::names(debit);
    v1::Decision {
        hold_id,
        late_of,
        outcome: if debit.verdict.is_none() { v1::Outcome::Approved } else { v1::Outcome::Declined }.into(),
        debit_id: debit.id().to_string(),
        code: debit.verdict.map_or(0, |(no, _)| code(no).into()),
        level: debit.verdict.map_or(0, |(_, at)| level(at).into()),
        network_code: debit.verdict.map(|(no, _)| no.network_code().into()).unwrap_or_default(),
        amount_nanos: if debit.verdict.is_none() { debit.taken } else { debit.asked }.nanos(),
        asked_nanos: debit.asked.nanos(),
        seq: debit.seq,
        replayed: true,
        durability: durability.into(),
        next: debit.verdict.map(|_| next(Next::Nothing)),
        decided_at: Some(time(debit.at)),
        final_unit: true,
        ..v1::Decision::default()
    }
}

pub(crate) fn debit_result(result: &Result<DebitOutcome, Refusal>) -> v1::DebitResult {
    match result {
        Ok(done) => v1::DebitResult {
            outcome: if done.declined.is_none() { v1::Outcome::Approved } else { v1::Outcome::Declined }
                .into(),
            code: done.declined.map_or(0, |no| code(no).into()),
            seq: done.seq,
            remaining_nanos: done.remaining.nanos(),
            replayed: done.replayed,
            refused: None,
            partial_nanos: done.partial.nanos(),
            final_unit: done.is_final,
            hold: done.hold.as_deref().map(|hold| Box::new(holds::info(hold))),
            late: done.late,
        },
        Err(refusal) => {
            v1::DebitResult { refused: Some(status::in_batch(refusal)), ..v1::DebitResult::default() }
        }
    }
}
