//! Owns: all figures of a comparison, as a table and as JSON. Never: drops a turn, or keeps quiet about a target that is not met.

use crate::{
    args::Args,
    error::CompareError,
    figures::{Ratio, Spread, Turn},
    plan::{PAIRS, Pair, Peer, Work},
};
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// The text that says what each contender does and does not do; its section is printed below the table.
const README: &str = include_str!("README.md");
const NOTES: &str = "## What each one does for a debit";

/// Holds every turn that was taken, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    pub(crate) ours: BTreeMap<Work, Vec<Turn>>,
    pub(crate) theirs: BTreeMap<(Peer, Work), Vec<Turn>>,
}

/// Says who was compared; the field names are the JSON's keys.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) settings: String,
}

/// Says how each side sends one kind of work.
#[derive(Clone, Debug)]
pub(crate) struct Shapes {
    pub(crate) ours: fn(Work) -> String,
    pub(crate) theirs: fn(Peer, Work) -> String,
}

/// Holds everything that is reported; the field names are the JSON's keys.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    rows: Vec<Row>,
    cores: usize,
    rounds: u32,
    warmup_seconds: u32,
    seconds: u32,
    sessions: u32,
    /// Of 4 KiB each, one after the other, into a file that was written before: what the disk allows.
    syncs_per_s: Spread<u64>,
    contenders: Vec<Contender>,
    /// Whatever an audit found, with the turn it belongs to.
    audit_differences: Vec<String>,
}

/// Is one comparison.
#[derive(Debug, Serialize)]
struct Row {
    peer: Peer,
    work: Work,
    /// Medians. *Units*: debits per second.
    ours: u64,
    theirs: u64,
    /// Of the medians.
    ratio: Ratio,
    target: Ratio,
    met: bool,
    unit: &'static str,
    ours_spread: Spread<u64>,
    theirs_spread: Spread<u64>,
    /// Of each round by itself.
    ratio_spread: Spread<Ratio>,
    ours_load: String,
    theirs_load: String,
    ours_turns: Vec<Turn>,
    theirs_turns: Vec<Turn>,
}

impl Report {
    pub(crate) fn new(
        args: &Args,
        turns: &Turns,
        shapes: &Shapes,
        contenders: Vec<Contender>,
        syncs_per_s: Spread<u64>,
    ) -> Self {
        let ours = turns.ours.iter().map(|(work, turns)| ("Tallystick", *work, turns));
        let theirs = turns.theirs.iter().map(|((peer, work), turns)| (peer.as_str(), *work, turns));
        let differences = ours.chain(theirs).flat_map(|(name, work, turns)| {
            let all =
                (1..).zip(turns).flat_map(|(nth, turn)| turn.audit.differences.iter().map(move |d| (nth, d)));
            all.map(move |(nth, difference)| format!("{name}, {}, round {nth}: {difference}", work.as_str()))
        });
        Self {
            rows: PAIRS.iter().map(|pair| Row::new(*pair, turns, shapes)).collect(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            rounds: args.rounds,
            warmup_seconds: args.warmup_seconds,
            seconds: args.seconds,
            sessions: args.sessions,
            syncs_per_s,
            contenders,
            audit_differences: differences.collect(),
        }
    }

    /// Returns whether no audit of any contender found a difference.
    pub(crate) fn is_clean(&self) -> bool {
        self.audit_differences.is_empty()
    }

    /// Writes the figures and the notes for a person.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            format!(
                "{} sessions, {} rounds in turns, {} s each after {} s of warm-up; {} cores shared by server and load; \
                 {} syncs/s of 4 KiB",
                grouped(self.sessions.into()),
                self.rounds,
                self.seconds,
                self.warmup_seconds,
                self.cores,
                grouped(self.syncs_per_s.median),
            ),
            self.table().to_string(),
        ];
        lines.extend(
            self.contenders.iter().map(|one| format!("{}: {}; {}", one.name, one.version, one.settings)),
        );
        lines.push(match self.is_clean() {
            true => "audited: every contender, after every turn; no difference".to_owned(),
            false => "AUDITS FOUND DIFFERENCES: the figures above are worth nothing".to_owned(),
        });
        lines.extend(self.audit_differences.iter().map(|difference| format!("DIFFERENCE: {difference}")));
        lines.push(format!("\n{}", notes()));
        lines.join("\n")
    }

    /// Writes the figures as JSON, and makes the folder.
    pub(crate) fn write(&self, file: &Path) -> Result<(), CompareError> {
        let io = || CompareError::io(format!("write {}", file.display()));
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(io())?;
        }
        let mut text = serde_json::to_string_pretty(self).map_err(std::io::Error::from).map_err(io())?;
        text.push('\n');
        std::fs::write(file, text).map_err(io())
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners());
        table.set_header(["work", "peer", "ours, debits/s", "theirs, debits/s", "ratio", "target", ""]);
        for row in &self.rows {
            let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
            let ratio = format!("{}\n({}-{})", row.ratio, row.ratio_spread.min, row.ratio_spread.max);
            table.add_row([
                Cell::new(row.work.as_str()),
                Cell::new(row.peer.as_str()),
                right(side(&row.ours_spread, &row.ours_turns)),
                right(side(&row.theirs_spread, &row.theirs_turns)),
                right(ratio),
                right(format!(">= {}", row.target)),
                Cell::new(if row.met { "met" } else { "NOT MET" }),
            ]);
        }
        table
    }
}

