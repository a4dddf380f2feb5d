//! Owns: a server with a stage set on it, and the assertion that what was sent was refused in the expected words and that
//! nothing changed by it. Never: what is sent; that is the sections'.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a support module of a test is no `#[test]` to clippy"
)]

pub(crate) mod bounds;
pub(crate) mod debits;
pub(crate) mod declines;
pub(crate) mod expected;
pub(crate) mod ids;
pub(crate) mod ledger;
pub(crate) mod listing;
pub(crate) mod money;
pub(crate) mod opening;
pub(crate) mod race;
pub(crate) mod raw;
pub(crate) mod stream;
pub(crate) mod streams;
pub(crate) mod tree;
pub(crate) mod velocity;

use crate::support::{PATIENCE, Server, Stage, serve_command};
use expected::{Expected, Said};
use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use stream::Stream;
use tallystick_proto::v1::{self, authorize_request::Intent};
use tokio::time::timeout;
use tonic::{Response, Status, transport::Channel};

type Accounts = v1::accounts_client::AccountsClient<Channel>;
type Authorizer = v1::authorizer_client::AuthorizerClient<Channel>;
type Payees = v1::payees_client::PayeesClient<Channel>;
type Settlements = v1::settlements_client::SettlementsClient<Channel>;

/// Is a server, its stage, and the table of what was refused so far.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) channel: Channel,
    pub(crate) stage: Stage,
    /// Another payee that the session's partition knows.
    pub(crate) other_payee_id: String,
    /// A session that was opened with every field.
    pub(crate) full: v1::OpenSessionRequest,
    pub(crate) settled_id: String,
    pub(crate) expired_id: String,
    /// When the stage was set, by the server's clock.
    pub(crate) now: prost_types::Timestamp,
    pub(crate) table: Mutex<Vec<[String; 4]>>,
    names: AtomicU64,
    _folder: tempfile::TempDir,
}

/// Is what must not change.
#[derive(Debug)]
struct State {
    account: v1::Account,
    sessions: Vec<v1::Session>,
    /// The seq of the record that was written to find out.
    seq: u64,
}

impl World {
    pub(crate) async fn new(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = serve_command(folder.path());
        command.args(options);
        let server = Server::spawn(command).await;
        let channel = server.connect().await;
        let stage = Stage::set(&channel).await;
        let now = stage.show(&channel).await.opened_at.unwrap();
        let mut world = Self {
            server,
            channel,
            stage,
            other_payee_id: String::new(),
            full: v1::OpenSessionRequest::default(),
            settled_id: String::new(),
            expired_id: String::new(),
            now,
            table: Mutex::default(),
            names: AtomicU64::new(0),
            _folder: folder,
        };
        world.other_payee_id = world.payee().await;
        world.full = opening::full(&world);
        world.open(world.full.clone()).await;
        world
    }

    /// Adds a settled session, and one that ended by itself: the sweeper must be at work.
    pub(crate) async fn with_the_past(mut self) -> Self {
        // So that no later debit has to make the partition know one of them first.
        for payee_id in [self.stage.payee_id.clone(), self.other_payee_id.clone()] {
            self.approved(v1::AuthorizeRequest { payee_id, ..self.debit() }).await;
        }
        self.settled_id = self.open(self.opening()).await;
        let settle =
            v1::SettleRequest { session_id: self.settled_id.clone(), ..v1::SettleRequest::default() };
        self.authorizer().settle(settle).await.unwrap();
        self.expired_id =
            self.open(v1::OpenSessionRequest { ttl: span(0, 1_000_000), ..self.opening() }).await;
        let swept = async {
            while self.session(&self.expired_id).await.settlement.is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, swept).await.expect("it should have been swept");
        self
    }

    pub(crate) fn accounts(&self) -> Accounts {
        Accounts::new(self.channel.clone())
    }

    pub(crate) fn authorizer(&self) -> Authorizer {
        Authorizer::new(self.channel.clone())
    }

    pub(crate) fn payees(&self) -> Payees {
        Payees::new(self.channel.clone())
    }

    pub(crate) fn settlements(&self) -> Settlements {
        Settlements::new(self.channel.clone())
    }

    pub(crate) async fn stream(&self) -> Stream {
        Stream::open(&self.channel, "").await
    }

