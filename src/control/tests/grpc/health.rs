//! The services beside the API: health, and reflection.

use prost::Message as _;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus::{NotServing, Serving};
use tonic_health::pb::health_client::HealthClient;

use super::super::node::{Setup, TestNode};
use super::client::{CENTRIFUGO, Client, RINGPOST};
use super::{served, served_with};
use crate::control::requests;

fn of(service: &str) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest { service: service.into() })
}

#[tokio::test]
async fn health_is_told_to_everybody_and_says_when_the_node_drains() {
    let mut node = TestNode::start(Setup { ends: false, ..served() });
    let api = Client::of(&node).await;
    let mut health = HealthClient::new(api.channel.clone());
    for service in ["", CENTRIFUGO, RINGPOST] {
        assert_eq!(health.check(of(service)).await.unwrap().into_inner().status, Serving as i32, "{service}");
    }
    assert_eq!(health.check(of("other")).await.unwrap_err().code(), Code::NotFound);
    let mut watched = health.watch(of("")).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status, Serving as i32);
    node.requests.ask(requests::Request::Leave);
    assert_eq!(watched.message().await.unwrap().unwrap().status, NotServing as i32);
    assert_eq!(health.check(of(RINGPOST)).await.unwrap().into_inner().status, NotServing as i32);
    api.call(CENTRIFUGO, "info", &serde_json::json!({})).await.unwrap();
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", node.grpc.unwrap())).unwrap();
    // The kernel may take some until the listener is gone.
    let mut tries = 0..200;
    while endpoint.connect().await.is_ok() {
        assert!(tries.next().is_some(), "somebody is let in still");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    node.requests.ask(requests::Request::Leave);
    node.wait().unwrap_err();
    assert!(watched.message().await.is_err() || watched.message().await.is_ok_and(|more| more.is_none()));
}

/// The names of all services, by one version of reflection.
async fn listed(client: &Client, version: &str) -> Result<Vec<String>, tonic::Status> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Answer {
        #[prost(message, optional, tag = "6")]
        services: Option<Services>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Services {
        #[prost(message, repeated, tag = "1")]
        service: Vec<Service>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Service {
        #[prost(string, tag = "1")]
        name: String,
    }
    // `list_services`, field 7, with any text.
    let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
    let answer = Answer::decode(client.send(&path, b"\x3a\x01*".to_vec()).await?).unwrap();
    Ok(answer.services.unwrap_or_default().service.into_iter().map(|service| service.name).collect())
}

#[tokio::test]
async fn reflection_lists_the_services_for_who_has_the_key_where_it_is_switched_on() {
    let node = TestNode::start(served());
    let mut client = Client::of(&node).await;
    for version in ["v1", "v1alpha"] {
        let services = listed(&client, version).await.unwrap();
        for service in [CENTRIFUGO, RINGPOST, "grpc.health.v1.Health"] {
            assert!(services.iter().any(|name| name == service), "{version}: no {service} among {services:?}");
        }
    }
    client.metadata.clear();
    assert_eq!(listed(&client, "v1").await.unwrap_err().code(), Code::Unauthenticated);
    let without = TestNode::start(served_with(|config| config.grpc_api.reflection = false));
    let client = Client::of(&without).await;
    assert_eq!(listed(&client, "v1").await.unwrap_err().code(), Code::Unimplemented);
}
