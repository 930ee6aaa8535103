//! The same calls by HTTP and by gRPC.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::node::{TestClient, TestNode};
use super::super::openapi::shape;
use super::client::{CENTRIFUGO, Client, RINGPOST, fill, show};
use super::{served, served_with};
use crate::auth::mint;
use crate::config::Config;

/// User 42, as the conversation of the examples has it.
fn guest(node: &TestNode) -> TestClient<'_> {
    let claims = json!({ "sub": "42", "exp": 4_000_000_000_u64, "info": { "name": "42" } });
    let client = node.client_with(0, &mint::hs256(&Config::dev().client.token.hmac_secret_key, &claims));
    client.subscribe("chat:lobby");
    client
}

/// The examples of all methods, in their order.
async fn examples(node: &TestNode) -> Vec<(String, Value)> {
    let document: Value = serde_json::from_str(&node.get("/api/openapi.json").await.1).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let calls = paths.filter_map(|(path, item)| {
        let example = item.pointer("/post/requestBody/content/application~1json/example")?;
        Some((path.strip_prefix("/api/")?.to_owned(), example.clone()))
    });
    calls.collect()
}

#[tokio::test]
async fn the_conversation_of_the_examples_is_the_same_by_http_and_by_grpc() {
    for service in [RINGPOST, CENTRIFUGO] {
        let nodes = [TestNode::start(served()), TestNode::start(served())];
        let _guests = [guest(&nodes[0]), guest(&nodes[1])];
        let client = Client::of(&nodes[1]).await;
        let mut called = 0;
        for (method, request) in examples(&nodes[0]).await {
            let by_http = nodes[0].call(&method, request.clone()).await;
            let Some(rpc) = client.rpc(service, &method) else {
                nodes[1].call(&method, request).await;
                continue;
            };
            let by_grpc = client.call(service, &method, &request).await.unwrap();
            assert_eq!(shape(&by_grpc), shape(&show(&fill(&rpc.output(), &by_http))), "{service}/{method}: {by_grpc}");
            called += 1;
        }
        assert!(called >= 14, "{service}: {called} calls");
    }
}

#[tokio::test]
async fn what_is_read_by_grpc_is_what_is_read_by_http() {
    let node = TestNode::start(served());
    let _guest = guest(&node);
    let client = Client::of(&node).await;
    for (method, call) in [
        ("publish", json!({ "channel": "chat:lobby", "data": { "a": [1, null, "x"] }, "tags": { "k": "v" } })),
        ("publish", json!({ "channel": "chat:lobby", "b64data": "AP8=" })),
        ("publish", json!({ "channel": "chat:lobby", "data": "later", "delay": "1h" })),
        ("publish", json!({ "channel": "inbox:team", "data": 1 })),
        ("members_add", json!({ "channel": "inbox:team", "users": ["42", "7"] })),
        ("session_attributes", json!({ "user": "42", "set": { "muted": true, "n": 1.5 } })),
        ("tokens_revoke", json!({ "user": "7", "device": "lost" })),
    ] {
        let answer = client.call(RINGPOST, method, &call).await.unwrap();
        assert!(answer["error"].is_null(), "{method}: {answer}");
    }
    for (method, call) in [
        ("history", json!({ "channel": "chat:lobby", "limit": 1 })),
        ("history", json!({ "channel": "nowhere:x", "limit": 1 })),
        ("presence", json!({ "channel": "chat:lobby" })),
        ("presence_stats", json!({ "channel": "chat:lobby" })),
        ("scheduled_list", json!({ "channel": "chat:lobby" })),
        ("members_list", json!({ "channel": "inbox:team" })),
        ("inbox_positions", json!({ "channel": "inbox:team", "user": "42" })),
        ("inbox_unread", json!({ "channel": "inbox:team", "user": "7" })),
        ("inbox_unread", json!({ "channel": "inbox:team", "user": "nobody" })),
        ("trace", json!({ "channel": "inbox:team", "offset": 1 })),
        ("dead_letters_list", json!({ "channel": "inbox:team" })),
        ("channels", json!({ "pattern": "chat:*", "limit": 10 })),
        ("connections", json!({ "user": "42" })),
        ("users_status", json!({ "users": ["42", "7"] })),
        ("session_attributes", json!({ "user": "42" })),
        ("tokens_revoked", json!({})),
        ("batch", json!({ "commands": [{ "presence": { "channel": "chat:lobby" } }, {}, { "channels": {} }] })),
    ] {
        for service in [RINGPOST, CENTRIFUGO] {
            let Some(rpc) = client.rpc(service, method) else { continue };
            let mut answers = [
                show(&fill(&rpc.output(), &node.call(method, call.clone()).await)),
                client.call(service, method, &call).await.unwrap(),
            ];
            for answer in &mut answers {
                let sessions = answer.pointer_mut("/result/connections").and_then(Value::as_object_mut);
                sessions.into_iter().flatten().for_each(|(_, session)| session["ttl"] = json!(0));
            }
            assert_eq!(answers[1], answers[0], "{service}/{method}");
        }
    }
}

