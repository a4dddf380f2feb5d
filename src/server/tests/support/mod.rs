//! Owns: a server in a process of its own, and the calls that tests make. Never: touches a process it did not start.

#![allow(dead_code, missing_docs, reason = "each test file uses a part of it")]
// `allow-unwrap-in-tests` does not reach support modules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, unreachable_pub)]

pub mod http;
pub mod payers;

use std::{
    ffi::OsString,
    path::Path,
    process::{Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};
use tallystick_proto::v1::{
    AuthorizeRequest, CreateAccountRequest, CreatePayeeRequest, Decision, DepositRequest, OpenSessionRequest,
    Session, accounts_client::AccountsClient, authorize_request::Intent, authorizer_client::AuthorizerClient,
    payees_client::PayeesClient,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt as _;

/// Generous: the machine that runs tests may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the server's binary: the one in TALLYSTICK_BIN, or the one that was built with the tests.
fn exe() -> OsString {
    std::env::var_os("TALLYSTICK_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_tallystick").into())
}

/// Returns the command that serves `data` on a free port.
pub fn serve_command(data: &Path) -> Command {
    with_folder(Command::new(exe()), data)
}

/// Returns the same, with a free port for operators too.
pub fn watched_command(data: &Path) -> Command {
    with_listeners(Command::new(exe()), data, "127.0.0.1:0")
}

/// Returns the same, where no file may grow beyond `blocks` of 512 or 1,024 bytes: what a full disk is to a process
/// that has no disk of its own. Writes fail with EFBIG.
pub fn limited_command(data: &Path, blocks: u32) -> Command {
    shell_command(data, &format!("trap '' XFSZ; ulimit -f {blocks}"))
}

/// Returns the same, after a shell has done what is `first`, such as lowering a limit.
pub fn shell_command(data: &Path, first: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{first}; exec \"$0\" \"$@\"")).arg(exe());
    with_folder(shell, data)
}

fn with_folder(command: Command, data: &Path) -> Command {
    with_listeners(command, data, "none")
}

fn with_listeners(mut command: Command, data: &Path, ops: &str) -> Command {
    // Without keys: what they are for has tests of its own.
    command
        .args([
            "serve",
            "--anonymous",
            "development",
            "--listen",
            "127.0.0.1:0",
            "--ops-listen",
            ops,
            "--data",
        ])
        .arg(data);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a command that is expected to end by itself.
pub async fn run(mut command: Command) -> Output {
    timeout(PATIENCE, command.output()).await.expect("it should have ended").unwrap()
}

/// Runs as long as it is held.
pub struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
    pub address: String,
}

/// Is how a server ended.
#[derive(Debug)]
pub struct End {
    pub code: Option<i32>,
    pub log: String,
}

impl Server {
    /// Starts a server and waits until it says where it listens.
    pub async fn start(data: &Path) -> Self {
        Self::spawn(serve_command(data)).await
    }

    pub async fn spawn(command: Command) -> Self {
        Self::spawn_and_read(command).await.0
    }

    /// Starts a `watched_command` and waits until it says where operators ask, too.
    pub async fn spawn_watched(command: Command) -> (Self, String) {
        let (server, mut lines) = Self::spawn_and_read(command).await;
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it should say so").unwrap();
        let ops = line.as_deref().and_then(|line| line.strip_prefix("operations listening on "));
        let ops = ops.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        (server, ops)
    }

    /// Starts a server that may end before it is ready.
    pub async fn try_spawn(command: Command) -> Result<Self, End> {
        let (server, _) = Self::begin(command).await;
        if server.address.is_empty() { Err(server.ended().await) } else { Ok(server) }
    }

    async fn spawn_and_read(command: Command) -> (Self, Lines<BufReader<ChildStdout>>) {
        let (server, lines) = Self::begin(command).await;
        if server.address.is_empty() {
            panic!("it is not ready: {:?}", server.ended().await);
        }
        (server, lines)
    }

    /// Starts a server and reads where it listens; nothing when it says nothing of the kind.
    async fn begin(mut command: Command) -> (Self, Lines<BufReader<ChildStdout>>) {
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        // Read all along, so that a full pipe never holds the server up.
        tokio::spawn(gather(child.stderr.take().unwrap(), Arc::clone(&log)));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it should have been ready").unwrap();
        let address = line.as_deref().and_then(|line| line.strip_prefix("listening on "));
        let address = address.unwrap_or_default().to_owned();
        (Self { child, log, address }, lines)
    }

    pub async fn connect(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect_timeout(PATIENCE).connect().await.unwrap()
    }

