//! Owns: what floods cost, as a table for people and as JSON. Never: a flood.

use super::super::{MIB, neighbour::Round};
use crate::support::http::Metrics;
use serde_json::{Value, json};
use std::time::Duration;

/// Is what a flood did.
#[derive(Debug, Clone)]
pub struct Row {
    pub(super) what: &'static str,
    pub(super) tried: usize,
    /// Sockets that the server had open for it at the end.
    pub(super) open: u64,
    pub(super) others_are_served: bool,
    /// How long it took to begin.
    pub(super) began_in: Duration,
    /// What the server turned away or refused, by why.
    pub(super) turned_away: Vec<(String, u64)>,
    /// *Units*: bytes; before, at worst, and once it is over.
    pub(super) resident: [u64; 3],
    /// The neighbour's, before and meanwhile.
    pub(super) rounds: [Vec<Round>; 2],
}

/// Returns what was turned away or refused so far, by why.
pub(super) fn turned_away(metrics: &Metrics) -> Vec<(String, u64)> {
    let of = |family| metrics.of(family).map(|(why, count)| (plain(why), whole(count)));
    of("tallystick_connections_turned_away_total").chain(of("tallystick_refusals_total")).collect()
}

/// Returns a count, which a page writes as a float.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a count")]
fn whole(count: f64) -> u64 {
    count as u64
}

/// Returns a label's value.
fn plain(labels: &str) -> String {
    labels.split('"').nth(1).unwrap_or(labels).to_owned()
}

fn micros(time: &Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap()
}

/// Returns median and 99th percentile, of calls and of batches. *Units*: microseconds.
fn percentiles(rounds: &[Round]) -> [u64; 4] {
    let of = |times: Vec<Duration>| {
        let mut times = times;
        times.sort_unstable();
        let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
        [50, 99].map(|part| at(part).map_or(0, micros))
    };
    let [[a, b], [c, d]] =
        [of(rounds.iter().map(|r| r.call).collect()), of(rounds.iter().map(|r| r.batch).collect())];
    [a, b, c, d]
}

impl Row {
    /// Returns by how much memory grew at worst.
    pub fn grown(&self) -> u64 {
        self.resident[1].saturating_sub(self.resident[0])
    }

    fn json(&self) -> Value {
        let [before, during] = [0, 1].map(|at| percentiles(&self.rounds[at]));
        let neighbour = |of: [u64; 4], rounds: usize| {
            json!({
                "rounds": rounds,
                "call_us_p50": of[0],
                "call_us_p99": of[1],
                "batch_us_p50": of[2],
                "batch_us_p99": of[3],
            })
        };
        let turned_away = self.turned_away.iter().map(|(why, count)| (why.clone(), (*count).into()));
        json!({
            "what": self.what,
            "tried": self.tried,
            "connections_open": self.open,
            "others_are_served": self.others_are_served,
            "turned_away": turned_away.collect::<serde_json::Map<String, Value>>(),
            "resident_bytes_before": self.resident[0],
            "resident_bytes_worst": self.resident[1],
            "resident_bytes_after": self.resident[2],
            "neighbour_before": neighbour(before, self.rounds[0].len()),
            "neighbour_during": neighbour(during, self.rounds[1].len()),
        })
    }
}

/// Gathers rows, prints them, and writes them where `FLOOD_REPORT` says.
pub struct Table {
    connections: usize,
    rows: Vec<Row>,
}

impl Table {
    pub fn begin(connections: usize) -> Self {
        Self { connections, rows: Vec::new() }
    }

    pub fn add(&mut self, row: Row) {
        let away: Vec<String> = row.turned_away.iter().map(|(why, count)| format!("{count} {why}")).collect();
        let [before, worst, after] = row.resident.map(|bytes| bytes / MIB);
        println!(
            "{}: {} sockets of {} open, MiB {before} / {worst} / {after}, begun in {:.1} s, away: {}",
            row.what,
            row.open,
            row.tried,
            row.began_in.as_secs_f64(),
            away.join(", ")
        );
        if !row.others_are_served {
            println!("OTHERS WERE NOT SERVED for 10 s");
        }
        self.rows.push(row);
    }

    pub fn end(self) {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::ASCII_MARKDOWN);
        table.set_header([
            "flood",
            "tried",
            "open",
            "turned away",
            "MiB before / worst / after",
            "others' call p50/p99 us, before",
            "during",
            "others' batch p50/p99 us, before",
            "during",
        ]);
        for row in &self.rows {
            let away: Vec<String> =
                row.turned_away.iter().map(|(why, count)| format!("{count} {why}")).collect();
            let [before, worst, after] = row.resident.map(|bytes| bytes / MIB);
            let [calm, beside] = [0, 1].map(|at| percentiles(&row.rounds[at]));
            table.add_row([
                row.what.to_owned(),
                row.tried.to_string(),
                row.open.to_string(),
                if away.is_empty() { "nobody".to_owned() } else { away.join(", ") },
                format!("{before} / {worst} / {after}"),
                format!("{} / {}", calm[0], calm[1]),
                format!("{} / {}", beside[0], beside[1]),
                format!("{} / {}", calm[2], calm[3]),
                format!("{} / {}", beside[2], beside[3]),
            ]);
        }
        println!("{table}");
        if let Ok(path) = std::env::var("FLOOD_REPORT") {
            let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
            let report = json!({ "connections": self.connections, "rows": rows });
            if let Some(folder) = std::path::Path::new(&path).parent() {
                std::fs::create_dir_all(folder).unwrap();
            }
            std::fs::write(&path, format!("{report:#}\n")).unwrap();
            println!("written to {path}");
        }
    }
}
