//! Owns: the fake's services. Never: a rule; they are the world's.

use super::{
    Fake, Fault,
    world::{Account, Command, Payee, World, refused},
};
use tallystick_proto::v1::{
    self, Durability, Refusal, accounts_server::Accounts, authorize_request::Intent,
    authorize_stream_request::Message as Hear, authorize_stream_response::Message as Say,
    authorizer_server::Authorizer, payees_server::Payees, settlements_server::Settlements,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};

type Answered<T> = Result<Response<T>, Status>;

const DURABILITY: i32 = Durability::Os as i32;

fn status(code: Code, refusal: Refusal) -> Status {
    let details = ErrorDetails::with_error_info(refusal.as_str_name(), "tallystick", []);
    Status::with_error_details(code, "the fake refuses", details)
}

fn account(a: &Account) -> Option<v1::Account> {
    Some(v1::Account {
        account_id: a.id.clone(),
        currency: "USD".to_owned(),
        deposited_nanos_total: a.deposited.to_string(),
        reserved_nanos_total: a.reserved.to_string(),
        spent_nanos_total: a.spent.to_string(),
        available_nanos_total: (a.deposited - a.reserved - a.spent).to_string(),
        ..v1::Account::default()
    })
}

fn payee(p: &Payee) -> Option<v1::Payee> {
    let position = v1::Position {
        currency: "USD".to_owned(),
        payable_nanos_total: p.payable.to_string(),
        settlement_count: 0,
    };
    Some(v1::Payee {
        payee_id: p.id.clone(),
        name: p.name.clone(),
        positions: vec![position],
        ..v1::Payee::default()
    })
}

#[tonic::async_trait]
impl Accounts for Fake {
    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Answered<v1::CreateAccountResponse> {
        let message = request.into_inner();
        let mut world = self.world();
        world.keep(&Command::CreateAccount(message.clone()));
        let made = world.create_account(&message);
        Ok(Response::new(v1::CreateAccountResponse {
            account: account(&made),
            seq: world.seq,
            replayed: false,
            durability: DURABILITY,
        }))
    }

    async fn deposit(&self, request: Request<v1::DepositRequest>) -> Answered<v1::DepositResponse> {
        let message = request.into_inner();
        let mut world = self.world();
        world.keep(&Command::Deposit(message.clone()));
        let changed =
            world.deposit(&message).ok_or_else(|| status(Code::NotFound, Refusal::UnknownAccount))?;
        let response =
            v1::DepositResponse { account: account(&changed), durability: DURABILITY, ..Default::default() };
        Ok(Response::new(response))
    }

    async fn get_account(&self, request: Request<v1::GetAccountRequest>) -> Answered<v1::GetAccountResponse> {
        let world = self.world();
        let found = world.accounts.get(&request.into_inner().account_id);
        let found = found.ok_or_else(|| status(Code::NotFound, Refusal::UnknownAccount))?;
        Ok(Response::new(v1::GetAccountResponse { account: account(found) }))
    }

    async fn list_accounts(&self, _: Request<v1::ListAccountsRequest>) -> Answered<v1::ListAccountsResponse> {
        Err(Status::unimplemented("list_accounts"))
    }
}

#[tonic::async_trait]
impl Payees for Fake {
    async fn create_payee(
        &self,
        request: Request<v1::CreatePayeeRequest>,
    ) -> Answered<v1::CreatePayeeResponse> {
        let message = request.into_inner();
        let mut world = self.world();
        world.keep(&Command::CreatePayee(message.clone()));
        let made = world.create_payee(&message);
        let response =
            v1::CreatePayeeResponse { payee: payee(&made), durability: DURABILITY, ..Default::default() };
        Ok(Response::new(response))
    }

    async fn block_payee(&self, _: Request<v1::BlockPayeeRequest>) -> Answered<v1::BlockPayeeResponse> {
        Err(Status::unimplemented("block_payee"))
    }

    async fn get_payee(&self, request: Request<v1::GetPayeeRequest>) -> Answered<v1::GetPayeeResponse> {
        let world = self.world();
        let found = world.payees.get(&request.into_inner().payee_id);
        let found = found.ok_or_else(|| status(Code::NotFound, Refusal::UnknownPayee))?;
        Ok(Response::new(v1::GetPayeeResponse { payee: payee(found) }))
    }

