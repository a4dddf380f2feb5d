//! Owns: keeping a writer's stream alive: send, hear, reconnect, resume. Never: counts; the book does.

use super::{
    WriterOptions,
    book::{Book, Entry},
    link::Link,
};
use crate::{Client, ClientError, SessionId, backoff::Backoff, v1::Welcome};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// What a handle asks of its driver.
#[derive(Debug)]
pub(super) enum Command {
    Submit(Entry),
    Forget(SessionId),
}

/// Runs one writer until its handle is gone and every debit is answered, or until going on would not be safe.
#[derive(Debug)]
pub(super) struct Driver {
    client: Client,
    options: WriterOptions,
    writer_id: String,
    epoch: u32,
    inbox: mpsc::Receiver<Command>,
    inbox_open: bool,
    book: Book,
    backoff: Backoff,
    link: Link,
}

impl Driver {
    /// Opens the first stream.
    pub(super) async fn open(
        client: Client,
        options: WriterOptions,
        inbox: mpsc::Receiver<Command>,
    ) -> Result<(Self, Welcome), ClientError> {
        let (link, welcome) = Link::open(&client, "", &options).await?;
        let backoff = Backoff::new(client.options.pause_least, client.options.pause_most);
        let driver = Self {
            client,
            options,
            writer_id: welcome.writer_id.clone(),
            epoch: welcome.epoch,
            inbox,
            inbox_open: true,
            book: Book::default(),
            backoff,
            link,
        };
        Ok((driver, welcome))
    }

    pub(super) async fn run(mut self) {
        let Err(error) = self.serve().await else { return };
        // Refuse what has not been taken yet, then answer what has.
        self.inbox.close();
        self.book.fail(&error);
        while let Some(command) = self.inbox.recv().await {
            drop(command);
        }
    }

    /// Pumps over one stream after another.
    async fn serve(&mut self) -> Result<(), ClientError> {
        loop {
            match self.pump().await {
                Ok(()) => return Ok(()),
                Err(error) if error.may_retry() => {
                    self.book.lose();
                    self.reconnect(error).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends and hears on one stream until there is nothing left to do.
    async fn pump(&mut self) -> Result<(), ClientError> {
        loop {
            if self.book.is_stalled() && !self.book.awaits() {
                self.backoff.pause().await;
                self.resume().await?;
            }
            if !self.inbox_open && self.book.is_empty() {
                return Ok(());
            }
            let awaits = self.book.awaits();
            tokio::select! {
                command = self.inbox.recv(), if self.inbox_open && self.book.takes_more() => {
                    self.obey(command).await?;
                }
                results = self.link.next_results(awaits) => {
                    self.book.hear(results?)?;
                    if !self.book.is_stalled() {
                        self.backoff.reset();
                    }
                }
            }
        }
    }

    async fn obey(&mut self, command: Option<Command>) -> Result<(), ClientError> {
        match command {
            Some(Command::Submit(entry)) => self.link.send(self.book.accept(entry)).await?,
            Some(Command::Forget(session)) => self.book.forget(&session),
            None => self.inbox_open = false,
        }
        Ok(())
    }

    /// Asks where the writer stands and sends again what is unanswered; nothing may be awaited.
    async fn resume(&mut self) -> Result<(), ClientError> {
        let sessions = self.book.sessions_in_doubt();
        let positions = self.link.positions(&sessions).await?;
        for batch in self.book.resume(positions)? {
            self.link.send(batch).await?;
        }
        Ok(())
    }

    /// Tries to get a stream again until the outage has lasted too long.
    async fn reconnect(&mut self, lost: ClientError) -> Result<(), ClientError> {
        let limit = self.options.outage_limit;
        let last = Mutex::new(lost);
        match tokio::time::timeout(limit, self.reconnect_forever(&last)).await {
            Ok(done) => done,
            Err(_) => {
                let last = Box::new(last.into_inner().unwrap_or_else(PoisonError::into_inner));
                Err(ClientError::GaveUp { limit, last })
            }
        }
    }

    async fn reconnect_forever(&mut self, last: &Mutex<ClientError>) -> Result<(), ClientError> {
        loop {
            self.backoff.pause().await;
            match self.hello_again().await {
                Err(error) if error.may_retry() => {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = error;
                }
                done => return done,
            }
        }
    }

    async fn hello_again(&mut self) -> Result<(), ClientError> {
        let (link, welcome) = Link::open(&self.client, &self.writer_id, &self.options).await?;
        if welcome.writer_id != self.writer_id || welcome.epoch <= self.epoch {
            return Err(ClientError::contradiction(format!(
                "{} of epoch {} was welcomed as {} of epoch {}",
                self.writer_id, self.epoch, welcome.writer_id, welcome.epoch
            )));
        }
        self.epoch = welcome.epoch;
        self.link = link;
        self.resume().await
    }
}
