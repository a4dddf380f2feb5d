//! Owns: what a debit and a session cost as sessions and payees grow: the figures, and their drawing. Never: a point that was
//! not measured; one that cannot be is absent.

use crate::{
    cell::{self, Cell, Point},
    drawing::{Panel, Series, draw},
    fault::Fault,
    line::{Better, Line, median, shown, write_json},
    plan::Plan,
};
use std::path::Path;

/// What the promises about memory and speed are of: up to two payees in a session.
const PAYEES: usize = 2;
const SESSIONS: [u64; 3] = [10_000, 100_000, 1_000_000];
const PAYEES_GROWN: [usize; 4] = [1, 2, 8, 64];
/// How many sessions there are while payees grow.
const SESSIONS_BESIDE: u64 = 100_000;
const GIB: f64 = 1_073_741_824.0;

/// Is the growth along both ways.
#[derive(Debug, serde::Serialize)]
struct Growth {
    by_sessions: Vec<Cell>,
    by_payees: Vec<Cell>,
}

/// Measures all points, writes them, draws them, and returns the lines of the table that they answer.
pub(crate) fn measure(plan: &Plan, drawing: Option<&Path>) -> Result<Vec<Line>, Fault> {
    let point = |sessions, payees| {
        let found = cell::measure(Point { sessions, payees, runs: plan.runs })?;
        plan.say(format_args!(
            "{} sessions, {payees} payees each: {} ns a debit, {} bytes a session",
            shown(crate::line::figure(sessions)),
            shown(median(&found.debit_ns)),
            found.session_bytes.map_or_else(|| "?".to_owned(), shown)
        ));
        Ok(found)
    };
    let sizes = SESSIONS.into_iter().filter(|size| *size < plan.sessions_most).chain([plan.sessions_most]);
    let by_sessions = sizes.map(|sessions| point(sessions, PAYEES)).collect::<Result<Vec<Cell>, Fault>>()?;
    let by_payees = PAYEES_GROWN
        .into_iter()
        .map(|payees| point(SESSIONS_BESIDE, payees))
        .collect::<Result<Vec<Cell>, Fault>>()?;
    let growth = Growth { by_sessions, by_payees };
    write_json(&growth, &plan.report.join("growth.json"))?;
    let picture = plan.report.join("growth.svg");
    draw(&growth.panels(), &picture)?;
    if let Some(copy) = drawing {
        std::fs::copy(&picture, copy)
            .map_err(Fault::io(format!("copy the drawing to {}", copy.display())))?;
    }
    let lines = growth.lines();
    plan.show(&lines);
    Ok(lines)
}

impl Growth {
    fn lines(&self) -> Vec<Line> {
        let of = |sessions: u64| self.by_sessions.iter().find(|cell| cell.sessions == sessions);
        let (few, most) = (self.by_sessions.first(), self.by_sessions.last());
        let mut lines = Vec::new();
        if let Some(cell) = of(1_000_000) {
            let name = "decide and apply, 1 M sessions hit at random, one thread";
            lines.push(Line::new(name, "ns", Better::Lower, &cell.debit_ns).target(150.0));
        }
        for (cell, words) in [(of(1_000_000), "1 M"), (most, "most")] {
            let Some(bytes) = cell.and_then(|cell| cell.session_bytes) else { continue };
            let name = format!("memory of an open session with two payees, {}", named(words, cell));
            lines.push(Line::new(name, "bytes", Better::Lower, &[bytes]).target(300.0));
        }
        if let (Some(few), Some(most)) = (few, most) {
            let ratios: Vec<f64> =
                few.debit_ns.iter().zip(&most.debit_ns).map(|(few, most)| most / few).collect();
            let name = format!("a debit at {} beside one at {}", sessions(most), sessions(few));
            lines.push(Line::new(name, "x", Better::Lower, &ratios).target(1.5));
            if let Some(bytes) = most.resident_bytes {
                let name = format!("{} resident, the rules' state in one process", sessions(most));
                let gib = crate::line::figure(bytes) / GIB;
                lines.push(Line::new(name, "GiB", Better::Lower, &[gib]).target(4.0));
            }
        }
        lines
    }

    fn panels(&self) -> [Panel; 4] {
        type Of = fn(&Cell) -> Option<f64>;
        fn series(cells: &[Cell], along: fn(&Cell) -> f64, of: Of) -> Series {
            cells.iter().filter_map(|cell| Some((along(cell), of(cell)?))).collect()
        }
        let by_sessions = |of| series(&self.by_sessions, |cell| crate::line::figure(cell.sessions), of);
        let by_payees = |of| series(&self.by_payees, |cell| crate::line::figure(cell.payees as u64), of);
        let (ns, bytes): (Of, Of) = (|cell| Some(median(&cell.debit_ns)), |cell| cell.session_bytes);
        let panel = |title, along, unit, series| Panel { title, along, unit, series };
        let payees = "payees of each of 100,000 sessions";
        [
            panel("A debit, decided and applied", "open sessions, two payees each", "ns", by_sessions(ns)),
            panel("An open session in memory", "open sessions, two payees each", "bytes", by_sessions(bytes)),
            panel("A debit, decided and applied", payees, "ns", by_payees(ns)),
            panel("An open session in memory", payees, "bytes", by_payees(bytes)),
        ]
    }
}

fn sessions(cell: &Cell) -> String {
    format!("{} sessions", shown(crate::line::figure(cell.sessions)))
}

fn named(words: &str, cell: Option<&Cell>) -> String {
    cell.map_or_else(|| words.to_owned(), sessions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(sessions: u64, payees: usize, ns: f64) -> Cell {
        let (resident_bytes, session_bytes) = (Some(sessions * 300), Some(280.0));
        Cell { sessions, payees, debit_ns: vec![ns; 3], resident_bytes, session_bytes }
    }

    #[test]
    fn the_lines_compare_the_most_sessions_with_the_fewest() {
        let by_sessions = vec![cell(10_000, 2, 100.0), cell(1_000_000, 2, 120.0), cell(10_000_000, 2, 140.0)];
        let growth = Growth { by_sessions, by_payees: Vec::new() };
        let lines = growth.lines();
        let of = |unit: &str| lines.iter().filter(|line| line.unit == unit).collect::<Vec<_>>();
        assert_eq!((of("ns").len(), of("bytes").len(), of("x").len(), of("GiB").len()), (1, 2, 1, 1));
        assert_eq!((of("ns")[0].median, of("x")[0].median), (120.0, 1.4));
        assert_eq!(of("x")[0].is_met(), Some(true));
    }

    #[test]
    fn a_drawing_is_made_of_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/growth.svg");
        let by_sessions = vec![cell(10_000, 2, 100.0), cell(100_000, 2, 110.0)];
        let by_payees = vec![cell(100_000, 1, 90.0), cell(100_000, 64, 150.0)];
        draw(&Growth { by_sessions, by_payees }.panels(), &file).unwrap();
        let svg = std::fs::read_to_string(file).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("100,000") && svg.contains("open sessions"), "{svg}");
    }
}
