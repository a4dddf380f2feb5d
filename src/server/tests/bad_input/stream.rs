//! Owns: one `AuthorizeStream` held by hand, a question at a time.

use crate::{bad_input::expected::Said, support::PATIENCE};
use tallystick_proto::v1::{
    AuthorizeStreamRequest, AuthorizeStreamResponse, BatchResult, DebitBatch, Hello, StreamDebit,
    authorize_stream_request::Message as Ask, authorize_stream_response::Message as Answer,
    authorizer_client::AuthorizerClient,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

pub(crate) struct Stream {
    asks: mpsc::Sender<AuthorizeStreamRequest>,
    answers: Streaming<AuthorizeStreamResponse>,
    pub(crate) writer_id: String,
    pub(crate) epoch: u32,
}

impl Stream {
    /// Opens one without a word.
    pub(crate) async fn silent(channel: &Channel) -> Self {
        let (asks, asked) = mpsc::channel(16);
        let mut client = AuthorizerClient::new(channel.clone());
        let answers = client.authorize_stream(ReceiverStream::new(asked)).await.unwrap().into_inner();
        Self { asks, answers, writer_id: String::new(), epoch: 0 }
    }

    /// Opens one as this writer, or as a new one.
    pub(crate) async fn open(channel: &Channel, writer_id: &str) -> Self {
        let mut stream = Self::silent(channel).await;
        let hello = Ask::Hello(Hello { writer_id: writer_id.into() });
        let Ok(Answer::Welcome(welcome)) = stream.ask(hello).await else { panic!("no welcome") };
        (stream.writer_id, stream.epoch) = (welcome.writer_id, welcome.epoch);
        stream
    }

    pub(crate) async fn ask(&mut self, ask: impl Into<Option<Ask>>) -> Result<Answer, Status> {
        self.asks.send(AuthorizeStreamRequest { message: ask.into() }).await.unwrap();
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Result<Answer, Status> {
        let answer = timeout(PATIENCE, self.answers.message()).await.expect("streams are answered or end")?;
        Ok(answer.expect("it ended without a word").message.expect("an answer has a message"))
    }

    /// Returns how the stream ended, in words.
    pub(crate) async fn ended(&mut self, ask: impl Into<Option<Ask>>) -> Said {
        match self.ask(ask).await {
            Err(status) => Said::of(&status),
            Ok(answer) => panic!("{answer:?}"),
        }
    }

    pub(crate) async fn batch(&mut self, batch: DebitBatch) -> BatchResult {
        match self.ask(Ask::Batch(batch)).await {
            Ok(Answer::Batch(result)) => result,
            other => panic!("{other:?}"),
        }
    }

    /// Returns how the last debit of a batch was refused.
    pub(crate) async fn last_refused(&mut self, batch: DebitBatch) -> Said {
        let count = batch.debits.len();
        let result = self.batch(batch).await;
        assert_eq!(result.results.len(), count);
        let last = result.results.last().unwrap();
        assert_eq!((last.outcome, last.seq), (0, 0), "a refusal is no outcome: {last:?}");
        Said::of_debit(last.refused.as_ref().expect("it should have been refused"))
    }
}

/// Returns a batch of debits between one session and one payee.
pub(crate) fn batch(session_id: &str, payee_id: &str, debits: Vec<StreamDebit>) -> DebitBatch {
    DebitBatch {
        batch_id: 1,
        session_ids: vec![session_id.into()],
        payee_ids: vec![payee_id.into()],
        debits,
        ..DebitBatch::default()
    }
}
