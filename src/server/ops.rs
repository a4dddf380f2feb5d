//! Owns: the operations listener: `/metrics`, `/healthz`, `/readyz`, `/books` and the `Admin` service, on an address of its own, from before the
//! past is read until all else is stopped. It only ever reads.
//! Never: money that is not durable; anything that a caller of the service may change.

mod archive;
mod histogram;
mod incoming;
mod live;
mod metrics;
mod money;
mod page;
mod routes;
mod scrape;

#[cfg(test)]
mod tests;

pub(crate) use archive::Archive;
pub(crate) use live::Live;
pub(crate) use metrics::{MeteredEvents, Metrics};

use crate::{JournalBell, ServeFault, readiness::Readiness};
use incoming::OpsIncoming;
use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

/// How long requests in flight may hold up the end.
const STOP_LIMIT: Duration = Duration::from_millis(500);

/// Is what the routes read from.
#[derive(Debug)]
pub(crate) struct Ops {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) bell: JournalBell,
    /// The server, once it has read its past.
    live: OnceLock<Live>,
    /// Its data folder, from then on.
    archive: OnceLock<Archive>,
}

impl Ops {
    /// Knows a server that is still reading its past.
    pub(crate) fn new(metrics: Arc<Metrics>, readiness: Arc<Readiness>, bell: JournalBell) -> Arc<Self> {
        Arc::new(Self { metrics, readiness, bell, live: OnceLock::new(), archive: OnceLock::new() })
    }

    /// Shows a server that has read its past.
    pub(crate) fn show(&self, live: Live) {
        // There is one server in an `App`; a second one would be a bug, and the first one stays.
        let _ = self.live.set(live);
    }

    /// Lets the data folder be copied.
    pub(crate) fn keep(&self, archive: Archive) {
        // As above.
        let _ = self.archive.set(archive);
    }

    fn archive(&self) -> Option<&Archive> {
        self.archive.get()
    }

    fn live(&self) -> Option<&Live> {
        self.live.get()
    }
}

/// Answers operators for as long as it is held.
#[derive(Debug)]
pub(crate) struct OpsListener {
    address: SocketAddr,
    close: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl OpsListener {
    /// Begins to answer.
    pub(crate) fn start(listener: TcpListener, ops: Arc<Ops>) -> Result<Self, ServeFault> {
        let address = listener.local_addr()?;
        let (close, closed) = oneshot::channel::<()>();
        let closed = async { drop(closed.await) };
        let serve =
            axum::serve(OpsIncoming::new(listener), routes::router(ops)).with_graceful_shutdown(closed);
        tracing::info!(%address, "operations are answered");
        Ok(Self { address, close: Some(close), serving: tokio::spawn(serve.into_future()) })
    }

    /// Returns where operators ask.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends; who keeps a connection open without asking does not hold it up.
    pub(crate) async fn stop(mut self) {
        self.close.take();
        if timeout(STOP_LIMIT, &mut self.serving).await.is_err() {
            tracing::debug!("an operator's connection did not end in time");
        }
    }
}

impl Drop for OpsListener {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
