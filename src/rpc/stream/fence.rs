//! Owns: which stream is the newest of each writer, so that an older one ends as soon as a newer one is welcomed. The
//! rule itself is core's and is durable, per session; this is only the quick way to tell a stream that it is over.
//! Never: decides.

use dashmap::DashMap;
use std::{
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tallystick_core::WriterId;
use tokio::sync::oneshot;

type Newest = DashMap<WriterId, (u32, oneshot::Sender<u32>)>;

/// Keeps the newest stream of each writer.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    newest: Arc<Newest>,
    pub(super) batches_in_flight: usize,
}

/// Is one stream's place among its writer's streams.
#[derive(Debug)]
pub(super) struct Fence {
    pub(super) writer: WriterId,
    pub(super) epoch: u32,
    newest: Arc<Newest>,
    fenced: oneshot::Receiver<u32>,
}

impl Streams {
    pub(crate) fn new(batches_in_flight: usize) -> Self {
        Self { newest: Arc::default(), batches_in_flight: batches_in_flight.max(1) }
    }

    /// Makes a stream the newest of its writer, unless a newer one was quicker; the one before is fenced.
    pub(super) fn enter(&self, writer: WriterId, epoch: u32) -> Fence {
        let (tell, fenced) = oneshot::channel();
        let mut entry = self.newest.entry(writer).or_insert_with(|| (0, oneshot::channel().0));
        let loser = if entry.0 < epoch { std::mem::replace(&mut *entry, (epoch, tell)).1 } else { tell };
        // Nobody listens when the loser is gone already.
        let _ = loser.send(entry.0);
        drop(entry);
        Fence { writer, epoch, newest: Arc::clone(&self.newest), fenced }
    }
}

impl Fence {
    /// Returns the newer epoch, once there is one.
    pub(super) fn poll_fenced(&mut self, cx: &mut Context<'_>) -> Option<u32> {
        match Pin::new(&mut self.fenced).poll(cx) {
            Poll::Ready(Ok(epoch)) => Some(epoch),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        self.newest.remove_if(&self.writer, |_, (epoch, _)| *epoch == self.epoch);
    }
}
