//! Owns: Tallystick's turns: a server on an empty folder, loaded and audited by our own load tool. Never: measures by another
//! rule than `make load` does.

use crate::{
    error::CompareError,
    figures::{Audit, Turn},
    plan::{CAP_NANOS, Pace, Work},
    process::{Farewell, LOOK_AGAIN, Served, version},
};
use clap::Parser as _;
use rustix::process::Signal;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tallystick_loadtest::{Cli, Command as Load};

const NAME: &str = "tallystick";
const FAREWELL: Farewell = Farewell { stop: Signal::TERM, kill: Signal::KILL };
const START_LIMIT: Duration = Duration::from_secs(60);
const READY_PREFIX: &str = "listening on ";

/// Knows our server's program.
#[derive(Clone, Debug)]
pub(crate) struct Tallystick {
    exe: PathBuf,
    pub(crate) version: String,
}

impl Tallystick {
    /// Takes the server that is named, or else the one that was built together with this program.
    ///
    /// *Errors*: [`CompareError::NoServer`].
    pub(crate) async fn find(named: Option<&Path>) -> Result<Self, CompareError> {
        let exe = match named {
            Some(exe) => exe.to_owned(),
            None => {
                let own = std::env::current_exe();
                own.map_err(CompareError::io("find this program's own file"))?.with_file_name(NAME)
            }
        };
        if !exe.is_file() {
            return Err(CompareError::NoServer(exe));
        }
        let version = format!("{} ({})", version(NAME, &exe).await?, exe.display());
        Ok(Self { exe, version })
    }

    /// Runs one load against a fresh server.
    pub(crate) async fn turn(
        &self,
        folder: &Path,
        work: Work,
        sessions: u32,
        pace: Pace,
    ) -> Result<Turn, CompareError> {
        std::fs::create_dir_all(folder).map_err(CompareError::io("make a folder for Tallystick"))?;
        let (served, address) = self.start(folder).await?;
        let found = load(&address, work, sessions, pace).await?;
        served.stop().await?;
        turn(&found)
    }

    async fn start(&self, folder: &Path) -> Result<(Served, String), CompareError> {
        let mut command = Command::new(&self.exe);
        command.args(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "none", "--durability", "fsync"]);
        command.args(["--anonymous", "development"]);
        command.arg("--data").arg(folder.join("data"));
        let mut served = Served::start(NAME, &mut command, FAREWELL, folder.join("log"))?;
        for _ in 0..START_LIMIT.as_millis() / LOOK_AGAIN.as_millis() {
            served.check_running()?;
            let log = served.log();
            let ready = log.lines().find_map(|line| line.strip_prefix(READY_PREFIX));
            // A line that is still being written has no end.
            if let Some(address) = ready.filter(|_| log.ends_with('\n')) {
                return Ok((served, address.trim().to_owned()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(served.failed(&format!("was not ready within {START_LIMIT:?}")))
    }
}

/// Returns the load tool's words for a kind of work.
fn words(work: Work) -> &'static str {
    match work {
        Work::Calls => "unary --connections 4 --in-flight 16",
        Work::Pipelined => "stream --connections 4 --in-flight 1024",
        Work::Hundreds => "batch --batch 100 --connections 4 --in-flight 16",
        Work::Thousands => "batch --batch 1000 --connections 2 --in-flight 8",
    }
}

/// Says how the load is sent, for people.
pub(crate) fn shape(work: Work) -> String {
    format!("tallystick-loadtest {}", words(work))
}

/// Runs our load tool once and returns its report.
async fn load(address: &str, work: Work, sessions: u32, pace: Pace) -> Result<Value, CompareError> {
    let all = format!(
        "tallystick-loadtest {} --addr {address} --sessions {sessions} --cap-nanos {CAP_NANOS} --runs 1 \
         --warmup-seconds {} --seconds {}",
        words(work),
        pace.warmup.as_secs(),
        pace.measured.as_secs(),
    );
    // Through the tool's own command line, so that a setting which it gains has the tool's own default here.
    let parsed = Cli::try_parse_from(all.split_whitespace());
    let report = match parsed.map_err(|error| CompareError::LoadTool(error.to_string()))?.command {
        Load::Unary(args) => tallystick_loadtest::run(tallystick_loadtest::Mode::Unary, &args).await?,
        Load::Stream(args) => tallystick_loadtest::run(tallystick_loadtest::Mode::Stream, &args).await?,
        Load::Batch(args) => {
            let mode = tallystick_loadtest::Mode::Batch { debits: args.batch };
            tallystick_loadtest::run(mode, &args.load).await?
        }
        other => return Err(CompareError::LoadTool(format!("`{all}` was read as {other:?}"))),
    };
    serde_json::to_value(&report).map_err(|error| CompareError::LoadTool(error.to_string()))
}

/// Takes our figures from the load tool's report.
fn turn(report: &Value) -> Result<Turn, CompareError> {
    let number = |path: &str| {
        let found = report.pointer(path).and_then(Value::as_u64);
        found.ok_or_else(|| CompareError::LoadTool(format!("no {path} in the report")))
    };
    let words = report.pointer("/audit_differences").and_then(Value::as_array);
    let words =
        words.ok_or_else(|| CompareError::LoadTool("no /audit_differences in the report".to_owned()))?;
    let mut differences: Vec<String> =
        words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
    for count in ["declined", "replayed"] {
        let found = number(&format!("/runs/0/{count}"))?;
        if found != 0 {
            differences.push(format!("{found} debits were {count}"));
        }
    }
    if report.pointer("/durability").and_then(Value::as_str) != Some("fsync") {
        differences.push("the answers do not say that they are synced".to_owned());
    }
    Ok(Turn {
        debits_per_s: number("/debits_per_s/median")?,
        latency_us_mean: None,
        latency_us_p50: Some(number("/latency_us_p50/median")?),
        latency_us_p99: Some(number("/latency_us_p99/median")?),
        audit: Audit { debits: number("/runs/0/approved")?, sums: None, differences },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::WORKS;
    use serde_json::json;

    fn report() -> Value {
        let spread = |median: u64| json!({ "median": median, "min": 1, "max": 9 });
        json!({
            "durability": "fsync",
            "debits_per_s": spread(26_288), "latency_us_p50": spread(2_200), "latency_us_p99": spread(5_600),
            "audit_differences": [],
            "runs": [{ "approved": 80_000, "declined": 0, "replayed": 0 }],
        })
    }

    #[test]
    fn figures_come_from_the_load_tools_report() {
        let turn = turn(&report()).unwrap();
        assert_eq!((turn.debits_per_s, turn.latency_us_p99), (26_288, Some(5_600)));
        assert_eq!(turn.audit, Audit { debits: 80_000, sums: None, differences: Vec::new() });
    }

    #[test]
    fn what_the_load_tool_finds_is_a_difference_and_what_it_does_not_say_an_error() {
        let mut bad = report();
        bad["audit_differences"] = json!(["total of ses_1: we heard 1804, the server says 1803 (Nanos)"]);
        bad["runs"][0]["declined"] = json!(3);
        bad["durability"] = json!("os");
        assert_eq!(turn(&bad).unwrap().audit.differences.len(), 3);
        let mut silent = report();
        silent["runs"] = json!([]);
        assert!(turn(&silent).is_err());
    }

    #[test]
    fn the_load_tool_understands_what_it_is_asked() {
        for work in WORKS {
            let all = format!("{} --sessions 10000 --runs 1", shape(work));
            assert!(Cli::try_parse_from(all.split_whitespace()).is_ok(), "{all}");
        }
    }
}
