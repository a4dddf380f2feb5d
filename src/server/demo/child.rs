//! Owns: the server's process: its start, its violent end, and that it never outlives the demo.
//! Never: touches a process it did not start.

use super::{args::DemoArgs, error::DemoError};
use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

const START_LIMIT: Duration = Duration::from_secs(60);
const READY_PREFIX: &str = "listening on ";
/// How much of the server's own log is shown when it fails.
const LOG_LINES_SHOWN: usize = 12;

/// Says how to start the server, as often as needed.
#[derive(Clone, Debug)]
pub(super) struct ServerCommand {
    exe: PathBuf,
    folder: PathBuf,
    durability: &'static str,
}

/// Runs as long as it is held: dropping it kills the process.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// Kept open, so that a server which prints again does not fail for it.
    _stdout: Lines<BufReader<ChildStdout>>,
    /// `127.0.0.1:PORT`
    pub(super) address: String,
}

impl ServerCommand {
    /// Prepares to start the server on a folder that is the demo's own.
    pub(super) fn new(args: &DemoArgs, folder: &Path) -> Result<Self, DemoError> {
        let exe = match &args.server_exe {
            Some(exe) => exe.clone(),
            None => std::env::current_exe().map_err(DemoError::io("find this program's own file"))?,
        };
        Ok(Self { exe, folder: folder.to_owned(), durability: args.durability.as_str() })
    }

    /// Starts the server and waits until it says where it listens.
    ///
    /// *Errors*: with the last lines of its log.
    pub(super) async fn start(&self, listen: &str) -> Result<Server, DemoError> {
        let mut child = self.spawn(listen)?;
        let stdout = child.stdout.take().ok_or_else(|| self.failed("has no standard output"))?;
        let mut stdout = BufReader::new(stdout).lines();
        let line = match tokio::time::timeout(START_LIMIT, stdout.next_line()).await {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => return Err(self.failed("ended before it was ready")),
            Ok(Err(error)) => return Err(self.failed(&format!("cannot be heard: {error}"))),
            Err(_) => return Err(self.failed(&format!("was not ready within {START_LIMIT:?}"))),
        };
        let Some(address) = line.strip_prefix(READY_PREFIX) else {
            return Err(self.failed(&format!("said `{line}` instead of `{READY_PREFIX}…`")));
        };
        Ok(Server { address: address.trim().to_owned(), child, _stdout: stdout })
    }

    fn spawn(&self, listen: &str) -> Result<Child, DemoError> {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file());
        let log = log.map_err(DemoError::io("write the server's log"))?;
        Command::new(&self.exe)
            .arg("serve")
            .args([
                "--listen",
                listen,
                "--ops-listen",
                "none",
                "--durability",
                self.durability,
                "--anonymous",
                "development",
            ])
            .arg("--data")
            .arg(self.folder.join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(DemoError::io(format!("start {}", self.exe.display())))
    }

    fn failed(&self, problem: &str) -> DemoError {
        let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(LOG_LINES_SHOWN).collect();
        let shown = lines.iter().rev().map(|line| format!("\n  | {line}")).collect();
        DemoError::Server { problem: problem.to_owned(), log: shown }
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("server.log")
    }
}

impl Server {
    /// Kills the process at once (SIGKILL to its own id) and waits until it is gone: no flush, no goodbye.
    pub(super) async fn kill(mut self) -> Result<(), DemoError> {
        self.child.kill().await.map_err(DemoError::io("kill the server"))
    }

    /// Returns the address as the client wants it.
    pub(super) fn uri(&self) -> String {
        format!("http://{}", self.address)
    }
}
