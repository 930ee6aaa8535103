//! Connections: who may stay, and who gives way.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::super::node::TestNode;
use super::client::{CENTRIFUGO, Client};
use super::{served, served_with};
use crate::control::requests::Request;
use crate::limits::{GRPC_IDLE_MS, GRPC_WRONG_KEYS_MAX, HTTP_LINGER_MS, HTTP_STRANGERS_MAX};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// How long it takes until the node closes a connection that began with these bytes.
fn closed_after(node: &TestNode, begin: &[u8]) -> Duration {
    let mut socket = TcpStream::connect(node.grpc.unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let begun = Instant::now();
    socket.write_all(begin).unwrap();
    let end = socket.read_to_end(&mut Vec::new());
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    begun.elapsed()
}

#[test]
fn who_begins_and_asks_nothing_has_to_go() {
    let node = TestNode::start(served());
    let most = Duration::from_millis(2 * GRPC_IDLE_MS + HTTP_LINGER_MS + 1_000);
    // A HEADERS frame that announces more to come, which never comes.
    let open_headers = [PREFACE, SETTINGS, b"\0\0\x01\x01\0\0\0\0\x01\x82"].concat();
    for begin in [&b""[..], b"PRI * HT", PREFACE, &[PREFACE, SETTINGS].concat(), &open_headers] {
        let after = closed_after(&node, begin);
        assert!(after < most, "{begin:?}: {after:?}");
    }
}

/// So many calls without a key, each a HEADERS frame with all that there is of it.
fn calls_without_a_key(count: usize) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "a")] {
        // A literal that enters no table.
        block.push(0);
        [name, value].iter().for_each(|text| {
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        });
    }
    let frame = |at: usize| {
        let head = [&[0, 0, block.len() as u8, 1, 5][..], &(2 * at as u32 + 1).to_be_bytes()].concat();
        [head, block.clone()].concat()
    };
    (0..count).flat_map(frame).collect()
}

#[test]
fn who_goes_on_with_wrong_keys_has_to_go_at_once_and_who_had_one_may_hear_of_it_before() {
    let node = TestNode::start(served());
    // It answers none of the node's frames, and so never says that it has heard of the end.
    let after = |count| closed_after(&node, &[PREFACE, SETTINGS, &calls_without_a_key(count)].concat());
    let linger = Duration::from_millis(HTTP_LINGER_MS);
    let one = after(1);
    assert!(one >= linger / 2 && one < Duration::from_millis(GRPC_IDLE_MS) + linger, "{one:?}");
    let many = after(GRPC_WRONG_KEYS_MAX + 1);
    assert!(many < linger / 2, "{many:?}");
}

#[test]
fn what_is_no_http_2_is_closed_at_once() {
    let node = TestNode::start(served());
    for begin in ["GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "\u{1}\u{2}\u{3} and so on, longer than the preface is"] {
        let after = closed_after(&node, begin.as_bytes());
        assert!(after < Duration::from_millis(GRPC_IDLE_MS), "{after:?}");
    }
}

#[tokio::test]
async fn strangers_leave_seats_to_backends_and_a_backend_that_idles_keeps_its_own() {
    let node = TestNode::start(served());
    let client = Client::of(&node).await;
    client.call(CENTRIFUGO, "info", &json!({})).await.unwrap();
    let address = node.grpc.unwrap();
    let strangers: Vec<_> = (0..HTTP_STRANGERS_MAX + 50).map(|_| TcpStream::connect(address).unwrap()).collect();
    // Each asks as soon as it is there, since who asks nothing has to go.
    let others = (0..8).map(async |_| Client::of(&node).await.call(CENTRIFUGO, "info", &json!({})).await.unwrap());
    join_all(others).await;
    let metrics = node.get("/metrics").await.1;
    let strangers_seated =
        metrics.lines().find_map(|line| line.strip_prefix(r#"ringpost_http_conns{class="stranger"} "#));
    assert!(strangers_seated.unwrap().parse::<usize>().unwrap() <= HTTP_STRANGERS_MAX, "{metrics}");
    drop(strangers);
    tokio::time::sleep(Duration::from_millis(3 * GRPC_IDLE_MS)).await;
    client.call(CENTRIFUGO, "info", &json!({})).await.unwrap();
}

#[tokio::test]
async fn strangers_who_watch_health_for_ever_give_way_to_who_comes() {
    let node = TestNode::start(served());
    let endpoint = Endpoint::from_shared(format!("http://{}", node.grpc.unwrap())).unwrap();
    let mut watches = Vec::new();
    for _ in 0..HTTP_STRANGERS_MAX {
        let mut health = HealthClient::new(endpoint.connect().await.unwrap());
        let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        watch.message().await.unwrap().expect("it is told how the node is");
        watches.push(watch);
    }
    // Longer than who asks nothing may stay.
    tokio::time::sleep(Duration::from_millis(2 * GRPC_IDLE_MS)).await;
    Client::of(&node).await.call(CENTRIFUGO, "info", &json!({})).await.unwrap();
    assert!(watches[0].message().await.is_err(), "who came first goes first");
}

#[tokio::test]
async fn thousands_of_calls_share_a_connection() {
    let node = TestNode::start(served());
    let client = Client::of(&node).await;
    let publish = json!({ "channel": "chat:lobby", "data": 1 });
    let calls = (0..3_000).map(|_| client.call(CENTRIFUGO, "publish", &publish));
    let mut offsets: Vec<_> =
        join_all(calls).await.into_iter().map(|answer| answer.unwrap()["result"]["offset"].as_u64()).collect();
    offsets.sort_unstable();
    assert!(offsets.iter().copied().eq((1..=3_000).map(Some)));
    let metrics = node.get("/metrics").await.1;
    assert!(metrics.contains(r#"ringpost_http_conns{class="backend"} 1"#), "{metrics}");
}

#[tokio::test]
async fn a_hangup_brings_a_new_key() {
    let mut changed = served_with(|config| config.grpc_api.key = "new".into()).config;
    changed.grpc_api.port = 1;
    let mut setup = served();
    setup.reload = Some(Box::new(move || Ok(changed.clone())));
    let node = TestNode::start(setup);
    let mut client = Client::of(&node).await;
    client.call(CENTRIFUGO, "info", &json!({})).await.unwrap();
    client.metadata = vec![("authorization", "apikey new".into())];
    node.requests.ask(Request::Reload);
    let until = Instant::now() + Duration::from_secs(10);
    while Client::call(&client, CENTRIFUGO, "info", &json!({})).await.is_err() {
        assert!(Instant::now() < until, "the new key is not taken");
        client = Client { metadata: client.metadata, ..Client::of(&node).await };
    }
}

#[tokio::test]
async fn a_node_ends_with_calls_and_connections_open() {
    let mut node = TestNode::start(served());
    let client = Client::of(&node).await;
    client.call(CENTRIFUGO, "info", &json!({})).await.unwrap();
    let _idle = TcpStream::connect(node.grpc.unwrap()).unwrap();
    node.requests.ask(Request::Leave);
    let ended = tokio::task::spawn_blocking(move || node.wait());
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap().unwrap().unwrap();
    assert!(client.call(CENTRIFUGO, "info", &json!({})).await.is_err());
}
