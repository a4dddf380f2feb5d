//! Owns: the figures of all runs: median and range, as a table and as JSON. Never: drops a run, or keeps quiet about a
//! schedule that was not kept.

use crate::{
    LoadArgs, LoadError, Mode,
    audit::Audit,
    drive::{Heard, ON_TIME},
    figures::{Kept, Run, Spread},
};
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use std::{path::Path, time::Duration};
use tallystick_client::v1::Durability;

/// Holds everything that is reported; the field names are the JSON's keys.
#[derive(Debug, Serialize)]
pub struct Report {
    mode: &'static str,
    /// "lean", or "client": the Rust client, as its users have it.
    driver: &'static str,
    /// Lean single calls: whether each debit had a number, and no key.
    numbered: bool,
    /// "closed": latencies are understated under overload. "open": they count from the intended start.
    r#loop: &'static str,
    /// Open loop: "constant" or "poisson", and what the latter is drawn from.
    arrivals: Option<&'static str>,
    seed: Option<u64>,
    /// Open loop: calls or messages asked for each second, and how many may be outstanding.
    rate: Option<u32>,
    outstanding_max: Option<u32>,
    /// Clients: each is one HTTP/2 connection.
    connections: u32,
    /// Closed loop: calls or messages on their way on each connection.
    in_flight: Option<u32>,
    debits_per_message: u32,
    sessions: u32,
    accounts: u32,
    payees: u32,
    warmup_seconds: u32,
    seconds: u32,
    cores: usize,
    /// As the server's answers say: "fsync" or "os".
    durability: &'static str,
    debits_per_s: Spread,
    /// Calls or messages a second. In an open loop `achieved_rate` below `offered_rate` means that latencies are those of
    /// an overload.
    offered_rate: Option<Spread>,
    achieved_rate: Spread,
    /// Open loop: whether every run kept its schedule.
    schedule_kept: Option<bool>,
    latency_us_p50: Spread,
    latency_us_p90: Spread,
    latency_us_p99: Spread,
    latency_us_p999: Spread,
    latency_us_max: Spread,
    audit_difference_nanos: u128,
    audit_differences: Vec<String>,
    runs: Vec<Run>,
}

