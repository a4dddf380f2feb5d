//! Owns: one point of growth: so many sessions with so many payees each, in a process of its own, so that no other point's
//! memory is in its figure. Never: a network, a disk, a lock.

use crate::{
    child::{own_exe, resident_bytes},
    fault::Fault,
    line::figure,
};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use tallystick_benches::World;
use tokio::process::Command;

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
    /// How often debits are timed there.
    #[arg(long)]
    pub(crate) timings: usize,
}

/// Is what was found there, one figure a timing or a process; the field names are the JSON's keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) sessions: u64,
    pub(crate) payees: usize,
    /// Decide and apply, of sessions hit at random: the thread's processor time, so that others on the machine are not in it.
    pub(crate) debit_ns: Vec<f64>,
    /// Of the whole process, the caller's own included; empty where the system does not say.
    pub(crate) resident_bytes: Vec<f64>,
    /// What the sessions added to it, each, without what the caller remembers of them.
    pub(crate) session_bytes: Vec<f64>,
}

impl Cell {
    /// Is a point that is not measured yet.
    pub(crate) fn empty(sessions: u64, payees: usize) -> Self {
        Self { sessions, payees, debit_ns: Vec::new(), resident_bytes: Vec::new(), session_bytes: Vec::new() }
    }

    /// Measures it once more, in a process of its own.
    pub(crate) async fn run(&mut self, timings: usize) -> Result<(), Fault> {
        let mut command = Command::new(own_exe()?);
        command
            .arg("cell")
            .args([format!("--sessions={}", self.sessions), format!("--payees={}", self.payees)]);
        command.arg(format!("--timings={timings}"));
        let output = command.kill_on_drop(true).output().await.map_err(Fault::io("measure a point"))?;
        let found = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(Fault::unfit("a point failed", String::from_utf8_lossy(&output.stderr)));
        }
        let more: Self = serde_json::from_str(&found)
            .map_err(|error| Fault::unfit(format!("a point said {found:?}"), error))?;
        self.debit_ns.extend(more.debit_ns);
        self.resident_bytes.extend(more.resident_bytes);
        self.session_bytes.extend(more.session_bytes);
        Ok(())
    }
}

/// Measures a point once, in this process.
pub(crate) fn here(point: Point) -> Cell {
    let Point { sessions, payees, timings } = point;
    let mut world = World::new(payees);
    let before = resident_bytes("self");
    world.open(sessions);
    let resident = resident_bytes("self");
    stretches(&mut world, STRETCHES / 10);
    let mut cell = Cell::empty(sessions, payees);
    cell.debit_ns.extend((0..timings).map(|_| stretches(&mut world, STRETCHES)));
    if let (Some(before), Some(resident)) = (before, resident) {
        let added = resident.saturating_sub(before).saturating_sub(sessions * World::CALLER_BYTES);
        cell.resident_bytes.push(figure(resident));
        cell.session_bytes.push(figure(added) / figure(sessions));
    }
    cell
}

/// Decides and applies, and returns what one debit took. *Units*: nanoseconds.
fn stretches(world: &mut World, count: usize) -> f64 {
    let mut taken_ns = 0;
    for _ in 0..count {
        let debits = world.next_debits(STRETCH);
        let began = processor_ns();
        black_box(world.decide_and_apply(black_box(&debits)));
        taken_ns += processor_ns() - began;
    }
    figure(taken_ns) / figure((count * STRETCH) as u64)
}

/// Reads how long this thread has been at work.
fn processor_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let [seconds, nanos] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    seconds * 1_000_000_000 + nanos
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_says_its_figures_and_can_be_read_back() {
        let cell = here(Point { sessions: 512, payees: 2, timings: 2 });
        assert_eq!(cell.debit_ns.len(), 2);
        assert!(cell.debit_ns.iter().all(|ns| *ns > 0.0), "{cell:?}");
        let json = serde_json::to_string(&cell).unwrap();
        assert_eq!(serde_json::from_str::<Cell>(&json).unwrap(), cell);
    }
}