    /// Returns the process's id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it should be running")
    }

    /// Sends SIGTERM.
    pub async fn ask_to_stop(&self) {
        self.signal("TERM").await;
    }

    /// Sends a signal, by its name.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it should be running");
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {id}")).status().await.unwrap();
        assert!(sent.success());
    }

    /// Returns what it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has ended.
    pub async fn ended(mut self) -> End {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it should have ended").unwrap();
        // The log's last lines may still be in the pipe.
        tokio::time::sleep(Duration::from_millis(50)).await;
        End { code: status.code(), log: self.log.lock().unwrap().clone() }
    }

    pub async fn stop(self) -> End {
        self.ask_to_stop().await;
        self.ended().await
    }

    /// Kills it: no flush, no goodbye.
    pub async fn kill(mut self) -> End {
        self.child.kill().await.unwrap();
        self.ended().await
    }
}

async fn gather(from: impl AsyncRead + Unpin, into: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut into = into.lock().unwrap();
        into.push_str(&line);
        into.push('\n');
    }
}

/// Is an account with money, a payee, and a session in which the one can pay the other.
#[derive(Debug, Clone)]
pub struct Stage {
    pub account_id: String,
    pub payee_id: String,
    pub session_id: String,
}

pub const CAP_NANOS: u64 = 1_000_000_000_000;

impl Stage {
    pub async fn set(channel: &Channel) -> Self {
        Self::try_set(channel).await.unwrap()
    }

    /// Sets the stage, or finds it as it was set. *Errors*: the server is gone.
    pub async fn try_set(channel: &Channel) -> Result<Self, Status> {
        let account_id = funded_account(channel).await?;
        let payee_id = payee(channel).await?;
        let session_id = session(channel, &account_id, "session").await?;
        Ok(Self { account_id, payee_id, session_id })
    }

    /// Opens another session on the same account, for the same payee.
    pub async fn next(channel: &Channel, stage: &Self) -> Self {
        let session_id = session(channel, &stage.account_id, "next session").await.unwrap();
        Self { session_id, ..stage.clone() }
    }

    /// Pays one nano, with a reference long enough to fill a disk.
    pub async fn authorize(&self, channel: &Channel, key: &str) -> Result<Decision, Status> {
        self.pay(channel, key, format!("{key:-<128}")).await
    }

    /// Pays one nano, with nothing besides.
    pub async fn authorize_bare(&self, channel: &Channel, key: &str) -> Result<Decision, Status> {
        self.pay(channel, key, String::new()).await
    }

    async fn pay(&self, channel: &Channel, key: &str, reference: String) -> Result<Decision, Status> {
        let request = AuthorizeRequest {
            session_id: self.session_id.clone(),
            payee_id: self.payee_id.clone(),
            amount_nanos: 1,
            intent: Some(Intent::IdempotencyKey(key.into())),
            reference,
            ..AuthorizeRequest::default()
        };
        let answer = AuthorizerClient::new(channel.clone()).authorize(request).await?.into_inner();
        Ok(answer.decision.expect("an answer has a decision"))
    }

    pub async fn show(&self, channel: &Channel) -> Session {
        let request = tallystick_proto::v1::GetSessionRequest { session_id: self.session_id.clone() };
        let shown = AuthorizerClient::new(channel.clone()).get_session(request).await.unwrap();
        shown.into_inner().session.expect("the session is open")
    }
}

async fn funded_account(channel: &Channel) -> Result<String, Status> {
    let mut accounts = AccountsClient::new(channel.clone());
    let request = CreateAccountRequest {
        idempotency_key: "account".into(),
        currency: "USD".into(),
        ..CreateAccountRequest::default()
    };
    let created = accounts.create_account(request).await?.into_inner();
    let account_id = created.account.unwrap().account_id;
    let request = DepositRequest {
        account_id: account_id.clone(),
        idempotency_key: "deposit".into(),
        amount_nanos: 10 * CAP_NANOS,
        currency: "USD".into(),
        ..DepositRequest::default()
    };
    accounts.deposit(request).await?;
    Ok(account_id)
}

async fn payee(channel: &Channel) -> Result<String, Status> {
    let request = CreatePayeeRequest { idempotency_key: "payee".into(), name: "Acme".into() };
    let created = PayeesClient::new(channel.clone()).create_payee(request).await?.into_inner();
    Ok(created.payee.unwrap().payee_id)
}

async fn session(channel: &Channel, account_id: &str, key: &str) -> Result<String, Status> {
    let request = OpenSessionRequest {
        account_id: account_id.into(),
        idempotency_key: key.into(),
        cap_nanos: CAP_NANOS,
        currency: "USD".into(),
        ttl: Some(Duration::from_secs(24 * 3_600).try_into().unwrap()),
        ..OpenSessionRequest::default()
    };
    let opened = AuthorizerClient::new(channel.clone()).open_session(request).await?.into_inner();
    Ok(opened.session.expect("it should be opened").session_id)
}

/// Returns the reason that a refusal carries in its details; empty when it was not refused by the server.
pub fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}