#[tokio::test]
async fn data_is_bytes_whatever_they_hold() {
    let node = TestNode::start(served());
    let guest = guest(&node);
    guest.received();
    let client = Client::of(&node).await;
    let rpc = |method| client.rpc(CENTRIFUGO, method).unwrap();
    for bytes in [&b"\x00\xff\xfe"[..], b"{\"a\": 1}", b"hello", b"\"text\"", b"null", b" 7 ", "grüße".as_bytes(), b"{"]
    {
        let mut publish = fill(&rpc("publish").input(), &json!({ "channel": "chat:lobby" }));
        publish.set_field_by_name("data", prost_reflect::Value::Bytes(bytes.to_vec().into()));
        let path = format!("/{CENTRIFUGO}/Publish");
        client.send(&path, prost::Message::encode_to_vec(&publish)).await.unwrap();
        let last = json!({ "channel": "chat:lobby", "limit": 1, "reverse": true });
        let request = fill(&rpc("history").input(), &last);
        let answer = client.send(&format!("/{CENTRIFUGO}/History"), prost::Message::encode_to_vec(&request)).await;
        let answer = prost_reflect::DynamicMessage::decode(rpc("history").output(), answer.unwrap()).unwrap();
        let result = answer.get_field_by_name("result").unwrap().into_owned();
        let list = result.as_message().unwrap().get_field_by_name("publications").unwrap().into_owned();
        let data = list.as_list().unwrap()[0].as_message().unwrap().get_field_by_name("data").unwrap().into_owned();
        let came = data.as_bytes().unwrap();
        assert_eq!(came.trim_ascii(), bytes.trim_ascii(), "{}", STANDARD.encode(bytes));
        // A client that speaks JSON is given JSON.
        let publication = guest.publications().pop().unwrap();
        if let Ok(json) = serde_json::from_slice::<Value>(bytes) {
            assert_eq!(publication["data"], json);
        }
    }
}

#[tokio::test]
async fn bytes_that_must_be_json_and_are_none_are_refused_as_every_bad_field_is() {
    let node = TestNode::start(served());
    let client = Client::of(&node).await;
    for (method, field, rest) in
        [("refresh", "info", json!({ "user": "42" })), ("session_attributes", "set", json!({ "user": "42" }))]
    {
        let rpc = client.rpc(RINGPOST, method).unwrap();
        let mut request = fill(&rpc.input(), &rest);
        request.set_field_by_name(field, prost_reflect::Value::Bytes(b"{".to_vec().into()));
        let path = format!("/{RINGPOST}/{}", rpc.name());
        let answer = client.send(&path, prost::Message::encode_to_vec(&request)).await.unwrap();
        let answer = show(&prost_reflect::DynamicMessage::decode(rpc.output(), answer).unwrap());
        assert_eq!(answer["error"]["code"], 107, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(field), "{answer}");
    }
    let wrong = json!({ "channel": "chat:lobby", "data": 1, "delay": "soon" });
    let answer = client.call(RINGPOST, "publish", &wrong).await.unwrap();
    assert_eq!(answer["error"]["code"], 107, "{answer}");
}

#[tokio::test]
async fn calls_count_among_those_of_http_and_what_is_none_among_the_rejections() {
    let node = TestNode::start(served());
    let client = Client::of(&node).await;
    client.call(CENTRIFUGO, "publish", &json!({ "channel": "chat:lobby", "data": 1 })).await.unwrap();
    client.call(RINGPOST, "publish", &json!({ "channel": "nowhere:x", "data": 1 })).await.unwrap();
    client.send(&format!("/{RINGPOST}/Publish"), b"\xff".to_vec()).await.unwrap_err();
    let metrics = node.get("/metrics").await.1;
    for line in [
        r#"ringpost_api_call_duration_seconds_count{method="publish"} 2"#,
        r#"ringpost_api_errors_total{method="publish",code="102"} 1"#,
        r#"ringpost_api_rejections_total{status="400"} 1"#,
        r#"ringpost_http_conns{class="backend"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not among\n{metrics}");
    }
}

#[tokio::test]
async fn who_wants_errors_by_status_has_them_there_with_the_error_among_the_details() {
    let node = TestNode::start(served_with(|config| config.grpc_api.insecure = true));
    let mut client = Client::of(&node).await;
    client.metadata = vec![("x-centrifugo-error-mode", "transport".into())];
    let unknown = client.call(CENTRIFUGO, "publish", &json!({ "channel": "nowhere:x", "data": 1 })).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.message()), (tonic::Code::NotFound, "unknown channel"));
    let details = unknown.details();
    let kind = b"type.googleapis.com/centrifugal.centrifugo.api.Error";
    assert!(details.windows(kind.len()).any(|part| part == kind), "{details:?}");
    let bad = client.call(CENTRIFUGO, "publish", &json!({ "channel": "chat:lobby" })).await.unwrap_err();
    assert_eq!(bad.code(), tonic::Code::InvalidArgument);
    let metrics = node.get("/metrics").await.1;
    assert!(metrics.contains(r#"ringpost_api_errors_total{method="publish",code="102"} 1"#), "{metrics}");
    assert!(!metrics.contains("ringpost_api_rejections_total{"), "they were calls: {metrics}");
}
