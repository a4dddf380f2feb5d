//! Owns: what the log says of a call and of a stream: who called, and at a stream's end how much went through it.
//! Never: a key, a reference, an amount, a line for each debit: a log is no ledger, and others read it.

use crate::Peer;
use tallystick_proto::v1;
use tonic::{Request, Status};
use tracing::{Span, field};

/// Writes into the call's span who calls. The span is made where the server is; without one nothing happens.
pub(crate) fn meet<T>(request: &Request<T>) {
    let span = Span::current();
    if !span.is_disabled()
        && let Some(peer) = request.extensions().get::<Peer>()
    {
        span.record("peer", field::display(peer.address()));
    }
}

/// Is a stream as the log shows it: one line at its end.
pub(crate) struct Journey {
    span: Span,
    batches: u64,
    debits: u64,
    why: Option<(tonic::Code, String)>,
}

impl Journey {
    /// Begins in the call's span.
    pub(crate) fn begin() -> Self {
        Self { span: Span::current(), batches: 0, debits: 0, why: None }
    }

    /// Counts an answer, and gives it back.
    pub(crate) fn count(&mut self, result: v1::BatchResult) -> v1::BatchResult {
        self.batches += 1;
        self.debits += result.results.len() as u64;
        result
    }

    /// Remembers why the server ended it.
    pub(crate) fn end_with(&mut self, status: &Status) {
        self.why = Some((status.code(), status.message().to_owned()));
    }
}

impl Drop for Journey {
    fn drop(&mut self) {
        let Self { span, batches, debits, why } = self;
        if let Some((code, why)) = why {
            tracing::debug!(parent: &*span, batches, debits, ?code, why, "a stream was ended");
        } else {
            tracing::debug!(parent: &*span, batches, debits, "a stream has ended");
        }
    }
}
