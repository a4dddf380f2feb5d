//! Owns: limits in time as people write them, `50/1s`, `10.00 USD/24h rolling, each payee`, and as they are shown.
//! Never: what a limit may be; the server says that.

use crate::{Failure, fields::Fields, moment, money::Money, screen::counted};
use serde_json::Value;
use std::time::Duration;
use tallystick_client::v1::{VelocityLimit, VelocityMeasure, VelocityPace};

const FIELD: &str = "--velocity";
/// The longest that a rate looks back.
const RATE_LONGEST: Duration = Duration::from_secs(60);

/// Is what `--velocity` takes, for whoever explains it.
pub(crate) const HELP: &str = "Limit how many debits, or how much, in how long: 50/1s, \"50/1s burst 10\", \
     \"10.00 USD/24h rolling, each payee\"; can be given again. Up to 1m it is an even rate, beyond a rolling window";

/// Reads the limits of one envelope in `currency`. *Errors*: names the rule that one breaks.
pub(crate) fn read(texts: &[String], currency: &str, money: Money) -> Result<Vec<VelocityLimit>, Failure> {
    texts.iter().map(|text| read_one(text, currency, money)).collect()
}

fn read_one(text: &str, currency: &str, money: Money) -> Result<VelocityLimit, Failure> {
    let broken = |rule: &str| Failure::usage(FIELD, text, rule);
    let (rest, each_payee) = match text.trim_end().strip_suffix("each payee") {
        Some(rest) => (rest.trim_end().trim_end_matches(','), true),
        None => (text, false),
    };
    let parts = rest.split_once('/');
    let (most, rest) = parts.ok_or_else(|| {
        broken("must be MOST/SPAN, such as 50/1s, or \"10.00 USD/24h rolling, each payee\"")
    })?;
    let (rest, burst) = rest.split_once(" burst ").map_or((rest, None), |(rest, burst)| (rest, Some(burst)));
    let (span, is_rolling) = match rest.trim().strip_suffix("rolling") {
        Some(span) => (span.trim_end(), true),
        None => (rest.trim(), false),
    };
    let per = moment::read_span(FIELD, span)?;
    let is_rate = per <= RATE_LONGEST;
    match (is_rate, is_rolling, burst) {
        (true, true, _) => return Err(broken("must leave out \"rolling\": up to 1m it is a rate, and even")),
        (false, _, Some(_)) => {
            return Err(broken("must leave out \"burst\": beyond 1m it is a rolling window"));
        }
        _ => {}
    }
    let (measure, most) = quantity(text, most.trim(), currency, money)?;
    let burst = burst.map(|burst| match quantity(text, burst.trim(), currency, money)? {
        (other, _) if other != measure => {
            Err(broken("must measure the same before \"/\" and after \"burst\""))
        }
        (_, burst) => Ok(burst),
    });
    Ok(VelocityLimit {
        pace: if is_rate { VelocityPace::Rate } else { VelocityPace::RollingWindow }.into(),
        measure: measure.into(),
        most,
        per: Some(moment::to_wire(per)),
        burst: burst.transpose()?.unwrap_or(0),
        each_payee,
        ..VelocityLimit::default()
    })
}

/// Reads `50`, `50 debits`, `10.00 USD` or `10.00USD`.
fn quantity(
    whole: &str,
    text: &str,
    currency: &str,
    money: Money,
) -> Result<(VelocityMeasure, u64), Failure> {
    let broken = |rule: &str| Failure::usage(FIELD, whole, rule);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    match unit.trim() {
        "" | "debit" | "debits" => {
            let count = number.parse().ok().filter(|count| *count > 0);
            let rule =
                "must count whole debits, such as 50, or name the currency of an amount, such as 10.00 USD";
            Ok((VelocityMeasure::Count, count.ok_or_else(|| broken(rule))?))
        }
        unit if unit.eq_ignore_ascii_case(currency) => {
            Ok((VelocityMeasure::Amount, money.read(FIELD, number)?))
        }
        _ => Err(broken(&format!("must count debits, or be an amount in {currency}"))),
    }
}

/// Writes a limit as it is read, and what is left of it.
pub(crate) fn line(limit: &VelocityLimit, currency: &str, money: Money) -> String {
    let is_count = limit.measure() == VelocityMeasure::Count;
    let quantity = |n: u64| {
        if is_count { counted(n, "debit") } else { format!("{} {currency}", money.show(n)) }
    };
    let rolling = if limit.pace() == VelocityPace::RollingWindow { " rolling" } else { "" };
    let burst = if limit.burst == 0 { String::new() } else { format!(" burst {}", quantity(limit.burst)) };
    let each = if limit.each_payee { ", each payee" } else { "" };
    let per = limit.per.as_ref().map(moment::short).unwrap_or_default();
    let left = match (limit.each_payee, limit.payee_count) {
        (true, 0) => "all left".to_owned(),
        (true, payees) => {
            format!("{} left to the one of {} with least", quantity(limit.left), counted(payees, "payee"))
        }
        (false, _) => format!("{} left", quantity(limit.left)),
    };
    format!("{}/{per}{rolling}{burst}{each}; {left}", quantity(limit.most))
}

