//! Owns: the keys: name, meaning, rule and default of each. Flags, variables, the file and the help are made from this
//! one table. Never: where a value comes from.

mod network;

pub(super) use network::*;

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};
use tallystick_core::Span;
use tallystick_engine::Options;
use tallystick_rpc::Limits;

/// Is one thing that can be chosen.
#[derive(Debug)]
pub(super) struct Key {
    /// As in the file. The variable has capitals and a prefix.
    pub(super) name: &'static str,
    /// The same with dashes.
    pub(super) flag: &'static str,
    pub(super) help: &'static str,
    pub(super) rule: Rule,
    /// `None` when it must be given.
    pub(super) default: fn() -> Option<String>,
}

/// Says what a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Address,
    AddressOrNone,
    Folder,
    Word(&'static [&'static str]),
    Number { min: u64, max: u64, unit: &'static str },
}

/// Is a value that keeps its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Address(SocketAddr),
    Folder(PathBuf),
    Word(&'static str),
    Number(u64),
}

/// Switches a listener off.
const NONE: &str = "none";

const fn number(min: u64, max: u64, unit: &'static str) -> Rule {
    Rule::Number { min, max, unit }
}

pub(super) const LISTEN: Key = Key {
    name: "listen",
    flag: "listen",
    help: "Where callers connect; port 0 lets the system choose",
    rule: Rule::Address,
    default: || Some("127.0.0.1:7878".into()),
};
pub(super) const OPS_LISTEN: Key = Key {
    name: "ops_listen",
    flag: "ops-listen",
    help: "Where operators ask for /metrics, /healthz, /readyz and /books; port 0 lets the system choose",
    rule: Rule::AddressOrNone,
    default: || Some("127.0.0.1:9464".into()),
};
pub(super) const ANONYMOUS: Key = Key {
    name: "anonymous",
    flag: "anonymous",
    help: "Who asks when a call has no API key: nobody, or whoever develops on this machine, with every role",
    rule: Rule::Word(&["nobody", "development"]),
    default: || Some("nobody".into()),
};
pub(super) const DATA: Key = Key {
    name: "data",
    flag: "data",
    help: "The data folder; made when there is none",
    rule: Rule::Folder,
    default: || None,
};
pub(super) const DURABILITY: Key = Key {
    name: "durability",
    flag: "durability",
    help: "What an answer waits for: synced to the disk, or handed to the operating system",
    rule: Rule::Word(&["fsync", "os"]),
    default: || Some("fsync".into()),
};
pub(super) const SHARDS: Key = Key {
    name: "shards",
    flag: "shards",
    help: "How many locks the state is spread over",
    rule: number(1, 256, ""),
    default: || Some(Options::default().shards.to_string()),
};
pub(super) const CHECKPOINT_RECORDS: Key = Key {
    name: "checkpoint_records",
    flag: "checkpoint-records",
    help: "After how many records a checkpoint is made; bounds the time of recovery",
    rule: number(1, 16_000_000, ""),
    default: || Some(Options::default().checkpoint_records.to_string()),
};
pub(super) const SWEEP_EVERY_MS: Key = Key {
    name: "sweep_every_ms",
    flag: "sweep-every-ms",
    help: "How often sessions past their end are looked for and settled",
    rule: number(1, 60_000, " milliseconds"),
    default: || Some(Options::default().sweep_every.as_millis().to_string()),
};
pub(super) const GROUP_BYTES: Key = Key {
    name: "group_bytes",
    flag: "group-bytes",
    help: "How much one write to the journal may hold, about",
    rule: number(4_096, 67_108_864, " bytes"),
    default: || Some(Options::default().group_bytes.to_string()),
};
pub(super) const INDEX: Key = Key {
    name: "index",
    flag: "index",
    help: "Whether the index of debits goes on where it left off, or is made anew from what the journal still has",
    rule: Rule::Word(&["follow", "rebuild"]),
    default: || Some("follow".into()),
};
pub(super) const RETRY_WINDOW_HOURS: Key = Key {
    name: "retry_window_hours",
    flag: "retry-window-hours",
    help: "How long after a settlement its debits are found by key or number at once; by id they are for good",
    rule: number(1, 87_600, " hours"),
    default: || Some("168".into()),
};
pub(super) const PERMIT_BYTES: Key = Key {
    name: "permit_bytes",
    flag: "permit-bytes",
    help: "Requests in flight over all callers; beyond it streams wait and single calls are refused",
    rule: number(1_048_576, 68_719_476_736, " bytes"),
    default: || Some(Limits::default().permit_bytes.to_string()),
};
pub(super) const STREAM_BATCHES_IN_FLIGHT: Key = Key {
    name: "stream_batches_in_flight",
    flag: "stream-batches-in-flight",
    help: "Batches of one stream that may be in flight",
    rule: number(1, 4_096, ""),
    default: || Some(Limits::default().stream_batches_in_flight.to_string()),
};
pub(super) const WORKER_THREADS: Key = Key {
    name: "worker_threads",
    flag: "worker-threads",
    help: "Threads that serve connections; by default as many as there are cores",
    rule: number(1, 1_024, ""),
    default: || Some(std::thread::available_parallelism().map_or(1, usize::from).min(1_024).to_string()),
};
pub(super) const DRAIN_TIMEOUT_MS: Key = Key {
    name: "drain_timeout_ms",
    flag: "drain-timeout-ms",
    help: "How long calls in flight are waited for when the server is told to stop",
    rule: number(0, 600_000, " milliseconds"),
    default: || Some("10000".into()),
};
pub(super) const CLOCK_DIVERGENCE_MAX_MS: Key = Key {
    name: "clock_divergence_max_ms",
    flag: "clock-divergence-max-ms",
    help: "How far the wall clock may be set away from ours before readiness is lost; a leap second is 1000",
    rule: number(1, 3_600_000, " milliseconds"),
    default: || Some("5000".into()),
};
pub(super) const LOG_FORMAT: Key = Key {
    name: "log_format",
    flag: "log-format",
    help: "How the log on standard error looks",
    rule: Rule::Word(&["text", "json"]),
    default: || Some("text".into()),
};
pub(super) const LOG_LEVEL: Key = Key {
    name: "log_level",
    flag: "log-level",
    help: "How much is logged",
    rule: Rule::Word(&["off", "error", "warn", "info", "debug", "trace"]),
    default: || Some("info".into()),
};

