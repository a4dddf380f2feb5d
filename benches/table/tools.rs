//! Owns: two load tools that others wrote, h2load and ghz, so that our own generator is not our only witness; and the reading of
//! what they print. Never: a row when the tool is not there, or when what it did does not add up.

use crate::{
    child::Listening,
    fault::Fault,
    line::{Better, Line, figure},
};
use prost::Message as _;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};
use tallystick_client::{
    Client,
    v1::{AuthorizeRequest, GetSessionRequest, authorize_request::Intent},
};
use tallystick_loadtest::{AuditArgs, StageArgs, audit_ghz, stage_for_ghz};
use tokio::process::Command;

const CONNECTIONS: u32 = 4;
const STREAMS: u32 = 16;
const WORKERS: u32 = 64;
const AMOUNT_NANOS: u64 = 600;
const GHZ: &str = "ghz-v0.121.0/ghz";
const PROFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../loadtest/ghz/authorize.json");

/// Is what h2load found.
#[derive(Clone, Copy, Debug, PartialEq)]
struct H2load {
    per_s: f64,
    succeeded: u64,
    failed: u64,
}

/// Is a session that a tool pays out of.
struct Staged {
    payee: String,
    sessions: Vec<String>,
}

/// Returns h2load, if it is in PATH.
pub(crate) fn h2load_exe() -> Option<PathBuf> {
    in_path("h2load")
}

/// Returns ghz: what GHZ names, or in PATH, or where `make ghz` installs it.
pub(crate) fn ghz_exe() -> Option<PathBuf> {
    let named = std::env::var_os("GHZ").map(PathBuf::from);
    let installed = || {
        let asked = std::process::Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/target-dir"))
            .arg("--tools")
            .output()
            .ok()?;
        let exe = Path::new(String::from_utf8_lossy(&asked.stdout).trim()).join(GHZ);
        exe.is_file().then_some(exe)
    };
    named.or_else(|| in_path("ghz")).or_else(installed)
}

/// Returns whether a program can be run by its name.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Measures single calls by h2load, on the server and on its echo in turn. It sends one body again and again: one debit is
/// decided, and every other answer is a replay of it.
pub(crate) async fn h2load(
    server: &Listening,
    echo: &Listening,
    runs: usize,
    seconds: u32,
) -> Result<Option<Vec<Line>>, Fault> {
    let Some(exe) = h2load_exe() else { return Ok(None) };
    let (mut ours, mut ceilings) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let staged = stage(&server.addr).await?;
        let (payee, session) =
            (&staged.payee, staged.sessions.first().map(String::as_str).unwrap_or_default());
        ours.push(one_h2load(&exe, &server.addr, seconds, (session, payee)).await?.per_s);
        check_one_debit(&server.addr, session).await?;
        ceilings.push(one_h2load(&exe, &echo.addr, seconds, (session, payee)).await?.per_s);
    }
    let shape = format!("{CONNECTIONS} connections x {STREAMS} calls");
    let echo = Line::new(format!("echo: unary by h2load, {shape}"), "calls/s", Better::Higher, &ceilings);
    let name = format!("unary by h2load, one body repeated, so replays, {shape}");
    let line = Line::new(name, "calls/s", Better::Higher, &ours).target(70_000.0).ceiling(Some(echo.median));
    Ok(Some(vec![line, echo]))
}

/// Measures single calls by ghz, each a debit of its own, and audits them.
pub(crate) async fn ghz(server: &Listening, runs: usize) -> Result<Option<Vec<Line>>, Fault> {
    let Some(exe) = ghz_exe() else { return Ok(None) };
    let mut found = Vec::new();
    for _ in 0..runs {
        found.push(one_ghz(&exe, &server.addr).await?);
    }
    let name = format!(
        "unary by ghz, {CONNECTIONS} connections, {WORKERS} workers (its own processor time is the limit)"
    );
    Ok(Some(vec![Line::new(name, "debits/s", Better::Higher, &found).target(70_000.0)]))
}

async fn stage(addr: &str) -> Result<Staged, Fault> {
    let args = StageArgs { addr: addr.to_owned(), sessions: 16 };
    let fault = |source| Fault::Load { addr: addr.to_owned(), source };
    let text = stage_for_ghz(&args).await.map_err(fault)?;
    let value = |name: &str| {
        let of_line = |line: &str| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
        text.lines().find_map(of_line).ok_or_else(|| Fault::unfit("the stage names no", name))
    };
    let sessions = value("TALLYSTICK_SESSIONS")?.split(',').map(str::to_owned).collect();
    Ok(Staged { payee: value("TALLYSTICK_PAYEE")?, sessions })
}

async fn one_h2load(
    exe: &Path,
    addr: &str,
    seconds: u32,
    (session, payee): (&str, &str),
) -> Result<H2load, Fault> {
    let request = AuthorizeRequest {
        session_id: session.to_owned(),
        payee_id: payee.to_owned(),
        amount_nanos: AMOUNT_NANOS,
        intent: Some(Intent::IdempotencyKey("h2load".to_owned())),
        ..AuthorizeRequest::default()
    };
    let folder = tempfile::tempdir().map_err(Fault::io("make a folder"))?;
    let body = folder.path().join("body");
    fs::write(&body, framed(&request)).map_err(Fault::io("write a body"))?;
    let mut command = Command::new(exe);
    command.args(["-c", &CONNECTIONS.to_string(), "-m", &STREAMS.to_string(), "-t", "1"]);
    command.args(["-D", &seconds.to_string(), "--warm-up-time", "1", "-d"]).arg(&body);
    command.args(["-H", "content-type: application/grpc", "-H", "te: trailers"]);
    command.arg(format!("http://{addr}/tallystick.v1.Authorizer/Authorize"));
    let text = output(&mut command).await?;
    let found = read_h2load(&text).ok_or_else(|| Fault::unfit("h2load printed", &text))?;
    if found.failed > 0 || found.succeeded == 0 {
        return Err(Fault::unfit("h2load's calls failed", text));
    }
    Ok(found)
}