/// Writes the limits of one envelope as fields.
pub(crate) fn fields(limits: &[VelocityLimit]) -> Value {
    limits.iter().map(one).collect()
}

fn one(limit: &VelocityLimit) -> Value {
    let fields = Fields::new()
        .name("pace", limit.pace().as_str_name(), "VELOCITY_PACE_")
        .name("measure", limit.measure().as_str_name(), "VELOCITY_MEASURE_")
        .put("per", limit.per.as_ref().map(moment::seconds))
        .put("each_payee", limit.each_payee)
        .put("payee_count", limit.payee_count);
    let set = |n: u64| (n != 0).then_some(n);
    match limit.measure() {
        VelocityMeasure::Amount => fields
            .nanos("most", limit.most)
            .nanos_or_null("burst", set(limit.burst))
            .nanos("left", limit.left),
        VelocityMeasure::Count | VelocityMeasure::Unspecified => {
            fields.put("most", limit.most).put("burst", set(limit.burst)).put("left", limit.left)
        }
    }
    .end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<VelocityLimit, String> {
        read_one(text, "USD", Money::Decimal).map_err(|failure| failure.to_string())
    }

    #[test]
    fn limits_are_read_as_people_write_them_and_shown_alike() {
        const DAY: i64 = 86_400;
        for (text, most, seconds, burst, each, shown) in [
            ("0.50USD/2d", 500_000_000, 2 * DAY, 0, false, "0.50 USD/2d rolling; 0.000000007 USD left"),
            ("50/1s", 50, 1, 0, false, "50 debits/1s; 7 debits left"),
            ("1 debit/1m", 1, 60, 0, false, "1 debit/1m; 7 debits left"),
            ("50 debits/1s burst 10", 50, 1, 10, false, "50 debits/1s burst 10 debits; 7 debits left"),
            ("1000/24h", 1_000, DAY, 0, false, "1,000 debits/24h rolling; 7 debits left"),
            (
                "10.00 USD/7d rolling",
                10_000_000_000,
                7 * DAY,
                0,
                false,
                "10.00 USD/7d rolling; 0.000000007 USD left",
            ),
            (
                "1 usd/1s burst 0.5 USD",
                1_000_000_000,
                1,
                500_000_000,
                false,
                "1.00 USD/1s burst 0.50 USD; 0.000000007 USD left",
            ),
            (
                "20/90m rolling, each payee",
                20,
                5_400,
                0,
                true,
                "20 debits/90m rolling, each payee; 7 debits left to the one of 2 payees with least",
            ),
            (
                "20/1h each payee",
                20,
                3_600,
                0,
                true,
                "20 debits/1h rolling, each payee; 7 debits left to the one of 2 payees with least",
            ),
        ] {
            let mut limit = read(text).unwrap();
            let per = limit.per.unwrap();
            assert_eq!(
                (limit.most, per.seconds, limit.burst, limit.each_payee),
                (most, seconds, burst, each),
                "{text}"
            );
            assert_eq!(limit.pace() == VelocityPace::Rate, seconds <= 60, "{text}");
            (limit.left, limit.payee_count) = (7, 2);
            assert_eq!(line(&limit, "USD", Money::Decimal), shown);
            let (asked, _) = shown.split_once(';').unwrap();
            let again = read(&asked.replace(',', "").replace(" each payee", ", each payee")).unwrap();
            assert_eq!(VelocityLimit { left: 7, payee_count: 2, ..again }, limit, "{asked}");
        }
        let fresh = VelocityLimit { left: 20, ..read("20/1h each payee").unwrap() };
        assert!(line(&fresh, "USD", Money::Decimal).ends_with("each payee; all left"));
    }

    #[test]
    fn what_is_no_limit_is_refused_with_its_rule() {
        for (text, rule) in [
            ("50", "MOST/SPAN"),
            ("50 per second", "MOST/SPAN"),
            ("/1s", "whole debits"),
            ("0/1s", "whole debits"),
            ("1.5/1s", "10.00 USD"),
            ("10.00 EUR/24h", "amount in USD"),
            ("x USD/24h", "amount in USD"),
            (".5 USD/24h", "decimal"),
            ("-5 USD/24h", "amount in USD"),
            ("50/soon", "span"),
            ("50/1mo", "no one length"),
            ("50/1s rolling", "up to 1m it is a rate"),
            ("50/24h burst 10", "beyond 1m it is a rolling window"),
            ("50/1s burst 0.10 USD", "measure the same"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(FIELD) && said.contains(rule), "{text}: {said}");
        }
    }

    #[test]
    fn fields_are_money_or_counts_as_the_limit_measures() {
        let limits = [read("10.00 USD/24h").unwrap(), read("50/1s burst 5").unwrap()];
        let json = fields(&limits);
        assert_eq!((&json[0]["most_nanos"], &json[0]["most"]), (&"10000000000".into(), &"10.00".into()));
        assert_eq!((&json[0]["pace"], &json[0]["per"]), (&"ROLLING_WINDOW".into(), &"86400s".into()));
        assert_eq!((&json[1]["most"], &json[1]["burst"]), (&50.into(), &5.into()));
    }
}