impl Row {
    fn new(pair: Pair, turns: &Turns, shapes: &Shapes) -> Self {
        let Pair { work, peer, target } = pair;
        let ours_turns = turns.ours.get(&work).cloned().unwrap_or_default();
        let theirs_turns = turns.theirs.get(&(peer, work)).cloned().unwrap_or_default();
        let rates = |turns: &[Turn]| Spread::of(turns.iter().map(|turn| turn.debits_per_s));
        let (ours, theirs) = (rates(&ours_turns), rates(&theirs_turns));
        let rounds = ours_turns.iter().zip(&theirs_turns);
        let ratios = rounds.map(|(ours, theirs)| Ratio::of(ours.debits_per_s, theirs.debits_per_s));
        let ratio = Ratio::of(ours.median, theirs.median);
        Self {
            peer,
            work,
            ours: ours.median,
            theirs: theirs.median,
            ratio,
            target,
            met: ratio >= target,
            unit: "debits/s",
            ours_spread: ours,
            theirs_spread: theirs,
            ratio_spread: Spread::of(ratios),
            ours_load: (shapes.ours)(work),
            theirs_load: (shapes.theirs)(peer, work),
            ours_turns,
            theirs_turns,
        }
    }
}

/// Returns median and range of a rate, and below them what is known of the latency.
fn side(rate: &Spread<u64>, turns: &[Turn]) -> String {
    let rates = format!("{} ({}-{})", grouped(rate.median), grouped(rate.min), grouped(rate.max));
    let latency = |name: &str, of: fn(&Turn) -> Option<u64>| {
        let us = Spread::of(turns.iter().filter_map(of)).median;
        (us > 0).then(|| format!("{name} {}.{:02} ms", us / 1_000, us % 1_000 / 10))
    };
    let (p50, p99) = (latency("p50", |turn| turn.latency_us_p50), latency("p99", |turn| turn.latency_us_p99));
    let mean = if p50.is_some() { None } else { latency("mean", |turn| turn.latency_us_mean) };
    let latencies: Vec<String> = [p50, p99, mean].into_iter().flatten().collect();
    format!("{rates}\n{}", latencies.join(", "))
}

