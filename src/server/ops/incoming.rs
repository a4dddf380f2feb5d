//! Owns: how operators are let in: a few at once, so that their port cannot take the files that storage needs either.
//! Never: what they ask.

use crate::transport::{Connection, Counts, Doors, Incoming, Limits};
use axum::serve::Listener;
use std::{future::poll_fn, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_stream::Stream as _;

/// Is how many operators may be connected at once.
const OPERATORS_MAX: usize = 64;
/// How long one may take to ask, and to take its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes operators' connections.
#[derive(Debug)]
pub(super) struct OpsIncoming(Incoming);

impl OpsIncoming {
    pub(super) fn new(listener: TcpListener) -> Self {
        let doors = Doors::of(OPERATORS_MAX, OPERATORS_MAX);
        let counts = Arc::new(Counts::default());
        Self(Incoming::new(listener, doors, Limits::of(PATIENCE), counts).without_words())
    }
}

impl Listener for OpsIncoming {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            if let Some(Ok(connection)) = poll_fn(|cx| Pin::new(&mut self.0).poll_next(cx)).await {
                let from = connection.from();
                return (connection, from);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.address()
    }
}
