//! Owns: the effective configuration: defaults, then the file, then the environment, then the flags; the later wins.
//! What was given is checked wherever it was given, and every problem is reported at once.
//! Never: opens a socket or the data folder, falls back to a default when what was given is wrong.

mod flags;
mod key;
mod network;
mod problem;
mod sources;

#[cfg(test)]
mod tests;

pub use flags::Flags;
pub use network::Network;
pub use problem::{Problem, Problems};

pub(crate) use network::narrow;

use key::Value;
use sources::Reader;
use std::{ffi::OsString, fmt, net::SocketAddr, path::PathBuf, time::Duration};
use tallystick_core::Span;
use tallystick_engine::Options;
use tallystick_journal::Durability;
use tallystick_rpc::Anonymous;
use tracing::level_filters::LevelFilter;

/// Is what an operator may choose, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where callers connect; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where operators ask; port 0 lets the system choose, and without one nobody is answered.
    pub ops_listen: Option<SocketAddr>,
    /// Who asks when a call has no key.
    pub anonymous: Anonymous,
    /// The data folder.
    pub data: PathBuf,
    /// What every answer's durability is.
    pub durability: Durability,
    /// How many locks the state is spread over.
    pub shards: usize,
    /// After how many records a checkpoint is made.
    pub checkpoint_records: u64,
    /// How often sessions past their end are looked for.
    pub sweep_every: Duration,
    /// How many bytes of records one group may hold, about.
    pub group_bytes: usize,
    /// The index of debits is made anew from what the journal still has.
    pub rebuild_index: bool,
    /// How long after a settlement its debits are found by key or number at once.
    pub retry_window: Span,
    /// Bytes of requests in flight, over all callers.
    pub permit_bytes: usize,
    /// Batches in flight in one stream.
    pub stream_batches_in_flight: usize,
    /// How much of the server the network may take.
    pub network: Network,
    /// Threads that serve connections.
    pub worker_threads: usize,
    /// How long calls in flight are waited for at the end.
    pub drain_timeout: Duration,
    /// How far the wall clock may move away from ours.
    pub clock_divergence_max: Duration,
    /// How the log looks.
    pub log_format: LogFormat,
    /// How much is logged.
    pub log_level: LevelFilter,
}

/// Says how the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines to read.
    Text,
    /// An object a line.
    Json,
}

/// Is a configuration together with where each part of it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// What was chosen.
    pub config: Config,
    lines: Vec<String>,
}

/// Reads the configuration. `variable` looks into the environment.
///
/// *Errors*: all problems, not only the first.
pub fn load(flags: &Flags, variable: impl Fn(&str) -> Option<OsString>) -> Result<Effective, Problems> {
    let mut reader = Reader::open(flags, &variable);
    let config = assemble(&mut reader);
    let (problems, lines) = reader.close();
    match config {
        Some(config) if problems.is_empty() => Ok(Effective { config, lines }),
        _ => Err(Problems(problems)),
    }
}

impl Config {
    /// Returns the defaults with this data folder, on a free port of this machine, without keys and without a listener for
    /// operators.
    ///
    /// *Errors*: the path is empty or not UTF-8.
    pub fn local(data: &std::path::Path) -> Result<Self, Problems> {
        let data = data.to_str().unwrap_or_default().to_owned();
        let flags = Flags::new([
            ("data", data),
            ("listen", "127.0.0.1:0".into()),
            ("ops_listen", "none".into()),
            ("anonymous", "development".into()),
        ]);
        load(&flags, |_| None).map(|effective| effective.config)
    }

    /// Returns the engine's part.
    pub(crate) fn engine_options(&self) -> Options {
        Options {
            shards: self.shards,
            checkpoint_records: self.checkpoint_records,
            sweep_every: self.sweep_every,
            group_bytes: self.group_bytes,
            ..Options::default()
        }
    }

    /// Returns the projection's part.
    pub(crate) fn projection_options(&self) -> tallystick_projection::Options {
        tallystick_projection::Options { retry_window: self.retry_window, ..Default::default() }
    }

