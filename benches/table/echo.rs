//! Owns: the ceiling of every throughput: a tonic server with our messages, our settings and no work, which approves whatever
//! it reads. What surrounds a load (accounts, payees, sessions) the client's test double answers. Never: decides, remembers.

use crate::fault::Fault;
use std::{
    io::Write as _,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tallystick_client::fake::{Fake, World};
use tallystick_proto::v1::{
    self, Durability, Outcome,
    accounts_server::AccountsServer,
    authorize_stream_request::Message as Asked,
    authorize_stream_response::Message as Said,
    authorizer_server::{Authorizer, AuthorizerServer},
    payees_server::PayeesServer,
    settlements_server::SettlementsServer,
};
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};

// As the server has them.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const STREAMS_MAX: u32 = 4_096;
const FRAME_BYTES_MAX: u32 = 1 << 18;

/// Is as long as an id is.
const DEBIT_ID: &str = "deb_00000000000000000000000000";
const REMAINING_NANOS: u64 = 9_999_999_999_400;
const DURABILITY: i32 = Durability::Os as i32;

#[derive(Clone, Debug)]
struct Echo {
    around: Fake,
    seq: Arc<AtomicU64>,
}

/// Serves on a port of its own until the process ends, and says where.
pub(crate) async fn serve() -> Result<(), Fault> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Fault::io("listen"))?;
    let addr = listener.local_addr().map_err(Fault::io("listen"))?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on {addr}").and_then(|()| out.flush()).map_err(Fault::io("say where"))?;
    let around = Fake::new(World::default());
    let echo = Echo { around: around.clone(), seq: Arc::default() };
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .add_service(AccountsServer::new(around.clone()))
        .add_service(PayeesServer::new(around.clone()))
        .add_service(SettlementsServer::new(around))
        .add_service(AuthorizerServer::new(echo))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await
        .map_err(|error| Fault::unfit("the echo has ended", error))
}

impl Echo {
    fn decision(&self, asked: &v1::AuthorizeRequest) -> v1::Decision {
        let seq = self.seq.fetch_add(1, Relaxed) + 1;
        v1::Decision {
            outcome: Outcome::Approved.into(),
            debit_id: DEBIT_ID.to_owned(),
            amount_nanos: asked.amount_nanos,
            remaining_nanos: REMAINING_NANOS,
            seq,
            durability: DURABILITY,
            ..v1::Decision::default()
        }
    }

    fn results(&self, batch: &v1::DebitBatch) -> v1::BatchResult {
        let first = self.seq.fetch_add(batch.debits.len() as u64, Relaxed) + 1;
        let result = |(_, seq): (&v1::StreamDebit, u64)| v1::DebitResult {
            outcome: Outcome::Approved.into(),
            seq,
            remaining_nanos: REMAINING_NANOS,
            ..v1::DebitResult::default()
        };
        v1::BatchResult {
            batch_id: batch.batch_id,
            results: batch.debits.iter().zip(first..).map(result).collect(),
        }
    }

    fn answer(&self, asked: v1::AuthorizeStreamRequest) -> Result<v1::AuthorizeStreamResponse, Status> {
        let said = match asked.message {
            Some(Asked::Hello(_)) => {
                let writer_id = format!("wri_{:026}", self.seq.fetch_add(1, Relaxed));
                Said::Welcome(v1::Welcome { writer_id, epoch: 1, durability: DURABILITY })
            }
            Some(Asked::Batch(batch)) => Said::Batch(self.results(&batch)),
            Some(Asked::Positions(_) | Asked::Present(_)) | None => {
                return Err(Status::unimplemented("an echo has no positions"));
            }
        };
        Ok(v1::AuthorizeStreamResponse { message: Some(said) })
    }
}

/// Leaves a call to the test double.
macro_rules! around {
    ($($call:ident($request:ident) -> $response:ident;)*) => {
        $(
            fn $call<'life0, 'async_trait>(
                &'life0 self,
                request: Request<v1::$request>,
            ) -> Pin<Box<dyn Future<Output = Result<Response<v1::$response>, Status>> + Send + 'async_trait>>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                Authorizer::$call(&self.around, request)
            }
        )*
    };
}

#[tonic::async_trait]
impl Authorizer for Echo {
    type AuthorizeStreamStream =
        Pin<Box<dyn Stream<Item = Result<v1::AuthorizeStreamResponse, Status>> + Send>>;

    async fn authorize(
        &self,
        request: Request<v1::AuthorizeRequest>,
    ) -> Result<Response<v1::AuthorizeResponse>, Status> {
        let decision = Some(self.decision(request.get_ref()));
        Ok(Response::new(v1::AuthorizeResponse { decision }))
    }

    async fn authorize_stream(
        &self,
        request: Request<Streaming<v1::AuthorizeStreamRequest>>,
    ) -> Result<Response<Self::AuthorizeStreamStream>, Status> {
        let echo = self.clone();
        let answers = request.into_inner().map(move |asked| echo.answer(asked?));
        Ok(Response::new(Box::pin(answers)))
    }

    around! {
        open_session(OpenSessionRequest) -> OpenSessionResponse;
        get_session(GetSessionRequest) -> GetSessionResponse;
        list_sessions(ListSessionsRequest) -> ListSessionsResponse;
        hold(HoldRequest) -> HoldResponse;
        capture(CaptureRequest) -> CaptureResponse;
        void(VoidRequest) -> VoidResponse;
        get_hold(GetHoldRequest) -> GetHoldResponse;
        list_holds(ListHoldsRequest) -> ListHoldsResponse;
        settle(SettleRequest) -> SettleResponse;
        top_up(TopUpRequest) -> TopUpResponse;
        reverse(ReverseRequest) -> ReverseResponse;
        pause(PauseRequest) -> PauseResponse;
        resume(ResumeRequest) -> ResumeResponse;
        revoke(RevokeRequest) -> RevokeResponse;
        lookup_debit(LookupDebitRequest) -> LookupDebitResponse;
        list_debits(ListDebitsRequest) -> ListDebitsResponse;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> Echo {
        Echo { around: Fake::new(World::default()), seq: Arc::default() }
    }

    #[test]
    fn a_batch_is_answered_debit_by_debit() {
        let debits = vec![v1::StreamDebit::default(); 3];
        let batch = v1::DebitBatch { batch_id: 9, debits, ..v1::DebitBatch::default() };
        let results = echo().results(&batch);
        assert_eq!((results.batch_id, results.results.len()), (9, 3));
        assert_eq!(results.results.iter().map(|result| result.seq).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_single_call_is_approved_with_the_fields_of_a_real_answer() {
        let asked = v1::AuthorizeRequest { amount_nanos: 600, ..v1::AuthorizeRequest::default() };
        let decision = echo().decision(&asked);
        assert_eq!((decision.outcome(), decision.amount_nanos, decision.seq), (Outcome::Approved, 600, 1));
        assert_eq!(decision.debit_id.len(), 30);
    }
}
