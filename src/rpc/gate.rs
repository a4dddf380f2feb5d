//! Owns: how much may be in flight, and whether new work is let in at all. A permit in bytes is taken before any lock and
//! kept until the answer is handed to HTTP/2: unary calls are shed without one, streams wait.
//! Unary calls have a share of their own, and one stream may hold only a part of the streams': whoever sends and never
//! reads keeps what it holds, and others must be served all the same.
//! Never: looks at what a request says.

use crate::{calls::Calls, status};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::Status;

/// Is what an operator may bound.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of requests in flight, over all callers.
    pub permit_bytes: usize,
    /// Batches in flight in one stream.
    pub stream_batches_in_flight: usize,
    /// Bytes of one message.
    pub message_bytes_max: usize,
    /// Calls that are open at once, streams included.
    pub calls_max: usize,
    /// Bytes of messages that have not come whole.
    pub arriving_bytes_max: usize,
    /// How long a message may take to come.
    pub arrival_timeout: Duration,
    /// How long a stream's answers may stand unread.
    pub stall_timeout: Duration,
    /// The same while other streams wait for room.
    pub stall_timeout_pressed: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            permit_bytes: 256 << 20,
            stream_batches_in_flight: 64,
            message_bytes_max: 1 << 20,
            calls_max: 32_768,
            arriving_bytes_max: 256 << 20,
            arrival_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(20),
            stall_timeout_pressed: Duration::from_secs(1),
        }
    }
}

/// Says how full one kind of callers' share is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Whose it is: "unary", "stream", or "arriving".
    pub share: &'static str,
    /// Bytes in flight.
    pub bytes: usize,
    /// Bytes that may be.
    pub bytes_max: usize,
}

/// Is what a unary call is taken to cost. *Units*: bytes, its answer included.
pub(crate) const UNARY_BYTES: usize = 2_048;
/// Is the part of all bytes that only unary calls may have in flight: one in so many.
const UNARY_SHARE: usize = 4;
/// Is the part of the streams' bytes that one stream may have in flight, about: one in so many.
const STREAM_SHARE: usize = 8;

/// Lets work in, or not.
#[derive(Debug, Clone)]
pub struct Gate {
    unary: Share,
    streams: Share,
    /// Streams that wait for room.
    waiting: Arc<AtomicUsize>,
    /// Bytes of messages that have not come whole.
    pub(crate) arriving: Arc<AtomicUsize>,
    pub(crate) arriving_bytes_max: usize,
    pub(crate) calls: Calls,
    draining: Arc<watch::Sender<bool>>,
}

/// Is one kind of callers' bytes.
#[derive(Debug, Clone)]
struct Share {
    permits: Arc<Semaphore>,
    bytes: usize,
}

impl Share {
    fn new(bytes: usize) -> Self {
        // A semaphore counts to a bound of its own; more than that is as good as no bound.
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(bytes)), bytes }
    }

    /// Returns what something costs: never more than there is, so that no batch waits for ever.
    fn cost(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.bytes)).unwrap_or(u32::MAX)
    }

    fn in_flight(&self) -> usize {
        self.bytes.saturating_sub(self.permits.available_permits())
    }
}

impl Gate {
    pub(crate) fn new(limits: Limits) -> Self {
        let unary = limits.permit_bytes / UNARY_SHARE;
        let streams = Share::new(limits.permit_bytes - unary);
        let draining = Arc::new(watch::Sender::new(false));
        Self {
            unary: Share::new(unary),
            streams,
            waiting: Arc::default(),
            arriving: Arc::default(),
            arriving_bytes_max: limits.arriving_bytes_max,
            calls: Calls::new(limits.calls_max),
            draining,
        }
    }

    /// Refuses new work from now on; what is in flight is finished and answered, streams end.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Returns how many bytes are in flight.
    pub fn bytes_in_flight(&self) -> usize {
        self.unary.in_flight() + self.streams.in_flight()
    }

    /// Returns how full each share is.
    pub fn usage(&self) -> [Usage; 3] {
        let of =
            |share, permits: &Share| Usage { share, bytes: permits.in_flight(), bytes_max: permits.bytes };
        let (bytes, bytes_max) = (self.arriving.load(Ordering::Relaxed), self.arriving_bytes_max);
        let arriving = Usage { share: "arriving", bytes, bytes_max };
        [of("unary", &self.unary), of("stream", &self.streams), arriving]
    }

    /// Returns how many calls are open, and how many may be.
    pub fn calls(&self) -> (usize, usize) {
        (self.calls.open(), self.calls.most())
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Waits until the gate drains.
    pub(crate) async fn drained(self) {
        // The sender lives as long as the gate, so waiting can only end by draining.
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// Lets a unary call in. *Errors*: `UNAVAILABLE` while draining, `RESOURCE_EXHAUSTED` with too much in flight.
    pub(crate) fn unary(&self) -> Result<OwnedSemaphorePermit, Status> {
        if self.is_draining() {
            return Err(status::draining());
        }
        let bytes = self.unary.cost(UNARY_BYTES);
        Arc::clone(&self.unary.permits).try_acquire_many_owned(bytes).map_err(|_| status::overloaded())
    }

    /// Lets a stream's batches in, if that can be done at once.
    pub(crate) fn try_batch(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.streams.permits).try_acquire_many_owned(self.streams.cost(bytes)).ok()
    }

    /// Returns whether a stream waits for room.
    pub(crate) fn is_pressed(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits until a stream's batches are let in.
    pub(crate) async fn batch(self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = self.streams.cost(bytes);
        let _waiting = Waiting::begin(&self.waiting);
        Arc::clone(&self.streams.permits).acquire_many_owned(bytes).await.ok()
    }

    /// Returns how many bytes one stream may have in flight before it takes in no more.
    pub(crate) fn stream_bytes_max(&self) -> usize {
        self.streams.bytes / STREAM_SHARE
    }
}

/// Counts somebody who waits, for as long as it is held.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
