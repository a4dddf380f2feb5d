//! Owns: that tools find their way without our files: health of every service, reflection in both versions; and that the
//! server is a function that can be called, with its listener and its end handed in.

#![allow(clippy::unwrap_used, reason = "a function of a test is no `#[test]` to clippy")]

use std::collections::BTreeSet;
use tallystick_server::{Config, SERVICES, serve};
use tokio::{net::TcpListener, sync::oneshot};
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{v1, v1alpha};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn describes_itself_to_tools() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::local(folder.path()).unwrap();
    let listener = TcpListener::bind(config.listen).await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve(config.clone(), listener, async { drop(stopped.await) }));

    let channel = Channel::from_shared(uri).unwrap().connect().await.unwrap();
    for service in SERVICES {
        let asked = HealthCheckRequest { service: service.into() };
        let health = HealthClient::new(channel.clone()).check(asked).await.unwrap().into_inner();
        assert_eq!(health.status(), ServingStatus::Serving, "{service:?}");
    }
    let expected = SERVICES.into_iter().filter(|name| !name.is_empty()).chain(["grpc.health.v1.Health"]);
    let expected: BTreeSet<String> = expected.map(str::to_owned).collect();
    for listed in [listed(&channel).await, listed_alpha(&channel).await] {
        assert!(listed.is_superset(&expected), "{listed:?}");
    }

    drop(channel);
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
    // All of it is gone: the folder can be opened again at once.
    let listener = TcpListener::bind(config.listen).await.unwrap();
    serve(config, listener, async {}).await.unwrap();
}

async fn listed(channel: &Channel) -> BTreeSet<String> {
    use v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let asked = ServerReflectionRequest { host: String::new(), message_request };
    let mut client = ServerReflectionClient::new(channel.clone());
    let mut answers = client.server_reflection_info(tokio_stream::iter([asked])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    list.service.into_iter().map(|service| service.name).collect()
}

async fn listed_alpha(channel: &Channel) -> BTreeSet<String> {
    use v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let asked = ServerReflectionRequest { host: String::new(), message_request };
    let mut client = ServerReflectionClient::new(channel.clone());
    let mut answers = client.server_reflection_info(tokio_stream::iter([asked])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    list.service.into_iter().map(|service| service.name).collect()
}
