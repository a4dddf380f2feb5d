//! Owns: money on a person's screen: decimals without a symbol, exact to the nano, or raw nanos for who asks for them.
//! Never: rounds, converts, or knows a currency.

use crate::Failure;
use rust_decimal::{Decimal, prelude::ToPrimitive as _};

/// Is how many nanos one major unit has.
const NANOS: u64 = 1_000_000_000;
/// Is how many decimals a nano is.
const DECIMALS: usize = 9;
/// Is how many decimals are shown of what needs fewer.
const SHOWN: usize = 2;
/// Is the greatest amount that the contract lets a caller name.
const NAMEABLE_MAX: u64 = i64::MAX as u64;

/// Says how amounts are written, on the command line and in what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Money {
    /// As decimals: 1.50.
    #[default]
    Decimal,
    /// As whole nanos: 1500000000.
    Nanos,
}

impl Money {
    /// Reads an amount. *Errors*: names the field, and the rule that it breaks.
    pub(crate) fn read(self, field: &str, text: &str) -> Result<u64, Failure> {
        let nanos = match self {
            Self::Decimal => from_decimal(text),
            Self::Nanos => text.parse().map_err(|_| "must be a whole number of nanos, as --nanos asks"),
        };
        nanos.and_then(nameable).map_err(|rule| Failure::usage(field, text, rule))
    }

    /// Reads an amount that may be absent; none is zero, as on the wire.
    pub(crate) fn read_or_none(self, field: &str, text: Option<&str>) -> Result<u64, Failure> {
        text.map_or(Ok(0), |text| self.read(field, text))
    }

    /// Writes an amount.
    pub(crate) fn show(self, nanos: impl Into<u128>) -> String {
        let nanos = nanos.into();
        self.show_with(nanos, decimals(nanos))
    }

    /// Writes a column of amounts with as many decimals each as the one that needs most.
    pub(crate) fn column(self, nanos: &[u128]) -> Vec<String> {
        let most = nanos.iter().map(|nanos| decimals(*nanos)).max().unwrap_or(SHOWN);
        nanos.iter().map(|nanos| self.show_with(*nanos, most)).collect()
    }

    /// Writes an amount that may be below zero.
    pub(crate) fn show_signed(self, nanos: i128) -> String {
        let sign = if nanos < 0 { "-" } else { "" };
        format!("{sign}{}", self.show(nanos.unsigned_abs()))
    }

    fn show_with(self, nanos: u128, decimals: usize) -> String {
        match self {
            Self::Decimal => to_decimal(nanos, decimals),
            Self::Nanos => nanos.to_string(),
        }
    }
}

/// Writes nanos as a decimal, for programs: never in another form, whatever a person asked for.
pub(crate) fn decimal(nanos: impl Into<u128>) -> String {
    let nanos = nanos.into();
    to_decimal(nanos, decimals(nanos))
}

fn to_decimal(nanos: u128, decimals: usize) -> String {
    let (whole, part) = (nanos / u128::from(NANOS), nanos % u128::from(NANOS));
    let digits = format!("{part:09}");
    format!("{whole}.{}", digits.get(..decimals).unwrap_or(&digits))
}

fn decimals(nanos: u128) -> usize {
    let digits = format!("{:09}", nanos % u128::from(NANOS));
    digits.trim_end_matches('0').len().max(SHOWN)
}

fn from_decimal(text: &str) -> Result<u64, &'static str> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return Err("must be a plain decimal number such as 1.50: no sign, no symbol, no separators");
    }
    if part.len() > DECIMALS {
        return Err("must have at most 9 decimals: nothing is smaller than a nano, 0.000000001");
    }
    const TOO_GREAT: &str = "must be at most 9223372036.854775807, which is 2^63-1 nanos";
    let amount = Decimal::from_str_exact(text).map_err(|_| TOO_GREAT)?;
    amount.checked_mul(NANOS.into()).and_then(|nanos| nanos.to_u64()).ok_or(TOO_GREAT)
}

fn nameable(nanos: u64) -> Result<u64, &'static str> {
    match nanos {
        0 => Err("must be more than 0"),
        1..=NAMEABLE_MAX => Ok(nanos),
        _ => Err("must be at most 9223372036.854775807, which is 2^63-1 nanos"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<u64, String> {
        Money::Decimal.read("AMOUNT", text).map_err(|failure| failure.to_string())
    }

    #[test]
    fn decimals_become_nanos_exactly() {
        for (text, nanos) in [
            ("1.50", 1_500_000_000),
            ("1.5", 1_500_000_000),
            ("1", 1_000_000_000),
            ("0.000000001", 1),
            ("0.1", 100_000_000),
            ("0.123456789", 123_456_789),
            ("007.10", 7_100_000_000),
            ("9223372036.854775807", NAMEABLE_MAX),
        ] {
            assert_eq!(read(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_with_field_and_rule() {
        for (text, rule) in [
            ("1.0000000001", "at most 9 decimals"),
            ("1.0000000000", "at most 9 decimals"),
            ("0", "more than 0"),
            ("0.0", "more than 0"),
            ("-1", "no sign"),
            ("+1", "no sign"),
            ("$1", "no symbol"),
            ("1,000", "no separators"),
            ("1_000", "no separators"),
            ("1e3", "plain decimal"),
            (".5", "plain decimal"),
            ("5.", "plain decimal"),
            ("", "plain decimal"),
            ("1.2.3", "plain decimal"),
            ("9223372036.854775808", "2^63-1"),
            ("99999999999999999999999999999999", "2^63-1"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains("AMOUNT") && said.contains(rule), "{text}: {said}");
        }
    }

    #[test]
    fn raw_nanos_are_taken_as_they_are() {
        assert_eq!(Money::Nanos.read("AMOUNT", "1500000000").unwrap(), 1_500_000_000);
        assert_eq!(Money::Nanos.show(1_500_000_000_u64), "1500000000");
        let said = Money::Nanos.read("AMOUNT", "1.5").unwrap_err().to_string();
        assert!(said.contains("whole number of nanos"), "{said}");
    }

    #[test]
    fn nanos_are_shown_with_the_decimals_they_need_and_two_at_least() {
        for (nanos, text) in [
            (0, "0.00"),
            (1, "0.000000001"),
            (1_500_000_000, "1.50"),
            (2_856_525_600, "2.8565256"),
            (u128::from(u64::MAX), "18446744073.709551615"),
        ] {
            assert_eq!(Money::Decimal.show(nanos), text);
            assert_eq!(decimal(nanos), text);
        }
        assert_eq!(Money::Decimal.show_signed(-1_500_000_000), "-1.50");
        assert_eq!(Money::Decimal.column(&[1, 1_500_000_000]), ["0.000000001", "1.500000000"]);
    }
}