    /// Returns a key that was not used before.
    pub(crate) fn key(&self) -> String {
        format!("key-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns a debit that would be approved.
    pub(crate) fn debit(&self) -> v1::AuthorizeRequest {
        v1::AuthorizeRequest {
            session_id: self.stage.session_id.clone(),
            payee_id: self.stage.payee_id.clone(),
            amount_nanos: 7,
            intent: Some(Intent::IdempotencyKey(self.key())),
            ..v1::AuthorizeRequest::default()
        }
    }

    /// Returns a session that would be opened.
    pub(crate) fn opening(&self) -> v1::OpenSessionRequest {
        v1::OpenSessionRequest {
            account_id: self.stage.account_id.clone(),
            idempotency_key: self.key(),
            cap_nanos: 1_000_000,
            currency: "USD".into(),
            ttl: span(3_600, 0),
            ..v1::OpenSessionRequest::default()
        }
    }

    pub(crate) async fn open(&self, request: v1::OpenSessionRequest) -> String {
        let opened = self.authorizer().open_session(request).await.unwrap().into_inner();
        opened.session.expect("it should be opened").session_id
    }

    pub(crate) async fn payee(&self) -> String {
        let request = v1::CreatePayeeRequest { idempotency_key: self.key(), name: "Initech".into() };
        self.payees().create_payee(request).await.unwrap().into_inner().payee.unwrap().payee_id
    }

    pub(crate) async fn decided(&self, request: v1::AuthorizeRequest) -> v1::Decision {
        self.authorizer().authorize(request).await.unwrap().into_inner().decision.unwrap()
    }

    pub(crate) async fn approved(&self, request: v1::AuthorizeRequest) -> v1::Decision {
        let decision = self.decided(request).await;
        assert_eq!(decision.outcome(), v1::Outcome::Approved, "{decision:?}");
        decision
    }

    pub(crate) async fn session(&self, id: &str) -> v1::GetSessionResponse {
        let request = v1::GetSessionRequest { session_id: id.into() };
        self.authorizer().get_session(request).await.unwrap().into_inner()
    }

    async fn state(&self) -> State {
        let get = v1::GetAccountRequest { account_id: self.stage.account_id.clone() };
        let account = self.accounts().get_account(get).await.unwrap().into_inner().account.unwrap();
        let list = v1::ListSessionsRequest {
            account_id: self.stage.account_id.clone(),
            page_size: 1_000,
            ..v1::ListSessionsRequest::default()
        };
        let sessions = self.authorizer().list_sessions(list).await.unwrap().into_inner().sessions;
        // One record more, whose seq says how many came before.
        let request = v1::CreatePayeeRequest { idempotency_key: self.key(), name: "probe".into() };
        let seq = self.payees().create_payee(request).await.unwrap().into_inner().seq;
        State { account, sessions, seq }
    }

    /// Asserts that a call is refused as expected, and that nothing changed: no record, no account, no session.
    pub(crate) async fn refuses<T: fmt::Debug>(
        &self,
        sent: impl Into<String>,
        expected: Expected,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) {
        let sent = sent.into();
        let said = async {
            match timeout(PATIENCE, call).await {
                Ok(Err(status)) => Said::of(&status),
                other => panic!("{sent}: {other:?}"),
            }
        };
        self.refused(&sent, expected, said).await;
    }

    /// Asserts the same of whatever `said` finds out.
    pub(crate) async fn refused(&self, sent: &str, expected: Expected, said: impl Future<Output = Said>) {
        let before = self.state().await;
        let said = said.await;
        let after = self.state().await;
        said.assert_is(&expected, sent);
        assert_eq!(after.seq, before.seq + 1, "{sent}: something was journalled");
        assert_eq!(after.account, before.account, "{sent}: the account changed");
        assert_eq!(after.sessions, before.sessions, "{sent}: a session changed");
        self.table.lock().unwrap().push(said.row(sent));
    }

    /// Prints what was refused, and returns how many rows there are.
    pub(crate) fn print(&self) -> usize {
        let table = self.table.lock().unwrap();
        print_aligned(["sent", "code", "reason", "message"], &table);
        table.len()
    }
}

/// Prints columns as wide as their widest cell; the last one is as it is.
pub(crate) fn print_aligned<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    let head = head.map(str::to_owned);
    let mut widths = [0; N];
    for row in rows.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in [&head].into_iter().chain(rows) {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}

/// Returns a span as the wire has it; it need not be valid.
#[expect(clippy::unnecessary_wraps, reason = "that is what the field takes")]
pub(crate) fn span(seconds: i64, nanos: i32) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos })
}
