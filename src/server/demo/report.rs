//! Owns: the figures of one demo, as JSON. Never: a figure without the circumstances that it was measured in.

use super::{Scene, audit::Audit, crash::Recovery, drive::Heard, error::DemoError, plan::PAYEES};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path, time::Duration};
use tallystick_client::v1::Durability;

/// Holds everything that is reported; the field names are the JSON's keys.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) workload: String,
    pub(super) seed: u64,
    pub(super) requests: u64,
    pub(super) sessions: u64,
    pub(super) debits: u64,
    pub(super) approved: u64,
    pub(super) declined: u64,
    pub(super) declined_by_code: BTreeMap<&'static str, u64>,
    pub(super) refused: u64,
    /// Answers heard only after the crash, though they were decided before it.
    pub(super) replayed: u64,
    pub(super) settlements: u64,
    pub(super) settlement_lines: u64,
    pub(super) settled_nanos_by_payee: BTreeMap<&'static str, u128>,
    pub(super) settled_debits_by_payee: BTreeMap<&'static str, u64>,
    /// What the server says it owes each payee.
    pub(super) payable_nanos_by_payee: BTreeMap<&'static str, u128>,
    pub(super) audit_comparisons: u64,
    pub(super) audit_difference_nanos: u128,
    pub(super) audit_differences: Vec<String>,
    /// Debits answered a second, over the whole of the streaming, the outage included.
    pub(super) rate_per_s: u64,
    /// The same without the time from the kill to the server's first answer.
    pub(super) rate_while_up_per_s: u64,
    /// Each debit's, from its batch's sending to its answer; those caught by the crash included.
    pub(super) latency_us: Percentiles,
    /// The same without the batches that were on their way while the server was down.
    pub(super) latency_calm_us: Percentiles,
    /// From starting the killed server again to its first answer; null when it was not killed.
    pub(super) recovery_ms: Option<f64>,
    pub(super) killed_after_debits: Option<u64>,
    pub(super) stream_ms: u64,
    pub(super) durability: &'static str,
    pub(super) cores: usize,
    pub(super) writers: u32,
    pub(super) batch_debits: u32,
    pub(super) in_flight_batches: u32,
}

/// Summarises a histogram, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
}

/// What the run measured of itself.
#[derive(Debug)]
pub(super) struct Timing {
    pub(super) streaming: Duration,
    pub(super) outage: Duration,
    pub(super) recovery: Option<Recovery>,
}

impl Report {
    pub(super) fn new(scene: &Scene, heard: &Heard, audit: &Audit, timing: &Timing) -> Self {
        let names = || PAYEES.iter().map(|(name, _)| *name).zip(&audit.settled);
        let up = timing.streaming.saturating_sub(timing.outage);
        Self {
            workload: scene.workload.clone(),
            seed: scene.args.seed,
            requests: scene.plan.requests,
            sessions: scene.plan.agents.len() as u64,
            debits: scene.plan.debits,
            approved: heard.tally.approved,
            declined: heard.tally.declined(),
            declined_by_code: heard.tally.declined_by_code.clone(),
            refused: heard.tally.refused,
            replayed: heard.tally.replayed,
            settlements: audit.settlement_count,
            settlement_lines: audit.line_count,
            settled_nanos_by_payee: names().map(|(name, notch)| (name, notch.approved_nanos)).collect(),
            settled_debits_by_payee: names().map(|(name, notch)| (name, notch.debit_count)).collect(),
            payable_nanos_by_payee: PAYEES
                .iter()
                .map(|(name, _)| *name)
                .zip(audit.payable_nanos.clone())
                .collect(),
            audit_comparisons: audit.comparison_count,
            audit_difference_nanos: audit.difference_nanos(),
            audit_differences: audit.differences.iter().map(describe).collect(),
            rate_per_s: per_second(scene.plan.debits, timing.streaming),
            rate_while_up_per_s: per_second(scene.plan.debits, up),
            latency_us: Percentiles::of(&heard.latencies_us),
            latency_calm_us: Percentiles::of(&heard.calm_latencies_us),
            recovery_ms: timing.recovery.map(|recovery| tenths_of_ms(recovery.recovery)),
            killed_after_debits: timing.recovery.map(|recovery| recovery.answered_at_kill),
            stream_ms: millis(timing.streaming),
            durability: word(heard.durability),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            writers: scene.args.writers,
            batch_debits: scene.args.batch,
            in_flight_batches: scene.args.in_flight,
        }
    }

    /// Writes the figures to a file, and makes its folder.
    pub(super) fn write(&self, file: &Path) -> Result<(), DemoError> {
        let doing = format!("write {}", file.display());
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(DemoError::io(&doing))?;
        }
        let failed = |error: serde_json::Error| DemoError::io(&doing)(error.into());
        let mut text = serde_json::to_string_pretty(self).map_err(failed)?;
        text.push('\n');
        std::fs::write(file, text).map_err(DemoError::io(&doing))
    }
}

impl Percentiles {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
    }
}

/// Says where two figures differ, and by how much.
pub(super) fn describe(difference: &tallystick_client::Difference) -> String {
    let tallystick_client::Difference { place, unit, ours, theirs } = difference;
    format!("{place}: we heard {ours}, the server says {theirs} ({unit:?})")
}

fn per_second(count: u64, span: Duration) -> u64 {
    let micros = span.as_micros().max(1);
    u64::try_from(u128::from(count) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

/// Returns milliseconds with one digit behind the point.
fn tenths_of_ms(span: Duration) -> f64 {
    let tenths = u32::try_from(span.as_micros() / 100).unwrap_or(u32::MAX);
    f64::from(tenths) / 10.0
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn word(durability: Durability) -> &'static str {
    match durability {
        Durability::Fsync => "fsync",
        Durability::Os => "os",
        Durability::Unspecified => "unspecified",
    }
}
