//! Owns: a server that hears keys alone, in this process, with a credential of every kind; and calls of any path with any
//! message. Never: a second way to be let in.

#![allow(dead_code, missing_docs, reason = "each test file uses a part of it")]
// `allow-unwrap-in-tests` does not reach support modules.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

use bytes::{Buf, BufMut};
use prost::Message;
use std::time::Duration;
use tallystick_client::{Client, ClientOptions, DrawnKey};
use tallystick_core::role::Roles;
use tallystick_proto::v1::{self, credentials_client::CredentialsClient};
use tallystick_rpc::Anonymous;
use tallystick_server::{App, Config, ServeFault};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Channel,
};

/// Runs as long as it is held, or until it is stopped.
pub struct Keyed {
    pub folder: TempDir,
    pub channel: Channel,
    pub address: String,
    /// The development key, at the first start.
    pub development: Option<String>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ServeFault>>,
}

impl Keyed {
    pub async fn start() -> Self {
        Self::start_on(tempfile::tempdir().unwrap()).await
    }

    pub async fn start_on(folder: TempDir) -> Self {
        let config = Config { anonymous: Anonymous::Nobody, ..Config::local(folder.path()).unwrap() };
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let mut app = App::start(config, listener).await.unwrap();
        let development = app.take_development_key();
        let served = tokio::spawn(app.run(async { drop(stopped.await) }));
        let channel = Channel::from_shared(address.clone()).unwrap().connect().await.unwrap();
        Self { folder, channel, address, development, stop, served }
    }

    pub async fn stop(self) -> TempDir {
        drop(self.channel);
        drop(self.stop);
        self.served.await.unwrap().unwrap();
        self.folder
    }

    pub fn client(&self, key: &str) -> Client {
        let key = Some(tallystick_client::ApiKey::new(key).unwrap());
        let limit = Duration::from_secs(20);
        let options =
            ClientOptions { key, retry_limit: limit, call_deadline: limit, ..ClientOptions::default() };
        Client::connect_with(&self.address, options).unwrap()
    }

    /// Makes a credential. Returns its key and itself.
    pub async fn credential(
        &self,
        with: &str,
        like: v1::CreateCredentialRequest,
    ) -> (String, v1::Credential) {
        let drawn = DrawnKey::draw().unwrap();
        let request = v1::CreateCredentialRequest {
            idempotency_key: format!("make {}", drawn.prefix),
            key_hash: drawn.hash.into(),
            prefix: drawn.prefix,
            name: if like.name.is_empty() { "test".into() } else { like.name.clone() },
            ..like
        };
        let made = CredentialsClient::new(self.channel.clone())
            .create_credential(keyed(Some(with), request))
            .await
            .unwrap()
            .into_inner();
        (drawn.text, made.credential.unwrap())
    }

    /// Calls a path with a message, and says what came of it.
    pub async fn call(&self, path: &str, key: Option<&str>, message: Vec<u8>) -> Result<Vec<u8>, Status> {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.unwrap();
        let path = PathAndQuery::try_from(path).unwrap();
        client.unary(keyed(key, message), path, Plain).await.map(tonic::Response::into_inner)
    }

    /// As `call`, with a message and an answer of the contract.
    pub async fn ask<A: Message + Default>(
        &self,
        path: &str,
        key: &str,
        message: &impl Message,
    ) -> Result<A, Status> {
        let path = format!("/tallystick.v1.{path}");
        let answer = self.call(&path, Some(key), message.encode_to_vec()).await?;
        Ok(A::decode(answer.as_slice()).unwrap())
    }
}

pub fn keyed<T>(key: Option<&str>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(key) = key {
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    request
}

/// Returns the roles as the wire has them.
pub fn roles(text: &str) -> Vec<i32> {
    let roles: Roles = text.parse().unwrap();
    roles.iter().map(|role| i32::from(role as u8)).collect()
}

/// Says whether a call was let in: whatever came of it after that.
pub fn was_let_in<T>(answer: &Result<T, Status>) -> bool {
    !matches!(
        answer.as_ref().map_err(Status::code),
        Err(Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented)
    )
}

/// Passes bytes as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item.as_slice());
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}
