//! Owns: which service a call is for. Debits go straight to theirs: on the way of most calls there is no router.
//! Never: looks at more than the path.

use crate::authorizer::AuthorizerFace;
use std::{
    convert::Infallible,
    task::{Context, Poll},
};
use tallystick_proto::v1::authorizer_server::{AuthorizerServer, SERVICE_NAME};
use tonic::{
    body::Body,
    codegen::{BoxFuture, Service, http},
    service::Routes,
};

type Request = http::Request<Body>;
type Response = http::Response<Body>;

/// Is every service behind one listener.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "as `Engine`")]
pub struct Front {
    authorizer: AuthorizerServer<AuthorizerFace>,
    others: Routes,
}

impl Front {
    pub(crate) fn new(authorizer: AuthorizerServer<AuthorizerFace>, others: Routes) -> Self {
        Self { authorizer, others: others.prepare() }
    }
}

/// Returns whether the path names a method of the `Authorizer`.
fn is_authorizers(path: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|path| path.strip_prefix(SERVICE_NAME))
        .is_some_and(|path| path.starts_with('/'))
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Both are ready at all times: what bounds calls is the gate.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if is_authorizers(request.uri().path()) {
            self.authorizer.call(request)
        } else {
            Box::pin(self.others.call(request))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_the_authorizers() {
        assert!(is_authorizers("/tallystick.v1.Authorizer/Authorize"));
        for path in ["/tallystick.v1.Authorizers/Authorize", "/tallystick.v1.Accounts/Deposit", "", "/"] {
            assert!(!is_authorizers(path), "{path}");
        }
    }
}
