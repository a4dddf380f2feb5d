//! Owns: how fast a killed server is back: by its journal, and by a checkpoint of very many sessions; and what those sessions
//! cost it in memory. The server says what it read and how long it took. Never: recovers anything itself.

use crate::{
    child::Listening,
    fault::Fault,
    fill::fill,
    line::{Better, Line, figure, shown},
    load::{Ask, Shape, on_server},
    plan::Plan,
};
use serde_json::Value;
use std::{path::Path, time::Duration};
use tallystick_loadtest::Mode;

/// The most that a server lets its journal grow to before a checkpoint.
const RECORDS_MOST: &str = "16000000";
/// Less than this is recovered too quickly to be measured.
const RECORDS_LEAST: u64 = 100_000;
const LOAD_SECONDS: u32 = 4;
/// How long after a start memory is looked at.
const SETTLED: Duration = Duration::from_secs(1);
const GIB: f64 = 1_073_741_824.0;

/// Is what a server says when it is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Recovered {
    partitions_from_checkpoint: u64,
    records_applied: u64,
    took_ms: u64,
}

/// Measures both.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Line>, Fault> {
    let mut lines = vec![replay(plan).await?];
    plan.show(&lines);
    let snapshot = from_checkpoint(plan).await?;
    plan.show(&snapshot);
    lines.extend(snapshot);
    Ok(lines)
}

/// Loads a server that makes no checkpoint, kills it, and starts it again and again.
async fn replay(plan: &Plan) -> Result<Line, Fault> {
    let folder = plan.folder()?;
    let flags = ["--checkpoint-records", RECORDS_MOST];
    let server = Listening::server(folder.path(), &flags, None)?;
    let shape = Shape { mode: Mode::Batch { debits: 500 }, connections: 2, in_flight: 8 };
    let ask = Ask { shape, rate: None, seconds: LOAD_SECONDS, warmup_seconds: 0, sessions: 256 };
    on_server(&server.addr, ask).await?;
    drop(server);
    let (mut rates, mut records) = (Vec::new(), 0);
    for _ in 0..plan.runs {
        let back = Listening::server(folder.path(), &flags, None)?;
        let recovered = recovered(&back)?;
        if recovered.records_applied < RECORDS_LEAST {
            return Err(Fault::unfit("too little was replayed to be measured", format!("{recovered:?}")));
        }
        records = recovered.records_applied;
        rates.push(figure(recovered.records_applied) * 1_000.0 / figure(recovered.took_ms.max(1)));
    }
    let name = format!("recovery by the journal, {} records", shown(figure(records)));
    Ok(Line::new(name, "records/s", Better::Higher, &rates).target(2_000_000.0))
}

/// Starts a server on a checkpoint of very many sessions, again and again.
async fn from_checkpoint(plan: &Plan) -> Result<Vec<Line>, Fault> {
    let folder = plan.folder()?;
    plan.say(format_args!("filling a folder with {} sessions", shown(figure(plan.sessions_most))));
    let (path, sessions) = (folder.path().to_owned(), plan.sessions_most);
    let filled = tokio::task::spawn_blocking(move || fill(&path, sessions)).await;
    filled.map_err(|error| Fault::unfit("filling a folder", error))??;
    let (mut seconds, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        let (took, bytes) = one_checkpoint(folder.path()).await?;
        seconds.push(took);
        resident.extend(bytes.map(|bytes| figure(bytes) / GIB));
    }
    let count = shown(figure(sessions));
    let name = format!("recovery by a checkpoint, {count} open sessions with two payees each");
    let mut lines = vec![Line::new(name, "s", Better::Lower, &seconds).target(15.0)];
    if !resident.is_empty() {
        let name = format!("the server's resident memory with {count} open sessions with two payees each");
        lines.push(Line::new(name, "GiB", Better::Lower, &resident).target(4.0));
    }
    Ok(lines)
}

async fn one_checkpoint(folder: &Path) -> Result<(f64, Option<u64>), Fault> {
    let server = Listening::server(folder, &[], None)?;
    let recovered = recovered(&server)?;
    if recovered.partitions_from_checkpoint == 0 {
        return Err(Fault::unfit("nothing came from a checkpoint", format!("{recovered:?}")));
    }
    tokio::time::sleep(SETTLED).await;
    Ok((figure(recovered.took_ms) / 1_000.0, server.resident_bytes()))
}

fn recovered(server: &Listening) -> Result<Recovered, Fault> {
    let log = server.log()?;
    recovered_in(&log).ok_or_else(|| Fault::unfit("the server's log does not say that it recovered", log))
}

/// Finds what a server's log says about its recovery.
fn recovered_in(log: &str) -> Option<Recovered> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.into_iter().find(|line| line.get("message").is_some_and(|said| said == "recovered"))?;
    let number = |key: &str| line.get(key)?.as_u64();
    Some(Recovered {
        partitions_from_checkpoint: number("partitions_from_checkpoint")?,
        records_applied: number("records_applied")?,
        took_ms: number("took_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_is_read_from_the_servers_log() {
        let log = "{\"message\":\"started\"}\nnot json\n{\"level\":\"INFO\",\"message\":\"recovered\",\
                   \"partitions_from_checkpoint\":256,\"records_applied\":7,\"took_ms\":42}\n";
        let expected = Recovered { partitions_from_checkpoint: 256, records_applied: 7, took_ms: 42 };
        assert_eq!(recovered_in(log), Some(expected));
        assert_eq!(recovered_in("{\"message\":\"recovered\"}"), None);
    }
}
