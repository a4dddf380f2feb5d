//! Owns: sessions, shown: what bounds them, what was spent on and below them, what remains. Never: asks for any.

use super::{
    Shown, amount_if_any,
    control::{control_line_if_any, control_value},
    word,
};
use crate::{
    desk::Said,
    fields::Fields,
    moment,
    money::Money,
    screen::{Look, counted},
    velocity,
};
use serde_json::Value;
use tallystick_client::v1::{Authority, PayeeSpend, Session};

/// Shows one session.
pub(crate) fn show_session(session: &Session, money: Money) -> Shown {
    let above = [&session.parent_session_id, &session.parent_token_id, &session.account_id];
    let under = above.into_iter().find(|id| !id.is_empty()).map_or("", String::as_str);
    let shown = Shown::new()
        .fact("session", session.session_id.as_str())
        .fact("reference", session.reference.as_str())
        .fact("under", under)
        .fact("mode", word(session.mode().as_str_name(), "ENVELOPE_MODE_"))
        .fact("state", word(session.state().as_str_name(), "SESSION_STATE_"))
        .fact("control", control_line_if_any(session.control.as_ref()))
        .fact("currency", session.currency.as_str())
        .fact("cap", money.show(session.cap_nanos))
        .fact(
            "spent",
            format!("{} in {}", money.show(session.spent_nanos), counted(session.debit_count, "debit")),
        )
        .fact("below", below(session, money))
        .fact("held", held(session, money))
        .fact("remaining", money.show(session.remaining_nanos))
        .fact("debits of", debit_bounds(session, money))
        .velocity(&session.velocity, &session.currency, money)
        .fact("begins", session.not_before.as_ref().map(|at| moment::show(Some(at))).unwrap_or_default())
        .fact("ends", moment::show(session.ends_at.as_ref()))
        .fact("authority", session.authority.as_ref().map(authority_line).unwrap_or_default());
    let payees =
        session.payees.iter().fold(shown, |shown, part| shown.fact("payee", payee_line(part, money)));
    payees.fact("other payees", others(session, money)).fields(|_| session_fields(session))
}

fn below(session: &Session, money: Money) -> String {
    let (spent, reserved) = (session.spent_below_nanos, session.reserved_by_children_nanos);
    if spent == 0 && reserved == 0 && session.open_child_count == 0 {
        return String::new();
    }
    let (spent, reserved) = (money.show(spent), money.show(reserved));
    format!("{spent} spent, {reserved} set aside for {}", counted(session.open_child_count, "open session"))
}

fn held(session: &Session, money: Money) -> String {
    if session.held_nanos == 0 {
        return String::new();
    }
    format!("{} by {}", money.show(session.held_nanos), counted(session.open_hold_count, "hold of its own"))
}

fn debit_bounds(session: &Session, money: Money) -> String {
    match (session.debit_min_nanos, session.debit_max_nanos) {
        (0, 0) => String::new(),
        (least, 0) => format!("{} or more", money.show(least)),
        (0, most) => format!("{} or less", money.show(most)),
        (least, most) => format!("{} to {}", money.show(least), money.show(most)),
    }
}

