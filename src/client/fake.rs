//! Owns: a server that speaks the contract, decides by the simplest rules that the tests need, keeps a log of commands
//! if asked, and breaks streams where it is told to. Never: a model for the real one; it is the client's test double.

mod faces;
mod world;

pub(crate) use world::{Fault, World};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tallystick_proto::v1::{
    accounts_server::AccountsServer, authorizer_server::AuthorizerServer, payees_server::PayeesServer,
    settlements_server::SettlementsServer,
};
use tokio::net::TcpListener;
use tokio_stream::{StreamExt as _, wrappers::TcpListenerStream};
use tonic::transport::Server;

/// Shares one world between its faces.
#[derive(Clone)]
pub(crate) struct Fake {
    world: Arc<Mutex<World>>,
}

impl Fake {
    pub(crate) fn new(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)) }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves on a listener until the process ends.
    pub(crate) async fn serve(self, listener: TcpListener) -> Result<(), tonic::transport::Error> {
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
    #[allow(dead_code, reason = "used by the tests only")]
    pub(crate) async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(self.clone().serve(listener));
        format!("http://{address}")
    }
}
