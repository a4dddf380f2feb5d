//! Owns: the `Authorizer` service: sessions, single debits, settling; the stream is `stream`'s. Never: a rule.

use crate::{
    command,
    controls::{self, Set},
    decode, door, encode,
    holds::respond,
    journey,
    service::Shared,
    stall::Pulse,
    status,
    stream::{DebitStream, Streams},
};
use std::sync::Arc;
use tallystick_engine::{Engine, OpenAnswer, SessionShown};
use tallystick_proto::v1::{self, authorizer_server::Authorizer};
use tonic::{Request, Response, Status, Streaming};

pub(crate) struct AuthorizerFace {
    pub(crate) shared: Shared,
    pub(crate) streams: Streams,
}

#[tonic::async_trait]
impl Authorizer for AuthorizerFace {
    async fn open_session(
        &self,
        request: Request<v1::OpenSessionRequest>,
    ) -> Result<Response<v1::OpenSessionResponse>, Status> {
        let answer = self
            .shared
            .unary(request, |engine, r| {
                let proof = command::proof(&r.parent_secret, "parent_secret")?;
                Ok(engine.open_session(&command::open_session(&r, proof.as_ref())?))
            })
            .await?;
        let mut response = v1::OpenSessionResponse {
            outcome: v1::Outcome::Approved.into(),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.shared.engine).into(),
            ..v1::OpenSessionResponse::default()
        };
        match answer.value {
            OpenAnswer::Opened(view) => response.session = Some(encode::session(&view)),
            OpenAnswer::Settled(settlement) => response.session = Some(encode::settled_session(&settlement)),
            OpenAnswer::Declined(decline) => {
                response.outcome = v1::Outcome::Declined.into();
                response.code = encode::code(decline.code).into();
                response.level = encode::level(decline.level).into();
                response.next = Some(encode::next(decline.next));
            }
        }
        Ok(Response::new(response))
    }

    async fn get_session(
        &self,
        request: Request<v1::GetSessionRequest>,
    ) -> Result<Response<v1::GetSessionResponse>, Status> {
        let ask = |engine: &Engine, r: v1::GetSessionRequest| {
            Ok(engine.session(decode::debited(&r.session_id, "session_id").map_err(decode::refuse)?))
        };
        let response = match self.shared.unary(request, ask).await? {
            SessionShown::Open(view) => {
                v1::GetSessionResponse { session: Some(encode::session(&view)), settlement: None }
            }
            SessionShown::Settled(settlement) => v1::GetSessionResponse {
                session: None,
                settlement: Some(self.shared.settlement(&settlement)),
            },
        };
        Ok(Response::new(response))
    }

    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        let ask = |engine: &Engine, r: v1::ListSessionsRequest| {
            let account = decode::account(&r.account_id, "account_id").map_err(decode::refuse)?;
            Ok(engine.sessions(account, decode::cursor(&r.page_token)?, decode::page_size(r.page_size)?))
        };
        let page = self.shared.unary(request, ask).await?;
        Ok(Response::new(v1::ListSessionsResponse {
            sessions: page.rows.iter().map(encode::session).collect(),
            next_page_token: encode::page_token(page.next),
        }))
    }

    async fn authorize(
        &self,
        request: Request<v1::AuthorizeRequest>,
    ) -> Result<Response<v1::AuthorizeResponse>, Status> {
        let decided = self.decide(request).await?;
        Ok(respond(decided, |decision, _| v1::AuthorizeResponse { decision: Some(decision) }))
    }

    async fn hold(&self, request: Request<v1::HoldRequest>) -> Result<Response<v1::HoldResponse>, Status> {
        let decided = self.decide(request).await?;
        Ok(respond(decided, |decision, hold| v1::HoldResponse { decision: Some(decision), hold }))
    }

    async fn capture(
        &self,
        request: Request<v1::CaptureRequest>,
    ) -> Result<Response<v1::CaptureResponse>, Status> {
        let decided = self.decide(request).await?;
        Ok(respond(decided, |decision, hold| v1::CaptureResponse { decision: Some(decision), hold }))
    }

    async fn void(&self, request: Request<v1::VoidRequest>) -> Result<Response<v1::VoidResponse>, Status> {
        let decided = self.decide(request).await?;
        Ok(respond(decided, |decision, hold| v1::VoidResponse { decision: Some(decision), hold }))
    }

    async fn get_hold(
        &self,
        request: Request<v1::GetHoldRequest>,
    ) -> Result<Response<v1::GetHoldResponse>, Status> {
        self.hold_of(request).await.map(Response::new)
    }

    async fn list_holds(
        &self,
        request: Request<v1::ListHoldsRequest>,
    ) -> Result<Response<v1::ListHoldsResponse>, Status> {
        self.holds_of(request).await.map(Response::new)
    }

    type AuthorizeStreamStream = DebitStream;

    async fn authorize_stream(
        &self,
        request: Request<Streaming<v1::AuthorizeStreamRequest>>,
    ) -> Result<Response<DebitStream>, Status> {
        journey::meet(&request);
        if self.shared.gate.is_draining() {
            return self.shared.tell_refusal(Err(status::draining()));
        }
        let engine = self.shared.tell_refusal(door::asked(&request))?;
        let pulse = request.extensions().get::<Pulse>().cloned().unwrap_or_default();
        let shared = Shared { engine: Arc::new(engine), ..self.shared.clone() };
        let streams = self.streams.clone();
        Ok(Response::new(DebitStream::new(shared, streams, request.into_inner(), pulse)))
    }

    async fn settle(
        &self,
        request: Request<v1::SettleRequest>,
    ) -> Result<Response<v1::SettleResponse>, Status> {
        let ask = |engine: &Engine, r: v1::SettleRequest| {
            let session = decode::debited(&r.session_id, "session_id").map_err(decode::refuse)?;
            Ok(engine.settle(session, r.cascade))
        };
        let answer = self.shared.unary(request, ask).await?;
        Ok(Response::new(v1::SettleResponse {
            settlement: answer.value.settlement().map(|settlement| self.shared.settlement(settlement)),
            session: open_session(&answer.value.session),
            replayed: answer.replayed,
            durability: encode::durability(&self.shared.engine).into(),
            cascaded_count: answer.value.cascaded,
        }))
    }

    async fn top_up(
        &self,
        request: Request<v1::TopUpRequest>,
    ) -> Result<Response<v1::TopUpResponse>, Status> {
        let ask = |engine: &Engine, r: v1::TopUpRequest| {
            let proof = command::proof(&r.parent_secret, "parent_secret")?;
            Ok(engine.top_up(&command::top_up(&r, proof.as_ref())?))
        };
        let answer = self.shared.unary(request, ask).await?;
        let decline = answer.value.decline;
        Ok(Response::new(v1::TopUpResponse {
            outcome: encode::outcome(decline.as_ref()).into(),
            session: open_session(&answer.value.session),
            code: decline.map_or(0, |no| encode::code(no.code).into()),
            level: decline.map_or(0, |no| encode::level(no.level).into()),
            next: decline.map(|no| encode::next(no.next)),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.shared.engine).into(),
        }))
    }

    async fn reverse(
        &self,
        request: Request<v1::ReverseRequest>,
    ) -> Result<Response<v1::ReverseResponse>, Status> {
        self.reverse_debit(request).await.map(Response::new)
    }

    async fn pause(&self, request: Request<v1::PauseRequest>) -> Result<Response<v1::PauseResponse>, Status> {
        let Set { control, seq, replayed, durability } =
            self.shared.set_control(request, controls::pause).await?;
        Ok(Response::new(v1::PauseResponse { control, seq, replayed, durability }))
    }

    async fn resume(
        &self,
        request: Request<v1::ResumeRequest>,
    ) -> Result<Response<v1::ResumeResponse>, Status> {
        let Set { control, seq, replayed, durability } =
            self.shared.set_control(request, controls::resume).await?;
        Ok(Response::new(v1::ResumeResponse { control, seq, replayed, durability }))
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        let Set { control, seq, replayed, durability } =
            self.shared.set_control(request, controls::revoke).await?;
        Ok(Response::new(v1::RevokeResponse { control, seq, replayed, durability }))
    }

    async fn lookup_debit(
        &self,
        request: Request<v1::LookupDebitRequest>,
    ) -> Result<Response<v1::LookupDebitResponse>, Status> {
        self.look_up(request).await.map(Response::new)
    }

    async fn list_debits(
        &self,
        request: Request<v1::ListDebitsRequest>,
    ) -> Result<Response<v1::ListDebitsResponse>, Status> {
        self.debits_of(request).await.map(Response::new)
    }
}

/// Shows a session that is open; nothing of one that is settled.
pub(crate) fn open_session(shown: &SessionShown) -> Option<v1::Session> {
    match shown {
        SessionShown::Open(view) => Some(encode::session(view)),
        SessionShown::Settled(_) => None,
    }
}