pub(super) fn authority_line(authority: &Authority) -> String {
    let Authority { principal, method, approved_at, .. } = authority;
    let at = approved_at.as_ref().map(|at| format!("at {}", moment::show(Some(at)))).unwrap_or_default();
    let by = if method.is_empty() { String::new() } else { format!("by {method}") };
    let parts = [principal.as_str(), &by, &at];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Writes one payee's part of a session.
pub(crate) fn payee_line(part: &PayeeSpend, money: Money) -> String {
    let got = money.show(part.spent_nanos);
    let below = match part.spent_below_nanos {
        0 => String::new(),
        nanos => format!(" + {} below", money.show(nanos)),
    };
    let cap = match part.cap_nanos {
        0 => String::new(),
        nanos => format!(" of {}", money.show(nanos)),
    };
    format!("{}  {got}{below}{cap} in {}", part.payee_id, counted(part.debit_count, "debit"))
}

fn others(session: &Session, money: Money) -> String {
    if session.payees_restricted {
        return "none can be paid".to_owned();
    }
    match amount_if_any(session.default_payee_cap_nanos, money).as_str() {
        "" => String::new(),
        cap => format!("{cap} each"),
    }
}

/// Writes a session's fields.
pub(crate) fn session_fields(session: &Session) -> Fields {
    let part = |part: &PayeeSpend| {
        Fields::new()
            .text("payee_id", &part.payee_id)
            .nanos("spent", part.spent_nanos)
            .nanos("spent_below", part.spent_below_nanos)
            .put("debit_count", part.debit_count)
            .nanos_or_null("cap", (part.cap_nanos != 0).then_some(part.cap_nanos))
            .end()
    };
    let authority = session.authority.as_ref().map(|authority| {
        let fields = Fields::new().text("principal", &authority.principal).text("method", &authority.method);
        let fields = fields.bytes("evidence_hash", &authority.evidence_hash);
        fields.at("approved_at", authority.approved_at.as_ref()).end()
    });
    let set = |nanos: u64| (nanos != 0).then_some(nanos);
    Fields::new()
        .text("session_id", &session.session_id)
        .text("account_id", &session.account_id)
        .put("has_secret", session.has_secret)
        .text("parent_session_id", &session.parent_session_id)
        .name("mode", session.mode().as_str_name(), "ENVELOPE_MODE_")
        .put("depth", session.depth)
        .name("state", session.state().as_str_name(), "SESSION_STATE_")
        .text("currency", &session.currency)
        .text("reference", &session.reference)
        .nanos("cap", session.cap_nanos)
        .nanos("spent", session.spent_nanos)
        .nanos("spent_below", session.spent_below_nanos)
        .nanos("reserved_by_children", session.reserved_by_children_nanos)
        .nanos("held", session.held_nanos)
        .put("open_hold_count", session.open_hold_count)
        .nanos("remaining", session.remaining_nanos)
        .put("debit_count", session.debit_count)
        .put("open_child_count", session.open_child_count)
        .nanos_or_null("default_payee_cap", set(session.default_payee_cap_nanos))
        .nanos_or_null("debit_min", set(session.debit_min_nanos))
        .nanos_or_null("debit_max", set(session.debit_max_nanos))
        .put("velocity", velocity::fields(&session.velocity))
        .put("payees_restricted", session.payees_restricted)
        .put("payees", session.payees.iter().map(part).collect::<Vec<_>>())
        .put("authority", authority)
        .put("control", control_value(session.control.as_ref()))
        .at("opened_at", session.opened_at.as_ref())
        .at("not_before", session.not_before.as_ref())
        .at("ends_at", session.ends_at.as_ref())
}

/// Shows a list of sessions.
pub(crate) fn sessions(rows: &[Session], more: bool, (look, money): (Look, Money)) -> Said {
    let column = |of: fn(&Session) -> u64| {
        money.column(&rows.iter().map(|row| of(row).into()).collect::<Vec<_>>()).into_iter()
    };
    let mut caps = column(|row| row.cap_nanos);
    let mut spent = column(|row| row.spent_nanos);
    let mut below = column(|row| row.spent_below_nanos);
    let mut remaining = column(|row| row.remaining_nanos);
    let mut grid = look.table([
        "session",
        "reference",
        "mode",
        "state",
        ">depth",
        ">cap",
        ">spent",
        ">below",
        ">remaining",
        ">debits",
        "ends",
    ]);
    for row in rows {
        grid.row([
            row.session_id.clone(),
            row.reference.clone(),
            word(row.mode().as_str_name(), "ENVELOPE_MODE_"),
            word(row.state().as_str_name(), "SESSION_STATE_"),
            row.depth.to_string(),
            caps.next().unwrap_or_default(),
            spent.next().unwrap_or_default(),
            below.next().unwrap_or_default(),
            remaining.next().unwrap_or_default(),
            row.debit_count.to_string(),
            moment::show(row.ends_at.as_ref()),
        ]);
    }
    let rows: Vec<Value> = rows.iter().map(|row| session_fields(row).end()).collect();
    Said::list("sessions", grid.text("no open sessions"), rows, more)
}
