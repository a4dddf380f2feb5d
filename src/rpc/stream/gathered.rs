//! Owns: the batches of one stream that arrived together, to be asked at once: small messages then share a permit, a lock
//! and an answer's wait. Never: reads on past what one lock hold or one permit should carry.

use super::batch::{batch_bytes, check_batch};
use crate::decode;
use tallystick_core::Currency;
use tallystick_proto::v1;
use tonic::Status;

/// Bounds what is gathered, but for the last message.
const DEBITS_MAX: usize = 1_024;
const BYTES_MAX: usize = 1 << 20;

/// Is one message, with what it says of all its debits.
pub(super) struct Received {
    pub(super) batch: v1::DebitBatch,
    pub(super) currency: Currency,
}

/// Holds messages in the order in which they came.
#[derive(Default)]
pub(super) struct Gathered {
    received: Vec<Received>,
    debits: usize,
    bytes: usize,
}

impl Gathered {
    /// Adds a message. *Errors*: what is wrong with it as a whole; then nothing is added.
    pub(super) fn take(&mut self, batch: v1::DebitBatch) -> Result<(), Status> {
        check_batch(&batch)?;
        let currency = decode::optional_currency(&batch.currency)?;
        self.debits += batch.debits.len();
        self.bytes += batch_bytes(&batch);
        self.received.push(Received { batch, currency });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// Returns whether it should be asked before another message is read.
    pub(super) fn is_full(&self) -> bool {
        self.debits >= DEBITS_MAX || self.bytes >= BYTES_MAX
    }

    /// Returns what all of it is taken to cost.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how many debits there are.
    pub(super) fn debits(&self) -> usize {
        self.debits
    }

    /// Returns the messages.
    pub(super) fn received(&self) -> &[Received] {
        &self.received
    }
}
