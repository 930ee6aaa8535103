//! Who may not call, and what is no call.

use std::time::Duration;

use axum::http::{HeaderValue, Request};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::{Code, Status};

use super::super::node::TestNode;
use super::client::{CENTRIFUGO, Client, RINGPOST};
use super::{served, served_with};

async fn info(client: &Client) -> Result<(), Status> {
    client.call(CENTRIFUGO, "info", &json!({})).await.map(drop)
}

#[tokio::test]
async fn only_who_has_the_key_may_call() {
    let node = TestNode::start(served());
    for (name, value, admitted) in [
        ("authorization", "apikey dev", true),
        ("authorization", "ApiKey dev", true),
        ("x-api-key", "dev", true),
        ("authorization", "apikey other", false),
        ("authorization", "dev", false),
        ("authorization", "", false),
        ("x-other", "apikey dev", false),
    ] {
        let mut client = Client::of(&node).await;
        client.metadata = vec![(name, value.into())];
        let code = info(&client).await.map_err(|status| status.code());
        assert_eq!(code, if admitted { Ok(()) } else { Err(Code::Unauthenticated) }, "{name}: {value}");
    }
    let metrics = node.get("/metrics").await.1;
    assert!(metrics.contains(r#"ringpost_api_rejections_total{status="401"} 4"#), "{metrics}");
}

#[tokio::test]
async fn a_key_of_grpc_alone_is_none_of_http() {
    let node = TestNode::start(served_with(|config| config.grpc_api.key = "own".into()));
    assert_eq!(info(&Client::of(&node).await).await.unwrap_err().code(), Code::Unauthenticated);
    // A connection of its own: one whose key was wrong ends.
    let own = vec![("authorization", "apikey own".into())];
    info(&Client { metadata: own, ..Client::of(&node).await }).await.unwrap();
    assert!(node.request("info", &json!({})).send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn what_is_no_request_of_the_call_is_an_invalid_argument_and_what_is_no_call_unimplemented() {
    let node = TestNode::start(served());
    let client = Client::of(&node).await;
    // A length that goes beyond the end, a text that is no UTF-8, a wire type that does not exist.
    for message in [&b"\x0a\x05a"[..], b"\x0a\x02\xff\xfe", b"\x0f"] {
        let status = client.send(&format!("/{CENTRIFUGO}/Publish"), message.to_vec()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{message:?}: {status}");
    }
    for path in [format!("/{CENTRIFUGO}/BlockUser"), format!("/{RINGPOST}/publish"), "/a.B/C".into(), "/".into()] {
        let status = client.send(&path, Vec::new()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{path}: {status}");
    }
    // Fields of another version are passed over.
    client.send(&format!("/{CENTRIFUGO}/Info"), b"\xf8\x07\x01".to_vec()).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_and_the_longest_is_taken() {
    let node = TestNode::start(served());
    let client = Client::of(&node).await;
    let publish = |bytes| json!({ "channel": "chat:lobby", "data": "x".repeat(bytes) });
    let answer = client.call(CENTRIFUGO, "publish", &publish(64 * 1024)).await.unwrap();
    assert_eq!(answer["result"]["offset"], 1);
    let status = client.call(CENTRIFUGO, "publish", &publish(8 * 1024 * 1024)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    info(&client).await.unwrap();
}

#[tokio::test]
async fn a_batch_that_is_too_long_is_refused_before_it_is_read() {
    let node = TestNode::start(served());
    let client = Client::of(&node).await;
    let commands = vec![json!({}); 10_001];
    let status = client.call(RINGPOST, "batch", &json!({ "commands": commands })).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let answer = client.call(RINGPOST, "batch", &json!({ "commands": commands[1..] })).await.unwrap();
    assert_eq!(answer["replies"].as_array().unwrap().len(), 10_000);
    // Millions of empty commands, and a wrong end that is not reached.
    let many = [b"\x0a\x00".repeat(4_000_000), b"\x0f".to_vec()].concat();
    let status = client.send(&format!("/{RINGPOST}/Batch"), many).await.unwrap_err();
    assert!(status.code() == Code::InvalidArgument && status.message().contains("more than 10000"), "{status}");
    let few = [b"\x0a\x00".to_vec(), b"\x0f".to_vec()].concat();
    let status = client.send(&format!("/{RINGPOST}/Batch"), few).await.unwrap_err();
    assert!(status.code() == Code::InvalidArgument && status.message().contains("is no"), "{status}");
}

/// A call whose message does not come, of a caller that waits for so long. The library of the client would end it by itself.
async fn status_without_a_message(node: &TestNode, grpc_timeout: &str) -> HeaderValue {
    let address = node.grpc.unwrap();
    let (requests, conn) = h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
    tokio::spawn(conn);
    let request = Request::post(format!("http://{address}/{CENTRIFUGO}/Info"))
        .header("content-type", "application/grpc")
        .header("authorization", "apikey dev")
        .header("grpc-timeout", grpc_timeout);
    let (answer, _message) = requests.ready().await.unwrap().send_request(request.body(()).unwrap(), false).unwrap();
    let answer = timeout(Duration::from_secs(10), answer).await.expect("it is answered in time").unwrap();
    answer.headers()["grpc-status"].clone()
}

#[tokio::test]
async fn who_waits_no_longer_is_told_that_it_is_late() {
    let node = TestNode::start(served());
    for grpc_timeout in ["0n", "50m"] {
        let status = status_without_a_message(&node, grpc_timeout).await;
        assert_eq!(status, (Code::DeadlineExceeded as i32).to_string(), "{grpc_timeout}");
    }
    let mut client = Client::of(&node).await;
    client.metadata.push(("grpc-timeout", "5S".into()));
    info(&client).await.unwrap();
}
