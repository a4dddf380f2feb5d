//! Owns: the servers and tools that a comparison starts: finding them, and that none outlives it. Never: touches a process
//! that it did not start.

use crate::error::CompareError;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::File,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

const STOP_LIMIT: Duration = Duration::from_secs(60);
const TOOL_LIMIT: Duration = Duration::from_secs(900);
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How much of a log is shown when its writer fails.
const LOG_LINES_SHOWN: usize = 12;

/// Says how a server is asked to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Farewell {
    /// In good order: the answer is exit code 0.
    pub(crate) stop: Signal,
    /// At once.
    pub(crate) kill: Signal,
}

/// Is a server that runs as long as this is held: dropping it ends the process by its own id and waits for that.
#[derive(Debug)]
pub(crate) struct Served {
    name: &'static str,
    child: Child,
    farewell: Farewell,
    log: PathBuf,
}

impl Served {
    /// Starts a server whose output goes to `log`. A terminal's signals do not reach it: we stop it ourselves.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        farewell: Farewell,
        log: PathBuf,
    ) -> Result<Self, CompareError> {
        let output = File::create(&log).map_err(CompareError::io(format!("write the log of {name}")))?;
        let errors = output.try_clone().map_err(CompareError::io(format!("write the log of {name}")))?;
        let child = command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let child = child.map_err(CompareError::io(format!("start {name}")))?;
        Ok(Self { name, child, farewell, log })
    }

    /// *Errors*: when the process has ended, with its last words.
    pub(crate) fn check_running(&mut self) -> Result<(), CompareError> {
        match self.ended()? {
            Some(status) => Err(self.failed(&format!("ended with {status}"))),
            None => Ok(()),
        }
    }

    /// Stops the server in good order.
    ///
    /// *Errors*: any exit code but 0, or none within a minute.
    pub(crate) async fn stop(mut self) -> Result<(), CompareError> {
        self.signal(self.farewell.stop);
        for _ in 0..STOP_LIMIT.as_millis() / LOOK_AGAIN.as_millis() {
            match self.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.failed(&format!("ended with {status}"))),
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
        Err(self.failed(&format!("did not stop within {STOP_LIMIT:?}")))
    }

    /// Returns everything that the server has printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn failed(&self, problem: &str) -> CompareError {
        CompareError::Process { name: self.name, problem: problem.to_owned(), log: last_lines(&self.log()) }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, CompareError> {
        self.child.try_wait().map_err(CompareError::io(format!("ask for {}", self.name)))
    }

    fn signal(&self, signal: Signal) {
        // Whoever is gone already needs no signal; until we have waited for it, its id is nobody else's.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _gone = kill_process(pid, signal);
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        self.signal(self.farewell.kill);
        // An error here leaves nothing that could still be done.
        drop(self.child.wait());
    }
}

/// Runs a tool to its end and returns what it printed. Dropping the future kills it.
///
/// *Errors*: any exit code but 0, with what it wrote to stderr.
pub(crate) async fn run(name: &'static str, command: Command) -> Result<String, CompareError> {
    let mut command = tokio::process::Command::from(command);
    command.process_group(0).stdin(Stdio::null()).kill_on_drop(true);
    let failed = |problem, log: &[u8]| CompareError::Process {
        name,
        problem,
        log: last_lines(&String::from_utf8_lossy(log)),
    };
    let ended = tokio::time::timeout(TOOL_LIMIT, command.output()).await;
    let ended = ended.map_err(|_| failed(format!("did not end within {TOOL_LIMIT:?}"), &[]))?;
    let ended = ended.map_err(CompareError::io(format!("run {name}")))?;
    if !ended.status.success() {
        return Err(failed(format!("ended with {}", ended.status), &ended.stderr));
    }
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

/// Finds a program in `folders` and then in PATH.
pub(crate) fn find(
    program: &'static str,
    package: &'static str,
    folders: &[PathBuf],
) -> Result<PathBuf, CompareError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.iter().cloned().chain(std::env::split_paths(&path));
    let mut files = folders.map(|folder| folder.join(program));
    files.find(|file| file.is_file()).ok_or(CompareError::Missing { program, package })
}

/// Returns a port that is free now. Who takes it in between makes the server fail to start, and that is said.
pub(crate) fn free_port() -> Result<u16, CompareError> {
    let doing = "find a free port";
    let listener = TcpListener::bind("127.0.0.1:0").map_err(CompareError::io(doing))?;
    Ok(listener.local_addr().map_err(CompareError::io(doing))?.port())
}

/// Returns the first line of what `program --version` prints.
pub(crate) async fn version(name: &'static str, program: &Path) -> Result<String, CompareError> {
    let mut command = Command::new(program);
    command.arg("--version");
    Ok(run(name, command).await?.lines().next().unwrap_or_default().trim().to_owned())
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().rev().take(LOG_LINES_SHOWN).collect();
    lines.iter().rev().map(|line| format!("\n  | {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAREWELL: Farewell = Farewell { stop: Signal::TERM, kill: Signal::KILL };

    fn sleeper(script: &str) -> (Served, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let served = Served::start("sleeper", &mut command, FAREWELL, folder.path().join("log")).unwrap();
        (served, folder)
    }

    #[test]
    fn what_is_dropped_is_gone() {
        let (served, _folder) = sleeper("exec sleep 600");
        let pid = Pid::from_raw(i32::try_from(served.child.id()).unwrap()).unwrap();
        assert!(rustix::process::test_kill_process(pid).is_ok());
        drop(served);
        assert!(rustix::process::test_kill_process(pid).is_err(), "killed and waited for");
    }

    #[tokio::test]
    async fn an_end_in_bad_order_is_told_with_the_last_words() {
        let (served, _folder) = sleeper("echo no more; exec sleep 600");
        while served.log().is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let error = served.stop().await.unwrap_err().to_string();
        assert!(error.starts_with("sleeper ended with signal: 15"), "{error}");
        assert!(error.ends_with("\n  | no more"), "{error}");
    }

    #[tokio::test]
    async fn a_tool_that_fails_says_why_and_one_that_is_missing_where_it_is() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo why >&2; exit 3"]);
        let error = run("tool", command).await.unwrap_err().to_string();
        assert_eq!(error, "tool ended with exit status: 3\n  | why");
        let missing = find("no-such-program", "no-such-package", &[]).unwrap_err().to_string();
        assert!(missing.contains("Debian's package no-such-package"), "{missing}");
    }
}
