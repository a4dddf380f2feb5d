//! `journal verify` is refused while a server has the folder open, with exit code 75, and finds all in order once it is not.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod support;

use std::{path::Path, process::Stdio};
use support::{Server, Stage, run};
use tokio::process::Command;

fn verify(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tallystick"));
    command.args(["journal", "verify", "--from-genesis", "--json"]).arg(data);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_is_read_when_nobody_serves_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;
    for n in 0..20 {
        stage.authorize(&channel, &format!("k{n}")).await.unwrap();
    }
    let refused = run(verify(&data)).await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(75), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    // The server does not notice that somebody asked.
    stage.authorize(&channel, "after").await.unwrap();
    assert_eq!(server.kill().await.code, None);
    let verified = run(verify(&data)).await;
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stderr));
    let report: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!((&report["kinds"]["debited"], &report["sound"]), (&21.into(), &true.into()));
    assert_eq!(report["decided_again"], report["records"]);
    // And it serves again.
    assert_eq!(Server::start(&data).await.stop().await.code, Some(0));
}