    /// Returns the face's part.
    pub(crate) fn limits(&self) -> tallystick_rpc::Limits {
        tallystick_rpc::Limits {
            permit_bytes: self.permit_bytes,
            stream_batches_in_flight: self.stream_batches_in_flight,
            message_bytes_max: self.network.message_bytes_max,
            calls_max: self.network.calls_max,
            arriving_bytes_max: self.network.arriving_bytes_max,
            arrival_timeout: self.network.arrival_timeout,
            stall_timeout: self.network.stall_timeout,
            stall_timeout_pressed: self.network.stall_timeout_pressed,
        }
    }
}

fn assemble(reader: &mut Reader) -> Option<Config> {
    // Every key is read before the first `?`: a problem with one must not hide the others'.
    let listen = reader.read(&key::LISTEN).and_then(Value::address);
    let ops_listen = reader.read(&key::OPS_LISTEN).and_then(Value::address_or_none);
    let anonymous = reader.read(&key::ANONYMOUS).and_then(Value::word).and_then(anonymous);
    if anonymous == Some(Anonymous::Development) {
        let listeners = [(&key::LISTEN, listen), (&key::OPS_LISTEN, ops_listen.flatten())];
        listeners.into_iter().for_each(|(key, address)| reader.keep_near(key, address));
    }
    let data = reader.read(&key::DATA).and_then(Value::folder);
    let durability = reader.read(&key::DURABILITY).and_then(Value::word).and_then(durability);
    let shards = reader.read(&key::SHARDS).and_then(Value::size);
    let checkpoint_records = reader.read(&key::CHECKPOINT_RECORDS).and_then(Value::number);
    let sweep_every = reader.read(&key::SWEEP_EVERY_MS).and_then(Value::millis);
    let group_bytes = reader.read(&key::GROUP_BYTES).and_then(Value::size);
    let rebuild_index = reader.read(&key::INDEX).and_then(Value::word).map(|word| word == "rebuild");
    let retry_window = reader.read(&key::RETRY_WINDOW_HOURS).and_then(Value::hours);
    let permit_bytes = reader.read(&key::PERMIT_BYTES).and_then(Value::size);
    let stream_batches_in_flight = reader.read(&key::STREAM_BATCHES_IN_FLIGHT).and_then(Value::size);
    let network = Network::read(reader);
    let worker_threads = reader.read(&key::WORKER_THREADS).and_then(Value::size);
    let drain_timeout = reader.read(&key::DRAIN_TIMEOUT_MS).and_then(Value::millis);
    let clock_divergence_max = reader.read(&key::CLOCK_DIVERGENCE_MAX_MS).and_then(Value::millis);
    let log_format = reader.read(&key::LOG_FORMAT).and_then(Value::word).and_then(log_format);
    let log_level = reader.read(&key::LOG_LEVEL).and_then(Value::word).and_then(|word| word.parse().ok());
    Some(Config {
        listen: listen?,
        ops_listen: ops_listen?,
        anonymous: anonymous?,
        data: data?,
        durability: durability?,
        shards: shards?,
        checkpoint_records: checkpoint_records?,
        sweep_every: sweep_every?,
        group_bytes: group_bytes?,
        rebuild_index: rebuild_index?,
        retry_window: retry_window?,
        permit_bytes: permit_bytes?,
        stream_batches_in_flight: stream_batches_in_flight?,
        network: network?,
        worker_threads: worker_threads?,
        drain_timeout: drain_timeout?,
        clock_divergence_max: clock_divergence_max?,
        log_format: log_format?,
        log_level: log_level?,
    })
}

fn anonymous(word: &str) -> Option<Anonymous> {
    match word {
        "nobody" => Some(Anonymous::Nobody),
        "development" => Some(Anonymous::Development),
        _ => None,
    }
}

fn durability(word: &str) -> Option<Durability> {
    match word {
        "fsync" => Some(Durability::Fsync),
        "os" => Some(Durability::Os),
        _ => None,
    }
}

fn log_format(word: &str) -> Option<LogFormat> {
    match word {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}

/// Prints a file that would give the same configuration, with where each value came from.
impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
