//! Owns: what may be said on the command line. Never: a default that depends on the machine.

use std::path::PathBuf;

/// Loads a Tallystick server in a closed loop and audits its answers.
///
/// A closed loop sends again only when an answer came, so under overload it understates latency.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "tallystick-loadtest")]
pub struct Args {
    /// How debits are sent.
    #[arg(value_enum)]
    pub mode: Mode,

    /// The server.
    #[arg(long, default_value = "127.0.0.1:7420", value_name = "HOST:PORT")]
    pub addr: String,

    /// Connections; each is one HTTP/2 channel, and with streams one writer.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub connections: u32,

    /// Calls or messages on their way at a time, on each connection.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub in_flight: u32,

    /// Debits a message, in mode `batch`.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch: u32,

    /// How long each run lasts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,

    /// How many runs; the report gives median and range.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub runs: u32,

    /// Sessions, spread over the connections.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub sessions: u32,

    /// Accounts that the sessions are opened on.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub accounts: u32,

    /// Payees that the debits go to in turn.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub payees: u32,

    /// Where the figures go, as JSON.
    #[arg(long, default_value = "target/report/loadtest.json", value_name = "FILE")]
    pub report: PathBuf,
}

/// Names the ways to send a debit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// One call a debit, with a free-form key.
    Unary,
    /// One debit a stream message.
    Stream,
    /// Many debits a stream message.
    Batch,
}

impl Args {
    /// Returns the server's address as the client wants it.
    #[must_use]
    pub fn uri(&self) -> String {
        if self.addr.contains("://") { self.addr.clone() } else { format!("http://{}", self.addr) }
    }

    /// Returns the debits in one call or message.
    #[must_use]
    pub fn debits_per_message(&self) -> u32 {
        match self.mode {
            Mode::Unary | Mode::Stream => 1,
            Mode::Batch => self.batch,
        }
    }
}

impl Mode {
    /// Returns the mode's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Stream => "stream",
            Self::Batch => "batch",
        }
    }
}
