//! Owns: what may be said on the command line of `tallystick demo`. Never: a default that hides what was measured.

use std::path::PathBuf;

/// Runs a whole life of the authorizer on this machine: thousands of agents' model calls become micropayments, the
/// server is killed in the middle, and at the end every nano is audited.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Requests to a model, one a line: a CSV file with the header TIMESTAMP,ContextTokens,GeneratedTokens. Without it,
    /// requests of the same shape as a real trace are made up.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,

    /// How many requests to make up when there is no trace.
    #[arg(long, default_value_t = 8_819, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub requests: u32,

    /// Seed of everything that is drawn: made-up requests, and which model provider each one goes to.
    #[arg(long, default_value_t = 2023)]
    pub seed: u64,

    /// Agents at work at the same time, each with one capped session.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub agents: u32,

    /// Streams that the debits are sent over.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub writers: u32,

    /// Debits in one message.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch: u32,

    /// Messages on their way at a time, on each stream.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub in_flight: u32,

    /// What "durable" means: synced to the disk, or handed to the operating system.
    #[arg(long, value_enum, default_value_t = DurabilityArg::Fsync)]
    pub durability: DurabilityArg,

    /// Leaves the server alive all the way.
    #[arg(long)]
    pub no_kill: bool,

    /// Where the figures go, as JSON.
    #[arg(long, value_name = "FILE", default_value = "target/report/demo.json")]
    pub report: PathBuf,

    /// The program to run as the server; this one by default.
    #[arg(long, value_name = "FILE", hide = true)]
    pub server_exe: Option<PathBuf>,
}

/// Names how an answer is made durable before it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DurabilityArg {
    /// Synced to stable storage: survives a power cut.
    Fsync,
    /// Handed to the operating system: survives a crash of the process.
    Os,
}

impl DurabilityArg {
    /// Returns the word that the serve command knows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Os => "os",
        }
    }
}
