//! Owns: how callers are let in, and the settings of HTTP/2: every one of them has a bound.
//! Never: what a call says; a bound on calls or messages, which are the face's.

mod connection;
mod counts;
mod doors;
mod farewell;
mod incoming;
mod open_files;
mod report;

pub(crate) use connection::{Connection, Limits};
pub(crate) use counts::Counts;
pub(crate) use doors::Doors;
pub(crate) use incoming::Incoming;
pub(crate) use report::report;

use crate::{
    config::{Network, narrow},
    logging,
};
use tonic::transport::Server;

/// A full batch is then four frames; larger ones would let one stream keep the others waiting.
const FRAME_BYTES_MAX: u32 = 1 << 18;
/// Resets that the caller provokes from us, over a connection's life, before it is told to calm down.
const PROVOKED_RESETS_MAX: usize = 1_024;

/// Makes a server with our settings and no services yet.
pub(crate) fn server(network: &Network) -> Server {
    let (of_connection, of_stream) = network.windows();
    Server::builder()
        .trace_fn(|request| logging::call(request.uri().path()))
        .initial_stream_window_size(of_stream)
        .initial_connection_window_size(of_connection)
        .max_concurrent_streams(narrow(network.calls_per_connection_max))
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_max_header_list_size(narrow(network.header_bytes_max))
        .http2_max_pending_accept_reset_streams(Some(network.pending_resets_max))
        .http2_max_local_error_reset_streams(Some(PROVOKED_RESETS_MAX))
        .http2_keepalive_interval(Some(network.keepalive_every))
        .http2_keepalive_timeout(Some(network.keepalive_timeout))
}