/// Returns the section of the text that belongs below a table.
fn notes() -> &'static str {
    let start = README.find(NOTES).unwrap_or(0);
    let rest = &README[start..];
    let end = rest[NOTES.len().min(rest.len())..].find("\n## ").map_or(rest.len(), |at| at + NOTES.len());
    rest[..end].trim_end()
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{figures::Audit, plan::WORKS};
    use serde_json::Value;

    fn turns(rates: [u64; 3]) -> Vec<Turn> {
        let turn = |debits_per_s| Turn { debits_per_s, latency_us_p50: Some(1_234), ..Turn::default() };
        rates.map(turn).to_vec()
    }

    fn report(change: impl FnOnce(&mut Turns)) -> Report {
        let mut all = Turns::default();
        for work in WORKS {
            all.ours.insert(work, turns([300_000, 100_000, 200_000]));
            all.theirs.extend(work.peers().map(|peer| ((peer, work), turns([25_000, 20_000, 30_000]))));
        }
        change(&mut all);
        let shapes = Shapes { ours: |_| "so".to_owned(), theirs: |_, _| "thus".to_owned() };
        let contender =
            Contender { name: "Redis", version: "7".to_owned(), settings: "appendfsync always".to_owned() };
        let syncs = Spread { median: 7_463, min: 7_440, max: 8_271 };
        Report::new(&Args::defaults(), &all, &shapes, vec![contender], syncs)
    }

    #[test]
    fn a_row_of_the_json_has_what_was_promised() {
        let json = serde_json::to_value(report(|_| {})).unwrap();
        let rows = json["rows"].as_array().unwrap();
        assert_eq!(rows.len(), PAIRS.len());
        let row = &rows[0];
        assert_eq!((&row["peer"], &row["work"]), (&Value::from("Redis"), &Value::from("one call a debit")));
        assert_eq!((&row["ours"], &row["theirs"]), (&Value::from(200_000), &Value::from(25_000)));
        assert_eq!((&row["ratio"], &row["target"]), (&Value::from(8.0), &Value::from(1.8)));
        assert_eq!((&row["met"], &row["unit"]), (&Value::from(true), &Value::from("debits/s")));
        assert_eq!(row["ours_spread"]["max"], 300_000);
        assert_eq!(row["ratio_spread"]["min"], 5.0, "of the second round");
        assert_eq!(row["theirs_turns"].as_array().unwrap().len(), 3);
        assert!(row["theirs_turns"][0]["audit"]["differences"].as_array().unwrap().is_empty());
    }

    #[test]
    fn a_target_that_is_not_met_is_said() {
        let text = report(|_| {}).text();
        let thousands = text.lines().find(|line| line.contains("batches of 1000")).unwrap();
        assert!(thousands.contains("8.00") && thousands.contains("NOT MET"), "20 was aimed at: {thousands}");
        assert!(!text.lines().find(|line| line.contains("one call a debit")).unwrap().contains("NOT MET"));
    }

    #[test]
    fn one_difference_spoils_all_and_is_named_with_its_turn() {
        let report = report(|turns| {
            let theirs = turns.theirs.get_mut(&(Peer::Postgres, Work::Thousands)).unwrap();
            theirs[1].audit = Audit::new(1, 1, 600, 601);
        });
        assert!(!report.is_clean());
        let expected =
            "PostgreSQL, batches of 1000, round 2: debits add up to 600 nanos, the sessions lost 601";
        assert_eq!(report.audit_differences, [expected]);
        assert!(report.text().contains("worth nothing"));
    }

    #[test]
    fn the_notes_say_for_each_contender_what_it_does() {
        let notes = notes();
        assert!(notes.starts_with(NOTES) && !notes[NOTES.len()..].contains("\n## "), "one section");
        let words = [
            "Tallystick",
            "Redis",
            "PostgreSQL",
            "cap",
            "end",
            "payee",
            "key",
            "remembered",
            "order",
            "settle",
        ];
        for word in words {
            assert!(notes.contains(word), "{word}");
        }
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let texts = [0, 999, 1_000, 123_456, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }
}
