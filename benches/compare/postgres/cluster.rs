//! Owns: one PostgreSQL cluster in a folder of its own: made once, started for each turn, with fresh tables. Never: touches a
//! cluster of the system.

use crate::{
    error::CompareError,
    figures::Audit,
    plan::{CAP_NANOS, SESSION_TTL_S},
    process::{self, Farewell, LOOK_AGAIN, Served, free_port},
};
use rustix::process::{Signal, geteuid};
use std::{
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tokio_postgres::{Client, NoTls};

pub(crate) const USER: &str = "postgres";
const NAME: &str = "postgres";
/// Fast: sessions end, and a checkpoint is written. Immediate: nothing is.
const FAREWELL: Farewell = Farewell { stop: Signal::INT, kill: Signal::QUIT };
const START_LIMIT: Duration = Duration::from_secs(60);
const SCHEMA: &str = include_str!("schema.sql");

/// What differs from PostgreSQL's own defaults, in its favour: no page is evicted, and no checkpoint is forced by the log's size.
const SETTINGS: [(&str, &str); 2] = [("shared_buffers", "1GB"), ("max_wal_size", "16GB")];
/// Defaults without which there would be nothing to compare.
const DURABLE: [(&str, &str); 3] =
    [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")];

/// Is a cluster that may run.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    bin: PathBuf,
    folder: PathBuf,
}

/// Is a cluster that runs, with fresh tables.
#[derive(Debug)]
pub(crate) struct Server {
    served: Served,
    pub(crate) port: u16,
}

impl Cluster {
    /// Makes a cluster in `folder`. PostgreSQL refuses to run as root, who therefore hands it to its own account.
    pub(crate) async fn make(bin: &Path, folder: &Path) -> Result<Self, CompareError> {
        let folder = folder.join("postgres");
        std::fs::create_dir(&folder).map_err(CompareError::io("make a folder for PostgreSQL"))?;
        if geteuid().is_root() {
            let mut command = Command::new("id");
            let uid = process::run("id", {
                command.args(["-u", USER]);
                command
            })
            .await?;
            let uid = uid.trim().parse().map_err(|_| CompareError::Output {
                tool: "id",
                wanted: "number",
                text: uid.clone(),
            })?;
            chown(&folder, Some(uid), None).map_err(CompareError::io("hand a folder to PostgreSQL"))?;
        }
        let cluster = Self { bin: bin.to_owned(), folder };
        let mut initdb = cluster.command("initdb");
        initdb.args(["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"]);
        process::run("initdb", {
            initdb.arg("--pgdata").arg(cluster.data());
            initdb
        })
        .await?;
        Ok(cluster)
    }

    /// Starts it, and lays fresh tables with so many sessions.
    pub(crate) async fn start(&self, sessions: u32) -> Result<(Server, Client), CompareError> {
        let port = free_port()?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        for (name, value) in SETTINGS {
            command.args(["-c", &format!("{name}={value}")]);
        }
        let log = self.folder.with_extension("log");
        let mut served = Served::start(NAME, &mut command, FAREWELL, log)?;
        let client = wait(&mut served, port).await?;
        for (setting, wanted) in SETTINGS.into_iter().chain(DURABLE) {
            let found: String = client.query_one(&format!("SHOW {setting}"), &[]).await?.get(0);
            if found != wanted {
                return Err(CompareError::Setting { peer: "PostgreSQL", setting, wanted, found });
            }
        }
        client.batch_execute(SCHEMA).await?;
        let fill = format!(
            "INSERT INTO sessions (id, cap, ends_at) \
             SELECT n, {CAP_NANOS}, now() + interval '{SESSION_TTL_S} seconds' FROM generate_series(0, {sessions} - 1) AS n"
        );
        client.batch_execute(&fill).await?;
        client.batch_execute("VACUUM ANALYZE sessions, debits").await?;
        Ok((Server { served, port }, client))
    }

    pub(crate) fn bin(&self, program: &str) -> PathBuf {
        self.bin.join(program)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Prepares one of PostgreSQL's programs, as its own account where we are root. What runs is the program itself: setpriv
    /// becomes it, and the process id stays.
    fn command(&self, program: &str) -> Command {
        let mut command = if geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", USER, "--regid", USER, "--init-groups"]).arg(self.bin(program));
            command
        } else {
            Command::new(self.bin(program))
        };
        command.current_dir(&self.folder);
        command
    }
}

impl Server {
    /// Lays what the sessions lost beside the rows of debits; `heard` are the debits that were answered.
    pub(crate) async fn audit(&self, client: &Client, heard: u64) -> Result<Audit, CompareError> {
        let sums = "SELECT (SELECT count(*) FROM debits)::text, (SELECT coalesce(sum(amount), 0) FROM debits)::text, \
                    (SELECT coalesce(sum(spent), 0) FROM sessions)::text";
        let row = client.query_one(sums, &[]).await?;
        let sum = |column: usize| {
            let text: String = row.get(column);
            let wrong = || CompareError::Output { tool: NAME, wanted: "sum", text: text.clone() };
            text.parse::<u128>().map_err(|_| wrong())
        };
        let (count, debited, lost) = (sum(0)?, sum(1)?, sum(2)?);
        let mut audit = Audit::new(u64::try_from(count).unwrap_or(u64::MAX), heard, debited, lost);
        let apart = "SELECT count(*) FROM sessions LEFT JOIN \
                     (SELECT session, sum(amount) AS amount FROM debits GROUP BY session) AS book ON session = id \
                     WHERE spent <> coalesce(amount, 0)";
        let apart: i64 = client.query_one(apart, &[]).await?.get(0);
        if apart != 0 {
            audit.differences.push(format!("{apart} sessions lost another sum than their debits"));
        }
        Ok(audit)
    }

    pub(crate) async fn stop(self) -> Result<(), CompareError> {
        self.served.stop().await
    }
}

/// Connects. The connection's own half ends with the server.
pub(crate) async fn connect(port: u16) -> Result<Client, CompareError> {
    let way = format!("host=127.0.0.1 port={port} user={USER} dbname={USER}");
    let (client, connection) = tokio_postgres::connect(&way, NoTls).await?;
    // What goes wrong there, whoever waits for an answer hears too.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// Returns the settings, for people.
pub(crate) fn settings() -> String {
    let all = DURABLE.into_iter().chain(SETTINGS).map(|(name, value)| format!("{name} {value}"));
    format!("{}; else the defaults; fillfactor 50 on sessions", all.collect::<Vec<_>>().join(", "))
}

async fn wait(served: &mut Served, port: u16) -> Result<Client, CompareError> {
    for _ in 0..START_LIMIT.as_millis() / LOOK_AGAIN.as_millis() {
        served.check_running()?;
        if let Ok(client) = connect(port).await {
            return Ok(client);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Err(served.failed(&format!("was not ready within {START_LIMIT:?}")))
}
