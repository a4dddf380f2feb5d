//! Owns: control words, shown. Never: asks for any.

use super::word;
use crate::{fields::Fields, moment};
use serde_json::Value;
use tallystick_client::v1::{Control, ControlState, RevokedHolds};

/// Writes a control word in a line.
pub(crate) fn control_line(control: &Control) -> String {
    let state = match (control.state(), control.holds()) {
        (ControlState::Revoked, RevokedHolds::Void) => "revoked, holds given back".to_owned(),
        (ControlState::Revoked, _) => "revoked, holds honoured".to_owned(),
        (state, _) => word(state.as_str_name(), "CONTROL_STATE_"),
    };
    let at = control.changed_at.as_ref().map(|at| format!(" since {}", moment::show(Some(at))));
    let at = at.unwrap_or_default();
    let note = match control.note.as_str() {
        "" => String::new(),
        note => format!(": {note}"),
    };
    format!("{state}{at}, epoch {}, by actor {}{note}", control.epoch, control.actor)
}

/// Writes a control word that there may be none of.
pub(super) fn control_line_if_any(control: Option<&Control>) -> String {
    control.map(control_line).unwrap_or_default()
}

/// Writes a control word's fields.
pub(crate) fn control_fields(fields: Fields, control: &Control) -> Fields {
    fields
        .name("state", control.state().as_str_name(), "CONTROL_STATE_")
        .put("epoch", control.epoch)
        .name("holds", control.holds().as_str_name(), "REVOKED_HOLDS_")
        .put("actor", control.actor)
        .at("changed_at", control.changed_at.as_ref())
        .text("note", &control.note)
}

/// Writes a control word that there may be none of, as one value.
pub(super) fn control_value(control: Option<&Control>) -> Option<Value> {
    control.map(|control| control_fields(Fields::new(), control).end())
}
