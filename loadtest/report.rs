//! Owns: the figures of all runs: median and range, as a table and as JSON. Never: drops a run.

use crate::{Args, LoadError, audit::Audit, drive::Heard};
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use std::path::Path;
use tallystick_client::v1::Durability;

/// Holds everything that is reported; the field names are the JSON's keys.
#[derive(Debug, Serialize)]
pub struct Report {
    mode: &'static str,
    /// "closed": latencies are understated under overload.
    r#loop: &'static str,
    connections: u32,
    in_flight: u32,
    debits_per_message: u32,
    sessions: u32,
    accounts: u32,
    payees: u32,
    seconds: u32,
    cores: usize,
    durability: &'static str,
    rate_per_s: Spread,
    latency_us_p50: Spread,
    latency_us_p99: Spread,
    latency_us_p999: Spread,
    audit_difference_nanos: u128,
    audit_differences: Vec<String>,
    runs: Vec<Run>,
}

/// One run's figures. Latency is each debit's, from its message's sending to its answer.
#[derive(Clone, Debug, Serialize)]
struct Run {
    debits: u64,
    rate_per_s: u64,
    latency_us_p50: u64,
    latency_us_p99: u64,
    latency_us_p999: u64,
    latency_us_max: u64,
    audit_difference_nanos: u128,
}

/// Summarises one figure over all runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Spread {
    median: u64,
    min: u64,
    max: u64,
}

impl Spread {
    fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let (Some(min), Some(max)) = (values.first().copied(), values.last().copied()) else {
            return Self::default();
        };
        Self { median: values[values.len() / 2], min, max }
    }
}

impl Report {
    pub(crate) fn new(args: &Args) -> Self {
        Self {
            mode: args.mode.as_str(),
            r#loop: "closed",
            connections: args.connections,
            in_flight: args.in_flight,
            debits_per_message: args.debits_per_message(),
            sessions: args.sessions,
            accounts: args.accounts.min(args.sessions),
            payees: args.payees,
            seconds: args.seconds,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            durability: "unspecified",
            rate_per_s: Spread::default(),
            latency_us_p50: Spread::default(),
            latency_us_p99: Spread::default(),
            latency_us_p999: Spread::default(),
            audit_difference_nanos: 0,
            audit_differences: Vec::new(),
            runs: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, heard: &Heard, audit: Audit) {
        let at = |quantile| heard.latencies_us.value_at_quantile(quantile);
        let micros = heard.elapsed.as_micros().max(1);
        let debits = heard.tally.approved;
        self.runs.push(Run {
            debits,
            rate_per_s: u64::try_from(u128::from(debits) * 1_000_000 / micros).unwrap_or(u64::MAX),
            latency_us_p50: at(0.5),
            latency_us_p99: at(0.99),
            latency_us_p999: at(0.999),
            latency_us_max: heard.latencies_us.max(),
            audit_difference_nanos: audit.difference_nanos(),
        });
        self.durability = match heard.durability {
            Durability::Fsync => "fsync",
            Durability::Os => "os",
            Durability::Unspecified => "unspecified",
        };
        self.audit_difference_nanos += audit.difference_nanos();
        let words = audit.differences.into_iter().map(|difference| {
            let (ours, theirs, unit) = (difference.ours, difference.theirs, difference.unit);
            format!("{}: we heard {ours}, the server says {theirs} ({unit:?})", difference.place)
        });
        self.audit_differences.extend(words);
        self.summarise();
    }

    /// Returns whether no run differs from what the server settled.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.audit_differences.is_empty()
    }

    /// Writes the figures for a person.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners());
        table.set_header(["", "debits/s", "p50 us", "p99 us", "p99.9 us", "audit difference"]);
        for (index, run) in self.runs.iter().enumerate() {
            let figures =
                [run.rate_per_s, run.latency_us_p50, run.latency_us_p99, run.latency_us_p999].map(u128::from);
            row(&mut table, &format!("run {}", index + 1), figures, run.audit_difference_nanos);
        }
        let spreads = [self.rate_per_s, self.latency_us_p50, self.latency_us_p99, self.latency_us_p999];
        let medians = spreads.map(|spread| u128::from(spread.median));
        row(&mut table, "median", medians, self.audit_difference_nanos);
        let mut text = format!(
            "{} (closed loop), {} connections x {} in flight x {} debits, {} sessions, durability {}, {} cores\n{table}",
            self.mode,
            self.connections,
            self.in_flight,
            self.debits_per_message,
            self.sessions,
            self.durability,
            self.cores
        );
        for difference in &self.audit_differences {
            text = format!("{text}\ndifference: {difference}");
        }
        text
    }

    /// Writes the figures as JSON, and makes the folder.
    ///
    /// *Errors*: [`LoadError::Io`].
    pub fn write(&self, file: &Path) -> Result<(), LoadError> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut text = serde_json::to_string_pretty(self).map_err(std::io::Error::from)?;
        text.push('\n');
        Ok(std::fs::write(file, text)?)
    }

    fn summarise(&mut self) {
        let spread = |of: fn(&Run) -> u64| Spread::of(self.runs.iter().map(of).collect());
        let rate_per_s = spread(|run| run.rate_per_s);
        let p50 = spread(|run| run.latency_us_p50);
        let p99 = spread(|run| run.latency_us_p99);
        let p999 = spread(|run| run.latency_us_p999);
        (self.rate_per_s, self.latency_us_p50, self.latency_us_p99, self.latency_us_p999) =
            (rate_per_s, p50, p99, p999);
    }
}

fn row(table: &mut Table, name: &str, figures: [u128; 4], difference: u128) {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut cells = vec![Cell::new(name)];
    cells.extend(figures.map(|figure| right(figure.to_string())));
    cells.push(right(format!("{difference} nanos")));
    table.add_row(cells);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_median_and_range() {
        assert_eq!(Spread::of(vec![3, 1, 2]), Spread { median: 2, min: 1, max: 3 });
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }
}
