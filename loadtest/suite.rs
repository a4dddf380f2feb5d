//! Owns: the standard set of loads. Never: a rate that was not first reached in a closed loop on the same machine.

use crate::{Arrivals, Cli, Command, LoadArgs, LoadError, Mode, Report, SuiteArgs, report::write_json};
use clap::Parser as _;
use serde::Serialize;
use std::path::Path;

/// Is one shape of load, first in a closed loop, and then in an open one at half of what that reached.
#[derive(Clone, Copy, Debug)]
struct Shape {
    mode: Mode,
    connections: u32,
    in_flight: u32,
    /// False where half of the rate would say nothing: one caller who waits for each answer.
    opens: bool,
}

const SHAPES: [Shape; 4] = [
    Shape { mode: Mode::Unary, connections: 1, in_flight: 1, opens: false },
    Shape { mode: Mode::Unary, connections: 4, in_flight: 16, opens: true },
    Shape { mode: Mode::Stream, connections: 2, in_flight: 512, opens: true },
    Shape { mode: Mode::Batch { debits: 500 }, connections: 2, in_flight: 8, opens: true },
];

/// Holds the reports of the whole set; the field names are the JSON's keys.
#[derive(Debug, Default, Serialize)]
pub struct Suite {
    audit_difference_nanos: u128,
    profiles: Vec<Report>,
}

impl Suite {
    /// Returns whether no run of any load differs from what the server settled.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.profiles.iter().all(Report::is_clean)
    }

    /// Writes the figures as JSON, and makes the folder.
    ///
    /// *Errors*: [`LoadError::Io`].
    pub fn write(&self, file: &Path) -> Result<(), LoadError> {
        write_json(self, file)
    }

    fn add(&mut self, report: Report) {
        self.audit_difference_nanos += report.audit_difference_nanos();
        self.profiles.push(report);
    }
}

/// Runs the whole set, and shows each report when it is there.
///
/// *Errors*: calls that fail; differences are in the reports.
pub async fn run(args: &SuiteArgs, show: impl Fn(&Report)) -> Result<Suite, LoadError> {
    let mut suite = Suite::default();
    for shape in SHAPES {
        let load = LoadArgs {
            addr: args.addr.clone(),
            driver: args.driver,
            connections: shape.connections,
            in_flight: shape.in_flight,
            seconds: args.seconds,
            runs: args.runs,
            ..defaults()
        };
        let closed = crate::run(shape.mode, &load).await?;
        show(&closed);
        let half = u32::try_from(closed.achieved_rate() / 2).unwrap_or(u32::MAX).max(1);
        suite.add(closed);
        if shape.opens {
            // Callers who do not know of each other, as in life.
            let open = LoadArgs { rate: Some(half), arrivals: Arrivals::Poisson, ..load };
            let open = crate::run(shape.mode, &open).await?;
            show(&open);
            suite.add(open);
        }
    }
    Ok(suite)
}

/// Returns what the command line would mean without a word.
fn defaults() -> LoadArgs {
    match Cli::parse_from(["tallystick-loadtest", "unary"]).command {
        Command::Unary(args) => args,
        other => unreachable!("`unary` was read as {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_closed_unless_said_otherwise() {
        let args = defaults();
        assert_eq!((args.rate, args.warmup_seconds), (None, 1));
    }
}
