//! Owns: the `Credentials` service. Never: a key, a rule.

use crate::{command, decode, encode, service::Shared, status};
use tallystick_core::CredentialId;
use tallystick_engine::Engine;
use tallystick_proto::v1::{self, credentials_server::Credentials};
use tonic::{Request, Response, Status};

pub(crate) struct CredentialsFace(pub(crate) Shared);

fn credential_id(text: &str) -> Result<CredentialId, Status> {
    decode::credential(text, "credential_id").map_err(decode::refuse)
}

#[tonic::async_trait]
impl Credentials for CredentialsFace {
    async fn create_credential(
        &self,
        request: Request<v1::CreateCredentialRequest>,
    ) -> Result<Response<v1::CreateCredentialResponse>, Status> {
        let ask = |engine: &Engine, r: v1::CreateCredentialRequest| {
            Ok(engine.create_credential(&command::create_credential(&r)?))
        };
        let answer = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::CreateCredentialResponse {
            credential: Some(encode::credential(&answer.value)),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn revoke_credential(
        &self,
        request: Request<v1::RevokeCredentialRequest>,
    ) -> Result<Response<v1::RevokeCredentialResponse>, Status> {
        let ask = |engine: &Engine, r: v1::RevokeCredentialRequest| {
            Ok(engine.revoke_credential(credential_id(&r.credential_id)?))
        };
        let answer = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::RevokeCredentialResponse {
            credential: Some(encode::credential(&answer.value)),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn get_credential(
        &self,
        request: Request<v1::GetCredentialRequest>,
    ) -> Result<Response<v1::GetCredentialResponse>, Status> {
        let ask = |engine: &Engine, r: v1::GetCredentialRequest| {
            Ok(engine.credential(credential_id(&r.credential_id)?))
        };
        let row = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::GetCredentialResponse { credential: Some(encode::credential(&row)) }))
    }

    async fn list_credentials(
        &self,
        request: Request<v1::ListCredentialsRequest>,
    ) -> Result<Response<v1::ListCredentialsResponse>, Status> {
        let ask = |engine: &Engine, r: v1::ListCredentialsRequest| {
            let from = match r.page_token.as_str() {
                "" => 0,
                token => token.parse().map_err(|_| {
                    status::malformed("page_token", "must be a next_page_token of the same listing")
                })?,
            };
            Ok(engine.credentials(from, decode::page_size(r.page_size)?))
        };
        let (rows, next) = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::ListCredentialsResponse {
            credentials: rows.iter().map(encode::credential).collect(),
            next_page_token: next.map_or_else(String::new, |slot| slot.to_string()),
        }))
    }
}
