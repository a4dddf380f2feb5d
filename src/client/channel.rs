//! Owns: the HTTP/2 channel and what every call over it may take in time. Never: knows what a call says.

use crate::{
    ApiKey, ClientError,
    v1::{
        accounts_client::AccountsClient, authorizer_client::AuthorizerClient,
        credentials_client::CredentialsClient, payees_client::PayeesClient,
        settlements_client::SettlementsClient, tokens_client::TokensClient,
    },
};
use std::time::Duration;
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Bounds what a call may take.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// For one try to connect.
    pub connect_limit: Duration,
    /// For one try of a unary call; the server is told, and honours it before it does anything.
    pub call_deadline: Duration,
    /// For all tries of a unary call together.
    pub retry_limit: Duration,
    /// The first pause between tries; it doubles.
    pub pause_least: Duration,
    /// The longest pause between tries.
    pub pause_most: Duration,
    /// Who asks; without one a server hears nobody, unless it serves its own machine alone.
    pub key: Option<ApiKey>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_limit: Duration::from_secs(2),
            call_deadline: Duration::from_secs(5),
            retry_limit: Duration::from_secs(30),
            pause_least: Duration::from_millis(10),
            pause_most: Duration::from_millis(500),
            key: None,
        }
    }
}

/// Speaks to one server over one HTTP/2 connection, which is made when first needed and made again when lost.
///
/// *Cost*: a clone shares the connection.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) channel: Channel,
    pub(crate) options: ClientOptions,
}

impl Client {
    /// Prepares a connection to `uri` (`http://host:port`); nothing is sent yet.
    ///
    /// *Errors*: [`ClientError::Address`].
    pub fn connect(uri: &str) -> Result<Self, ClientError> {
        Self::connect_with(uri, ClientOptions::default())
    }

    /// Prepares a connection with other bounds.
    ///
    /// *Errors*: [`ClientError::Address`].
    pub fn connect_with(uri: &str, options: ClientOptions) -> Result<Self, ClientError> {
        let endpoint = Endpoint::from_shared(uri.to_owned())
            .map_err(|error| ClientError::Address { uri: uri.to_owned(), reason: error.to_string() })?
            .connect_timeout(options.connect_limit)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_adaptive_window(false)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(10));
        Ok(Self { channel: endpoint.connect_lazy(), options })
    }

    pub(crate) fn accounts(&self) -> AccountsClient<Channel> {
        AccountsClient::new(self.channel.clone())
    }

    pub(crate) fn credentials(&self) -> CredentialsClient<Channel> {
        CredentialsClient::new(self.channel.clone())
    }

    pub(crate) fn tokens(&self) -> TokensClient<Channel> {
        TokensClient::new(self.channel.clone())
    }

    /// Makes a request that says who asks.
    pub(crate) fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(key) = &self.options.key {
            key.sign(&mut request);
        }
        request
    }

    pub(crate) fn payees(&self) -> PayeesClient<Channel> {
        PayeesClient::new(self.channel.clone())
    }

    pub(crate) fn authorizer(&self) -> AuthorizerClient<Channel> {
        AuthorizerClient::new(self.channel.clone())
    }

    pub(crate) fn settlements(&self) -> SettlementsClient<Channel> {
        SettlementsClient::new(self.channel.clone())
    }
}