/// Returns a message as gRPC frames it: not compressed, its length, itself.
fn framed(message: &AuthorizeRequest) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], &bytes].concat()
}

/// Checks that what h2load calls a success was one: HTTP says 200 to everything, but only a debit that was decided is there.
async fn check_one_debit(addr: &str, session: &str) -> Result<(), Fault> {
    let call = |error| Fault::unfit("the session that h2load paid out of", error);
    let client = Client::connect(&format!("http://{addr}")).map_err(call)?;
    let request = GetSessionRequest { session_id: session.to_owned() };
    let shown = client.get_session(request).await.map_err(call)?.session.unwrap_or_default();
    let found = (shown.debit_count, shown.spent_nanos);
    if found == (1, AMOUNT_NANOS) {
        Ok(())
    } else {
        Err(Fault::unfit("one key must be one debit, and (debits, nanos) are", format!("{found:?}")))
    }
}

/// Reads h2load's summary.
fn read_h2load(text: &str) -> Option<H2load> {
    let line = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start));
    let parts: Vec<&str> = line("finished in")?.split(", ").collect();
    let per_s = parts.iter().find_map(|part| part.strip_suffix(" req/s"))?.trim().parse().ok()?;
    let counts: Vec<(&str, &str)> =
        line("requests:")?.split(", ").filter_map(|part| part.trim().split_once(' ')).collect();
    let count = |name: &str| counts.iter().find(|(_, found)| *found == name)?.0.parse().ok();
    Some(H2load { per_s, succeeded: count("succeeded")?, failed: count("failed")? + count("errored")? })
}

async fn one_ghz(exe: &Path, addr: &str) -> Result<f64, Fault> {
    let staged = stage(addr).await?;
    let folder = tempfile::tempdir().map_err(Fault::io("make a folder"))?;
    let report = folder.path().join("report.json");
    let mut command = Command::new(exe);
    command.env("TALLYSTICK_PAYEE", &staged.payee).env("TALLYSTICK_SESSIONS", staged.sessions.join(","));
    command.arg(format!("--config={PROFILE}")).arg(format!("--concurrency={WORKERS}"));
    command.arg(format!("--connections={CONNECTIONS}")).arg("--format=json");
    command.arg(format!("--output={}", report.display())).arg(addr);
    output(&mut command).await?;
    let args = AuditArgs {
        addr: addr.to_owned(),
        payee: staged.payee,
        sessions: staged.sessions,
        profile: PROFILE.into(),
        report: Some(report.clone()),
    };
    let audited = audit_ghz(&args).await.map_err(|source| Fault::Load { addr: addr.to_owned(), source })?;
    if !audited.is_clean() {
        return Err(Fault::unfit("the audit of ghz found a difference", audited));
    }
    let text = fs::read_to_string(&report).map_err(Fault::io("read ghz's report"))?;
    read_ghz(&text).ok_or_else(|| Fault::unfit("ghz reported", text))
}

/// Reads the calls a second out of ghz's report: its count over its span, in nanoseconds.
fn read_ghz(text: &str) -> Option<f64> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let number = |key: &str| json.get(key)?.as_u64().filter(|number| *number > 0).map(figure);
    Some(number("count")? * 1e9 / number("total")?)
}

async fn output(command: &mut Command) -> Result<String, Fault> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let ended = command.kill_on_drop(true).output().await;
    let Output { status, stdout, stderr } = ended.map_err(Fault::io(format!("run {name}")))?;
    if !status.success() {
        return Err(Fault::unfit(format!("{name} ended with {status}"), String::from_utf8_lossy(&stderr)));
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const H2LOAD: &str = "starting benchmark...\nWarm-up phase is over for thread #0.\n\n\
        finished in 2.00s, 68123.50 req/s, 9.87MB/s\n\
        requests: 136247 total, 136311 started, 136247 done, 136247 succeeded, 2 failed, 1 errored, 0 timeout\n\
        status codes: 136247 2xx, 0 3xx, 0 4xx, 0 5xx\n";

    #[test]
    fn h2loads_summary_is_read() {
        let expected = H2load { per_s: 68_123.5, succeeded: 136_247, failed: 3 };
        assert_eq!(read_h2load(H2LOAD), Some(expected));
        assert_eq!(read_h2load("could not connect"), None);
        assert_eq!(read_h2load(&H2LOAD.replace("succeeded", "won")), None);
    }

    #[test]
    fn ghzs_report_is_read() {
        assert_eq!(read_ghz(r#"{"count": 40000, "total": 2000000000, "rps": 1}"#), Some(20_000.0));
        assert_eq!(read_ghz(r#"{"count": 40000, "total": 0}"#), None);
        assert_eq!(read_ghz("ghz"), None);
    }

    #[test]
    fn a_body_is_framed_as_grpc_frames_it() {
        let request = AuthorizeRequest { amount_nanos: 600, ..AuthorizeRequest::default() };
        let body = framed(&request);
        assert_eq!(body[..5], [0, 0, 0, 0, u8::try_from(body.len() - 5).unwrap()]);
        assert_eq!(AuthorizeRequest::decode(&body[5..]).unwrap(), request);
    }
}
