//! Owns: holds, shown, and what was decided about one. Never: asks for any.

use super::{Shown, amount_if_any, debit::decided, word};
use crate::{desk::Said, fields::Fields, moment, money::Money, screen::counted};
use serde_json::Value;
use tallystick_client::v1::{Decision, HoldInfo, HoldState, Session};

/// Is what was asked about a hold, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) session: &'a str,
    pub(crate) key: &'a str,
    /// The hold as it is now, if it is known.
    pub(crate) hold: Option<&'a HoldInfo>,
}

/// Shows what was decided about a hold.
pub(crate) fn show_held(decision: &Decision, asked: &Asked<'_>, money: Money) -> Said {
    let (shown, exit) = decided(decision, asked.session, asked.key, money);
    let shown = shown.fact("late of", decision.late_of.as_str());
    let shown = match asked.hold {
        None => shown.fact("hold", decision.hold_id.as_str()),
        Some(hold) => facts(shown, hold, money),
    };
    let fields = |fields: Fields| {
        let fields = fields.text("hold_id", &decision.hold_id).text("late_of", &decision.late_of);
        fields.put("hold", asked.hold.map_or(Value::Null, |hold| hold_fields(hold).end()))
    };
    let text = shown.text();
    Said { exit, text, json: shown.fields(fields).json() }
}

fn facts(shown: Shown, hold: &HoldInfo, money: Money) -> Shown {
    let captured = match hold.capture_count {
        0 => String::new(),
        count => format!("{} in {}", money.show(hold.captured_nanos), counted(count, "capture")),
    };
    shown
        .fact("hold", hold.hold_id.as_str())
        .fact("state", word(hold.state().as_str_name(), "HOLD_STATE_"))
        .fact("tolerance", amount_if_any(hold.tolerance_nanos, money))
        .fact("captured", captured)
        .fact("held", amount_if_any(hold.held_nanos, money))
        .fact("given back", amount_if_any(hold.released_nanos, money))
        .fact("until", moment::show(hold.capture_until.as_ref()))
}

/// Writes a hold's fields.
pub(crate) fn hold_fields(hold: &HoldInfo) -> Fields {
    Fields::new()
        .text("hold_id", &hold.hold_id)
        .text("session_id", &hold.session_id)
        .text("payee_id", &hold.payee_id)
        .name("state", hold.state().as_str_name(), "HOLD_STATE_")
        .text("currency", &hold.currency)
        .nanos("amount", hold.amount_nanos)
        .nanos("tolerance", hold.tolerance_nanos)
        .nanos("held", hold.held_nanos)
        .nanos("captured", hold.captured_nanos)
        .put("capture_count", hold.capture_count)
        .nanos("released", hold.released_nanos)
        .at("capture_until", hold.capture_until.as_ref())
        .at("placed_at", hold.placed_at.as_ref())
        .put("seq", hold.seq)
}

/// Adds a session's holds to it.
pub(crate) fn with_holds(shown: Shown, session: &Session, holds: &[HoldInfo], money: Money) -> Shown {
    let line = |hold: &HoldInfo| {
        let over = if hold.state() == HoldState::Expired { ", over" } else { "" };
        let until = moment::show(hold.capture_until.as_ref());
        let (id, held, payee) = (&hold.hold_id, money.show(hold.held_nanos), &hold.payee_id);
        format!("{id}  {held} for {payee} until {until}{over}")
    };
    let shown = holds.iter().fold(shown, |shown, hold| shown.fact("hold", line(hold)));
    let more = (session.open_hold_count as usize).saturating_sub(holds.len());
    let more = if more == 0 { String::new() } else { format!("and {more} more") };
    let holds: Vec<Value> = holds.iter().map(|hold| hold_fields(hold).end()).collect();
    shown.fact("holds", more).fields(|fields| fields.put("holds", holds))
}
