//! Owns: one HTTP/2 connection, turned by the task that uses it. Never: a task of its own.

use super::frames::{self, Frames};
use crate::LoadError;
use bytes::{BufMut as _, Bytes, BytesMut};
use h2::{
    RecvStream, SendStream,
    client::{Builder, Connection, ResponseFuture, SendRequest},
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use prost::Message as _;
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};
use tallystick_client::v1::{
    AuthorizeStreamRequest, AuthorizeStreamResponse, Hello, Welcome,
    authorize_stream_request::Message as Say, authorize_stream_response::Message as Hear,
};
use tokio::net::TcpStream;

const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const STREAM: &str = "/tallystick.v1.Authorizer/AuthorizeStream";

/// Is one connection.
pub(super) struct Wire {
    addr: String,
    connection: Connection<TcpStream, Bytes>,
    pub(super) requests: SendRequest<Bytes>,
}

/// Is one open stream of batches.
pub(super) struct Talk {
    pub(super) say: SendStream<Bytes>,
    pub(super) hear: RecvStream,
    pub(super) welcome: Welcome,
}

impl Wire {
    /// Connects, with the windows that `tallystick-client` has.
    pub(super) async fn connect(addr: &str) -> Result<Self, LoadError> {
        let addr = addr.strip_prefix("http://").unwrap_or(addr).trim_end_matches('/').to_owned();
        let socket = TcpStream::connect(&addr).await?;
        socket.set_nodelay(true)?;
        let mut builder = Builder::new();
        builder
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .enable_push(false);
        let (requests, connection) =
            builder.handshake(socket).await.map_err(|error| LoadError::wire("connect", error))?;
        Ok(Self { addr, connection, requests })
    }

    /// Returns a request to be cloned for each call.
    pub(super) fn request(&self, path: &str) -> Result<Request<()>, LoadError> {
        Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}{path}", self.addr))
            .version(Version::HTTP_2)
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .header("user-agent", "tallystick-loadtest")
            .body(())
            .map_err(|error| LoadError::wire("make a request", error))
    }

    /// Reads what has come and writes what is to go, as far as that waits for nothing.
    ///
    /// *Errors*: the connection has ended.
    pub(super) fn turn(&mut self, context: &mut Context<'_>) -> Result<(), LoadError> {
        match Pin::new(&mut self.connection).poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => Err(LoadError::wire("go on", "the connection has ended")),
            Poll::Ready(Err(error)) => Err(LoadError::wire("go on", error)),
        }
    }

    /// Turns until the future is ready.
    pub(super) async fn until<T>(
        &mut self,
        future: impl Future<Output = Result<T, LoadError>>,
    ) -> Result<T, LoadError> {
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(done) = future.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            match self.turn(context) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }

    /// Opens a stream of batches for a new writer.
    pub(super) async fn greet(&mut self) -> Result<Talk, LoadError> {
        let doing = "open a stream";
        let request = self.request(STREAM)?;
        let (response, mut say) =
            self.requests.send_request(request, false).map_err(|error| LoadError::wire(doing, error))?;
        let hello = AuthorizeStreamRequest { message: Some(Say::Hello(Hello::default())) };
        let mut out = BytesMut::new();
        frames::put(&mut out, |out| out.put_slice(&hello.encode_to_vec()));
        say.send_data(out.freeze(), false).map_err(|error| LoadError::wire(doing, error))?;
        let (hear, welcome) = self.until(welcomed(response)).await?;
        Ok(Talk { say, hear, welcome })
    }
}

async fn welcomed(response: ResponseFuture) -> Result<(RecvStream, Welcome), LoadError> {
    let doing = "be welcomed";
    let response = response.await.map_err(|error| LoadError::wire(doing, error))?;
    let mut hear = body_of(response)?;
    let (mut frames, mut found) = (Frames::default(), None);
    while found.is_none() {
        let Some(chunk) = hear.data().await else {
            let trailers = hear.trailers().await.map_err(|error| LoadError::wire(doing, error))?;
            check_status(&trailers.unwrap_or_default())?;
            return Err(LoadError::answer(doing, "no welcome"));
        };
        let chunk = chunk.map_err(|error| LoadError::wire(doing, error))?;
        frames.feed(&chunk, |message| {
            found = AuthorizeStreamResponse::decode(message).ok().and_then(|response| response.message);
            Ok(())
        })?;
        release(&mut hear, chunk.len())?;
    }
    match found {
        Some(Hear::Welcome(welcome)) if frames.is_empty() => Ok((hear, welcome)),
        other => Err(LoadError::answer(doing, format!("{other:?}"))),
    }
}

/// Returns the body of an answer, if it has one.
///
/// *Errors*: the call failed without one.
pub(super) fn body_of(response: Response<RecvStream>) -> Result<RecvStream, LoadError> {
    if response.status() != StatusCode::OK {
        return Err(LoadError::wire("call", response.status()));
    }
    if response.headers().contains_key(STATUS) {
        check_status(response.headers())?;
    }
    Ok(response.into_body())
}

/// Gives the window back what was read.
pub(super) fn release(body: &mut RecvStream, length: usize) -> Result<(), LoadError> {
    body.flow_control().release_capacity(length).map_err(|error| LoadError::wire("go on", error))
}

const STATUS: &str = "grpc-status";

/// *Errors*: the trailers say anything but OK, or nothing.
pub(super) fn check_status(trailers: &HeaderMap) -> Result<(), LoadError> {
    if trailers.get(STATUS).is_some_and(|status| status == "0") {
        return Ok(());
    }
    let text = |name| trailers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("nothing");
    let found = format!("status {}: {}", text(STATUS), text("grpc-message"));
    Err(LoadError::answer("have a call answered", found))
}
