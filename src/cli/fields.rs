//! Owns: what programs read: names in snake case that stay, amounts twice, as text of nanos and as a decimal.
//! What is unset is null; a field is never left out.
//! Never: a number for money; readers of JSON round those.

use crate::{moment, money};
use serde_json::{Map, Value, json};

/// Gathers the fields of one object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Begins an object.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds any value.
    pub(crate) fn put(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Adds text; null when it is empty.
    pub(crate) fn text(self, name: &str, text: &str) -> Self {
        let value = if text.is_empty() { Value::Null } else { Value::from(text) };
        self.put(name, value)
    }

    /// Adds the name of an enum's value without its prefix; null for the unspecified one.
    pub(crate) fn name(self, field: &str, name: &str, prefix: &str) -> Self {
        let short = name.strip_prefix(prefix).unwrap_or(name);
        self.text(field, if short == "UNSPECIFIED" { "" } else { short })
    }

    /// Adds an amount as `NAME_nanos` and `NAME`.
    pub(crate) fn nanos(self, name: &str, nanos: u64) -> Self {
        self.total(name, &nanos.to_string())
    }

    /// Adds an amount that may be unset.
    pub(crate) fn nanos_or_null(self, name: &str, nanos: Option<u64>) -> Self {
        match nanos {
            Some(nanos) => self.nanos(name, nanos),
            None => self.put(&format!("{name}_nanos"), Value::Null).put(name, Value::Null),
        }
    }

    /// Adds a total, which is decimal text of nanos on the wire, as `NAME_nanos` and `NAME`.
    pub(crate) fn total(self, name: &str, nanos: &str) -> Self {
        let decimal = nanos.parse::<u128>().ok().map(money::decimal);
        self.text(&format!("{name}_nanos"), nanos).put(name, json!(decimal))
    }

    /// Adds an instant; null when it is unset.
    pub(crate) fn at(self, name: &str, at: Option<&prost_types::Timestamp>) -> Self {
        self.put(name, json!(at.and_then(moment::exact)))
    }

    /// Adds bytes as hexadecimal digits; null when there are none.
    pub(crate) fn bytes(self, name: &str, bytes: &[u8]) -> Self {
        self.text(name, &hex(bytes))
    }

    /// Ends it.
    pub(crate) fn end(self) -> Value {
        Value::Object(self.0)
    }
}

/// Writes bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_text_twice_and_what_is_unset_is_null() {
        let object = Fields::new()
            .nanos("cap", 1_500_000_000)
            .nanos_or_null("payee_remaining", None)
            .text("reference", "")
            .name("state", "SESSION_STATE_OPEN", "SESSION_STATE_")
            .name("code", "DECLINE_CODE_UNSPECIFIED", "DECLINE_CODE_")
            .at("ends_at", None)
            .bytes("evidence_hash", &[0xab, 1])
            .end();
        let wanted = json!({
            "cap": "1.50", "cap_nanos": "1500000000", "payee_remaining": null, "payee_remaining_nanos": null,
            "reference": null, "state": "OPEN", "code": null, "ends_at": null, "evidence_hash": "ab01",
        });
        assert_eq!(object, wanted);
    }
}
