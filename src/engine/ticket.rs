//! Owns: an answer that cannot be heard before it is durable (I2). The value is private until the watermark has passed the
//! seq it depends on; there is no other way to it. Never: a timer; deadlines are the faces'.

use crate::{Fault, commit::Committer};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tallystick_journal::Watermark;

/// Is an answer on its way: a future, or a blocking wait.
#[must_use = "an answer is heard by awaiting its ticket"]
pub struct Ticket<T> {
    seq: u64,
    value: Option<Result<T, Fault>>,
    watermark: Arc<Watermark>,
    lead: Lead,
}

/// Says who makes a ticket's record durable.
enum Lead {
    /// The committer's thread, which was woken.
    Thread,
    /// Whoever waits, when the ticket is polled again: what else is ready to be decided is in the same group then.
    Caller(Arc<Committer>),
    /// The same, once it was polled.
    Polled(Arc<Committer>),
}

impl<T> Ticket<T> {
    pub(crate) fn new(seq: u64, value: Result<T, Fault>, watermark: &Arc<Watermark>) -> Self {
        Self { seq, value: Some(value), watermark: Arc::clone(watermark), lead: Lead::Thread }
    }

    pub(crate) fn leading(
        seq: u64,
        value: Result<T, Fault>,
        watermark: &Arc<Watermark>,
        committer: &Arc<Committer>,
    ) -> Self {
        let lead = Lead::Caller(Arc::clone(committer));
        Self { seq, value: Some(value), watermark: Arc::clone(watermark), lead }
    }

    /// Returns the seq that must be durable first.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Blocks the thread until the answer may be heard. *Errors*: the fault, or `JournalFailed`.
    pub fn wait(mut self) -> Result<T, Fault> {
        if let Lead::Caller(committer) | Lead::Polled(committer) =
            std::mem::replace(&mut self.lead, Lead::Thread)
            && self.watermark.state(self.seq).is_pending()
        {
            committer.lead();
        }
        self.watermark.wait(self.seq)?;
        self.take()
    }

    /// Changes what the answer will be, unheard.
    pub fn map<U>(mut self, change: impl FnOnce(T) -> U) -> Ticket<U> {
        let value = self.value.take().map(|value| value.map(change));
        let lead = std::mem::replace(&mut self.lead, Lead::Thread);
        Ticket { seq: self.seq, value, watermark: Arc::clone(&self.watermark), lead }
    }

    fn take(&mut self) -> Result<T, Fault> {
        self.value.take().unwrap_or_else(|| panic!("bug: a ticket was asked again after its answer"))
    }
}

impl<T: Unpin> Future for Ticket<T> {
    type Output = Result<T, Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut polled = self.watermark.poll(self.seq, cx);
        if polled.is_pending() {
            self.lead = match std::mem::replace(&mut self.lead, Lead::Thread) {
                Lead::Thread => Lead::Thread,
                Lead::Caller(committer) => {
                    cx.waker().wake_by_ref();
                    Lead::Polled(committer)
                }
                Lead::Polled(committer) => {
                    committer.lead();
                    polled = self.watermark.state(self.seq);
                    Lead::Thread
                }
            };
        }
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(failed)) => Poll::Ready(Err(failed.into())),
            Poll::Ready(Ok(())) => Poll::Ready(self.take()),
        }
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        // Nobody waits any more; what was decided is made durable all the same.
        if let Lead::Caller(committer) | Lead::Polled(committer) = &self.lead
            && self.watermark.state(self.seq).is_pending()
        {
            committer.wake();
        }
    }
}