    async fn list_payees(&self, _: Request<v1::ListPayeesRequest>) -> Answered<v1::ListPayeesResponse> {
        Err(Status::unimplemented("list_payees"))
    }
}

#[tonic::async_trait]
impl Settlements for Fake {
    async fn get_settlement(
        &self,
        _: Request<v1::GetSettlementRequest>,
    ) -> Answered<v1::GetSettlementResponse> {
        Err(Status::unimplemented("get_settlement"))
    }

    async fn list_settlements(
        &self,
        _: Request<v1::ListSettlementsRequest>,
    ) -> Answered<v1::ListSettlementsResponse> {
        Err(Status::unimplemented("list_settlements"))
    }
}

#[tonic::async_trait]
impl Authorizer for Fake {
    type AuthorizeStreamStream = ReceiverStream<Result<v1::AuthorizeStreamResponse, Status>>;

    async fn open_session(
        &self,
        request: Request<v1::OpenSessionRequest>,
    ) -> Answered<v1::OpenSessionResponse> {
        let message = request.into_inner();
        let mut world = self.world();
        world.keep(&Command::OpenSession(message.clone()));
        let session = world.open_session(&message).map(|session_id| v1::Session {
            session_id,
            cap_nanos: message.cap_nanos,
            ..v1::Session::default()
        });
        let outcome =
            if session.is_some() { v1::Outcome::Approved.into() } else { v1::Outcome::Declined.into() };
        let response =
            v1::OpenSessionResponse { outcome, session, durability: DURABILITY, ..Default::default() };
        Ok(Response::new(response))
    }

    async fn get_session(&self, _: Request<v1::GetSessionRequest>) -> Answered<v1::GetSessionResponse> {
        Err(Status::unimplemented("get_session"))
    }

    async fn list_sessions(&self, _: Request<v1::ListSessionsRequest>) -> Answered<v1::ListSessionsResponse> {
        Err(Status::unimplemented("list_sessions"))
    }

    async fn authorize(&self, request: Request<v1::AuthorizeRequest>) -> Answered<v1::AuthorizeResponse> {
        let v1::AuthorizeRequest { session_id, payee_id, amount_nanos, intent, .. } = request.into_inner();
        let Some(Intent::IdempotencyKey(key)) = intent else {
            return Err(status(Code::InvalidArgument, Refusal::Malformed));
        };
        // A key is a writer of its own with one debit: enough for a double.
        let debit = v1::StreamDebit { amount_nanos, number: 1, ..v1::StreamDebit::default() };
        let batch = v1::DebitBatch {
            session_ids: vec![session_id],
            payee_ids: vec![payee_id],
            debits: vec![debit],
            ..v1::DebitBatch::default()
        };
        let mut world = self.world();
        world.batches_seen += 1;
        let drop_before =
            world.faults.iter().any(|f| matches!(f, Fault::DropBefore(n) if *n == world.batches_seen));
        if drop_before {
            return Err(status(Code::ResourceExhausted, Refusal::Overloaded));
        }
        let writer = format!("key:{key}");
        let result = world.decide(&writer, &batch, None).remove(0);
        world.keep(&Command::Batch(writer, batch));
        if let Some(refused) = &result.refused {
            return Err(status(Code::FailedPrecondition, refused.refusal()));
        }
        let drop_after =
            world.faults.iter().any(|f| matches!(f, Fault::DropAfter(n) if *n == world.batches_seen));
        if drop_after {
            return Err(status(Code::Unavailable, Refusal::JournalFailed));
        }
        let decision = v1::Decision {
            outcome: result.outcome,
            code: result.code,
            amount_nanos,
            remaining_nanos: result.remaining_nanos,
            seq: result.seq,
            replayed: result.replayed,
            durability: DURABILITY,
            ..v1::Decision::default()
        };
        Ok(Response::new(v1::AuthorizeResponse { decision: Some(decision) }))
    }

    async fn settle(&self, request: Request<v1::SettleRequest>) -> Answered<v1::SettleResponse> {
        let message = request.into_inner();
        let mut world = self.world();
        world.keep(&Command::Settle(message.clone()));
        let settlement = world.settle(&message.session_id);
        let settlement = Some(settlement.ok_or_else(|| status(Code::NotFound, Refusal::UnknownSession))?);
        Ok(Response::new(v1::SettleResponse { settlement, replayed: false, durability: DURABILITY }))
    }

