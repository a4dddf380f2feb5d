//! Owns: a server that speaks the contract, decides by the simplest rules that tests of callers need, and breaks streams
//! where it is told to. Built for this crate's tests, and with the feature `fake` for those of the command line.
//! Never: a model for the real one; it is a test double.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test double")]

mod control;
mod decide;
mod faces;
mod money;
mod world;

pub use world::{Fault, World};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tallystick_proto::v1::{
    accounts_server::AccountsServer, authorizer_server::AuthorizerServer, payees_server::PayeesServer,
    settlements_server::SettlementsServer,
};
use tokio::net::TcpListener;
use tokio_stream::{StreamExt as _, wrappers::TcpListenerStream};
use tonic::transport::Server;

/// Shares one world between its faces.
#[derive(Clone, Debug)]
pub struct Fake {
    world: Arc<Mutex<World>>,
}

impl Fake {
    pub fn new(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)) }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves on a listener until the runtime ends.
    async fn serve(self, listener: TcpListener) -> Result<(), tonic::transport::Error> {
        let incoming = TcpListenerStream::new(listener).map(|accepted| {
            accepted.inspect(|socket| {
                let _ = socket.set_nodelay(true);
            })
        });
        Server::builder()
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(16 << 20)
            .add_service(AccountsServer::new(self.clone()))
            .add_service(PayeesServer::new(self.clone()))
            .add_service(AuthorizerServer::new(self.clone()))
            .add_service(SettlementsServer::new(self))
            .serve_with_incoming(incoming)
            .await
    }

    /// Serves on a port of its own and returns its address.
    pub async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(self.clone().serve(listener));
        format!("http://{address}")
    }
}
