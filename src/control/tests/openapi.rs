//! The API's description against the API.

use jsonschema::Validator;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::node::{KEY, Setup, TestNode};
use crate::auth::mint;
use crate::config::Config;

async fn document(node: &TestNode) -> Value {
    let (status, text) = node.get("/api/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    serde_json::from_str(&text).unwrap()
}

/// A validator of what the document says about one place in it.
fn validator(document: &Value, pointer: &str) -> Validator {
    let mut schema = document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not described")).clone();
    schema["components"] = document["components"].clone();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn place(path: &str, rest: &str) -> String {
    format!("/paths/{}/post/{rest}/content/application~1json/schema", path.replace('/', "~1"))
}

#[tokio::test]
async fn live_requests_and_answers_of_every_method_are_as_described() {
    let node = TestNode::start(Setup::default());
    let clients = [node.client(0, "ann"), node.client(1, "ben")];
    clients.iter().for_each(|client| client.subscribe("chat:room"));
    clients[0].send(json!({ "id": 4, "publish": { "channel": "chat:room", "data": "by a client" } }));
    let document = document(&node).await;
    let calls = [
        ("publish", json!({ "channel": "chat:room", "data": { "a": 1 }, "tags": { "a": "b" } })),
        ("publish", json!({ "channel": "plain", "b64data": "aGk=" })),
        ("publish", json!({ "channel": "chat:room", "data": 1, "delay": "1h30m", "ttl": 60 })),
        ("scheduled_list", json!({ "channel": "chat:room" })),
        ("scheduled_cancel", json!({ "channel": "chat:room", "id": "1" })),
        ("broadcast", json!({ "channels": ["chat:room", "nowhere:x"], "data": 1, "skip_history": true })),
        ("subscribe", json!({ "user": "ann", "channel": "typing:x", "override": { "presence": { "value": true } } })),
        ("unsubscribe", json!({ "user": "ann", "channel": "typing:x" })),
        ("refresh", json!({ "user": "ann", "expire_at": 0 })),
        ("session_attributes", json!({ "user": "ann", "set": { "a": 1, "b": null }, "remove": ["c"] })),
        ("tokens_revoke", json!({ "user": "cat", "device": "phone", "issued_before": 1_700_000_000 })),
        ("tokens_revoked", json!({ "limit": 10, "after": { "user": "ben" } })),
        ("presence", json!({ "channel": "chat:room" })),
        ("presence_stats", json!({ "channel": "chat:room" })),
        ("history", json!({ "channel": "chat:room", "limit": 10 })),
        ("history", json!({ "channel": "plain" })),
        ("history_remove", json!({ "channel": "chat:room" })),
        ("members_add", json!({ "channel": "inbox:room", "users": ["ann", "ben"] })),
        ("members_remove", json!({ "channel": "inbox:room", "users": ["ben"] })),
        ("members_list", json!({ "channel": "inbox:room" })),
        ("publish", json!({ "channel": "inbox:room", "data": 1 })),
        ("inbox_positions", json!({ "channel": "inbox:room", "user": "ann" })),
        ("inbox_unread", json!({ "channel": "inbox:room", "user": "ann" })),
        ("trace", json!({ "channel": "inbox:room", "offset": 1 })),
        ("dead_letters_list", json!({})),
        ("dead_letters_show", json!({ "channel": "inbox:room", "offset": 1 })),
        ("dead_letters_requeue", json!({ "channel": "inbox:room", "offset": 1 })),
        ("dead_letters_purge", json!({ "channel": "inbox:room" })),
        ("channels", json!({ "pattern": "" })),
        ("connections", json!({ "user": "ann" })),
        ("users_status", json!({ "users": ["ann", "nobody"] })),
        ("users_state", json!({ "users": ["ann"] })),
        ("badge_get", json!({ "user": "ann", "channels": true })),
        ("badge_reset", json!({ "user": "ann" })),
        ("mute_set", json!({ "user": "ann", "channel": "chat:room" })),
        ("mute_list", json!({ "user": "ann" })),
        ("mute_remove", json!({ "user": "ann" })),
        ("info", json!({})),
        ("batch", json!({ "commands": [{ "info": {} }, { "presence": { "channel": "" } }], "parallel": true })),
        ("disconnect", json!({ "user": "ann", "disconnect": { "code": 4000, "reason": "bye" } })),
    ];
    for (method, body) in &calls {
        let path = format!("/api/{method}");
        let request = validator(&document, &place(&path, "requestBody"));
        assert!(request.is_valid(body), "{method}: {:?}", request.iter_errors(body).collect::<Vec<_>>());
        let answer = node.call(method, body.clone()).await;
        let reply = validator(&document, &place(&path, "responses/200"));
        assert!(reply.is_valid(&answer), "{method}: {answer}: {:?}", reply.iter_errors(&answer).collect::<Vec<_>>());
        assert!(!reply.is_valid(&json!({ "result": 7 })), "{method}: anything is valid");
    }
    let of_api = |(path, item): &(&String, &Value)| path.starts_with("/api/") && item.get("post").is_some();
    let described = document["paths"].as_object().unwrap().iter().filter(of_api);
    for (path, _) in described {
        assert!(calls.iter().any(|(method, _)| path == &format!("/api/{method}")), "{path} was not called");
    }
}

/// What a value is made of: names and types, with ids and texts of the node's own left out.
pub(super) fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let name = |name: &String| if name.parse::<uuid::Uuid>().is_ok() { "an id".into() } else { name.clone() };
            fields.iter().map(|(field, value)| (name(field), shape(value))).collect()
        }
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Number(_) => json!(0),
        Value::String(_) => json!(""),
        other => other.clone(),
    }
}

