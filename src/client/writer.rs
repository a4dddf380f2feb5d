//! Owns: the handle of a numbered writer: how debits go in and how their answers come out.
//! Never: touches the connection (`driver`), numbers a debit (`book`).

mod book;
mod debit;
mod driver;
mod link;
mod tables;

pub use debit::{Answer, Debit};

use crate::{
    Client, ClientError, Secret, SessionId,
    v1::{Durability, Welcome},
};
use book::Entry;
use driver::{Command, Driver};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Bounds what a writer may have under way.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// Batches sent and not yet answered; `submit` waits while there are as many. At least 1. However large the batches
    /// are, no more than about 65,000 debits are on their way.
    pub in_flight_max: usize,
    /// How long an answer may take before the stream counts as lost.
    pub answer_limit: Duration,
    /// How long the server may be away before the writer gives up.
    pub outage_limit: Duration,
    /// The secrets of sessions that have one; presented on every stream that is opened.
    pub secrets: Vec<(SessionId, Secret)>,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            in_flight_max: 4,
            answer_limit: Duration::from_secs(30),
            outage_limit: Duration::from_secs(60),
            secrets: Vec::new(),
        }
    }
}

/// The most debits that one batch may hold: the contract's bound.
pub(crate) const BATCH_DEBITS_MAX: usize = 10_000;

/// The most debits that may be unanswered, in all sessions together: a server remembers so many answers of one writer
/// in one session.
pub(crate) const UNANSWERED_MAX: usize = 65_536;

/// Streams debits under its own numbers, so that each is decided once and each answer is heard, whatever happens to the
/// connection or the server in between.
///
/// *Ordering*: batches are numbered, sent and answered in the order of their `submit`.
/// *Errors*: once a ticket or `submit` has failed, the writer has stopped; what became of the unanswered debits is then
/// unknown, and settling their sessions tells.
#[derive(Debug)]
pub struct Writer {
    writer_id: String,
    durability: Durability,
    commands: mpsc::Sender<Command>,
    room: Arc<Semaphore>,
}

impl Client {
    /// Opens a stream and asks for a new writer.
    ///
    /// *Errors*: the first connection's; later ones are repaired.
    pub async fn writer(&self, options: WriterOptions) -> Result<Writer, ClientError> {
        let in_flight_max = options.in_flight_max.max(1);
        let (commands, inbox) = mpsc::channel(in_flight_max);
        let (driver, welcome) = Driver::open(self.clone(), options, inbox).await?;
        let Welcome { writer_id, .. } = &welcome;
        let writer = Writer {
            writer_id: writer_id.clone(),
            durability: welcome.durability(),
            commands,
            room: Arc::new(Semaphore::new(in_flight_max)),
        };
        tokio::spawn(driver.run());
        Ok(writer)
    }
}

impl Writer {
    /// Returns the writer's id, as the server gave it.
    #[must_use]
    pub fn writer_id(&self) -> &str {
        &self.writer_id
    }

    /// Returns how the server makes answers durable before it gives them.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Hands in a batch; waits for room first. The debits may be for any mix of sessions.
    ///
    /// *Returns* a ticket that becomes the answers, one a debit in the same order.
    /// *Errors*: [`ClientError::WriterStopped`]; more than 10,000 debits are a [`ClientError::Contradiction`].
    pub async fn submit(&self, debits: Vec<Debit>) -> Result<Ticket, ClientError> {
        if debits.len() > BATCH_DEBITS_MAX {
            let message = format!("{} debits in one batch, of at most {BATCH_DEBITS_MAX}", debits.len());
            return Err(ClientError::Contradiction { message });
        }
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| ClientError::WriterStopped)?;
        let (reply, answers) = oneshot::channel();
        if debits.is_empty() {
            // The receiver is ours and alive: this cannot be lost.
            let _ = reply.send(Ok(Vec::new()));
            return Ok(Ticket(answers));
        }
        let entry = Entry::new(debits, reply, room);
        self.commands.send(Command::Submit(entry)).await.map_err(|_| ClientError::WriterStopped)?;
        Ok(Ticket(answers))
    }

    /// Forgets the numbers of a session that is settled, so that a writer of many sessions stays small. A session with
    /// unanswered debits is kept.
    ///
    /// *Errors*: [`ClientError::WriterStopped`].
    pub async fn forget(&self, session: SessionId) -> Result<(), ClientError> {
        self.commands.send(Command::Forget(session)).await.map_err(|_| ClientError::WriterStopped)
    }
}

/// Becomes the answers of one batch.
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Result<Vec<Answer>, ClientError>>);

impl Future for Ticket {
    type Output = Result<Vec<Answer>, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|heard| heard.unwrap_or(Err(ClientError::WriterStopped)))
    }
}
