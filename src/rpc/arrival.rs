//! Owns: requests on their way in: how many bytes of messages that are not whole yet may be held over all callers, and how
//! long a message may take to come. What has come at once is neither counted nor timed: that is every debit but few.
//! Never: looks into a message; it knows where one ends, since gRPC says so before each.

mod framing;

use crate::{Gate, Limits, Meter, status};
use framing::Framing;
use http_body::{Frame, SizeHint};
use std::{
    future::Future as _,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tallystick_proto::v1;
use tokio::time::{Sleep, sleep};
use tonic::{
    Status,
    body::Body,
    codegen::{Body as HttpBody, Bytes},
};

/// Is what every call may hold uncounted: what its buffer has from the beginning. *Units*: bytes.
const FREE_BYTES: usize = 8 << 10;

/// Bounds what all requests on their way hold.
#[derive(Clone)]
pub(crate) struct Arrivals(Arc<Bounds>);

struct Bounds {
    held: Arc<AtomicUsize>,
    bytes_max: usize,
    /// The decoder refuses a longer one as soon as it says how long it is, and makes no room for it.
    message_bytes_max: usize,
    timeout: Duration,
    meter: Arc<dyn Meter>,
}

impl Arrivals {
    pub(crate) fn new(gate: &Gate, limits: &Limits, meter: Arc<dyn Meter>) -> Self {
        let (held, bytes_max) = (Arc::clone(&gate.arriving), gate.arriving_bytes_max);
        // The decoder does not count the head.
        let message_bytes_max = limits.message_bytes_max.saturating_add(framing::HEAD_BYTES);
        let timeout = limits.arrival_timeout;
        Self(Arc::new(Bounds { held, bytes_max, message_bytes_max, timeout, meter }))
    }
}

/// Says what a caller owes us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// All of the request.
    Request,
    /// The first message, and then whole ones: between them a stream may rest for as long as it likes.
    Messages,
}

/// Is a request's body on its way in.
pub(crate) struct Arriving {
    body: Body,
    due: Due,
    framing: Framing,
    arrivals: Arrivals,
    /// What is counted of it.
    held: usize,
    /// When what is missing has to be there, and which message that was; armed by the first that did not come at once.
    timer: Option<(Pin<Box<Sleep>>, u64)>,
    is_over: bool,
}

impl Arriving {
    pub(crate) fn new(body: Body, due: Due, arrivals: &Arrivals) -> Self {
        let (framing, arrivals) = (Framing::default(), arrivals.clone());
        Self { body, due, framing, arrivals, held: 0, timer: None, is_over: false }
    }

    /// Returns which message is waited for, if the caller owes one.
    fn missing(&self) -> Option<u64> {
        let owes = self.due == Due::Request || self.framing.messages() == 0 || self.framing.is_inside();
        owes.then(|| self.framing.messages())
    }

    /// Ends it, and tells that a call was refused.
    fn refuse(&mut self, refused: Status) -> Status {
        self.is_over = true;
        self.arrivals.0.meter.refused(status::reason(&refused).unwrap_or(v1::Refusal::Unspecified));
        refused
    }

    /// Counts what is held, while it waits or is long. *Errors*: `RESOURCE_EXHAUSTED`.
    fn hold(&mut self) -> Result<(), Status> {
        let counted = FREE_BYTES + 1..=self.arrivals.0.message_bytes_max;
        let bytes = Some(self.framing.bytes_held()).filter(|bytes| counted.contains(bytes)).unwrap_or(0);
        let all = &self.arrivals.0.held;
        if bytes > self.held {
            let more = bytes - self.held;
            if all.fetch_add(more, Ordering::Relaxed) + more > self.arrivals.0.bytes_max {
                all.fetch_sub(more, Ordering::Relaxed);
                return Err(status::overloaded());
            }
        } else if bytes < self.held {
            all.fetch_sub(self.held - bytes, Ordering::Relaxed);
        }
        self.held = bytes;
        Ok(())
    }

    /// Waits for more. *Errors*: there is no room to wait in, or it has waited for too long.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        if let Err(refused) = self.hold() {
            return Poll::Ready(refused);
        }
        loop {
            let missing = self.missing();
            let Some((timer, armed_for)) = &mut self.timer else {
                // A stream at rest needs no timer; it gets one with the first message that comes in pieces.
                let Some(missing) = missing else { return Poll::Pending };
                self.timer = Some((Box::pin(sleep(self.arrivals.0.timeout)), missing));
                continue;
            };
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // What was missing then may have come; what is missing now has its own time.
            if missing == Some(*armed_for) {
                return Poll::Ready(status::too_slow());
            }
            self.timer = None;
        }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let me = &mut *self;
        if me.is_over {
            return Poll::Ready(None);
        }
        match Pin::new(&mut me.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    me.framing.take(data);
                    // A long message is counted before the decoder makes room for it.
                    if me.framing.is_inside()
                        && let Err(refused) = me.hold()
                    {
                        return Poll::Ready(Some(Err(me.refuse(refused))));
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(other) => {
                me.is_over = true;
                Poll::Ready(other)
            }
            Poll::Pending => me.poll_wait(cx).map(|refused| Some(Err(me.refuse(refused)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if self.held > 0 {
            self.arrivals.0.held.fetch_sub(self.held, Ordering::Relaxed);
        }
    }
}
