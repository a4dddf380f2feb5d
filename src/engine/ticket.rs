//! Owns: an answer that cannot be heard before it is durable (I2). The value is private until the watermark has passed the
//! seq it depends on; there is no other way to it. Never: a timer; deadlines are the faces'.

use crate::Fault;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tallystick_journal::Watermark;

/// Is an answer on its way: a future, or a blocking wait.
#[derive(Debug)]
#[must_use = "an answer is heard by awaiting its ticket"]
pub struct Ticket<T> {
    seq: u64,
    value: Option<Result<T, Fault>>,
    watermark: Arc<Watermark>,
}

impl<T> Ticket<T> {
    pub(crate) fn new(seq: u64, value: Result<T, Fault>, watermark: &Arc<Watermark>) -> Self {
        Self { seq, value: Some(value), watermark: Arc::clone(watermark) }
    }

    /// Returns the seq that must be durable first.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Blocks the thread until the answer may be heard. *Errors*: the fault, or `JournalFailed`.
    pub fn wait(mut self) -> Result<T, Fault> {
        self.watermark.wait(self.seq)?;
        self.take()
    }

    /// Changes what the answer will be, unheard.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Ticket<U> {
        Ticket { seq: self.seq, value: self.value.map(|value| value.map(change)), watermark: self.watermark }
    }

    fn take(&mut self) -> Result<T, Fault> {
        self.value.take().unwrap_or_else(|| panic!("bug: a ticket was asked again after its answer"))
    }
}

impl<T: Unpin> Future for Ticket<T> {
    type Output = Result<T, Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.watermark.poll(self.seq, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(failed)) => Poll::Ready(Err(failed.into())),
            Poll::Ready(Ok(())) => Poll::Ready(self.take()),
        }
    }
}
