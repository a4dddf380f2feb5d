//! Owns: tokens and trees as wire values, and what of a token is shown to whom. Never: a secret, its hash, a credential.

use crate::{currency, encode};
use tallystick_core::{
    Amount, DeclineCode,
    account::Account,
    node::Node,
    period::{Day, Rule},
    session::{Family, Mode, Role, Token},
};
use tallystick_engine::TokenShown;
use tallystick_proto::v1::{self, calendar_periods, renewal};

/// Says who looks at a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Whoever operates it, or issued it: all there is.
    Operator,
    /// Whoever it was given to: what risk systems ask for.
    Holder,
}

fn kind(role: &Role) -> v1::TokenKind {
    match role {
        Role::Single => v1::TokenKind::Single,
        Role::Standing(_) => v1::TokenKind::Standing,
        Role::Period => v1::TokenKind::Period,
    }
}

fn mode(mode: Mode) -> v1::EnvelopeMode {
    match mode {
        Mode::Reserved => v1::EnvelopeMode::Reserved,
        Mode::Shared => v1::EnvelopeMode::Shared,
    }
}

fn is_revoked(shown: &TokenShown) -> bool {
    shown.session.stop.is_some_and(|hit| hit.decline.code == DeclineCode::Revoked)
}

fn state(shown: &TokenShown, token: &Token) -> v1::TokenState {
    let session = &shown.session;
    let is_full = shown.available.is_zero() || shown.available < session.bounds.debit_min;
    if is_revoked(shown) {
        v1::TokenState::Revoked
    } else if session.stop.is_some() {
        v1::TokenState::Paused
    } else if session.closing {
        v1::TokenState::Closing
    } else if token.is_consumed() {
        v1::TokenState::Consumed
    } else if session.ended {
        v1::TokenState::Expired
    } else if shown.as_of < session.bounds.not_before {
        v1::TokenState::NotYetValid
    } else if is_full {
        v1::TokenState::Consumed
    } else {
        v1::TokenState::Active
    }
}

/// Shows a token; `account` is its account, which says what can be said of its payment method.
pub(crate) fn token(shown: &TokenShown, account: Option<&Account>, sight: Sight) -> Option<v1::Token> {
    let session = &shown.session;
    let guard = session.guard.as_ref()?;
    let token = guard.token.as_deref()?;
    let bounds = &session.bounds;
    let use_ = if token.one_time { v1::TokenUse::OneTime } else { v1::TokenUse::Cumulative };
    let all = v1::Token {
        token_id: session.id.to_string(),
        kind: kind(&token.role).into(),
        r#use: use_.into(),
        state: state(shown, token).into(),
        currency: currency::text(session.currency),
        cap_nanos: unless_endless(bounds.cap),
        remaining_nanos: shown.available.nanos(),
        spent_nanos: session.spent.nanos(),
        spent_below_nanos: session.spent_below.nanos(),
        held_nanos: session.held.nanos(),
        reserved_by_children_nanos: session.reserved_by_children.nanos(),
        debit_count: session.debit_count,
        issued_at: Some(encode::time(session.opened_at)),
        not_before: encode::optional_time(bounds.not_before),
        ends_at: Some(encode::time(bounds.ends_at)),
        payees_restricted: bounds.payees_restricted,
        default_payee_cap_nanos: bounds.default_payee_cap.nanos_or_zero(),
        debit_min_nanos: bounds.debit_min.nanos(),
        debit_max_nanos: bounds.debit_max.nanos_or_zero(),
        approval_above_nanos: guard.approval_above.nanos_or_zero(),
        payment_method: account.and_then(|account| encode::payment_method(&account.terms.method)),
        ..v1::Token::default()
    };
    Some(match sight {
        Sight::Holder => all,
        Sight::Operator => for_operators(all, shown, token),
    })
}

/// Adds what only operators see.
fn for_operators(all: v1::Token, shown: &TokenShown, token: &Token) -> v1::Token {
    let session = encode::session(&shown.session);
    v1::Token {
        account_id: session.account_id,
        parent_id: shown.session.parent.map(|id| id.to_string()).unwrap_or_default(),
        open_child_count: session.open_child_count,
        payees: session.payees,
        mode: session.mode,
        depth: session.depth,
        authority: session.authority,
        velocity: session.velocity,
        agreement_reference: token.agreement.to_string(),
        reference: session.reference,
        secret_prefix: token.prefix.as_str().to_owned(),
        standing: token.family().map(|family| standing(family, shown.session.bounds.cap)),
        amended_count: token.amended_count,
        amended_at: encode::optional_time(token.amended_at),
        ..all
    }
}

fn unless_endless(cap: Amount) -> u64 {
    if cap == Amount::MAX { 0 } else { cap.nanos() }
}

fn standing(family: &Family, total: Amount) -> v1::StandingFacts {
    let periods = match &family.rule {
        Rule::Calendar(calendar) => renewal::Periods::Calendar(v1::CalendarPeriods {
            day: Some(match calendar.day {
                Day::Daily => calendar_periods::Day::Daily(true),
                Day::Weekly(day) => calendar_periods::Day::Weekday(day.into()),
                Day::Monthly(day) => calendar_periods::Day::DayOfMonth(day.into()),
            }),
            local_minute: calendar.minute.into(),
            time_zone: calendar.zone.to_string(),
        }),
        Rule::Rolling(rolling) => renewal::Periods::Rolling(v1::RollingPeriods {
            every: Some(encode::span(rolling.every)),
            anchor: Some(encode::time(rolling.anchor)),
        }),
    };
    v1::StandingFacts {
        renewal: Some(v1::Renewal {
            periods: Some(periods),
            total_cap_nanos: unless_endless(total),
            rollover: family.rollover,
            refresh_secret_hash: Vec::new(),
            refresh_secret_prefix: family.refresh.prefix.as_str().to_owned(),
        }),
        period_cap_nanos: family.each.cap.nanos(),
        generation: family.generation,
        current_token_id: family.current.map(|id| id.to_string()).unwrap_or_default(),
        period_begins_at: encode::optional_time(family.last.begins_at),
        period_ends_at: encode::optional_time(family.last.ends_at),
        revoked_at: encode::optional_time(family.revoked_at),
    }
}

/// Shows one open envelope of a tree.
pub(crate) fn node(node: &Node) -> v1::TreeNode {
    v1::TreeNode {
        id: node.id.to_string(),
        parent_id: node.parent.to_string(),
        token_kind: node.role.as_ref().map_or(v1::TokenKind::Unspecified, kind).into(),
        mode: mode(node.mode).into(),
        depth: node.depth.into(),
        cap_nanos: unless_endless(node.cap),
        spent_nanos: node.spent.nanos(),
        spent_below_nanos: node.spent_below.nanos(),
        held_nanos: node.held.nanos(),
        reserved_by_children_nanos: node.reserved_by_children.nanos(),
        remaining_nanos: node.remaining.nanos(),
        available_nanos: node.available.nanos(),
        next_decline: encode::code(node.next.code).into(),
        next_decline_id: node.next.limit_of.to_string(),
        next_decline_above_nanos: node.next.above.nanos(),
        reference: node.reference.to_string(),
        ends_at: encode::optional_time(node.ends_at),
    }
}
