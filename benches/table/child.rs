//! Owns: the processes that are measured: a server on a folder, or an echo of its messages. Each is on a port of its own and
//! is killed by its own pid, whatever happens. Never: a drain; what a killed server must recover is measured, too.

use crate::fault::Fault;
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};
use tempfile::TempDir;

const LOG_LINES_SHOWN: usize = 12;

/// Is a process that listens.
#[derive(Debug)]
pub(crate) struct Listening {
    child: Child,
    /// Kept open: a server whose output is closed would notice.
    _out: BufReader<ChildStdout>,
    /// Where it listens, HOST:PORT.
    pub(crate) addr: String,
    log: PathBuf,
    _folder: TempDir,
}

impl Listening {
    /// Starts a server of its own on `data`, in mode fsync; `cores` binds it to some, as `taskset -c` takes them.
    pub(crate) fn server(data: &Path, flags: &[&str], cores: Option<&str>) -> Result<Self, Fault> {
        let exe = server_exe()?;
        let mut command = bound(&exe, cores);
        command.arg("serve").args([
            "--listen",
            "127.0.0.1:0",
            "--ops-listen",
            "none",
            "--durability",
            "fsync",
            "--anonymous",
            "development",
        ]);
        command.args(["--log-format", "json", "--data"]).arg(data).args(flags);
        Self::start(command, "start the server")
    }

    /// Starts this program as an echo of the server's messages.
    pub(crate) fn echo() -> Result<Self, Fault> {
        let mut command = Command::new(own_exe()?);
        command.arg("echo");
        Self::start(command, "start the echo")
    }

    fn start(mut command: Command, doing: &'static str) -> Result<Self, Fault> {
        let folder = tempfile::tempdir().map_err(Fault::io("make a folder"))?;
        let log = folder.path().join("log");
        let file = File::create(&log).map_err(Fault::io("write a log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().map_err(Fault::io(doing))?;
        let Some(out) = child.stdout.take() else { return Err(Fault::unfit(doing, "it has no output")) };
        let (mut out, mut said) = (BufReader::new(out), String::new());
        out.read_line(&mut said).map_err(Fault::io("read where it listens"))?;
        let mut listening = Self { child, _out: out, addr: String::new(), log, _folder: folder };
        match said.trim().strip_prefix("listening on ") {
            Some(addr) => addr.clone_into(&mut listening.addr),
            None => {
                return Err(Fault::unfit(
                    doing,
                    format!("it said {said:?}; its log ends:\n{}", listening.log_end()),
                ));
            }
        }
        Ok(listening)
    }

    /// Returns what it has logged so far.
    pub(crate) fn log(&self) -> Result<String, Fault> {
        fs::read_to_string(&self.log).map_err(Fault::io("read a log"))
    }

    fn log_end(&self) -> String {
        let log = self.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(LOG_LINES_SHOWN).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Returns the memory that is its own and resident. *Units*: bytes. Nothing where the system does not say.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        resident_bytes(&self.child.id().to_string())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the resident memory of a process; `self` is this one.
pub(crate) fn resident_bytes(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    resident_in(&status)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

/// Returns a command for `exe`, bound to some cores.
pub(crate) fn bound(exe: &Path, cores: Option<&str>) -> Command {
    match cores {
        Some(cores) => {
            let mut command = Command::new("taskset");
            command.args(["-c", cores]).arg(exe);
            command
        }
        None => Command::new(exe),
    }
}

/// Returns this program.
pub(crate) fn own_exe() -> Result<PathBuf, Fault> {
    std::env::current_exe().map_err(Fault::io("find this program"))
}

/// Returns the server that is measured: TALLYSTICK_EXE, or the one beside this program.
pub(crate) fn server_exe() -> Result<PathBuf, Fault> {
    if let Some(exe) = std::env::var_os("TALLYSTICK_EXE") {
        return Ok(exe.into());
    }
    let exe = own_exe()?.with_file_name("tallystick");
    if exe.exists() {
        Ok(exe)
    } else {
        Err(Fault::unfit(
            exe.display().to_string(),
            "it is not there; build it first, or name it in TALLYSTICK_EXE",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident_in("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n"), Some(2_048 * 1_024));
        assert_eq!(resident_in("Name:\tx\n"), None);
    }

    #[test]
    fn a_process_that_does_not_listen_is_a_fault_with_its_log() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no port >&2; echo bye"]);
        let fault = Listening::start(command, "start it").unwrap_err().to_string();
        assert!(fault.contains("bye") && fault.contains("no port"), "{fault}");
    }
}
