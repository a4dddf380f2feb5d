//! Owns: what all services share, and how they are put onto a server. Never: an answer.

use crate::{
    Gate, Limits, MESSAGE_BYTES_MAX, accounts::AccountsFace, authorizer::AuthorizerFace, deadline::Deadline,
    debits::Debits, payees::PayeesFace, settlements::SettlementsFace, status, stream::Streams,
};
use std::sync::Arc;
use tallystick_engine::{Engine, Ticket};
use tallystick_projection::Lookups;
use tallystick_proto::v1::{
    accounts_server::AccountsServer, authorizer_server::AuthorizerServer, payees_server::PayeesServer,
    settlements_server::SettlementsServer,
};
use tonic::{Request, Status, transport::server::Router};

/// Is what every service asks and is bounded by.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) gate: Gate,
}

impl Shared {
    /// Takes one unary call from its request to its durable answer.
    ///
    /// ORDER: the permit, then the deadline, then the engine. `ask` runs at once and takes locks; whatever happens to the
    /// connection afterwards, what it decided stays decided.
    pub(crate) async fn unary<Q, T: Unpin>(
        &self,
        request: Request<Q>,
        ask: impl FnOnce(&Engine, Q) -> Result<Ticket<T>, Status>,
    ) -> Result<T, Status> {
        let deadline = Deadline::of(&request);
        let _permit = self.gate.unary()?;
        let question = request.into_inner();
        deadline.check()?;
        ask(&self.engine, question)?.await.map_err(|fault| status::of(&fault))
    }
}

/// Is the whole gRPC face.
#[expect(missing_debug_implementations, reason = "as `Engine`")]
pub struct Services {
    shared: Shared,
    lookups: Lookups,
    limits: Limits,
}

impl Services {
    /// Makes the face of an engine and of the projection that follows it.
    pub fn new(engine: Arc<Engine>, lookups: Lookups, limits: Limits) -> Self {
        Self { shared: Shared { engine, gate: Gate::new(limits) }, lookups, limits }
    }

    /// Returns the gate, for draining.
    pub fn gate(&self) -> Gate {
        self.shared.gate.clone()
    }

    /// Adds every service of `tallystick.v1` to a server.
    pub fn router(self, mut server: tonic::transport::Server) -> Router {
        let Self { shared, lookups, limits } = self;
        let streams = Streams::new(limits.stream_batches_in_flight);
        let debits = Debits { shared: shared.clone(), lookups };
        let authorizer = AuthorizerFace { shared: shared.clone(), streams, debits };
        server
            .add_service(
                AccountsServer::new(AccountsFace(shared.clone()))
                    .max_decoding_message_size(MESSAGE_BYTES_MAX),
            )
            .add_service(
                PayeesServer::new(PayeesFace(shared.clone())).max_decoding_message_size(MESSAGE_BYTES_MAX),
            )
            .add_service(AuthorizerServer::new(authorizer).max_decoding_message_size(MESSAGE_BYTES_MAX))
            .add_service(
                SettlementsServer::new(SettlementsFace(shared)).max_decoding_message_size(MESSAGE_BYTES_MAX),
            )
    }
}
