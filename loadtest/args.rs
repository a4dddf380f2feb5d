//! Owns: what may be said on the command line. Never: a default that depends on the machine.

use std::path::PathBuf;

/// Loads a Tallystick server, in a closed or an open loop, and audits every answer it got.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "tallystick-loadtest")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Names what can be done.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// One call a debit, with a free-form key.
    Unary(LoadArgs),
    /// One debit a stream message.
    Stream(LoadArgs),
    /// Many debits a stream message.
    Batch(BatchArgs),
    /// The standard set: each mode in a closed loop, then in an open one at half of what it reached.
    Suite(SuiteArgs),
    /// Open sessions for ghz and print their ids as `NAME=value`, for the environment.
    Stage(StageArgs),
    /// Settle what `stage` opened and compare it with what a ghz profile must have spent.
    Audit(AuditArgs),
}

/// Says what to load, and how.
///
/// Without `--rate` the loop is closed: it sends again only when an answer came, so under overload it understates
/// latency. With it the loop is open: arrivals keep to a schedule whatever the answers do, and latency counts from the
/// intended start.
#[derive(Clone, Debug, clap::Args)]
pub struct LoadArgs {
    /// The server.
    #[arg(long, default_value = "127.0.0.1:7878", value_name = "HOST:PORT")]
    pub addr: String,

    /// What speaks to the server.
    #[arg(long, value_enum, default_value_t = Driver::Lean)]
    pub driver: Driver,

    /// Threads that the load runs on. Without it one with the lean driver, and one a core with the client.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<u32>,

    /// Lean single calls: number the debits of each session rather than give each debit a key. Then a session has one call on its way at
    /// a time.
    #[arg(long)]
    pub numbered: bool,

    /// Connections; each is one HTTP/2 channel, and with streams one writer.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub connections: u32,

    /// Closed loop: calls or messages on their way at a time, on each connection.
    #[arg(long, default_value_t = 32, conflicts_with = "rate",
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub in_flight: u32,

    /// Open loop: calls or messages that are to begin each second, over all connections.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub rate: Option<u32>,

    /// Open loop: how the arrivals are spaced.
    #[arg(long, value_enum, default_value_t = Arrivals::Constant, requires = "rate")]
    pub arrivals: Arrivals,

    /// Open loop: what Poisson arrivals are drawn from; each run takes the next one.
    #[arg(long, default_value_t = 1, requires = "rate")]
    pub seed: u64,

    /// Open loop: calls or messages begun and not yet answered, over all connections (with the lean driver each has its equal
    /// part, and at least one). Arrivals beyond it wait, and their wait is in their latency.
    #[arg(long, default_value_t = 4_096, requires = "rate",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub outstanding_max: u32,

    /// How long each run is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,

    /// How long each run goes on before it is measured. What was answered then is audited too.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub warmup_seconds: u32,

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

    /// The cap of each session: 10,000 USD, which no run reaches. With less, debits are declined in the end, and the audit
    /// holds all the same.
    #[arg(long, default_value_t = 10_000_000_000_000, value_name = "NANOS",
          value_parser = clap::value_parser!(u64).range(1..=10_000_000_000_000))]
    pub cap_nanos: u64,

    /// Where the figures go, as JSON.
    #[arg(long, default_value = "target/report/loadtest.json", value_name = "FILE")]
    pub report: PathBuf,
}

/// Says how large a message is, besides.
#[derive(Clone, Debug, clap::Args)]
pub struct BatchArgs {
    /// Debits a message.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch: u32,

    /// The rest.
    #[command(flatten)]
    pub load: LoadArgs,
}

/// Says what the standard set is run against.
#[derive(Clone, Debug, clap::Args)]
pub struct SuiteArgs {
    /// The server.
    #[arg(long, env = "TALLYSTICK_ADDR", default_value = "127.0.0.1:7878", value_name = "HOST:PORT")]
    pub addr: String,

    /// What speaks to the server.
    #[arg(long, value_enum, default_value_t = Driver::Lean)]
    pub driver: Driver,

    /// Threads that the load runs on. Without it one with the lean driver, and one a core with the client.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<u32>,

    /// How long each run is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,

    /// How many runs of each.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub runs: u32,

    /// Where the figures go, as JSON.
    #[arg(long, default_value = "target/report/load.json", value_name = "FILE")]
    pub report: PathBuf,
}

