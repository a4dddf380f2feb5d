//! Owns: credentials, shown. Never: a key.

use super::{Shown, word};
use crate::{desk::Said, fields::Fields, moment, screen::Look};
use serde_json::{Value, json};
use tallystick_client::v1::{Credential, Role};

/// Shows one credential.
pub(crate) fn show_credential(row: &Credential) -> Shown {
    let mut shown = Shown::new()
        .fact("credential", row.credential_id.as_str())
        .fact("name", row.name.as_str())
        .fact("key", format!("{}…", row.prefix))
        .fact("roles", roles(row));
    if !row.payee_id.is_empty() {
        shown = shown.fact("payee", row.payee_id.as_str());
    }
    if !row.front_end.is_empty() {
        shown = shown.fact("front-end", row.front_end.as_str());
    }
    if row.development {
        shown = shown.fact("heard", "from the server's own machine only");
    }
    shown = shown.fact("actor", row.actor.to_string()).fact("created", moment::show(row.created_at.as_ref()));
    if row.revoked_at.is_some() {
        shown = shown.fact("revoked", moment::show(row.revoked_at.as_ref()));
    }
    shown.fields(|_| fields(row))
}

fn names(row: &Credential) -> Vec<String> {
    row.roles().map(|role: Role| word(role.as_str_name(), "ROLE_")).collect()
}

fn roles(row: &Credential) -> String {
    names(row).join(", ")
}

fn fields(row: &Credential) -> Fields {
    Fields::new()
        .text("credential_id", &row.credential_id)
        .text("name", &row.name)
        .text("prefix", &row.prefix)
        .put("roles", json!(names(row)))
        .text("payee_id", &row.payee_id)
        .text("front_end", &row.front_end)
        .put("development", row.development)
        .put("actor", row.actor)
        .at("created_at", row.created_at.as_ref())
        .at("revoked_at", row.revoked_at.as_ref())
}

/// Shows a list of credentials.
pub(crate) fn credentials(rows: &[Credential], more: bool, look: Look) -> Said {
    let mut grid = look.table(["credential", "actor", "name", "key", "roles", "for", "state"]);
    for row in rows {
        let of = [row.payee_id.as_str(), row.front_end.as_str()].concat();
        let state = match (&row.revoked_at, row.development) {
            (Some(_), _) => "revoked",
            (None, true) => "development",
            (None, false) => "active",
        };
        grid.row([
            row.credential_id.clone(),
            row.actor.to_string(),
            row.name.clone(),
            format!("{}…", row.prefix),
            roles(row),
            of,
            state.to_owned(),
        ]);
    }
    let rows: Vec<Value> = rows.iter().map(|row| fields(row).end()).collect();
    Said::list("credentials", grid.text("no credentials"), rows, more)
}
