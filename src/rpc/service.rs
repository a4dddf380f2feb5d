//! Owns: what all services share, and how they are put onto a server. Never: an answer.

use crate::{
    Front, Gate, Limits,
    accounts::AccountsFace,
    authorizer::AuthorizerFace,
    credentials::CredentialsFace,
    deadline::Deadline,
    door::{self, Anonymous, Door},
    encode,
    front::Hall,
    journey,
    meter::{Meter, Unmetered},
    payees::PayeesFace,
    settlements::SettlementsFace,
    status,
    stream::Streams,
    tokens::TokensFace,
    vault::{NoVault, Vault},
};
use std::sync::Arc;
use tallystick_core::settlement::Settlement;
use tallystick_engine::{Engine, Ticket};
use tallystick_projection::Lookups;
use tallystick_proto::v1::{
    self, accounts_server::AccountsServer, authorizer_server::AuthorizerServer,
    credentials_server::CredentialsServer, payees_server::PayeesServer,
    settlements_server::SettlementsServer, tokens_server::TokensServer,
};
use tonic::{Request, Status, service::Routes};

/// Is what every service asks and is bounded by.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) gate: Gate,
    pub(crate) lookups: Lookups,
    pub(crate) meter: Arc<dyn Meter>,
    pub(crate) vault: Arc<dyn Vault>,
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
        journey::meet(&request);
        self.tell_refusal(self.answer(request, ask).await)
    }

    async fn answer<Q, T: Unpin>(
        &self,
        request: Request<Q>,
        ask: impl FnOnce(&Engine, Q) -> Result<Ticket<T>, Status>,
    ) -> Result<T, Status> {
        let deadline = Deadline::of(&request);
        let engine = door::asked(&request)?;
        let _permit = self.gate.unary()?;
        let question = request.into_inner();
        deadline.check()?;
        let ticket = ask(&engine, question)?;
        let began_ns = self.meter.stopwatch_ns();
        let answer = ticket.await;
        self.meter.waited(self.meter.stopwatch_ns().saturating_sub(began_ns));
        answer.map_err(|fault| status::of(&fault))
    }

    /// Tells the meter of a refusal that is about to leave.
    pub(crate) fn tell_refusal<T>(&self, answer: Result<T, Status>) -> Result<T, Status> {
        answer.inspect_err(|status| {
            if let Some(reason) = status::reason(status) {
                self.meter.refused(reason);
            }
        })
    }
}

impl Shared {
    /// Shows a settlement with what its account says of it. Accounts are never deleted, and what is read of them never
    /// changes, so this waits for nothing.
    pub(crate) fn settlement(&self, settlement: &Settlement) -> v1::Settlement {
        let account = self.engine.account_of(settlement.account);
        encode::settlement(settlement, account.as_ref())
    }
}

/// Is the whole gRPC face.
#[expect(missing_debug_implementations, reason = "as `Engine`")]
pub struct Services {
    shared: Shared,
    limits: Limits,
    anonymous: Anonymous,
}

impl Services {
    /// Makes the face of an engine.
    pub fn new(engine: Arc<Engine>, lookups: Lookups, limits: Limits) -> Self {
        let meter = Arc::new(Unmetered);
        let vault = Arc::new(NoVault);
        let shared = Shared { engine, gate: Gate::new(limits), lookups, meter, vault };
        Self { shared, limits, anonymous: Anonymous::default() }
    }

    /// Says who asks when a call has no key; nobody, unless it is said.
    #[must_use]
    pub fn anonymous(mut self, anonymous: Anonymous) -> Self {
        self.anonymous = anonymous;
        self
    }

    /// Tells `meter` from here on.
    #[must_use]
    pub fn metered(mut self, meter: Arc<dyn Meter>) -> Self {
        self.shared.meter = meter;
        self
    }

    /// Derives secrets with `vault` from here on.
    #[must_use]
    pub fn sealed(mut self, vault: Arc<dyn Vault>) -> Self {
        self.shared.vault = vault;
        self
    }

    /// Returns the gate, for draining.
    pub fn gate(&self) -> Gate {
        self.shared.gate.clone()
    }

    /// Puts every service of `tallystick.v1` and what is in `others` behind one front. Needs a runtime, for the watch over
    /// slow streams.
    pub fn front(self, others: Routes) -> Front {
        let Self { shared, limits, anonymous } = self;
        let door = Door::new(&shared.engine, anonymous);
        let (bytes_max, hall) = (limits.message_bytes_max, Hall::new(&shared, limits, door));
        let streams = Streams::new(limits.stream_batches_in_flight);
        let authorizer = AuthorizerServer::new(AuthorizerFace { shared: shared.clone(), streams })
            .max_decoding_message_size(bytes_max);
        let accounts = AccountsServer::new(AccountsFace(shared.clone()));
        let payees = PayeesServer::new(PayeesFace(shared.clone()));
        let credentials = CredentialsServer::new(CredentialsFace(shared.clone()));
        let tokens = TokensServer::new(TokensFace(shared.clone()));
        let settlements = SettlementsServer::new(SettlementsFace(shared));
        let others = others
            .add_service(accounts.max_decoding_message_size(bytes_max))
            .add_service(payees.max_decoding_message_size(bytes_max))
            .add_service(credentials.max_decoding_message_size(bytes_max))
            .add_service(tokens.max_decoding_message_size(bytes_max))
            .add_service(settlements.max_decoding_message_size(bytes_max));
        Front::new(authorizer, others, hall)
    }
}
