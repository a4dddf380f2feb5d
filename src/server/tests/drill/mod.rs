//! Owns: what the restore drill is made of: the load, the commands, and what a server lists. Never: looks into a folder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a module of a test binary"
)]
#![allow(unreachable_pub, missing_docs, dead_code, reason = "a module of a test binary")]

use super::support::{Stage, run};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tallystick_client::{Answer, Client, Debit, PayeeId, SessionId, WriterOptions};
use tallystick_proto::v1::{ListDebitsRequest, ListDebitsResponse, authorizer_client::AuthorizerClient};
use tokio::{process::Command, task::JoinHandle};
use tonic::transport::Channel;

const BATCH: usize = 100;

/// Streams debits of one nano, batch after batch, until the server is gone.
pub struct Load {
    acknowledged: Arc<Mutex<BTreeSet<u64>>>,
    last: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    pub async fn start(address: &str, stage: &Stage) -> Self {
        let (acknowledged, last) = (Arc::<Mutex<BTreeSet<u64>>>::default(), Arc::<AtomicU64>::default());
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let client = Client::connect(&format!("http://{address}")).unwrap();
            let options =
                WriterOptions { outage_limit: Duration::from_millis(10), ..WriterOptions::default() };
            let writer = client.writer(options).await.unwrap();
            let (session, payee) = (SessionId::new(&stage.session_id), PayeeId::new(&stage.payee_id));
            let (acknowledged, last) = (Arc::clone(&acknowledged), Arc::clone(&last));
            tasks.push(tokio::spawn(async move {
                while let Ok(ticket) = writer.submit(vec![Debit::new(&session, &payee, 1); BATCH]).await {
                    let Ok(answers) = ticket.await else { return };
                    let mut heard = acknowledged.lock().unwrap();
                    for answer in answers {
                        let Answer::Approved { seq, .. } = answer else { panic!("{answer:?}") };
                        heard.insert(seq);
                        last.fetch_max(seq, Ordering::AcqRel);
                    }
                }
            }));
        }
        Self { acknowledged, last, tasks }
    }

    /// Waits until so many debits are acknowledged.
    pub async fn reach(&self, count: u64) {
        while (self.acknowledged.lock().unwrap().len() as u64) < count {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a writer has stopped");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub fn last_acknowledged(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Waits until the writers have noticed that the server is gone.
    pub async fn end(self) -> BTreeSet<u64> {
        for task in self.tasks {
            task.await.unwrap();
        }
        Arc::try_unwrap(self.acknowledged).expect("the writers have ended").into_inner().unwrap()
    }
}

/// Returns a command that answers in JSON.
pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tallystick"));
    // After the command's own words, before its first option.
    let named = words.iter().take_while(|word| !word.starts_with("--")).count();
    let (names, options) = words.split_at(named);
    command.args(names).arg("--json").args(options);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a command that goes well.
pub async fn ok(command: &mut Command) -> Value {
    let done = run(std::mem::replace(command, Command::new("true"))).await;
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Runs a command that goes well once another copy has ended.
pub async fn ok_in_turn(command: impl Fn() -> Command) -> Value {
    for _ in 0..500 {
        let done = run(command()).await;
        if done.status.code() != Some(12) {
            assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
            return serde_json::from_slice(&done.stdout).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("another copy never ended");
}

/// Runs a command that ends with a number. Returns what it says.
pub async fn refused(command: &mut Command, code: i32) -> String {
    let done = run(std::mem::replace(command, Command::new("true"))).await;
    let said: Value = serde_json::from_slice(&done.stderr).unwrap_or_default();
    assert_eq!(done.status.code(), Some(code), "{said}{}", String::from_utf8_lossy(&done.stdout));
    said["error"]["message"].as_str().unwrap_or_default().to_owned()
}

/// Prints a step and what it told.
pub fn protocol(step: &str, said: &Value, names: &[&str]) {
    let facts: Vec<String> = names.iter().map(|name| format!("{name} {}", said[name])).collect();
    println!("   {}: {}", step.trim_end(), facts.join(", ").replace('"', ""));
}

/// Lists the seqs of all debits of the session, once the index has come so far.
pub async fn listed(channel: &Channel, stage: &Stage) -> Vec<u64> {
    seqs(channel, &stage.session_id).await
}

/// Counts the debits of a session.
pub async fn count(channel: &Channel, session_id: &str) -> usize {
    seqs(channel, session_id).await.len()
}

async fn seqs(channel: &Channel, session_id: &str) -> Vec<u64> {
    let mut client = AuthorizerClient::new(channel.clone());
    let (mut seqs, mut after_seq) = (Vec::new(), 0);
    loop {
        let asked = ListDebitsRequest { session_id: session_id.to_owned(), page_size: 1_000, after_seq };
        let page = list(&mut client, asked).await;
        if page.debits.is_empty() {
            return seqs;
        }
        seqs.extend(page.debits.iter().map(|debit| debit.seq));
        after_seq = page.next_after_seq;
    }
}

/// Asks until the index has come so far.
async fn list(client: &mut AuthorizerClient<Channel>, asked: ListDebitsRequest) -> ListDebitsResponse {
    loop {
        match client.list_debits(asked.clone()).await {
            Ok(page) => return page.into_inner(),
            Err(status) if status.code() == tonic::Code::Unavailable => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(status) => panic!("{status}"),
        }
    }
}

/// Says when a debit was decided, as `--to-time` takes it.
pub async fn decided_at(channel: &Channel, stage: &Stage, seq: u64) -> String {
    let mut client = AuthorizerClient::new(channel.clone());
    let asked = ListDebitsRequest { session_id: stage.session_id.clone(), page_size: 1, after_seq: seq - 1 };
    let found = list(&mut client, asked).await.debits.remove(0);
    assert_eq!(found.seq, seq);
    let at = found.decided_at.unwrap();
    // Seconds since 1970, and nanoseconds, as RFC 3339 has them.
    let (days, secs) = (at.seconds / 86_400, at.seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (secs / 3_600, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z", at.nanos)
}

/// Counts days since 1970 off by years and months.
fn civil(mut days: i64) -> (i64, i64, i64) {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut month) = (1970, 1);
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}
