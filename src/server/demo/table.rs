//! Owns: the figures as a person likes to read them. Never: a figure that the report does not hold.

use super::{plan::PAYEES, report::Report, screen::grouped};
use comfy_table::{Attribute, Cell, CellAlignment, Color, Table, presets::UTF8_FULL_CONDENSED};
use rust_decimal::Decimal;
use std::fmt::Write as _;

/// Writes the whole result.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(
        text,
        "\n  {} micropayments of {} agents for {} model calls, {}\n",
        grouped(report.debits),
        grouped(report.sessions),
        grouped(report.requests),
        report.workload,
    );
    let _ = writeln!(text, "{}\n\n{}\n\n{}\n", decided(report), settled(report), measured(report));
    let _ = writeln!(text, "  {}", verdict(report));
    text
}

fn decided(report: &Report) -> Table {
    let mut table = table(["decided", "debits", "share", ""]);
    let mut row = |what: &str, count: u64, note: &str| {
        table.add_row([left(what), right(grouped(count)), right(share(count, report.debits)), left(note)]);
    };
    row("approved", report.approved, "");
    for (code, count) in &report.declined_by_code {
        row(&format!("declined {code}"), *count, meaning(code));
    }
    if report.refused > 0 {
        row("refused", report.refused, "nothing was decided about these");
    }
    if report.killed_after_debits.is_some() {
        row("of these, replayed", report.replayed, "decided before the crash, heard after it, paid once");
    }
    table
}

fn settled(report: &Report) -> Table {
    let all: u128 = report.settled_nanos_by_payee.values().sum();
    let owed: u128 = report.payable_nanos_by_payee.values().sum();
    let sums = report.settled_nanos_by_payee.values().chain(report.payable_nanos_by_payee.values());
    let digits = sums.map(|nanos| digits_needed(*nanos)).max().unwrap_or_default();
    let mut table = table(["settled to", "debits", "agents heard, USD", "server owes, USD"]);
    for (name, _) in PAYEES {
        let debits = report.settled_debits_by_payee.get(name).copied().unwrap_or_default();
        let heard = report.settled_nanos_by_payee.get(name).copied().unwrap_or_default();
        let owed = report.payable_nanos_by_payee.get(name).copied().unwrap_or_default();
        table.add_row([
            left(name),
            right(grouped(debits)),
            right(usd(heard, digits)),
            right(usd(owed, digits)),
        ]);
    }
    let debits: u64 = report.settled_debits_by_payee.values().sum();
    let name = format!("all, by {} settlements", grouped(report.settlements));
    table.add_row([
        bold(&name),
        right(grouped(debits)),
        right(usd(all, digits)).add_attribute(Attribute::Bold),
        right(usd(owed, digits)).add_attribute(Attribute::Bold),
    ]);
    table
}

fn measured(report: &Report) -> Table {
    let mut table = table(["measured", "", ""]);
    let mut row = |what: &str, value: String, note: &str| {
        table.add_row([left(what), right(value), left(note)]);
    };
    let shape = format!(
        "durable in mode {}; {} writers x {} batches x {} debits in flight, {} cores",
        report.durability, report.writers, report.in_flight_batches, report.batch_debits, report.cores
    );
    row("rate", format!("{} debits/s", grouped(report.rate_while_up_per_s)), &shape);
    if report.recovery_ms.is_some() {
        row("rate, outage included", format!("{} debits/s", grouped(report.rate_per_s)), "");
    }
    let calm = report.latency_calm_us;
    row("latency p50", micros(calm.p50), "per debit: its batch sent until its answer heard");
    row("latency p99", micros(calm.p99), "");
    row("latency p99.9", micros(calm.p999), "");
    if let (Some(recovery_ms), Some(after)) = (report.recovery_ms, report.killed_after_debits) {
        row("p99.9, crash included", micros(report.latency_us.p999), "the batches that the crash caught");
        let note = format!("killed after {} answers; start to first answer", grouped(after));
        row("recovery", format!("{recovery_ms:.0} ms"), &note);
    }
    let note = format!("{} comparisons, nano by nano", grouped(report.audit_comparisons));
    let difference = format!("{} nanos", grouped(report.audit_difference_nanos));
    let color = if report.audit_differences.is_empty() { Color::Green } else { Color::Red };
    let difference = right(difference).fg(color).add_attribute(Attribute::Bold);
    table.add_row([bold("audit difference"), difference, left(&note)]);
    table
}

fn verdict(report: &Report) -> String {
    if report.audit_differences.is_empty() {
        return "Both halves of the tally match: what the agents heard is what the payees are owed."
            .to_owned();
    }
    let mut text = "The halves of the tally do not match:".to_owned();
    for difference in &report.audit_differences {
        let _ = write!(text, "\n    {difference}");
    }
    text
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners());
    table.set_header(header.map(bold));
    table
}

fn left(text: &str) -> Cell {
    Cell::new(text)
}

fn bold(text: &str) -> Cell {
    Cell::new(text).add_attribute(Attribute::Bold)
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn meaning(code: &str) -> &'static str {
    match code {
        "CAP" => "the session's ceiling was reached",
        "PAYEE_CAP" => "one payee had got all it may get",
        _ => "",
    }
}

/// Writes a share of the whole in per cent, with one digit behind the point, rounded down.
fn share(part: u64, whole: u64) -> String {
    let permille = u128::from(part) * 1_000 / u128::from(whole.max(1));
    format!("{}.{} %", permille / 10, permille % 10)
}

fn micros(us: u64) -> String {
    format!("{} us", grouped(us))
}

/// Writes nanos as dollars with so many digits behind the point.
fn usd(nanos: u128, digits: usize) -> String {
    match dollars(nanos) {
        Some(dollars) => format!("{dollars:.digits$}"),
        None => format!("{} nanos", grouped(nanos)),
    }
}

/// Returns how many digits behind the point it takes to write an amount exactly; two at least.
fn digits_needed(nanos: u128) -> usize {
    dollars(nanos).map_or(2, |dollars| dollars.normalize().scale().max(2) as usize)
}

fn dollars(nanos: u128) -> Option<Decimal> {
    Decimal::try_from_i128_with_scale(i128::try_from(nanos).ok()?, 9).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact_to_the_nano() {
        for (nanos, text) in [
            (0, "0.00"),
            (1, "0.000000001"),
            (1_500_000_000, "1.50"),
            (2_856_525_600, "2.8565256"),
            (u128::from(u64::MAX), "18446744073.709551615"),
        ] {
            assert_eq!(usd(nanos, digits_needed(nanos)), text);
        }
    }

    #[test]
    fn shares_have_one_digit() {
        assert_eq!(share(1, 8), "12.5 %");
        assert_eq!(share(0, 0), "0.0 %");
    }
}
