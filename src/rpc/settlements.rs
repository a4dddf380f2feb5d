//! Owns: the `Settlements` service. Never: a rule.

use crate::{deadline::Deadline, decode, door, service::Shared, status};
use tallystick_core::{SessionId, SettlementId};
use tallystick_engine::Engine;
use tallystick_proto::v1::{self, settlements_server::Settlements};
use tonic::{Request, Response, Status};

pub(crate) struct SettlementsFace(pub(crate) Shared);

/// Bounds the pages looked through for one that has something in view of whoever asks.
const PAGES_PASSED_OVER: usize = 16;

/// Reads a settlement's id, or the id of the session that it settles.
fn settlement_id(text: &str) -> Result<SettlementId, Status> {
    let id = if text.starts_with(SessionId::PREFIX) {
        decode::session(text, "settlement_id").map(SessionId::settlement)
    } else {
        decode::settlement(text, "settlement_id")
    };
    id.map_err(decode::refuse)
}

fn list(
    shared: &Shared,
    request: Request<v1::ListSettlementsRequest>,
) -> Result<v1::ListSettlementsResponse, Status> {
    let deadline = Deadline::of(&request);
    let engine = door::asked(&request)?;
    let _permit = shared.gate.unary()?;
    let r = request.into_inner();
    let most = decode::page_size(r.page_size)?;
    deadline.check()?;
    // Only what is durable is listed, so there is no ticket to wait for.
    let (mut next_after_seq, mut found) = (r.after_seq, Vec::new());
    for _ in 0..PAGES_PASSED_OVER {
        let page = engine.settlements_after(next_after_seq, most).map_err(|fault| status::of(&fault))?;
        let Some(last) = page.last() else { break };
        next_after_seq = last.seq;
        found.extend(page.into_iter().filter(|settlement| engine.sees_settlement(settlement)));
        if !found.is_empty() {
            break;
        }
    }
    Ok(v1::ListSettlementsResponse {
        next_after_seq,
        settlements: found.iter().map(|settlement| shared.settlement(settlement)).collect(),
    })
}

#[tonic::async_trait]
impl Settlements for SettlementsFace {
    async fn get_settlement(
        &self,
        request: Request<v1::GetSettlementRequest>,
    ) -> Result<Response<v1::GetSettlementResponse>, Status> {
        let ask = |engine: &Engine, r: v1::GetSettlementRequest| {
            Ok(engine.settlement(settlement_id(&r.settlement_id)?))
        };
        let settlement = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::GetSettlementResponse { settlement: Some(self.0.settlement(&settlement)) }))
    }

    async fn list_settlements(
        &self,
        request: Request<v1::ListSettlementsRequest>,
    ) -> Result<Response<v1::ListSettlementsResponse>, Status> {
        self.0.tell_refusal(list(&self.0, request)).map(Response::new)
    }
}
