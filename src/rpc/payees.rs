//! Owns: the `Payees` service. Never: a rule.

use crate::{command, decode, encode, service::Shared};
use tallystick_engine::Engine;
use tallystick_proto::v1::{self, payees_server::Payees};
use tonic::{Request, Response, Status};

pub(crate) struct PayeesFace(pub(crate) Shared);

#[tonic::async_trait]
impl Payees for PayeesFace {
    async fn create_payee(
        &self,
        request: Request<v1::CreatePayeeRequest>,
    ) -> Result<Response<v1::CreatePayeeResponse>, Status> {
        let ask =
            |engine: &Engine, r: v1::CreatePayeeRequest| Ok(engine.create_payee(&command::create_payee(&r)));
        let answer = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::CreatePayeeResponse {
            payee: Some(encode::payee(&answer.value)),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn block_payee(
        &self,
        request: Request<v1::BlockPayeeRequest>,
    ) -> Result<Response<v1::BlockPayeeResponse>, Status> {
        let ask = |engine: &Engine, r: v1::BlockPayeeRequest| {
            Ok(engine.block_payee(decode::payee(&r.payee_id, "payee_id").map_err(decode::refuse)?))
        };
        let answer = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::BlockPayeeResponse {
            payee: Some(encode::payee(&answer.value)),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn get_payee(
        &self,
        request: Request<v1::GetPayeeRequest>,
    ) -> Result<Response<v1::GetPayeeResponse>, Status> {
        let ask = |engine: &Engine, r: v1::GetPayeeRequest| {
            Ok(engine.payee(decode::payee(&r.payee_id, "payee_id").map_err(decode::refuse)?))
        };
        let payee = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::GetPayeeResponse { payee: Some(encode::payee(&payee)) }))
    }

    async fn list_payees(
        &self,
        request: Request<v1::ListPayeesRequest>,
    ) -> Result<Response<v1::ListPayeesResponse>, Status> {
        let ask = |engine: &Engine, r: v1::ListPayeesRequest| {
            Ok(engine.payees(decode::cursor(&r.page_token)?, decode::page_size(r.page_size)?))
        };
        let page = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::ListPayeesResponse {
            payees: page.rows.iter().map(encode::payee).collect(),
            next_page_token: encode::page_token(page.next),
        }))
    }
}