#[tokio::test]
async fn the_conversation_of_the_examples_can_be_had() {
    let mut config = Config::dev();
    config.client.subscribe_to_user_personal_channel.enabled = false;
    let node = TestNode::start(Setup { config, ..Setup::default() });
    let expires = json!({ "sub": "42", "exp": 4_000_000_000_u64, "info": { "name": "42" } });
    let client = node.client_with(0, &mint::hs256(&Config::dev().client.token.hmac_secret_key, &expires));
    client.subscribe("chat:lobby");
    let document = document(&node).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(method) = path.strip_prefix("/api/").filter(|_| item.get("post").is_some()) else { continue };
        let at = |rest: &str| {
            let pointer = format!("/post/{rest}/content/application~1json/example");
            item.pointer(&pointer).unwrap_or_else(|| panic!("{method} has no example of its {rest}"))
        };
        let (call, expected) = (at("requestBody"), at("responses/200"));
        for (what, rest) in [(call, "requestBody"), (expected, "responses/200")] {
            assert!(validator(&document, &place(path, rest)).is_valid(what), "{method}: {what}");
        }
        let answer = node.call(method, call.clone()).await;
        let is_of_another_role =
            answer["error"]["message"].as_str().is_some_and(|text| text.contains("does not have the role"));
        match is_of_another_role {
            // tests/roles and tests/notify ask processes that have it.
            true => {
                let of_other_roles =
                    ["users_state", "badge_get", "badge_reset", "mute_set", "mute_remove", "mute_list"];
                assert_eq!((answer["error"]["code"].as_u64(), of_other_roles.contains(&method)), (Some(108), true));
            }
            false => assert_eq!(shape(&answer), shape(expected), "{method}: {answer}"),
        }
    }
}

#[tokio::test]
async fn the_document_says_where_the_node_is_and_which_numbers_a_field_can_hold() {
    let node = TestNode::start(Setup::default());
    let document = document(&node).await;
    assert_eq!(document["servers"][0]["url"], "/");
    let limit = &document["components"]["schemas"]["HistoryRequest"]["properties"]["limit"];
    assert_eq!((&limit["minimum"], &limit["maximum"]), (&json!(i32::MIN), &json!(i32::MAX)), "{limit}");
}

#[tokio::test]
async fn every_described_path_is_served_and_every_field_explained() {
    let node = TestNode::start(Setup::default());
    let document = document(&node).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{path}");
            let request = match verb.as_str() {
                "get" => node.http.get(node.url(path)),
                _ => node.http.post(node.url(path)).header("X-API-Key", KEY).body("7"),
            };
            let status = request.send().await.unwrap().status().as_u16();
            assert!(operation["responses"].get(status.to_string()).is_some(), "{path}: {status} is not described");
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            assert!(schema["description"].is_string(), "{name}.{field} is not explained");
        }
    }
}

#[tokio::test]
async fn every_path_that_the_node_answers_is_described() {
    let node = TestNode::start(Setup::default());
    let document = document(&node).await;
    let served = ["/", "/demo/token", "/health", "/health/live", "/health/ready", "/metrics", "/api/openapi.json"];
    for path in served {
        assert!(document["paths"].get(path).is_some(), "{path}");
    }
    assert!(document["paths"].get("/connection/websocket").is_some(), "the door of clients");
}

#[tokio::test]
async fn a_refused_request_is_as_described() {
    let node = TestNode::start(Setup::default());
    let document = document(&node).await;
    let response = node.http.post(node.url("/api/publish")).body("{}").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let answer: Value = response.json().await.unwrap();
    assert!(validator(&document, &place("/api/publish", "responses/401")).is_valid(&answer), "{answer}");
}

#[tokio::test]
async fn a_batch_takes_every_method() {
    let node = TestNode::start(Setup::default());
    let document = document(&node).await;
    let takes = |method: &str| document["components"]["schemas"]["Command"]["properties"].get(method).is_some();
    for path in document["paths"].as_object().unwrap().keys() {
        let Some(method) = path.strip_prefix("/api/").filter(|name| !["batch", "openapi.json"].contains(name)) else {
            continue;
        };
        assert!(takes(method), "{method}");
    }
}
