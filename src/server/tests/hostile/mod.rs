//! Owns: clients that do what no well-behaved one would, a neighbour that pays through all of it, and what the server
//! shows of itself meanwhile. Never: an assertion about time, but that something comes to an end at all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    dead_code,
    reason = "a support module of tests; each test uses a part of it"
)]

pub mod caller;
pub mod flood;
pub mod neighbour;
pub mod raw;

use crate::support::{
    CAP_NANOS, PATIENCE, Server, Stage,
    http::{Metrics, get},
    watched_command,
};
use neighbour::Neighbour;
use std::{path::Path, process::Stdio, time::Duration};
use tallystick_proto::v1::{OpenSessionRequest, authorizer_client::AuthorizerClient};
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};
use tonic::transport::Channel;

pub const MIB: u64 = 1 << 20;

/// Is a server under attack, with a neighbour who was there before.
pub struct Scene {
    pub server: Server,
    pub ops: String,
    pub channel: Channel,
    /// Where the attacker pays: the neighbour has a session of its own.
    pub stage: Stage,
    pub neighbour: Neighbour,
    pub folder: TempDir,
}

impl Scene {
    pub async fn set(options: &[&str]) -> Self {
        Self::with(options, command).await
    }

    pub async fn with(options: &[&str], command: impl FnOnce(&Path) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(folder.path());
        if !is_old() {
            command.args(options);
        }
        let (server, ops) = Server::spawn_watched(command).await;
        let channel = server.connect().await;
        let stage = Stage::set(&channel).await;
        let neighbours = Stage { session_id: session(&channel, &stage, "neighbour").await, ..stage.clone() };
        let neighbour = Neighbour::move_in(server.connect().await, neighbours).await;
        Self { server, ops, channel, stage, neighbour, folder }
    }

    pub async fn metrics(&self) -> Metrics {
        Metrics::parse(&get(&self.ops, "/metrics").await.body)
    }

    pub async fn metric(&self, name: &str) -> f64 {
        read(&self.metrics().await, name)
    }

    /// Waits until a metric is as it should be.
    pub async fn until(&self, name: &str, is_right: impl Fn(f64) -> bool) -> f64 {
        let waiting = async {
            loop {
                let value = self.metric(name).await;
                if is_right(value) {
                    return value;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match timeout(PATIENCE, waiting).await {
            Ok(value) => value,
            Err(_) => panic!("{name} is {} for ever", self.metric(name).await),
        }
    }

    /// Returns the server's resident memory. *Units*: bytes.
    pub fn resident(&self) -> u64 {
        resident_bytes(self.server.id())
    }

    /// Ends well: connections, calls and bytes have come back, the neighbour was served right to the nano, and so is the
    /// attacker's session counted.
    ///
    /// Returns the log.
    pub async fn close(self) -> String {
        let heard = self.neighbour.move_out().await;
        heard.assert_right(&self.channel).await;
        // This channel and the neighbour's may still be open.
        let open = until_at_most(&self.ops, "connections_open", 2.0).await;
        let calls = until_at_most(&self.ops, "calls_open", 0.0).await;
        for share in ["unary", "stream", "arriving"] {
            until_at_most(&self.ops, &format!("permit_bytes{{share=\"{share}\"}}"), 0.0).await;
        }
        println!(
            "afterwards: {open} connections, {calls} calls, no bytes; the neighbour paid {}",
            heard.paid
        );
        let end = self.server.stop().await;
        assert_eq!(end.code, Some(0), "{}", end.log);
        assert!(!end.log.contains("panicked"), "{}", end.log);
        end.log
    }
}

/// Returns the command that serves `data`: ours, or an older server's, whose figures are to be put beside.
fn command(data: &Path) -> Command {
    let ours = watched_command(data);
    let Ok(older) = std::env::var("FLOOD_SERVER") else { return ours };
    let mut command = Command::new(older);
    command.args(ours.as_std().get_args()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Returns whether an older server is measured, which has other options and metrics, and keeps no bounds.
pub fn is_old() -> bool {
    std::env::var("FLOOD_SERVER").is_ok()
}

fn read(metrics: &Metrics, name: &str) -> f64 {
    let name = format!("tallystick_{name}");
    if is_old() { metrics.samples.get(&name).copied().unwrap_or(0.0) } else { metrics.get(&name) }
}

async fn until_at_most(ops: &str, name: &str, most: f64) -> f64 {
    let waiting = async {
        loop {
            let value = read(&Metrics::parse(&get(ops, "/metrics").await.body), name);
            if value <= most {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{name} does not come back"))
}

/// Opens another session of the stage's account.
pub async fn session(channel: &Channel, stage: &Stage, key: &str) -> String {
    let request = OpenSessionRequest {
        account_id: stage.account_id.clone(),
        idempotency_key: key.into(),
        // Small enough for many of them.
        cap_nanos: CAP_NANOS / 100,
        currency: "USD".into(),
        ttl: Some(Duration::from_secs(24 * 3_600).try_into().unwrap()),
        ..OpenSessionRequest::default()
    };
    let opened = AuthorizerClient::new(channel.clone()).open_session(request).await.unwrap().into_inner();
    opened.session.expect("it should be opened").session_id
}

/// Returns the resident memory of a process. *Units*: bytes.
pub fn resident_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1_024
}

/// Returns how many files a process has open.
pub fn open_files(process: u32) -> u64 {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count() as u64
}
