//! Owns: calls by h2 itself, below gRPC: a body that is sent in pieces, or not to its end, and answers that are read or not.

use super::raw::message;
use crate::support::{PATIENCE, Stage};
use bytes::{Bytes, BytesMut};
use h2::{
    RecvStream, SendStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use http::Request;
use prost::Message as _;
use std::{future::poll_fn, io};
use tallystick_proto::v1::{
    AuthorizeRequest, AuthorizeStreamRequest, AuthorizeStreamResponse, DebitBatch, Hello, StreamDebit,
    authorize_request::Intent, authorize_stream_request::Message as Ask,
    authorize_stream_response::Message as Answer,
};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use tonic::Status;

pub const AUTHORIZE: &str = "/tallystick.v1.Authorizer/Authorize";
pub const STREAM: &str = "/tallystick.v1.Authorizer/AuthorizeStream";

/// Is one connection; its end aborts it.
pub struct Caller {
    send: SendRequest<Bytes>,
    connection: JoinHandle<()>,
}

/// Is one call.
pub struct Call {
    pub response: ResponseFuture,
    pub body: SendStream<Bytes>,
}

impl Caller {
    /// Connects, granting each answer this window until somebody reads.
    pub async fn connect(address: &str, window: u32) -> io::Result<Self> {
        let socket = timeout(PATIENCE, TcpStream::connect(address)).await.expect("it connects")?;
        socket.set_nodelay(true)?;
        let mut builder = Builder::new();
        builder.initial_window_size(window).initial_connection_window_size(64 << 20).enable_push(false);
        let (send, connection) = timeout(PATIENCE, builder.handshake(socket))
            .await
            .expect("it greets")
            .map_err(io::Error::other)?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { send, connection })
    }

    pub async fn open(&mut self, path: &str) -> Result<Call, h2::Error> {
        self.open_with(path, &[]).await
    }

    pub async fn open_with(&mut self, path: &str, more: &[(&str, &str)]) -> Result<Call, h2::Error> {
        let ready = async { poll_fn(|cx| self.send.poll_ready(cx)).await };
        timeout(PATIENCE, ready).await.expect("a call can begin")?;
        let request = Request::post(format!("http://flood{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let request = more.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let (response, body) = self.send.send_request(request.body(()).unwrap(), false)?;
        Ok(Call { response, body })
    }

    /// Returns whether the connection is over.
    pub fn is_over(&self) -> bool {
        self.connection.is_finished()
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Call {
    pub fn send(&mut self, bytes: Vec<u8>, is_end: bool) -> Result<(), h2::Error> {
        self.body.send_data(bytes.into(), is_end)
    }

    /// Reads to the end: the messages, and the status.
    pub async fn heard(self) -> (Vec<Bytes>, Status) {
        timeout(PATIENCE, read(self.response)).await.expect("it should have ended")
    }
}

async fn read(response: ResponseFuture) -> (Vec<Bytes>, Status) {
    let response = match response.await {
        Ok(response) => response,
        Err(error) => return (Vec::new(), Status::from_error(Box::new(error))),
    };
    if let Some(status) = Status::from_header_map(response.headers()) {
        return (Vec::new(), status);
    }
    assert_eq!(response.status(), 200, "{response:?}");
    read_body(response.into_body()).await
}

/// Reads a body to its end.
pub async fn read_body(mut body: RecvStream) -> (Vec<Bytes>, Status) {
    let mut bytes = BytesMut::new();
    while let Some(data) = body.data().await {
        match data {
            Ok(data) => {
                let _ = body.flow_control().release_capacity(data.len());
                bytes.extend_from_slice(&data);
            }
            Err(error) => return (messages(bytes), Status::from_error(Box::new(error))),
        }
    }
    let status = match body.trailers().await {
        Ok(Some(trailers)) => Status::from_header_map(&trailers).expect("trailers have a status"),
        Ok(None) => Status::unknown("no trailers"),
        Err(error) => Status::from_error(Box::new(error)),
    };
    (messages(bytes), status)
}

/// Returns the whole messages: where the connection was lost, the last may have come in part.
fn messages(mut bytes: BytesMut) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while bytes.len() >= 5 {
        let length = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
        if bytes.len() < 5 + length {
            break;
        }
        let mut message = bytes.split_to(5 + length);
        messages.push(message.split_off(5).freeze());
    }
    messages
}

/// Returns a debit of one nano, as a call's message.
pub fn debit(stage: &Stage, key: &str) -> Vec<u8> {
    let request = AuthorizeRequest {
        session_id: stage.session_id.clone(),
        payee_id: stage.payee_id.clone(),
        amount_nanos: 1,
        intent: Some(Intent::IdempotencyKey(key.into())),
        ..AuthorizeRequest::default()
    };
    message(&request.encode_to_vec())
}

pub fn hello(writer_id: &str) -> Vec<u8> {
    ask(Ask::Hello(Hello { writer_id: writer_id.into() }))
}

/// Returns a batch that follows those before it: debits of one nano each.
pub fn batch(stage: &Stage, batch_id: u64, debits: u64) -> Vec<u8> {
    let debit =
        |nth| StreamDebit { amount_nanos: 1, number: batch_id * debits + nth, ..StreamDebit::default() };
    ask(Ask::Batch(DebitBatch {
        batch_id,
        session_ids: vec![stage.session_id.clone()],
        payee_ids: vec![stage.payee_id.clone()],
        debits: (1..=debits).map(debit).collect(),
        ..DebitBatch::default()
    }))
}

fn ask(message_of: Ask) -> Vec<u8> {
    message(&AuthorizeStreamRequest { message: Some(message_of) }.encode_to_vec())
}

/// Reads what a stream said.
pub fn answers(messages: &[Bytes]) -> Vec<Answer> {
    let read = |bytes: &Bytes| AuthorizeStreamResponse::decode(bytes.clone()).unwrap().message.unwrap();
    messages.iter().map(read).collect()
}
