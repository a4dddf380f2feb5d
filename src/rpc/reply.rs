//! Owns: an answer's body on its way out, with its call's place until HTTP/2 has all of it. Never: an allocation of its own.

use crate::{calls::Call, stall::Seat};
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tonic::{
    Status,
    body::Body,
    codegen::{Body as HttpBody, Bytes},
};

/// Is an answer's body.
#[expect(missing_debug_implementations, reason = "a body shows nothing")]
pub struct Reply {
    answers: Answers,
    _call: Option<Call>,
}

enum Answers {
    Plain(Body),
    /// Under watch.
    Watched(Arc<Seat>),
}

impl Reply {
    pub(crate) fn plain(body: Body, call: Option<Call>) -> Self {
        Self { answers: Answers::Plain(body), _call: call }
    }

    pub(crate) fn watched(seat: Arc<Seat>, call: Option<Call>) -> Self {
        Self { answers: Answers::Watched(seat), _call: call }
    }
}

impl HttpBody for Reply {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut self.answers {
            Answers::Plain(body) => Pin::new(body).poll_frame(cx),
            Answers::Watched(seat) => seat.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.answers {
            Answers::Plain(body) => body.is_end_stream(),
            // Its end is told by what comes last.
            Answers::Watched(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.answers {
            Answers::Plain(body) => body.size_hint(),
            Answers::Watched(_) => SizeHint::default(),
        }
    }
}
