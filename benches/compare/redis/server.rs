//! Owns: one Redis on an empty folder: its settings, its sessions, its scripts, its audit. Never: is asked for a debit here.

use super::resp::{Commands, Connection, Reply};
use crate::{
    error::CompareError,
    figures::Audit,
    plan::{CAP_NANOS, SESSION_TTL_S},
    process::{Farewell, LOOK_AGAIN, Served, free_port},
};
use rustix::process::Signal;
use std::{path::Path, process::Command, time::Duration};

/// The hash of all debits, from idempotency key to amount.
pub(crate) const BOOK: &str = "debits";
const NAME: &str = "redis-server";
const FAREWELL: Farewell = Farewell { stop: Signal::TERM, kill: Signal::KILL };
const START_LIMIT: Duration = Duration::from_secs(30);
const DEBIT: &str = include_str!("debit.lua");
const BATCH: &str = include_str!("batch.lua");

/// What differs from Redis's own defaults. The first two are the durability that is compared; the rest keeps work that belongs
/// to no debit out of the figures, in Redis's favour.
const SETTINGS: [(&str, &str); 4] =
    [("appendonly", "yes"), ("appendfsync", "always"), ("auto-aof-rewrite-percentage", "0"), ("save", "")];

/// Is a running Redis with sessions and scripts.
#[derive(Debug)]
pub(crate) struct Server {
    served: Served,
    pub(crate) port: u16,
    pub(crate) sessions: u32,
    /// What EVALSHA knows the scripts by.
    pub(crate) debit: String,
    pub(crate) batch: String,
    /// Redis's clock at the start, in seconds: what the caller says the time is.
    pub(crate) now: String,
}

impl Server {
    /// Starts a Redis on a free port and an empty folder, opens the sessions and checks the settings.
    pub(crate) async fn start(
        program: &Path,
        folder: &Path,
        sessions: u32,
    ) -> Result<(Self, Connection), CompareError> {
        std::fs::create_dir_all(folder).map_err(CompareError::io("make a folder for Redis"))?;
        let port = free_port()?;
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no", "--dir"]);
        command.arg(folder);
        for (name, value) in SETTINGS {
            command.arg(format!("--{name}")).arg(value);
        }
        let mut served = Served::start(NAME, &mut command, FAREWELL, folder.join("log"))?;
        let mut connection = connect(&mut served, port).await?;
        check_settings(&mut connection).await?;
        let debit = load(&mut connection, DEBIT).await?;
        let batch = load(&mut connection, BATCH).await?;
        let now = now(&mut connection).await?;
        let ends = now + SESSION_TTL_S;
        for first in (0..sessions).step_by(1_000) {
            let mut commands = Commands::default();
            for session in first..sessions.min(first + 1_000) {
                let (cap, ends) = (CAP_NANOS.to_string(), ends.to_string());
                let key = session_key(session);
                commands.add(&["HSET", &key, "cap", &cap, "spent", "0", "ends", &ends]);
            }
            connection.ask_all("open sessions", &mut commands).await?;
        }
        Ok((Self { served, port, sessions, debit, batch, now: now.to_string() }, connection))
    }

    /// Lays what the sessions lost beside the book of debits; `heard` are the debits that were answered and
    /// not declined.
    pub(crate) async fn audit(&self, connection: &mut Connection, heard: u64) -> Result<Audit, CompareError> {
        let mut lost_nanos = 0;
        let mut commands = Commands::default();
        for session in 0..self.sessions {
            commands.add(&["HGET", &session_key(session), "spent"]);
        }
        for reply in connection.ask_all("read the sessions", &mut commands).await? {
            lost_nanos += amount("read the sessions", &reply)?;
        }
        let book = connection.ask("read the book", &["HVALS", BOOK]).await?;
        let (mut debits, mut debited_nanos) = (0, 0);
        for reply in book.items().unwrap_or_default() {
            debits += 1;
            debited_nanos += amount("read the book", &reply)?;
        }
        // The scripts count these. A key drawn twice was answered as it should be, and paid nothing; caps are out of reach.
        let repeated = Self::counter(connection, "repeated").await?;
        let declined = Self::counter(connection, "declined").await?;
        let mut audit = Audit::new(debits, heard.saturating_sub(repeated), debited_nanos, lost_nanos);
        if declined != 0 {
            audit.differences.push(format!("{declined} debits were declined"));
        }
        Ok(audit)
    }

    async fn counter(connection: &mut Connection, name: &str) -> Result<u64, CompareError> {
        let reply = connection.ask("read a counter", &["GET", name]).await?;
        Ok(reply.number().and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }

    pub(crate) async fn stop(self) -> Result<(), CompareError> {
        self.served.stop().await
    }
}

/// Returns the settings, for people.
pub(crate) fn settings() -> String {
    let settings = SETTINGS.map(|(name, value)| {
        let value = if value.is_empty() { "\"\"" } else { value };
        format!("{name} {value}")
    });
    format!("{}; else the defaults", settings.join(", "))
}

/// The name is what redis-benchmark makes of `s:__rand_int__`.
pub(crate) fn session_key(session: u32) -> String {
    format!("s:{session:012}")
}

async fn connect(served: &mut Served, port: u16) -> Result<Connection, CompareError> {
    for _ in 0..START_LIMIT.as_millis() / LOOK_AGAIN.as_millis() {
        served.check_running()?;
        if let Ok(mut connection) = Connection::open(port).await
            && connection.ask("answer", &["PING"]).await.is_ok()
        {
            return Ok(connection);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Err(served.failed(&format!("was not ready within {START_LIMIT:?}")))
}

async fn check_settings(connection: &mut Connection) -> Result<(), CompareError> {
    for (setting, wanted) in SETTINGS {
        let reply = connection.ask("tell a setting", &["CONFIG", "GET", setting]).await?;
        let found = reply.items().and_then(|items| items.get(1)?.text()).unwrap_or_default();
        if found != wanted {
            return Err(CompareError::Setting { peer: "Redis", setting, wanted, found });
        }
    }
    Ok(())
}

async fn load(connection: &mut Connection, script: &str) -> Result<String, CompareError> {
    let doing = "load a script";
    let reply = connection.ask(doing, &["SCRIPT", "LOAD", script]).await?;
    reply.text().ok_or_else(|| unexpected(doing, &reply))
}

async fn now(connection: &mut Connection) -> Result<u64, CompareError> {
    let doing = "tell the time";
    let reply = connection.ask(doing, &["TIME"]).await?;
    let seconds = reply.clone().items().and_then(|items| items.first()?.number());
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).ok_or_else(|| unexpected(doing, &reply))
}

fn amount(doing: &'static str, reply: &Reply) -> Result<u128, CompareError> {
    let number = reply.number().and_then(|number| u128::try_from(number).ok());
    number.ok_or_else(|| unexpected(doing, reply))
}

pub(crate) fn unexpected(doing: &'static str, reply: &Reply) -> CompareError {
    CompareError::Redis { doing, said: format!("{reply:?}") }
}
