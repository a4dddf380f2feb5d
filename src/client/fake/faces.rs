//! Owns: what the fake's services share, payees and settlements. Never: a rule; they are the world's.

mod accounts;
mod authorizer;

use super::{Fake, world::Payee};
use tallystick_proto::v1::{
    self, Durability, Refusal, payees_server::Payees, settlements_server::Settlements,
};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

type Answered<T> = Result<Response<T>, Status>;

const DURABILITY: i32 = Durability::Os as i32;

fn status(refusal: Refusal) -> Status {
    let code = match refusal {
        Refusal::Overloaded => Code::ResourceExhausted,
        Refusal::JournalFailed => Code::Unavailable,
        Refusal::Malformed => Code::InvalidArgument,
        Refusal::KeyReused => Code::AlreadyExists,
        Refusal::WrongState | Refusal::ControlFenced | Refusal::OpenChildren | Refusal::SessionRetired => {
            Code::FailedPrecondition
        }
        _ => Code::NotFound,
    };
    let details = ErrorDetails::with_error_info(refusal.as_str_name(), "tallystick", []);
    Status::with_error_details(code, "the fake refuses", details)
}

#[tonic::async_trait]
impl Payees for Fake {
    async fn create_payee(
        &self,
        request: Request<v1::CreatePayeeRequest>,
    ) -> Answered<v1::CreatePayeeResponse> {
        let mut world = self.world();
        let payee = world.create_payee(&request.into_inner()).shown();
        let response =
            v1::CreatePayeeResponse { payee, seq: world.seq, replayed: false, durability: DURABILITY };
        Ok(Response::new(response))
    }

    async fn block_payee(&self, request: Request<v1::BlockPayeeRequest>) -> Answered<v1::BlockPayeeResponse> {
        let mut world = self.world();
        let seq = world.seq + 1;
        let payee = world.payees.get_mut(&request.into_inner().payee_id);
        let payee = payee.ok_or_else(|| status(Refusal::UnknownPayee))?;
        let replayed = std::mem::replace(&mut payee.is_blocked, true);
        let payee = payee.shown();
        world.seq = seq;
        Ok(Response::new(v1::BlockPayeeResponse { payee, seq, replayed, durability: DURABILITY }))
    }

    async fn get_payee(&self, request: Request<v1::GetPayeeRequest>) -> Answered<v1::GetPayeeResponse> {
        let world = self.world();
        let found = world.payees.get(&request.into_inner().payee_id);
        let found = found.ok_or_else(|| status(Refusal::UnknownPayee))?;
        Ok(Response::new(v1::GetPayeeResponse { payee: found.shown() }))
    }

    /// Pages of one, so that callers are seen to turn them.
    async fn list_payees(&self, request: Request<v1::ListPayeesRequest>) -> Answered<v1::ListPayeesResponse> {
        let world = self.world();
        let token = request.into_inner().page_token;
        let mut rest = world.payees.values().filter(|payee| payee.id > token);
        let payee = rest.next();
        let next_page_token = if rest.next().is_some() { payee.map(|p| p.id.clone()) } else { None };
        Ok(Response::new(v1::ListPayeesResponse {
            payees: payee.and_then(Payee::shown).into_iter().collect(),
            next_page_token: next_page_token.unwrap_or_default(),
        }))
    }
}

#[tonic::async_trait]
impl Settlements for Fake {
    async fn get_settlement(
        &self,
        request: Request<v1::GetSettlementRequest>,
    ) -> Answered<v1::GetSettlementResponse> {
        let world = self.world();
        let id = request.into_inner().settlement_id;
        let found = world.settlements.iter().find(|s| s.settlement_id == id || s.session_id == id);
        let settlement = Some(found.ok_or_else(|| status(Refusal::UnknownSettlement))?.clone());
        Ok(Response::new(v1::GetSettlementResponse { settlement }))
    }

    async fn list_settlements(
        &self,
        request: Request<v1::ListSettlementsRequest>,
    ) -> Answered<v1::ListSettlementsResponse> {
        let world = self.world();
        let after = request.into_inner().after_seq;
        let settlements: Vec<_> =
            world.settlements.iter().filter(|s| s.seq > after).take(1).cloned().collect();
        let next_after_seq = settlements.last().map_or(after, |last| last.seq);
        Ok(Response::new(v1::ListSettlementsResponse { settlements, next_after_seq }))
    }
}
