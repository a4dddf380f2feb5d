//! Owns: one point of growth: so many sessions with so many payees each, in a process of its own, so that no other point's
//! memory is in its figure. Never: a network, a disk, a lock.

use crate::{
    child::{own_exe, resident_bytes},
    fault::Fault,
    line::figure,
};
use serde::{Deserialize, Serialize};
use std::{hint::black_box, process::Command};
use tallystick_benches::World;
use tallystick_client::Stopwatch;

/// Debits that are made before they are timed, at a time: what it costs to make one is not in the figure.
const STRETCH: usize = 4_096;
const STRETCHES: usize = 250;

/// Says which point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct Point {
    #[arg(long)]
    pub(crate) sessions: u64,
    #[arg(long)]
    pub(crate) payees: usize,
    /// How often debits are timed.
    #[arg(long)]
    pub(crate) runs: usize,
}

/// Is what was found there; the field names are the JSON's keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) sessions: u64,
    pub(crate) payees: usize,
    /// Decide and apply, of sessions hit at random, one a run.
    pub(crate) debit_ns: Vec<f64>,
    /// Of the whole process; absent where the system does not say.
    pub(crate) resident_bytes: Option<u64>,
    /// What the sessions added to it, without what the caller remembers of them.
    pub(crate) session_bytes: Option<f64>,
}

/// Measures a point in a process of its own.
pub(crate) fn measure(point: Point) -> Result<Cell, Fault> {
    let Point { sessions, payees, runs } = point;
    let mut command = Command::new(own_exe()?);
    command.arg("cell").arg(format!("--sessions={sessions}")).arg(format!("--payees={payees}"));
    let output = command.arg(format!("--runs={runs}")).output().map_err(Fault::io("measure a point"))?;
    let found = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(Fault::unfit("a point failed", String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_str(&found).map_err(|error| Fault::unfit(format!("a point said {found:?}"), error))
}

/// Measures a point in this process.
pub(crate) fn here(point: Point) -> Cell {
    let Point { sessions, payees, runs } = point;
    let before = resident_bytes("self");
    let mut world = World::new(sessions, payees);
    let resident = resident_bytes("self");
    stretches(&mut world, STRETCHES / 10);
    let debit_ns = (0..runs).map(|_| stretches(&mut world, STRETCHES)).collect();
    let added = resident.zip(before).map(|(after, before)| after.saturating_sub(before));
    let own = |added: u64| added.saturating_sub(sessions * World::CALLER_BYTES);
    let session_bytes = added.map(|added| figure(own(added)) / figure(sessions));
    Cell { sessions, payees, debit_ns, resident_bytes: resident, session_bytes }
}

/// Decides and applies, and returns what one debit took. *Units*: nanoseconds.
fn stretches(world: &mut World, count: usize) -> f64 {
    let mut taken_ns = 0.0;
    for _ in 0..count {
        let debits = world.next_debits(STRETCH);
        let clock = Stopwatch::start();
        for debit in &debits {
            black_box(world.decide_and_apply(black_box(debit)));
        }
        taken_ns += clock.elapsed().as_secs_f64() * 1e9;
    }
    taken_ns / figure((count * STRETCH) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_says_its_figures_and_can_be_read_back() {
        let cell = here(Point { sessions: 512, payees: 2, runs: 1 });
        assert!(cell.debit_ns.iter().all(|ns| *ns > 0.0), "{cell:?}");
        let json = serde_json::to_string(&cell).unwrap();
        assert_eq!(serde_json::from_str::<Cell>(&json).unwrap(), cell);
    }
}