/// Is a column of the table.
type Column = (&'static str, fn(&Run) -> u64);

const LATENCIES: [Column; 5] = [
    ("p50 us", |run| run.latency_us_p50),
    ("p90 us", |run| run.latency_us_p90),
    ("p99 us", |run| run.latency_us_p99),
    ("p99.9 us", |run| run.latency_us_p999),
    ("max us", |run| run.latency_us_max),
];
const RATES: [Column; 2] =
    [("offered/s", |run| run.offered_rate.unwrap_or(0)), ("achieved/s", |run| run.achieved_rate)];
const STARTS: [Column; 3] = [
    ("waited at bound", |run| run.schedule.as_ref().map_or(0, |kept| kept.held_count)),
    ("began late", |run| run.schedule.as_ref().map_or(0, |kept| kept.late_count)),
    ("own lag max us", |run| run.schedule.as_ref().map_or(0, |kept| kept.sender_lag_us_max)),
];

impl Report {
    pub(crate) fn new(mode: Mode, args: &LoadArgs) -> Self {
        let open = args.rate.is_some();
        Self {
            mode: mode.as_str(),
            driver: args.driver.as_str(),
            numbered: args.numbered,
            r#loop: if open { "open" } else { "closed" },
            arrivals: args.rate.map(|_| args.arrivals.as_str()),
            seed: args.rate.map(|_| args.seed),
            rate: args.rate,
            outstanding_max: args.rate.map(|_| args.outstanding_max),
            connections: args.connections,
            in_flight: (!open).then_some(args.in_flight),
            debits_per_message: mode.debits_per_message(),
            sessions: args.sessions,
            accounts: args.accounts.min(args.sessions),
            payees: args.payees,
            warmup_seconds: args.warmup_seconds,
            seconds: args.seconds,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            durability: "unspecified",
            debits_per_s: Spread::default(),
            offered_rate: None,
            achieved_rate: Spread::default(),
            schedule_kept: None,
            latency_us_p50: Spread::default(),
            latency_us_p90: Spread::default(),
            latency_us_p99: Spread::default(),
            latency_us_p999: Spread::default(),
            latency_us_max: Spread::default(),
            audit_difference_nanos: 0,
            audit_differences: Vec::new(),
            runs: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, heard: &Heard, audit: &Audit) {
        let planned = Duration::from_secs(self.seconds.into());
        self.runs.push(Run::new(heard, planned, self.rate.is_some(), audit));
        self.durability = match heard.ledger.durability() {
            Durability::Fsync => "fsync",
            Durability::Os => "os",
            Durability::Unspecified => "unspecified",
        };
        self.audit_difference_nanos += audit.difference_nanos();
        self.audit_differences.extend(audit.words());
        self.summarise();
    }

    /// Returns whether no run differs from what the server settled.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.audit_differences.is_empty()
    }

    /// Returns the calls or messages answered a second, the median of all runs.
    #[must_use]
    pub fn achieved_rate(&self) -> u64 {
        self.achieved_rate.median
    }

    /// Returns what differs by money, over all runs.
    #[must_use]
    pub fn audit_difference_nanos(&self) -> u128 {
        self.audit_difference_nanos
    }

    /// Returns all answers audited: approved, declined, and of both those that were replays.
    #[must_use]
    pub fn audited(&self) -> (u64, u64, u64) {
        let sum = |of: fn(&Run) -> u64| self.runs.iter().map(of).sum();
        (sum(|run| run.approved), sum(|run| run.declined), sum(|run| run.replayed))
    }

    /// Writes the figures for a person.
    #[must_use]
    pub fn table(&self) -> String {
        let mut lines = vec![self.title(), self.figures().to_string()];
        lines.extend(
            (1..).zip(&self.runs).filter_map(|(nth, run)| self.complaint(nth, run.schedule.as_ref()?)),
        );
        let (approved, declined, replayed) = self.audited();
        let difference = self.audit_difference_nanos;
        lines.push(format!(
            "audited: {approved} approved, {declined} declined, {replayed} of them replayed; difference {difference} nanos"
        ));
        lines.extend(self.audit_differences.iter().map(|difference| format!("DIFFERENCE: {difference}")));
        lines.join("\n")
    }

    /// Writes the figures as JSON, and makes the folder.
    ///
    /// *Errors*: [`LoadError::Io`].
    pub fn write(&self, file: &Path) -> Result<(), LoadError> {
        write_json(self, file)
    }

    fn title(&self) -> String {
        let pace = match (self.rate, self.arrivals, self.outstanding_max, self.in_flight) {
            (Some(rate), Some(arrivals), Some(outstanding_max), _) => {
                format!("{arrivals} arrivals at {rate}/s, at most {outstanding_max} outstanding")
            }
            (_, _, _, in_flight) => format!("{} in flight on each", in_flight.unwrap_or(0)),
        };
        format!(
            "{} ({} loop, {} driver): {} connections, {pace}, {} debits each, {} sessions, {} s after {} s of warm-up, \
             durability {}, {} cores",
            self.mode,
            self.r#loop,
            self.driver,
            self.connections,
            self.debits_per_message,
            self.sessions,
            self.seconds,
            self.warmup_seconds,
            self.durability,
            self.cores
        )
    }

    fn figures(&self) -> Table {
        let debits: [Column; 1] = [("debits/s", |run| run.debits_per_s)];
        let (rates, starts): (&[Column], &[Column]) =
            if self.rate.is_some() { (&RATES, &STARTS) } else { (&[], &[]) };
        let columns = [&debits, rates, &LATENCIES, starts].concat();
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners());
        table.set_header([""].into_iter().chain(columns.iter().map(|(header, _)| *header)));
        let mut row = |name: String, figure: &dyn Fn(&Column) -> String| {
            let right = |text| Cell::new(text).set_alignment(CellAlignment::Right);
            table.add_row([Cell::new(name)].into_iter().chain(columns.iter().map(|one| right(figure(one)))));
        };
        for (nth, run) in (1..).zip(&self.runs) {
            row(format!("run {nth}"), &|(_, figure)| figure(run).to_string());
        }
        let spread = |(_, figure): &Column| Spread::of(self.runs.iter().map(figure));
        row("median".to_owned(), &|column| spread(column).median.to_string());
        row("range".to_owned(), &|column| {
            let Spread { min, max, .. } = spread(column);
            format!("{min}-{max}")
        });
        table
    }

    /// Says aloud that a run did not keep its schedule, and why.
    fn complaint(&self, nth: usize, kept: &Kept) -> Option<String> {
        let Kept { arrivals, held_count, sender_late_count, start_lag_us_max, sender_lag_us_max, .. } = kept;
        let run = self.runs.get(nth - 1)?;
        let (offered, achieved) = (run.offered_rate?, run.achieved_rate);
        (!kept.kept).then(|| {
            format!(
                "SCHEDULE NOT KEPT in run {nth}: {offered}/s offered, {achieved}/s achieved; of {arrivals} arrivals \
                 {held_count} waited for a place (starts up to {start_lag_us_max} us late), and the generator itself \
                 began {sender_late_count} more than {} us late (up to {sender_lag_us_max} us)",
                ON_TIME.as_micros()
            )
        })
    }

    fn summarise(&mut self) {
        let runs = &self.runs;
        let spread = |of: fn(&Run) -> u64| Spread::of(runs.iter().map(of));
        self.debits_per_s = spread(|run| run.debits_per_s);
        self.achieved_rate = spread(|run| run.achieved_rate);
        self.latency_us_p50 = spread(|run| run.latency_us_p50);
        self.latency_us_p90 = spread(|run| run.latency_us_p90);
        self.latency_us_p99 = spread(|run| run.latency_us_p99);
        self.latency_us_p999 = spread(|run| run.latency_us_p999);
        self.latency_us_max = spread(|run| run.latency_us_max);
        if self.rate.is_some() {
            self.offered_rate = Some(Spread::of(runs.iter().filter_map(|run| run.offered_rate)));
            self.schedule_kept =
                Some(runs.iter().filter_map(|run| run.schedule.as_ref()).all(|kept| kept.kept));
        }
    }
}

