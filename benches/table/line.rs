//! Owns: one line of the table: a figure of several runs beside its target and its ceiling; and the table, for people and as
//! JSON. Never: a figure that was not measured in this run.

use crate::fault::Fault;
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use std::path::Path;

/// Says which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// Is one line; the field names are the JSON's keys.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// How many runs.
    pub(crate) runs: usize,
    pub(crate) target: Option<f64>,
    pub(crate) better: Better,
    /// What the same machine does, in the same run, without our work in it.
    pub(crate) ceiling: Option<f64>,
    /// How near the median is to it: 1 is there, whichever way is good.
    pub(crate) ceiling_share: Option<f64>,
}

impl Line {
    /// Makes a line of what the runs gave.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, better: Better, values: &[f64]) -> Self {
        let (least, most) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
            (least.min(*value), most.max(*value))
        });
        let (min, max) = if values.is_empty() { (0.0, 0.0) } else { (least, most) };
        Self {
            name: name.into(),
            unit,
            median: rounded(median(values)),
            min: rounded(min),
            max: rounded(max),
            runs: values.len(),
            target: None,
            better,
            ceiling: None,
            ceiling_share: None,
        }
    }

    /// Gives it a target.
    pub(crate) fn target(mut self, target: f64) -> Self {
        self.target = Some(target);
        self
    }

    /// Gives it a ceiling; without one it stays as it is.
    pub(crate) fn ceiling(mut self, ceiling: Option<f64>) -> Self {
        if let Some(ceiling) = ceiling.filter(|ceiling| *ceiling > 0.0) {
            let share = match self.better {
                Better::Higher => self.median / ceiling,
                Better::Lower => ceiling / self.median,
            };
            self.ceiling = Some(rounded(ceiling));
            self.ceiling_share = share.is_finite().then(|| rounded(share));
        }
        self
    }

    /// Returns whether the median reaches the target; nothing without one.
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.target.map(|target| match self.better {
            Better::Higher => self.median >= target,
            Better::Lower => self.median <= target,
        })
    }
}

/// Returns the middle value; of an even number, the mean of the middle two. *Returns* 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.len(), sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (0, ..) => 0.0,
        (count, Some(low), Some(high)) if count % 2 == 0 => f64::midpoint(*low, *high),
        (_, _, high) => high.copied().unwrap_or(0.0),
    }
}

/// Keeps as many digits as a measurement can mean.
fn rounded(value: f64) -> f64 {
    let scale = if value.abs() >= 1_000.0 { 1.0 } else { 1_000.0 };
    (value * scale).round() / scale
}

/// Turns a count into a figure.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
pub(crate) fn figure(count: u64) -> f64 {
    count as f64
}

/// Writes a figure for a person: digits in threes, and decimals only where they matter.
pub(crate) fn shown(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

/// Lays the lines out for a person.
pub(crate) fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners());
    table.set_header(["", "median", "min - max", "unit", "target", "met", "ceiling", "share"]);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    for line in lines {
        let optional = |value: Option<f64>| value.map(shown).unwrap_or_default();
        let sign = if line.better == Better::Higher { ">=" } else { "<=" };
        table.add_row([
            Cell::new(&line.name),
            right(shown(line.median)),
            right(format!("{} - {}", shown(line.min), shown(line.max))),
            Cell::new(line.unit),
            right(line.target.map(|target| format!("{sign} {}", shown(target))).unwrap_or_default()),
            Cell::new(line.is_met().map_or("", |met| if met { "yes" } else { "NO" })),
            right(optional(line.ceiling)),
            right(line.ceiling_share.map(|share| format!("{:.0} %", share * 100.0)).unwrap_or_default()),
        ]);
    }
    table
}

/// Writes something as JSON, and makes the folder.
pub(crate) fn write_json(what: &impl Serialize, file: &Path) -> Result<(), Fault> {
    let doing = || format!("write {}", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(Fault::io(doing()))?;
    }
    let text = serde_json::to_string_pretty(what).map_err(|error| Fault::unfit(doing(), error))?;
    std::fs::write(file, text + "\n").map_err(Fault::io(doing()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_the_median_and_the_range_of_its_runs() {
        let line = Line::new("l", "u", Better::Higher, &[3.0, 1.0, 2.0]);
        assert_eq!((line.median, line.min, line.max, line.runs), (2.0, 1.0, 3.0, 3));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        let nothing = Line::new("l", "u", Better::Lower, &[]);
        assert_eq!((nothing.median, nothing.min, nothing.max, nothing.runs), (0.0, 0.0, 0.0, 0));
    }

    #[test]
    fn a_target_is_met_in_the_direction_that_is_good() {
        let met = |better, value| Line::new("l", "u", better, &[value]).target(10.0).is_met();
        assert_eq!((met(Better::Higher, 10.0), met(Better::Higher, 9.0)), (Some(true), Some(false)));
        assert_eq!((met(Better::Lower, 10.0), met(Better::Lower, 11.0)), (Some(true), Some(false)));
        assert_eq!(Line::new("l", "u", Better::Lower, &[1.0]).is_met(), None);
    }

    #[test]
    fn a_share_is_one_at_the_ceiling_whichever_way_is_good() {
        let share = |better, ceiling| Line::new("l", "u", better, &[50.0]).ceiling(ceiling).ceiling_share;
        assert_eq!(share(Better::Higher, Some(100.0)), Some(0.5));
        assert_eq!(share(Better::Lower, Some(25.0)), Some(0.5));
        assert_eq!(share(Better::Lower, None), None);
        assert_eq!(share(Better::Higher, Some(0.0)), None);
    }

    #[test]
    fn the_json_has_every_key_and_null_where_there_is_nothing() {
        let line = Line::new("debits", "debits/s", Better::Higher, &[1.0, 2.0, 4.0]);
        let json = serde_json::to_value([line]).unwrap();
        let expected = serde_json::json!([{
            "name": "debits", "unit": "debits/s", "median": 2.0, "min": 1.0, "max": 4.0, "runs": 3,
            "target": null, "better": "higher", "ceiling": null, "ceiling_share": null,
        }]);
        assert_eq!(json, expected);
    }

    #[test]
    fn figures_are_written_in_threes() {
        let text: Vec<String> = [0.0, 1.234, 12.34, 999.6, 1_234_567.0, -1_000.0].map(shown).into();
        assert_eq!(text, ["0", "1.23", "12.3", "1,000", "1,234,567", "-1,000"]);
    }

    #[test]
    fn a_line_that_misses_its_target_says_so() {
        let lines = [Line::new("slow", "us", Better::Lower, &[2.0]).target(1.0)];
        let text = table(&lines).to_string();
        assert!(text.contains("NO") && text.contains("<= 1.00"), "{text}");
    }
}