    async fn authorize_stream(
        &self,
        request: Request<Streaming<v1::AuthorizeStreamRequest>>,
    ) -> Answered<Self::AuthorizeStreamStream> {
        let (say, answers) = mpsc::channel(8);
        tokio::spawn(self.clone().stream(request.into_inner(), say));
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

impl Fake {
    async fn stream(
        self,
        mut inbound: Streaming<v1::AuthorizeStreamRequest>,
        say: mpsc::Sender<Result<v1::AuthorizeStreamResponse, Status>>,
    ) {
        let mut writer = (String::new(), 0);
        while let Ok(Some(message)) = inbound.message().await {
            let answer = match message.message {
                Some(Hear::Hello(hello)) => self.hear_hello(&hello, &mut writer),
                Some(Hear::Batch(batch)) => self.hear_batch(&writer, batch),
                Some(Hear::Positions(asked)) => self.hear_positions(&writer.0, &asked),
                None => Err(Status::invalid_argument("empty")),
            };
            let failed = answer.is_err();
            let answer = answer.map(|message| v1::AuthorizeStreamResponse { message: Some(message) });
            if say.send(answer).await.is_err() || failed {
                return;
            }
        }
    }

    fn hear_hello(&self, hello: &v1::Hello, writer: &mut (String, u32)) -> Result<Say, Status> {
        let mut world = self.world();
        world.keep(&Command::Hello(hello.clone()));
        let given = world.hello(&hello.writer_id);
        *writer = given.ok_or_else(|| status(Code::NotFound, Refusal::UnknownWriter))?;
        let (writer_id, epoch) = writer.clone();
        Ok(Say::Welcome(v1::Welcome { writer_id, epoch, durability: DURABILITY }))
    }

    fn hear_batch(&self, writer: &(String, u32), batch: v1::DebitBatch) -> Result<Say, Status> {
        let mut world = self.world();
        world.batches_seen += 1;
        let seen = world.batches_seen;
        let fault = |wanted: &dyn Fn(&Fault) -> bool, world: &World| world.faults.iter().any(wanted);
        if fault(&|f| matches!(f, Fault::DropBefore(n) if *n == seen), &world) {
            return Err(Status::unavailable("the fake drops the stream before deciding"));
        }
        let batch_id = batch.batch_id;
        if world.writers.get(&writer.0) != Some(&writer.1) {
            let results = batch.debits.iter().map(|_| refused(Refusal::WriterFenced)).collect();
            return Ok(Say::Batch(v1::BatchResult { batch_id, results }));
        }
        let shed = world.faults.iter().find_map(|f| match f {
            Fault::Shed(n, item) if *n == seen => Some(*item),
            _ => None,
        });
        let results = world.decide(&writer.0, &batch, shed);
        world.keep(&Command::Batch(writer.0.clone(), batch));
        if fault(&|f| matches!(f, Fault::DropAfter(n) if *n == seen), &world) {
            return Err(Status::unavailable("the fake drops the stream after deciding"));
        }
        Ok(Say::Batch(v1::BatchResult { batch_id, results }))
    }

    fn hear_positions(&self, writer: &str, asked: &v1::PositionsRequest) -> Result<Say, Status> {
        let mut world = self.world();
        world.positions_seen += 1;
        let seen = world.positions_seen;
        if world.faults.iter().any(|f| matches!(f, Fault::DropAtPositions(n) if *n == seen)) {
            return Err(Status::unavailable("the fake drops the stream at positions"));
        }
        let place = |id: &String| {
            let session = world.sessions.get(id);
            let refusal = match session {
                None => Some(Refusal::UnknownSession),
                Some(session) if session.settled => Some(Refusal::SessionRetired),
                Some(_) => None,
            };
            v1::WriterPosition {
                session_id: id.clone(),
                last_number: session.and_then(|s| s.places.get(writer)).map_or(0, |place| place.last),
                refused: refusal.and_then(|refusal| refused(refusal).refused),
            }
        };
        let positions = asked.session_ids.iter().map(place).collect();
        Ok(Say::Positions(v1::Positions { positions }))
    }
}
