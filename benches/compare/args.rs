//! Owns: what may be said on the command line. Never: a default that depends on the machine.

use std::path::PathBuf;

/// Runs the same debits on Redis, PostgreSQL and Tallystick, in turns, and audits each.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "tallystick-compare")]
pub(crate) struct Args {
    /// How often each contender has its turn at each work; the report gives median and range.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,

    /// How long each turn is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,

    /// How long each turn goes on before it is measured. What was answered then is audited too.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub(crate) warmup_seconds: u32,

    /// Sessions of each contender.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub(crate) sessions: u32,

    /// The `tallystick` to compare; without it, the one beside this program.
    #[arg(long, env = "TALLYSTICK_EXE", value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,

    /// Where the figures go, as JSON.
    #[arg(long, default_value = "target/report/compare.json", value_name = "FILE")]
    pub(crate) report: PathBuf,
}

impl Args {
    /// Returns what the command line would mean without a word.
    #[cfg(test)]
    pub(crate) fn defaults() -> Self {
        use clap::Parser as _;
        Self { server: None, ..Self::parse_from(["tallystick-compare"]) }
    }
}
