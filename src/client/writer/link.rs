//! Owns: one stream, from hello to its end. Never: outlives it, or remembers what was said on it.

use crate::{
    Client, ClientError, WriterOptions,
    v1::{
        AuthorizeStreamRequest, AuthorizeStreamResponse, BatchResult, DebitBatch, Hello, Positions,
        PositionsRequest, Present, Welcome, WriterPosition, authorize_stream_request::Message as Say,
        authorize_stream_response::Message as Hear,
    },
};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// The most sessions that one positions request may name: the contract's bound.
const POSITIONS_MAX: usize = 10_000;

/// Speaks and listens on one open stream.
#[derive(Debug)]
pub(super) struct Link {
    say: mpsc::Sender<AuthorizeStreamRequest>,
    hear: Streaming<AuthorizeStreamResponse>,
    answer_limit: Duration,
}

impl Link {
    /// Opens a stream and says hello; `writer_id` is empty for a new writer.
    pub(super) async fn open(
        client: &Client,
        writer_id: &str,
        options: &WriterOptions,
    ) -> Result<(Self, Welcome), ClientError> {
        let WriterOptions { in_flight_max, answer_limit, .. } = *options;
        // Room for every batch in flight and the hello: `send` waits for the network, never for the server.
        let (say, outbound) = mpsc::channel(in_flight_max.saturating_add(2));
        let hello = Say::Hello(Hello { writer_id: writer_id.to_owned() });
        say.send(AuthorizeStreamRequest { message: Some(hello) }).await.map_err(|_| ended())?;
        let mut face = client.authorizer();
        let opening = face.authorize_stream(client.signed(ReceiverStream::new(outbound)));
        let opened = tokio::time::timeout(client.options.call_deadline, opening).await;
        let response = opened.map_err(|_| late(client.options.call_deadline))?;
        let hear = response.map_err(|status| ClientError::from_status(&status))?.into_inner();
        let mut link = Self { say, hear, answer_limit };
        match link.next_message().await? {
            Hear::Welcome(welcome) => {
                for (session, secret) in &options.secrets {
                    let session_id = session.as_str().to_owned();
                    link.say(Say::Present(Present { session_id, secret: secret.to_bytes() })).await?;
                }
                Ok((link, welcome))
            }
            Hear::Batch(_) | Hear::Positions(_) => {
                Err(ClientError::contradiction("the first message of a stream was no welcome"))
            }
        }
    }

    pub(super) async fn send(&self, batch: DebitBatch) -> Result<(), ClientError> {
        self.say(Say::Batch(batch)).await
    }

    /// Asks where the writer stands in each session; no batch may be under way.
    pub(super) async fn positions(
        &mut self,
        sessions: &[String],
    ) -> Result<Vec<WriterPosition>, ClientError> {
        let mut all = Vec::with_capacity(sessions.len());
        for chunk in sessions.chunks(POSITIONS_MAX) {
            self.say(Say::Positions(PositionsRequest { session_ids: chunk.to_vec() })).await?;
            let Hear::Positions(Positions { positions }) = self.next_message().await? else {
                return Err(ClientError::contradiction("positions were asked, and something else came"));
            };
            let same = |(asked, got): (&String, &WriterPosition)| *asked == got.session_id;
            if positions.len() != chunk.len() || !chunk.iter().zip(&positions).all(same) {
                return Err(ClientError::contradiction("positions came back for other sessions"));
            }
            all.extend(positions);
        }
        Ok(all)
    }

    /// Waits for the next batch's results; with `hurried`, no longer than an answer may take.
    pub(super) async fn next_results(&mut self, hurried: bool) -> Result<BatchResult, ClientError> {
        let message = if hurried { self.next_message().await? } else { read(self.hear.message().await)? };
        match message {
            Hear::Batch(results) => Ok(results),
            Hear::Welcome(_) | Hear::Positions(_) => {
                Err(ClientError::contradiction("results were awaited, and something else came"))
            }
        }
    }

    async fn say(&self, message: Say) -> Result<(), ClientError> {
        self.say.send(AuthorizeStreamRequest { message: Some(message) }).await.map_err(|_| ended())
    }

    async fn next_message(&mut self) -> Result<Hear, ClientError> {
        let limit = self.answer_limit;
        let heard = tokio::time::timeout(limit, self.hear.message()).await;
        read(heard.map_err(|_| late(limit))?)
    }
}

fn read(heard: Result<Option<AuthorizeStreamResponse>, tonic::Status>) -> Result<Hear, ClientError> {
    let response = heard.map_err(|status| ClientError::from_status(&status))?.ok_or_else(ended)?;
    response.message.ok_or_else(|| ClientError::contradiction("an empty message came"))
}

fn ended() -> ClientError {
    ClientError::lost("the stream has ended")
}

fn late(limit: Duration) -> ClientError {
    ClientError::DeadlinePassed { message: format!("waited {limit:?} on the stream") }
}
