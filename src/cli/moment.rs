//! Owns: spans and instants as people write them, `15m`, `24h`, `2026-11-21T12:00:00Z`, and as they are shown.
//! Never: asks what time it is.

use crate::Failure;
use jiff::{Span, SpanRelativeTo, Timestamp, Unit};
use std::time::Duration;

/// Reads a span: `90s`, `15m`, `1h 30m`, `30d`; a day is 24 hours. *Errors*: names the field and the rule.
pub(crate) fn read_span(field: &str, text: &str) -> Result<Duration, Failure> {
    let broken = |rule| Failure::usage(field, text, rule);
    let span: Span = text.parse().map_err(|_| broken("must be a span such as 90s, 15m, 24h or 7d"))?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(broken("must be in weeks or less: months and years have no one length"));
    }
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let length = length.ok().and_then(|length| Duration::try_from(length).ok());
    length.filter(|length| !length.is_zero()).ok_or_else(|| broken("must be more than nothing"))
}

/// Reads an instant in the form of RFC 3339. *Errors*: names the field and the rule.
pub(crate) fn read_instant(field: &str, text: &str) -> Result<prost_types::Timestamp, Failure> {
    let rule = "must be an instant such as 2026-11-21T12:00:00Z";
    let instant: Timestamp = text.parse().map_err(|_| Failure::usage(field, text, rule))?;
    Ok(prost_types::Timestamp { seconds: instant.as_second(), nanos: instant.subsec_nanosecond() })
}

/// Reads an instant as nanoseconds since 1970. *Errors*: names the field and the rule.
pub(crate) fn ns(field: &str, text: &str) -> Result<u64, Failure> {
    let rule = "must be an instant after 1970, such as 2026-11-21T12:00:00Z";
    let instant: Option<Timestamp> = text.parse().ok();
    let ns = instant.and_then(|instant| u64::try_from(instant.as_nanosecond()).ok());
    ns.ok_or_else(|| Failure::usage(field, text, rule))
}

/// Puts a span on the wire.
pub(crate) fn to_wire(span: Duration) -> prost_types::Duration {
    // A span that was read fits; the fallback is a span that any server refuses.
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
    }
}

fn instant(wire: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(wire.seconds, wire.nanos).ok()
}

/// Writes an instant for a person, to the second.
pub(crate) fn show(wire: Option<&prost_types::Timestamp>) -> String {
    let Some(at) = wire.and_then(instant) else { return "-".to_owned() };
    at.round(Unit::Second).unwrap_or(at).to_string()
}

/// Writes an instant for a program, as exactly as it is known.
pub(crate) fn exact(wire: &prost_types::Timestamp) -> Option<String> {
    instant(wire).map(|at| at.to_string())
}

/// Writes nanoseconds since 1970 as exactly as they are, always as long.
pub(crate) fn from_ns(ns: u64) -> String {
    Timestamp::from_nanosecond(ns.into())
        .map_or_else(|_| format!("{ns} ns since 1970"), |at| format!("{at:.9}"))
}

/// Writes a span for a program.
pub(crate) fn seconds(wire: &prost_types::Duration) -> String {
    let text = format!("{}.{:09}", wire.seconds, wire.nanos);
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Writes a span for a person in its greatest whole unit: `24h`, `7d`, `90s`, `250ms`.
pub(crate) fn short(wire: &prost_types::Duration) -> String {
    if wire.nanos != 0 {
        let millis = wire.seconds.saturating_mul(1_000) + i64::from(wire.nanos / 1_000_000);
        return if wire.nanos % 1_000_000 == 0 { format!("{millis}ms") } else { seconds(wire) };
    }
    // A day is still 24h, and a minute 1m: two of a unit, or its one, are read at once.
    let units = [(86_400, "d", 2), (3_600, "h", 1), (60, "m", 1)];
    let fits =
        |(length, _, least): &(i64, &str, i64)| wire.seconds % length == 0 && wire.seconds >= length * least;
    match units.iter().find(|unit| fits(unit)) {
        Some((length, unit, _)) => format!("{}{unit}", wire.seconds / length),
        None => format!("{}s", wire.seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, secs) in [
            ("15m", 900),
            ("24h", 86_400),
            ("90s", 90),
            ("1h 30m", 5_400),
            ("1h30m", 5_400),
            ("7d", 604_800),
            ("1w", 604_800),
            ("30 days", 2_592_000),
            ("PT15M", 900),
        ] {
            assert_eq!(read_span("--ttl", text).unwrap(), Duration::from_secs(secs), "{text}");
        }
        assert_eq!(read_span("--ttl", "250ms").unwrap(), Duration::from_millis(250));
    }

    #[test]
    fn what_is_no_span_is_refused_with_field_and_rule() {
        for (text, rule) in [
            ("", "such as"),
            ("15", "such as"),
            ("soon", "such as"),
            ("0s", "more than nothing"),
            ("-5m", "more than nothing"),
            ("1mo", "no one length"),
            ("1y", "no one length"),
        ] {
            let said = read_span("--ttl", text).unwrap_err().to_string();
            assert!(said.contains("--ttl") && said.contains(rule), "{text}: {said}");
        }
    }

    #[test]
    fn spans_are_shown_in_their_greatest_whole_unit() {
        for text in
            ["1s", "90s", "1m", "90m", "1h", "24h", "36h", "2d", "400d", "250ms", "1500ms", "0.000000001s"]
        {
            assert_eq!(short(&to_wire(read_span("--velocity", text).unwrap())), text);
        }
    }

    #[test]
    fn instants_come_back() {
        let wire = read_instant("--not-before", "2026-11-21T12:00:00.25Z").unwrap();
        assert_eq!(show(Some(&wire)), "2026-11-21T12:00:00Z");
        assert_eq!(exact(&wire).unwrap(), "2026-11-21T12:00:00.25Z");
        assert_eq!(show(None), "-");
        assert!(read_instant("--not-before", "tomorrow").is_err());
        assert_eq!(from_ns(1_500_000_000), "1970-01-01T00:00:01.500000000Z");
        assert_eq!(seconds(&to_wire(Duration::from_millis(1_500))), "1.5s");
    }
}
