//! Owns: which service a call is for, and what every call passes on its way in and out: the count of calls, its bytes'
//! arrival, and the watch over a stream's answers. Debits go straight to their service: on the way of most calls there
//! is no router. Never: looks at more than the path.

use crate::{
    Limits, Meter, Peer, Reply,
    acts::OURS,
    arrival::{Arrivals, Arriving, Due},
    authorizer::AuthorizerFace,
    calls::{Call, Calls},
    door::Door,
    service::Shared,
    stall::{Patience, Pulse, Watch},
    status,
};
use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready as answered},
};
use tallystick_proto::v1::{
    self,
    authorizer_server::{AuthorizerServer, SERVICE_NAME},
};
use tonic::{
    Status,
    body::Body,
    codegen::{Body as _, BoxFuture, Service, http},
    service::Routes,
};

type Request = http::Request<Body>;
type Response = http::Response<Body>;

/// Is the only one of our calls that takes more than one message.
const STREAM: &str = "/AuthorizeStream";

/// Is every service behind one listener.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "as `Engine`")]
pub struct Front {
    authorizer: AuthorizerServer<AuthorizerFace>,
    others: Routes,
    hall: Arc<Hall>,
}

/// Is what every call passes.
pub(crate) struct Hall {
    calls: Calls,
    arrivals: Arrivals,
    watch: Arc<Watch>,
    meter: Arc<dyn Meter>,
    door: Door,
}

impl Hall {
    /// Starts the watch.
    pub(crate) fn new(Shared { gate, meter, .. }: &Shared, limits: Limits, door: Door) -> Self {
        let patience = Patience { calm: limits.stall_timeout, pressed: limits.stall_timeout_pressed };
        Self {
            calls: gate.calls.clone(),
            arrivals: Arrivals::new(gate, &limits, Arc::clone(meter)),
            watch: Watch::start(patience, gate.clone(), Arc::clone(meter)),
            meter: Arc::clone(meter),
            door,
        }
    }

    fn refuse(&self, status: Status) -> BoxFuture<Response, Infallible> {
        self.meter.refused(status::reason(&status).unwrap_or(v1::Refusal::Unspecified));
        Box::pin(ready(Ok(status.into_http())))
    }
}

impl Front {
    pub(crate) fn new(authorizer: AuthorizerServer<AuthorizerFace>, others: Routes, hall: Hall) -> Self {
        Self { authorizer, others: others.prepare(), hall: Arc::new(hall) }
    }
}

/// Returns whether the path names a method of the `Authorizer`.
fn is_authorizers(path: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|path| path.strip_prefix(SERVICE_NAME))
        .is_some_and(|path| path.starts_with('/'))
}

/// Returns what the path's caller owes. Those of other services may be streams, and rest between messages.
fn due(path: &str) -> Due {
    if path.starts_with(OURS) && !path.ends_with(STREAM) { Due::Request } else { Due::Messages }
}

impl Service<Request> for Front {
    type Response = http::Response<Reply>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Both are ready at all times: what bounds calls is the gate.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answering {
        let peer = request.extensions().get::<Peer>().cloned();
        let call = match self.hall.calls.enter(peer) {
            Ok(call) => call,
            Err(refused) => {
                return Answering { answer: self.hall.refuse(refused), call: None, watched: None };
            }
        };
        let (mut parts, body) = request.into_parts();
        if let Err(refused) = self.hall.door.admit(&mut parts) {
            return Answering { answer: self.hall.refuse(refused), call: Some(call), watched: None };
        }
        let mut request = http::Request::from_parts(parts, body);
        let (is_ours, due) = (is_authorizers(request.uri().path()), due(request.uri().path()));
        let mut watched = None;
        if is_ours && due == Due::Messages {
            let pulse = self.hall.watch.pulse();
            request.extensions_mut().insert(pulse.clone());
            watched = Some((pulse, Arc::clone(&self.hall)));
        }
        let request = request.map(|body| Arriving::new(body, due, &self.hall.arrivals));
        let answer = if is_ours {
            self.authorizer.call(request)
        } else {
            Box::pin(self.others.call(request.map(Body::new)))
        };
        Answering { answer, call: Some(call), watched }
    }
}

/// Is a call that is being answered.
#[expect(missing_debug_implementations, reason = "as `Engine`")]
pub struct Answering {
    answer: BoxFuture<Response, Infallible>,
    call: Option<Call>,
    watched: Option<(Pulse, Arc<Hall>)>,
}

impl Future for Answering {
    type Output = Result<http::Response<Reply>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = answered!(self.answer.as_mut().poll(cx))?;
        let (call, watched) = (self.call.take(), self.watched.take());
        Poll::Ready(Ok(answer.map(|body| match watched {
            Some((pulse, hall)) if !body.is_end_stream() => {
                let peer = call.as_ref().and_then(|call| call.peer().cloned());
                Reply::watched(hall.watch.seat(body, pulse, peer), call)
            }
            _ => Reply::plain(body, call),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_may_rest_between_messages_and_nothing_else_of_ours_may() {
        assert_eq!(due("/tallystick.v1.Authorizer/Authorize"), Due::Request);
        assert_eq!(due("/tallystick.v1.Authorizer/AuthorizeStream"), Due::Messages);
        assert_eq!(due("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"), Due::Messages);
    }

    #[test]
    fn only_whole_names_are_the_authorizers() {
        assert!(is_authorizers("/tallystick.v1.Authorizer/Authorize"));
        for path in ["/tallystick.v1.Authorizers/Authorize", "/tallystick.v1.Accounts/Deposit", "", "/"] {
            assert!(!is_authorizers(path), "{path}");
        }
    }
}