/// Writes anything as JSON, and makes the folder.
pub(crate) fn write_json(what: &impl Serialize, file: &Path) -> Result<(), LoadError> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut text = serde_json::to_string_pretty(what).map_err(std::io::Error::from)?;
    text.push('\n');
    Ok(std::fs::write(file, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cli, Command, audit, drive::Measures};
    use clap::Parser as _;
    use std::sync::Arc;

    fn report(words: &str, falsify: bool) -> Report {
        let Ok(Cli { command: Command::Unary(args) }) = Cli::try_parse_from(words.split(' ')) else {
            panic!("{words} is no unary load");
        };
        let (stage, ledger, settled) = audit::tests::halves();
        if falsify {
            ledger.falsify();
        }
        let audit = audit::compare(&stage, &ledger.tally(&stage), &settled);
        let measures = Measures::new(Duration::ZERO).unwrap();
        let mut report = Report::new(Mode::Unary, &args);
        report.add(&Heard { ledger: Arc::new(ledger), measures }, &audit);
        report
    }

    #[test]
    fn one_nano_makes_a_report_unclean_and_is_named() {
        let clean = report("load unary", false);
        assert!(clean.is_clean() && clean.table().ends_with("difference 0 nanos"), "{}", clean.table());
        let false_by_one = report("load unary", true);
        assert!(!false_by_one.is_clean());
        let table = false_by_one.table();
        assert!(table.contains("DIFFERENCE: total of ses_1: we heard 1804, the server says 1803"), "{table}");
    }

    #[test]
    fn an_open_loop_names_its_rates_and_its_starts_and_a_closed_one_does_not() {
        let open = report("load unary --rate 100 --arrivals poisson", false);
        let json = serde_json::to_value(&open).unwrap();
        for key in ["offered_rate", "achieved_rate", "schedule_kept", "outstanding_max"] {
            assert!(!json[key].is_null(), "{key} in {json}");
        }
        assert!(json["in_flight"].is_null() && !json["runs"][0]["schedule"].is_null());
        assert!(open.table().contains("own lag max us"));
        let closed = report("load unary", false);
        assert!(serde_json::to_value(&closed).unwrap()["offered_rate"].is_null());
        assert!(!closed.table().contains("own lag max us"));
    }
}
