//! Owns: what each thing of the contract looks like, as facts for a person and as fields for a program.
//! Never: asks for anything.

mod account;
mod control;
mod credential;
mod debit;
mod hold;
mod payee;
mod session;
mod settlement;
mod token;

pub(crate) use account::{accounts, deposits, show_account, show_deposit};
pub(crate) use control::{control_fields, control_line};
pub(crate) use credential::{credentials, show_credential};
pub(crate) use debit::{Declined, debits, show_debit, show_decision};
pub(crate) use hold::{Asked, show_held, with_holds};
pub(crate) use payee::{payees, show_payee};
pub(crate) use session::{payee_line, session_fields, sessions, show_session};
pub(crate) use settlement::{settlement_line, settlements, show_settlement};
pub(crate) use token::{show_token, tokens};

use crate::{fields::Fields, money::Money, screen, velocity};
use serde_json::Value;
use tallystick_client::v1::{Durability, VelocityLimit};

/// Is one thing, as facts and as fields.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    facts: Vec<(&'static str, String)>,
    fields: Fields,
}

impl Shown {
    pub(crate) fn new() -> Self {
        Self { facts: Vec::new(), fields: Fields::new() }
    }

    /// Adds a fact for a person; an empty one is not shown.
    pub(crate) fn fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((name, value.into()));
        self
    }

    /// Adds a fact for each limit in time.
    fn velocity(self, limits: &[VelocityLimit], currency: &str, money: Money) -> Self {
        let line = |limit| velocity::line(limit, currency, money);
        limits.iter().fold(self, |shown, limit| shown.fact("velocity", line(limit)))
    }

    /// Adds fields for a program.
    pub(crate) fn fields(mut self, add: impl FnOnce(Fields) -> Fields) -> Self {
        self.fields = add(self.fields);
        self
    }

    /// Adds what every answer to a change says of its record.
    pub(crate) fn record(self, seq: u64, replayed: bool, durability: Durability) -> Self {
        let note = if replayed { " (replayed: it had been done before)" } else { "" };
        let shown = self.fact("seq", format!("{seq}{note}"));
        shown.fields(|fields| {
            let fields = fields.put("seq", seq).put("replayed", replayed);
            fields.name("durability", durability.as_str_name(), "DURABILITY_")
        })
    }

    pub(crate) fn text(&self) -> String {
        screen::facts(&self.facts)
    }

    pub(crate) fn json(self) -> Value {
        self.fields.end()
    }
}

/// Writes the name of an enum's value as people say it: `SESSION_STATE_OPEN` is open.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase().replace('_', " ")
}

/// Writes a total, which is decimal text of nanos on the wire.
fn total(text: &str, money: Money) -> String {
    text.parse::<u128>().map_or_else(|_| text.to_owned(), |nanos| money.show(nanos))
}

/// Writes a total that is left out when there is none.
fn total_if_any(text: &str, money: Money) -> String {
    if text.is_empty() || text == "0" { String::new() } else { total(text, money) }
}

/// Writes an amount where zero means none.
fn amount_if_any(nanos: u64, money: Money) -> String {
    if nanos == 0 { String::new() } else { money.show(nanos) }
}

/// Writes totals as a column.
fn totals<'a>(texts: impl Iterator<Item = &'a str>, money: Money) -> Vec<String> {
    money.column(&texts.map(|text| text.parse().unwrap_or_default()).collect::<Vec<_>>())
}
