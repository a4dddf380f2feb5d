//! Owns: the fake's authorizer service, calls and stream. Never: a rule; they are the world's.

use super::{Answered, DURABILITY, status};
use crate::fake::{
    Fake, Fault, World,
    decide::{level, refused},
    world::Session,
};
use tallystick_proto::v1::{
    self, Refusal, authorize_request::Intent, authorize_stream_request::Message as Hear,
    authorize_stream_response::Message as Say, authorizer_server::Authorizer, stream_debit::Act,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

#[tonic::async_trait]
impl Authorizer for Fake {
    type AuthorizeStreamStream = ReceiverStream<Result<v1::AuthorizeStreamResponse, Status>>;

    async fn open_session(
        &self,
        request: Request<v1::OpenSessionRequest>,
    ) -> Answered<v1::OpenSessionResponse> {
        let mut world = self.world();
        let opened = world.open_session(&request.into_inner()).map_err(status)?;
        let session = opened.and_then(|id| world.sessions.get(&id)).map(Session::shown);
        let mut response = v1::OpenSessionResponse {
            outcome: v1::Outcome::Approved.into(),
            seq: world.seq,
            durability: DURABILITY,
            session,
            ..v1::OpenSessionResponse::default()
        };
        if response.session.is_none() {
            response.set_outcome(v1::Outcome::Declined);
            response.set_code(v1::DeclineCode::Cap);
            response.set_level(v1::Level::Account);
        }
        Ok(Response::new(response))
    }

    async fn get_session(&self, request: Request<v1::GetSessionRequest>) -> Answered<v1::GetSessionResponse> {
        let world = self.world();
        let id = request.into_inner().session_id;
        let session = world.sessions.get(&id).ok_or_else(|| status(Refusal::UnknownSession))?;
        let settlement = world.settlements.iter().find(|settlement| settlement.session_id == id).cloned();
        let session = (!session.settled).then(|| session.shown());
        Ok(Response::new(v1::GetSessionResponse { session, settlement }))
    }

    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Answered<v1::ListSessionsResponse> {
        let id = request.into_inner().account_id;
        let world = self.world();
        let open = world.sessions.values().filter(|session| session.account == id && !session.settled);
        let sessions = open.map(Session::shown).collect();
        Ok(Response::new(v1::ListSessionsResponse { sessions, next_page_token: String::new() }))
    }

    async fn authorize(&self, request: Request<v1::AuthorizeRequest>) -> Answered<v1::AuthorizeResponse> {
        let asked = request.into_inner();
        let Some(Intent::IdempotencyKey(idempotency_key)) = asked.intent else {
            return Err(status(Refusal::Malformed));
        };
        let debit = v1::StreamDebit {
            amount_nanos: asked.amount_nanos,
            idempotency_key,
            reference: asked.reference,
            accept_partial: asked.accept_partial,
            ..v1::StreamDebit::default()
        };
        let batch = alone(&asked.session_id, &asked.payee_id, debit);
        let (decision, _) = self.decide_alone(&batch)?;
        Ok(Response::new(v1::AuthorizeResponse { decision: Some(decision) }))
    }

    async fn hold(&self, request: Request<v1::HoldRequest>) -> Answered<v1::HoldResponse> {
        let asked = request.into_inner();
        let Some(v1::hold_request::Intent::IdempotencyKey(idempotency_key)) = asked.intent else {
            return Err(status(Refusal::Malformed));
        };
        let v1::HoldRequest { tolerance_nanos, capture_until, .. } = asked;
        let terms = v1::HoldTerms { tolerance_nanos, capture_until };
        let debit = v1::StreamDebit {
            amount_nanos: asked.amount_nanos,
            idempotency_key,
            reference: asked.reference,
            act: Some(Act::Hold(Box::new(terms))),
            ..v1::StreamDebit::default()
        };
        let (decision, hold) = self.decide_alone(&alone(&asked.session_id, &asked.payee_id, debit))?;
        Ok(Response::new(v1::HoldResponse { decision: Some(decision), hold }))
    }

    async fn capture(&self, request: Request<v1::CaptureRequest>) -> Answered<v1::CaptureResponse> {
        let asked = request.into_inner();
        let Some(v1::capture_request::Intent::IdempotencyKey(idempotency_key)) = asked.intent else {
            return Err(status(Refusal::Malformed));
        };
        let terms = v1::CaptureTerms { hold_id: asked.hold_id, last: asked.last };
        let debit = v1::StreamDebit {
            amount_nanos: asked.amount_nanos,
            idempotency_key,
            reference: asked.reference,
            act: Some(Act::Capture(Box::new(terms))),
            ..v1::StreamDebit::default()
        };
        let (decision, hold) = self.decide_alone(&alone(&asked.session_id, &asked.payee_id, debit))?;
        Ok(Response::new(v1::CaptureResponse { decision: Some(decision), hold }))
    }

    async fn void(&self, request: Request<v1::VoidRequest>) -> Answered<v1::VoidResponse> {
        let asked = request.into_inner();
        let Some(v1::void_request::Intent::IdempotencyKey(idempotency_key)) = asked.intent else {
            return Err(status(Refusal::Malformed));
        };
        let act = Some(Act::Void(Box::new(v1::VoidTerms { hold_id: asked.hold_id })));
        let debit = v1::StreamDebit { idempotency_key, act, ..v1::StreamDebit::default() };
        let (decision, hold) = self.decide_alone(&alone(&asked.session_id, &asked.payee_id, debit))?;
        Ok(Response::new(v1::VoidResponse { decision: Some(decision), hold }))
    }

    async fn get_hold(&self, request: Request<v1::GetHoldRequest>) -> Answered<v1::GetHoldResponse> {
        let id = request.into_inner().hold_id;
        let world = self.world();
        let mut all = world.sessions.values().flat_map(|session| session.holds.values());
        let hold = all.find(|hold| hold.hold_id == id).ok_or_else(|| status(Refusal::UnknownHold))?;
        Ok(Response::new(v1::GetHoldResponse { hold: Some(hold.clone()) }))
    }

    async fn list_holds(&self, request: Request<v1::ListHoldsRequest>) -> Answered<v1::ListHoldsResponse> {
        let v1::ListHoldsRequest { session_id, after_seq, .. } = request.into_inner();
        let world = self.world();
        let session = world.sessions.get(&session_id).ok_or_else(|| status(Refusal::UnknownSession))?;
        let holds: Vec<_> = session.open_holds().filter(|hold| hold.seq > after_seq).cloned().collect();
        let next_after_seq = holds.last().map_or(after_seq, |last| last.seq);
        Ok(Response::new(v1::ListHoldsResponse { holds, next_after_seq }))
    }

    async fn settle(&self, request: Request<v1::SettleRequest>) -> Answered<v1::SettleResponse> {
        let v1::SettleRequest { session_id, cascade } = request.into_inner();
        let waits = |session: &&Session| session.open_holds().next().is_some();
        if let Some(session) = self.world().sessions.get(&session_id).filter(waits) {
            let state = v1::SessionState::Closing.into();
            let session = Some(v1::Session { state, ..session.shown() });
            let durability = DURABILITY;
            return Ok(Response::new(v1::SettleResponse {
                session,
                durability,
                ..v1::SettleResponse::default()
            }));
        }
        let (settlement, replayed, cascaded_count) =
            self.world().settle(&session_id, cascade).map_err(status)?;
        let (settlement, durability) = (Some(settlement), DURABILITY);
        let session = None;
        Ok(Response::new(v1::SettleResponse { settlement, replayed, durability, cascaded_count, session }))
    }

    async fn top_up(&self, request: Request<v1::TopUpRequest>) -> Answered<v1::TopUpResponse> {
        let mut world = self.world();
        let session = world.top_up(&request.into_inner()).map_err(status)?;
        let mut response = v1::TopUpResponse {
            outcome: v1::Outcome::Approved.into(),
            seq: world.seq,
            durability: DURABILITY,
            session,
            ..v1::TopUpResponse::default()
        };
        if response.session.is_none() {
            response.set_outcome(v1::Outcome::Declined);
            response.set_code(v1::DeclineCode::Cap);
            response.set_level(v1::Level::Account);
        }
        Ok(Response::new(response))
    }

    async fn reverse(&self, request: Request<v1::ReverseRequest>) -> Answered<v1::ReverseResponse> {
        let mut world = self.world();
        let (session, reversed_nanos) = world.reverse(&request.into_inner()).map_err(status)?;
        let (session, seq, durability) = (Some(session), world.seq, DURABILITY);
        Ok(Response::new(v1::ReverseResponse { session, reversed_nanos, seq, replayed: false, durability }))
    }

    async fn pause(&self, request: Request<v1::PauseRequest>) -> Answered<v1::PauseResponse> {
        use v1::pause_request::Target;
        let v1::PauseRequest { target, epoch, note } = request.into_inner();
        let on = match target.ok_or_else(|| status(Refusal::Malformed))? {
            Target::SessionId(id) | Target::TokenId(id) | Target::AccountId(id) => id,
            Target::FrontEnd(name) => format!("front-end:{name}"),
        };
        let to = v1::Control { state: v1::ControlState::Paused.into(), note, ..v1::Control::default() };
        let mut world = self.world();
        let (control, replayed) = world.set_control(&on, to, epoch).map_err(status)?;
        let (control, seq) = (Some(control), world.seq);
        Ok(Response::new(v1::PauseResponse { control, seq, replayed, durability: DURABILITY }))
    }

    async fn resume(&self, request: Request<v1::ResumeRequest>) -> Answered<v1::ResumeResponse> {
        use v1::resume_request::Target;
        let v1::ResumeRequest { target, epoch, note } = request.into_inner();
        let on = match target.ok_or_else(|| status(Refusal::Malformed))? {
            Target::SessionId(id) | Target::TokenId(id) | Target::AccountId(id) => id,
            Target::FrontEnd(name) => format!("front-end:{name}"),
        };
        let to = v1::Control { state: v1::ControlState::Open.into(), note, ..v1::Control::default() };
        let mut world = self.world();
        let (control, replayed) = world.set_control(&on, to, epoch).map_err(status)?;
        let (control, seq) = (Some(control), world.seq);
        Ok(Response::new(v1::ResumeResponse { control, seq, replayed, durability: DURABILITY }))
    }

    async fn revoke(&self, request: Request<v1::RevokeRequest>) -> Answered<v1::RevokeResponse> {
        use v1::revoke_request::Target;
        let v1::RevokeRequest { target, epoch, note, holds } = request.into_inner();
        let on = match target.ok_or_else(|| status(Refusal::Malformed))? {
            Target::SessionId(id) | Target::TokenId(id) | Target::AccountId(id) => id,
            Target::FrontEnd(name) => format!("front-end:{name}"),
        };
        let state = v1::ControlState::Revoked.into();
        let to = v1::Control { state, note, holds, ..v1::Control::default() };
        let mut world = self.world();
        let (control, replayed) = world.set_control(&on, to, epoch).map_err(status)?;
        let (control, seq) = (Some(control), world.seq);
        Ok(Response::new(v1::RevokeResponse { control, seq, replayed, durability: DURABILITY }))
    }

    async fn lookup_debit(
        &self,
        request: Request<v1::LookupDebitRequest>,
    ) -> Answered<v1::LookupDebitResponse> {
        let world = self.world();
        let by = request.into_inner().by.ok_or_else(|| status(Refusal::Malformed))?;
        let debit = world.look_up(&by);
        let state = match debit.as_ref().map(v1::DebitInfo::outcome) {
            None => v1::LookupState::NeverSeen,
            Some(v1::Outcome::Approved) => v1::LookupState::Approved,
            Some(_) => v1::LookupState::Declined,
        };
        let (state, as_of_seq, durability) = (state.into(), world.seq, DURABILITY);
        Ok(Response::new(v1::LookupDebitResponse { state, debit, as_of_seq, durability }))
    }

    async fn list_debits(&self, request: Request<v1::ListDebitsRequest>) -> Answered<v1::ListDebitsResponse> {
        let world = self.world();
        let v1::ListDebitsRequest { session_id, after_seq, .. } = request.into_inner();
        let later = world.debits.range(after_seq + 1..).map(|(_, debit)| debit);
        let debits: Vec<_> = later.filter(|debit| debit.session_id == session_id).take(2).cloned().collect();
        let next_after_seq = debits.last().map_or(after_seq, |last| last.seq);
        Ok(Response::new(v1::ListDebitsResponse { debits, next_after_seq, as_of_seq: world.seq }))
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

/// Puts one debit into a batch.
fn alone(session_id: &str, payee_id: &str, debit: v1::StreamDebit) -> v1::DebitBatch {
    v1::DebitBatch {
        session_ids: vec![session_id.to_owned()],
        payee_ids: vec![payee_id.to_owned()],
        debits: vec![debit],
        ..v1::DebitBatch::default()
    }
}

fn decision(world: &World, session_id: &str, result: &v1::DebitResult) -> v1::Decision {
    let debit = world.debits.get(&result.seq).cloned().unwrap_or_default();
    let declined = result.outcome() == v1::Outcome::Declined;
    let next = v1::Next {
        action: v1::NextAction::SmallerAmount.into(),
        at_most_nanos: result.remaining_nanos,
        at: None,
    };
    v1::Decision {
        outcome: result.outcome,
        debit_id: debit.debit_id,
        code: result.code,
        level: level(result.code()).into(),
        network_code: if declined { "51".to_owned() } else { String::new() },
        amount_nanos: if declined { debit.asked_nanos } else { debit.amount_nanos },
        remaining_nanos: result.remaining_nanos,
        seq: result.seq,
        replayed: result.replayed,
        durability: DURABILITY,
        next: declined.then_some(next),
        asked_nanos: debit.asked_nanos,
        final_unit: result.final_unit,
        limit_id: if declined { session_id.to_owned() } else { String::new() },
        hold_id: result.hold.as_ref().map(|hold| hold.hold_id.clone()).unwrap_or_default(),
        ..v1::Decision::default()
    }
}

impl Fake {
    /// Decides the one debit of a batch, as a unary call does.
    fn decide_alone(&self, batch: &v1::DebitBatch) -> Result<(v1::Decision, Option<v1::HoldInfo>), Status> {
        let mut world = self.world();
        world.batches_seen += 1;
        let seen = world.batches_seen;
        if world.faults.iter().any(|f| matches!(f, Fault::DropBefore(n) if *n == seen)) {
            return Err(status(Refusal::Overloaded));
        }
        let result = world.decide("", batch, None).remove(0);
        if let Some(refused) = &result.refused {
            return Err(status(refused.refusal()));
        }
        if world.faults.iter().any(|f| matches!(f, Fault::DropAfter(n) if *n == seen)) {
            return Err(status(Refusal::JournalFailed));
        }
        let session_id = batch.session_ids.first().map_or("", String::as_str);
        Ok((decision(&world, session_id, &result), result.hold.map(|hold| *hold)))
    }

    async fn stream(
        self,
        mut inbound: Streaming<v1::AuthorizeStreamRequest>,
        say: mpsc::Sender<Result<v1::AuthorizeStreamResponse, Status>>,
    ) {
        let mut writer = (String::new(), 0);
        while let Ok(Some(message)) = inbound.message().await {
            let answer = match message.message {
                Some(Hear::Hello(hello)) => self.hear_hello(&hello, &mut writer),
                Some(Hear::Batch(batch)) => self.hear_batch(&writer, &batch),
                Some(Hear::Positions(asked)) => self.hear_positions(&writer.0, &asked),
                // Nothing here has a secret.
                Some(Hear::Present(_)) => continue,
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
        let given = world.hello(&hello.writer_id);
        *writer = given.ok_or_else(|| status(Refusal::UnknownWriter))?;
        let (writer_id, epoch) = writer.clone();
        Ok(Say::Welcome(v1::Welcome { writer_id, epoch, durability: DURABILITY }))
    }

    fn hear_batch(&self, writer: &(String, u32), batch: &v1::DebitBatch) -> Result<Say, Status> {
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
        let results = world.decide(&writer.0, batch, shed);
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