/// Lists the keys in the order in which they are read and shown.
pub(super) const ALL: [&Key; 33] = [
    &LISTEN,
    &OPS_LISTEN,
    &ANONYMOUS,
    &DATA,
    &DURABILITY,
    &SHARDS,
    &CHECKPOINT_RECORDS,
    &SWEEP_EVERY_MS,
    &GROUP_BYTES,
    &INDEX,
    &RETRY_WINDOW_HOURS,
    &PERMIT_BYTES,
    &STREAM_BATCHES_IN_FLIGHT,
    &CONNECTIONS_MAX,
    &CONNECTIONS_PER_ADDRESS_MAX,
    &CALLS_PER_CONNECTION_MAX,
    &CALLS_MAX,
    &RECEIVE_BYTES_MAX,
    &ARRIVING_BYTES_MAX,
    &MESSAGE_BYTES_MAX,
    &HEADER_BYTES_MAX,
    &PENDING_RESETS_MAX,
    &HANDSHAKE_TIMEOUT_MS,
    &ARRIVAL_TIMEOUT_MS,
    &KEEPALIVE_EVERY_MS,
    &KEEPALIVE_TIMEOUT_MS,
    &STALL_TIMEOUT_MS,
    &STALL_TIMEOUT_PRESSED_MS,
    &WORKER_THREADS,
    &DRAIN_TIMEOUT_MS,
    &CLOCK_DIVERGENCE_MAX_MS,
    &LOG_FORMAT,
    &LOG_LEVEL,
];

impl Key {
    /// Returns the name of the environment variable.
    pub(super) fn variable(&self) -> String {
        format!("TALLYSTICK_{}", self.name.to_uppercase())
    }
}

impl Rule {
    /// Reads a value; `None` when it breaks the rule.
    pub(super) fn read(&self, text: &str) -> Option<Value> {
        match *self {
            Self::Address => text.parse().ok().map(Value::Address),
            Self::AddressOrNone if text == NONE => Some(Value::Word(NONE)),
            Self::AddressOrNone => Self::Address.read(text),
            Self::Folder => (!text.is_empty()).then(|| Value::Folder(text.into())),
            Self::Word(words) => words.iter().find(|word| **word == text).map(|word| Value::Word(word)),
            Self::Number { min, max, .. } => {
                let number = text.parse().ok()?;
                (min..=max).contains(&number).then_some(Value::Number(number))
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("an IP address and a port, such as 127.0.0.1:7878 or [::1]:7878"),
            Self::AddressOrNone => write!(f, "{}, or {NONE} for no listener", Self::Address),
            Self::Folder => f.write_str("the path of a folder"),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
            Self::Number { min, max, unit } => write!(f, "a whole number from {min} to {max}{unit}"),
        }
    }
}

impl Value {
    pub(super) fn address(self) -> Option<SocketAddr> {
        if let Self::Address(address) = self { Some(address) } else { None }
    }

    /// Returns the address, or that there is to be none.
    pub(super) fn address_or_none(self) -> Option<Option<SocketAddr>> {
        match self {
            Self::Address(address) => Some(Some(address)),
            Self::Word(_) => Some(None),
            Self::Folder(_) | Self::Number(_) => None,
        }
    }

    pub(super) fn folder(self) -> Option<PathBuf> {
        if let Self::Folder(folder) = self { Some(folder) } else { None }
    }

    pub(super) fn word(self) -> Option<&'static str> {
        if let Self::Word(word) = self { Some(word) } else { None }
    }

    pub(super) fn number(self) -> Option<u64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    pub(super) fn size(self) -> Option<usize> {
        self.number().and_then(|number| usize::try_from(number).ok())
    }

    pub(super) fn hours(self) -> Option<Span> {
        self.number().and_then(|number| u32::try_from(number).ok()).map(Span::from_hours)
    }

    pub(super) fn millis(self) -> Option<Duration> {
        self.number().map(Duration::from_millis)
    }
}
