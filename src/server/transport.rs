//! Owns: the settings of HTTP/2 and TCP, each with a bound. Never: the size of a message; that is the services'.

use crate::logging;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};

const MIB: u32 = 1 << 20;
/// Room for a few full batches of one stream, so that a window update is never what a writer waits for.
const STREAM_WINDOW_BYTES: u32 = 4 * MIB;
const CONNECTION_WINDOW_BYTES: u32 = 16 * MIB;
/// Calls of one connection at a time.
const STREAMS_MAX: u32 = 4_096;
/// A full batch is then four frames; larger ones would let one stream keep the others waiting.
const FRAME_BYTES_MAX: u32 = MIB / 4;
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// A peer that is gone without a word is noticed after both.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes a server with our settings and no services yet.
pub(crate) fn server() -> Server {
    Server::builder()
        .trace_fn(|request| logging::call(request.uri().path()))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
}

/// Takes connections from a listener. Small answers go out at once instead of waiting to be gathered.
pub(crate) fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(KEEPALIVE_EVERY))
}