/// Says what to open for ghz.
#[derive(Clone, Debug, clap::Args)]
pub struct StageArgs {
    /// The server.
    #[arg(long, env = "TALLYSTICK_ADDR", default_value = "127.0.0.1:7878", value_name = "HOST:PORT")]
    pub addr: String,

    /// How many sessions; each remembers 65,536 keys.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub sessions: u32,
}

/// Says what to audit for ghz.
#[derive(Clone, Debug, clap::Args)]
pub struct AuditArgs {
    /// The server.
    #[arg(long, env = "TALLYSTICK_ADDR", default_value = "127.0.0.1:7878", value_name = "HOST:PORT")]
    pub addr: String,

    /// The payee that `stage` registered.
    #[arg(long, env = "TALLYSTICK_PAYEE", value_name = "ID")]
    pub payee: String,

    /// The sessions that it opened.
    #[arg(
        long,
        env = "TALLYSTICK_SESSIONS",
        value_name = "ID,ID...",
        value_delimiter = ',',
        required = true
    )]
    pub sessions: Vec<String>,

    /// The profile that ghz ran, with its `total` and its tags `debits_per_call` and `amount_nanos`.
    #[arg(long, value_name = "FILE")]
    pub profile: PathBuf,

    /// The JSON that ghz wrote; its count of OK is checked and its figures are printed.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Names what speaks to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Driver {
    /// Bytes written and read in place: the least that a generator takes from a server on the same machine.
    Lean,
    /// The Rust client, as its users have it.
    Client,
}

/// Names the ways to space arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arrivals {
    /// Equal intervals.
    Constant,
    /// Independent of one another, as callers who do not know of each other: intervals are exponential.
    Poisson,
}

/// Names the ways to send a debit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One call a debit, with a free-form key.
    Unary,
    /// One debit a stream message.
    Stream,
    /// Many debits a stream message.
    Batch {
        /// How many.
        debits: u32,
    },
}

impl LoadArgs {
    /// Returns the server's address as the client wants it.
    #[must_use]
    pub fn uri(&self) -> String {
        uri(&self.addr)
    }
}

impl Mode {
    /// Returns the mode's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Stream => "stream",
            Self::Batch { .. } => "batch",
        }
    }

    /// Returns the debits in one call or message.
    #[must_use]
    pub fn debits_per_message(self) -> u32 {
        match self {
            Self::Unary | Self::Stream => 1,
            Self::Batch { debits } => debits,
        }
    }
}

impl Driver {
    /// Returns the driver's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lean => "lean",
            Self::Client => "client",
        }
    }

    fn threads(self, asked: Option<u32>) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        match (asked, self) {
            (Some(asked), _) => asked as usize,
            (None, Self::Lean) => 1,
            (None, Self::Client) => cores(),
        }
    }
}

impl Command {
    /// Returns how many threads it is to run on.
    #[must_use]
    pub fn threads(&self) -> usize {
        match self {
            Self::Unary(args) | Self::Stream(args) => args.driver.threads(args.threads),
            Self::Batch(BatchArgs { load, .. }) => load.driver.threads(load.threads),
            Self::Suite(args) => args.driver.threads(args.threads),
            Self::Stage(_) | Self::Audit(_) => 1,
        }
    }
}

impl Arrivals {
    /// Returns the schedule's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
        }
    }
}

/// Writes an address as the client wants it.
pub(crate) fn uri(addr: &str) -> String {
    if addr.contains("://") { addr.to_owned() } else { format!("http://{addr}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn what_belongs_to_one_loop_is_refused_in_the_other() {
        let parse = |words: &str| Cli::try_parse_from(words.split(' ')).map_err(|error| error.kind());
        assert!(parse("load unary --in-flight 4").is_ok());
        assert!(parse("load batch --batch 9 --rate 100 --arrivals poisson --seed 7").is_ok());
        assert_eq!(
            parse("load unary --in-flight 4 --rate 9").unwrap_err(),
            clap::error::ErrorKind::ArgumentConflict
        );
        for open_only in ["--arrivals poisson", "--seed 2", "--outstanding-max 3"] {
            let refused = parse(&format!("load stream {open_only}")).unwrap_err();
            assert_eq!(refused, clap::error::ErrorKind::MissingRequiredArgument, "{open_only}");
        }
    }
}
