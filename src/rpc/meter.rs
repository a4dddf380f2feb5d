//! Owns: what the face tells of itself, for metrics: how long answers waited, how long it took to hand them over, what was
//! refused. Never: a clock of its own, a decision's outcome: those are counted by the engine, once they are durable.

use std::sync::Arc;
use tallystick_proto::v1;

/// Is told what only the face knows. Every method may do nothing.
pub trait Meter: Send + Sync {
    /// Reads a stopwatch, for what is told here and for nothing else. *Units*: nanoseconds since any beginning.
    fn stopwatch_ns(&self) -> u64 {
        0
    }
    /// The answer to a call, or to a stream's batch, was decided and has become durable since. In a stream answers go
    /// out in order, so one that was durable earlier has waited for those before it, and for its reader.
    fn waited(&self, took_ns: u64) {
        let _ = took_ns;
    }
    /// An answer to debits was encoded and handed to HTTP/2, from the moment when it could be heard.
    fn delivered(&self, took_ns: u64) {
        let _ = took_ns;
    }
    /// A call, or one debit of a batch, was refused, and the caller is told so.
    fn refused(&self, reason: v1::Refusal) {
        let _ = reason;
    }
    /// Debits were answered with what had been decided under their keys before.
    fn replayed(&self, debits: u64) {
        let _ = debits;
    }
    /// A stream was opened.
    fn stream_opened(&self) {}
    /// A stream has ended, whoever ended it.
    fn stream_ended(&self) {}
}

/// Measures nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unmetered;

impl Meter for Unmetered {}

/// Tells, when the last copy of it is dropped, that an answer was handed over. It travels in the extensions of a
/// response, which end as HTTP/2 takes it.
#[derive(Clone)]
pub(crate) struct Delivery {
    _told_at_the_end: Arc<Told>,
}

struct Told {
    meter: Arc<dyn Meter>,
    began_ns: u64,
}

impl Delivery {
    /// Begins now.
    pub(crate) fn begin(meter: &Arc<dyn Meter>) -> Self {
        let told = Told { meter: Arc::clone(meter), began_ns: meter.stopwatch_ns() };
        Self { _told_at_the_end: Arc::new(told) }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.meter.delivered(self.meter.stopwatch_ns().saturating_sub(self.began_ns));
    }
}

/// Tells of a stream as long as it is held.
pub(crate) struct OpenStream(Arc<dyn Meter>);

impl OpenStream {
    pub(crate) fn begin(meter: &Arc<dyn Meter>) -> Self {
        meter.stream_opened();
        Self(Arc::clone(meter))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.stream_ended();
    }
}
