//! Owns: what a debit and a session cost as sessions and payees grow: the figures, and their drawing. Never: a point that was
//! not measured; one that cannot be is absent.

use crate::{
    cell::Cell,
    drawing::{Panel, Series, draw},
    fault::Fault,
    line::{Better, Line, figure, median, shown, write_json},
    plan::Plan,
};
use std::path::Path;

/// What the promises about memory and speed are of: up to two payees in a session.
const PAYEES: usize = 2;
const SESSIONS: [u64; 3] = [10_000, 100_000, 1_000_000];
const PAYEES_GROWN: [usize; 4] = [1, 2, 8, 64];
/// How many sessions there are while payees grow.
const SESSIONS_BESIDE: u64 = 100_000;

/// Is the growth along both ways.
#[derive(Debug, serde::Serialize)]
struct Growth {
    by_sessions: Vec<Cell>,
    by_payees: Vec<Cell>,
}

/// Measures all points in turn, writes them, draws them, and returns the lines of the table that they answer.
pub(crate) async fn measure(plan: &Plan, drawing: Option<&Path>) -> Result<Vec<Line>, Fault> {
    let sizes = SESSIONS.into_iter().filter(|size| *size < plan.sessions_most).chain([plan.sessions_most]);
    let by_sessions = sizes.map(|sessions| Cell::empty(sessions, PAYEES)).collect();
    let beside = |payees| Cell::empty(SESSIONS_BESIDE, payees);
    let mut growth = Growth { by_sessions, by_payees: PAYEES_GROWN.map(beside).into() };
    // The largest takes long to set up: it is set up once, and timed as often as the others.
    for cell in growth.by_sessions.iter_mut().rev().take(1) {
        cell.run(plan.runs).await?;
    }
    for _ in 0..plan.runs {
        let smaller = growth.by_sessions.iter_mut().rev().skip(1);
        for cell in smaller.chain(&mut growth.by_payees) {
            cell.run(1).await?;
        }
    }
    growth.by_sessions.iter().chain(&growth.by_payees).for_each(|cell| plan.say(said(cell)));
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

/// Says a point for a person.
fn said(cell: &Cell) -> String {
    let (ns, bytes) = (shown(median(&cell.debit_ns)), shown(median(&cell.session_bytes)));
    let (sessions, payees) = (sessions(cell), cell.payees);
    format!("{sessions}, {payees} payees each: {ns} ns a debit, {bytes} bytes a session")
}

impl Growth {
    fn lines(&self) -> Vec<Line> {
        let million = self.by_sessions.iter().find(|cell| cell.sessions == 1_000_000);
        let (Some(few), Some(most)) = (self.by_sessions.first(), self.by_sessions.last()) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        if let Some(cell) = million {
            let name = "decide and apply, 1,000,000 sessions hit at random, one thread";
            lines.push(Line::new(name, "ns", Better::Lower, &cell.debit_ns).target(150.0));
        }
        let ratios: Vec<f64> =
            few.debit_ns.iter().zip(&most.debit_ns).map(|(few, most)| most / few).collect();
        let name = format!("a debit at {} beside one at {}", sessions(most), sessions(few));
        lines.push(Line::new(name, "x", Better::Lower, &ratios).target(1.5));
        if let Some(cell) = million {
            let name =
                format!("memory of an open session with two payees, without texts, {}", sessions(cell));
            lines.push(Line::new(name, "bytes", Better::Lower, &cell.session_bytes).target(300.0));
        }
        lines.retain(|line| line.runs > 0);
        lines
    }

    fn panels(&self) -> [Panel; 4] {
        type Of = fn(&Cell) -> Option<f64>;
        fn series(cells: &[Cell], along: fn(&Cell) -> f64, of: Of) -> Series {
            cells.iter().filter_map(|cell| Some((along(cell), of(cell)?))).collect()
        }
        let by_sessions = |of| series(&self.by_sessions, |cell| figure(cell.sessions), of);
        let by_payees = |of| series(&self.by_payees, |cell| figure(cell.payees as u64), of);
        let (ns, bytes): (Of, Of) = (|cell| measured(&cell.debit_ns), |cell| measured(&cell.session_bytes));
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
    format!("{} sessions", shown(figure(cell.sessions)))
}

fn measured(figures: &[f64]) -> Option<f64> {
    (!figures.is_empty()).then(|| median(figures))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(sessions: u64, payees: usize, ns: f64) -> Cell {
        let (resident_bytes, session_bytes) = (vec![3e9; 3], vec![280.0; 3]);
        Cell { sessions, payees, debit_ns: vec![ns; 3], resident_bytes, session_bytes }
    }

    #[test]
    fn the_lines_compare_the_most_sessions_with_the_fewest() {
        let by_sessions = vec![cell(10_000, 2, 100.0), cell(1_000_000, 2, 120.0), cell(10_000_000, 2, 140.0)];
        let growth = Growth { by_sessions, by_payees: Vec::new() };
        let lines = growth.lines();
        let of = |unit: &str| lines.iter().filter(|line| line.unit == unit).collect::<Vec<_>>();
        assert_eq!((of("ns").len(), of("bytes").len(), of("x").len()), (1, 1, 1));
        assert_eq!((of("ns")[0].median, of("x")[0].median), (120.0, 1.4));
        assert_eq!(of("x")[0].is_met(), Some(true));
    }

    #[test]
    fn what_the_system_does_not_say_is_absent() {
        let silent = Cell { resident_bytes: Vec::new(), session_bytes: Vec::new(), ..cell(10_000, 2, 100.0) };
        let growth = Growth { by_sessions: vec![silent], by_payees: Vec::new() };
        assert!(growth.lines().iter().all(|line| line.unit == "x"), "{:?}", growth.lines());
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
