//! Owns: what came of starting a server on a damaged folder, and the table of it. Never: the damage.

use super::{
    fault::{Damage, Fault, Place},
    past::Past,
};
use crate::support::{PATIENCE, Server, serve_command};
use std::{collections::BTreeMap, path::Path, time::Duration};
use tokio::{io::AsyncReadExt as _, process::Child, time::timeout};

/// The exit code of a folder that is damaged.
const CORRUPT: i32 = 65;
/// The exit code of a folder that cannot be read.
const IO: i32 = 74;

/// Is what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The server did not start, and named the place.
    Refused,
    /// It serves all that was acknowledged.
    Serves,
    /// It serves; what only the damaged place could answer is a fault and not an answer.
    AnswersWithFaults,
    /// Nothing was done: there was nothing that this could change.
    NotApplicable,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Serves => "serves all",
            Self::AnswersWithFaults => "faults",
            Self::NotApplicable => "-",
        }
    }
}

/// Starts a server on a folder. *Errors*: what it does that it must not.
pub async fn of(past: &Past, data: &Path) -> Result<(Outcome, String), String> {
    let mut child = serve_command(data).spawn().unwrap();
    // Once it says where it listens, it is asked; a refusal ends it before.
    let mut first = [0; 1];
    let mut stdout = child.stdout.take().unwrap();
    let said =
        timeout(PATIENCE, stdout.read(&mut first)).await.map_err(|_| "it hangs at the start".to_owned())?;
    if said.unwrap() == 0 {
        return refusal(child).await;
    }
    child.kill().await.unwrap();
    let server = Server::start(data).await;
    let faults = past.compare(&server).await?;
    let end = timeout(PATIENCE, server.stop()).await.map_err(|_| "it hangs at the end".to_owned())?;
    match (end.code, faults) {
        (Some(0), 0) => Ok((Outcome::Serves, String::new())),
        (_, 0) => Err(format!("it ended with {:?}: {}", end.code, end.log)),
        _ => Ok((Outcome::AnswersWithFaults, format!("{faults} answers"))),
    }
}

async fn refusal(mut child: Child) -> Result<(Outcome, String), String> {
    let mut log = String::new();
    let mut stderr = child.stderr.take().unwrap();
    let ended = timeout(Duration::from_secs(20), async {
        stderr.read_to_string(&mut log).await.unwrap();
        child.wait().await.unwrap()
    });
    let status = ended.await.map_err(|_| "it neither serves nor ends".to_owned())?;
    let line = log.lines().rfind(|line| line.starts_with("tallystick: ")).unwrap_or_default();
    match status.code() {
        Some(CORRUPT | IO) if !line.is_empty() => Ok((Outcome::Refused, line.to_owned())),
        code => Err(format!("it ended with {code:?} and said {log:?}")),
    }
}

/// Is what is known of one place and fault: each outcome, how often, and the first example.
type Cell = BTreeMap<Outcome, (u32, String)>;

/// Counts outcomes by the names of place and fault.
#[derive(Debug, Default)]
pub struct Matrix(BTreeMap<(&'static str, &'static str), Cell>);

impl Matrix {
    /// Takes note of an outcome, with what was damaged and what was said about it.
    pub fn add(
        &mut self,
        (place, fault): (Place, Fault),
        outcome: Outcome,
        example: Option<(&Damage, &str)>,
    ) {
        let cell = self.0.entry((place.name, fault.name())).or_default();
        let (count, first) = cell.entry(outcome).or_default();
        *count += 1;
        if first.is_empty()
            && let Some((damage, said)) = example
        {
            *first = format!("{} at byte {}: {said}", damage.file.display(), damage.at);
        }
    }

    /// Prints a row a place and fault, then an example of each outcome.
    pub fn print(&self) {
        println!("| place | fault | what happened |\n|---|---|---|");
        for ((place, fault), cell) in &self.0 {
            let counts: Vec<String> =
                cell.iter().map(|(outcome, (count, _))| format!("{} {count}", outcome.name())).collect();
            println!("| {place} | {fault} | {} |", counts.join(", "));
        }
        println!();
        for ((place, fault), cell) in &self.0 {
            for (_, example) in cell.values().filter(|(_, example)| !example.is_empty()) {
                println!("{place}, {fault}: {example}");
            }
        }
    }

    /// Returns the figures for a report.
    pub fn figures(&self) -> serde_json::Value {
        let mut rows = Vec::new();
        for ((place, fault), cell) in &self.0 {
            let counts: BTreeMap<&str, u32> =
                cell.iter().map(|(outcome, (count, _))| (outcome.name(), *count)).collect();
            rows.push(serde_json::json!({ "place": place, "fault": fault, "outcomes": counts }));
        }
        rows.into()
    }
}
