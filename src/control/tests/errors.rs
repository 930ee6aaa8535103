//! Calls that are refused, and how the caller learns why.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::node::{KEY, Setup, TestNode};
use crate::config::Config;
use crate::limits::API_BODY_BYTES_MAX;

#[tokio::test]
async fn only_the_right_key_opens_the_api() {
    let node = TestNode::start(Setup::default());
    let call =
        |name: &'static str, value: &str| node.http.post(node.url("/api/info")).header(name, value).body("{}").send();
    for (name, value, status) in [
        ("X-API-Key", KEY, StatusCode::OK),
        ("Authorization", "apikey dev", StatusCode::OK),
        ("authorization", "ApiKey  dev", StatusCode::OK),
        ("X-API-Key", "de", StatusCode::UNAUTHORIZED),
        ("X-API-Key", "devdev", StatusCode::UNAUTHORIZED),
        ("Authorization", "Bearer dev", StatusCode::UNAUTHORIZED),
        ("Authorization", "apikey", StatusCode::UNAUTHORIZED),
        ("X-Other", KEY, StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(call(name, value).await.unwrap().status(), status, "{name}: {value}");
    }
}

#[tokio::test]
async fn without_a_configured_key_the_api_says_how_to_open_it() {
    let mut config = Config::dev();
    config.http_api.key.clear();
    let node = TestNode::start(Setup { config, ..Setup::default() });
    let response = node.http.post(node.url("/api/info")).header("X-API-Key", "").body("{}").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.text().await.unwrap().contains("http_api.key"));
}

#[tokio::test]
async fn an_insecure_api_asks_for_no_key() {
    let mut config = Config::dev();
    config.http_api.key.clear();
    config.http_api.insecure = true;
    let node = TestNode::start(Setup { config, ..Setup::default() });
    let response = node.http.post(node.url("/api/info")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "not even a body is needed");
}

#[tokio::test]
async fn a_body_that_is_no_call_is_told_which_field_is_wrong() {
    let node = TestNode::start(Setup::default());
    for (method, body, says) in [
        ("publish", r#"{"channel":"chat:a""#, "EOF"),
        ("publish", r#"{"data":1}"#, "missing field `channel`"),
        ("publish", r#"{"channel":7,"data":1}"#, "channel: invalid type"),
        ("publish", r#"{"channel":"chat:a","data":1,"tags":{"a":1}}"#, "tags.a: invalid type"),
        ("publish", "[]", "invalid length 0"),
        ("history", r#"{"channel":"chat:a","since":{"offset":-1}}"#, "since.offset"),
        ("batch", r#"{"commands":[{"publish":{"channel":"chat:a"}},{"fly":{}}]}"#, "commands[1]"),
    ] {
        let call = node.http.post(node.url(&format!("/api/{method}"))).header("X-API-Key", KEY).body(body);
        let response = call.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["error"]["code"], 107);
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{body}: {message}");
    }
}

#[tokio::test]
async fn refusals_carry_the_numbers_that_libraries_know() {
    let node = TestNode::start(Setup::default());
    let long = "x".repeat(256);
    for (method, body, code) in [
        ("publish", json!({ "channel": "nowhere:a", "data": 1 }), 102),
        ("publish", json!({ "channel": "", "data": 1 }), 107),
        ("publish", json!({ "channel": "chat:a" }), 107),
        ("publish", json!({ "channel": "chat:a", "b64data": "%" }), 107),
        ("publish", json!({ "channel": "chat:a", "data": 1, "idempotency_key": long }), 107),
        ("publish", json!({ "channel": "chat:a", "data": 1, "exclude_client": "me" }), 107),
        ("broadcast", json!({ "channels": [], "data": 1 }), 107),
        ("broadcast", json!({ "channels": vec!["a"; 100_001], "data": 1 }), 106),
        ("subscribe", json!({ "user": "ann", "channel": "nowhere:a" }), 102),
        ("subscribe", json!({ "user": "ann", "channel": "chat:a", "session": "s" }), 107),
        ("unsubscribe", json!({ "user": "ann", "channel": "nowhere:a" }), 102),
        ("disconnect", json!({ "user": "ann", "client": "me" }), 107),
        ("disconnect", json!({ "user": "ann", "disconnect": { "code": 1000 } }), 107),
        ("disconnect", json!({ "user": "ann", "disconnect": { "reason": long } }), 107),
        ("presence", json!({ "channel": "plain" }), 108),
        ("presence", json!({ "channel": "nowhere:a" }), 102),
        ("presence_stats", json!({ "channel": "plain" }), 108),
        ("history", json!({ "channel": "plain" }), 108),
        ("history_remove", json!({ "channel": "plain" }), 108),
        ("history_remove", json!({ "channel": "nowhere:a" }), 102),
    ] {
        assert_eq!(node.error(method, body.clone()).await, code, "{method}");
    }
}

#[tokio::test]
async fn a_body_past_the_bound_is_refused() {
    let node = TestNode::start(Setup::default());
    let call = |len: usize| {
        let body = format!(r#"{{"channel":"chat:a","data":"{}"}}"#, "x".repeat(len));
        node.http.post(node.url("/api/publish")).header("X-API-Key", KEY).body(body).send()
    };
    assert_eq!(call(API_BODY_BYTES_MAX).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(call(API_BODY_BYTES_MAX - 100).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn wrong_turns_are_pointed_the_right_way() {
    let node = TestNode::start(Setup::default());
    let (status, text) = node.get("/api/fly").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains(r#""code":104"#), "{text}");
    let (status, text) = node.get("/api/publish").await;
    assert_eq!((status, text.as_str()), (StatusCode::METHOD_NOT_ALLOWED, "API methods are called with POST\n"));
    let (status, text) = node.get("/nothing").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains("/connection/websocket") && text.contains("/api/"), "{text}");
    let (status, text) = node.get("/connection/websocket").await;
    assert_eq!(status, StatusCode::UPGRADE_REQUIRED);
    assert!(text.contains("WebSocket client"), "{text}");
}

#[tokio::test]
async fn a_door_may_have_any_path() {
    let mut config = Config::dev();
    config.http_server.websocket_path = "/{*:ws".into();
    let node = TestNode::start(Setup { config, ..Setup::default() });
    let (status, _) = node.get("/health").await;
    assert_eq!(status, StatusCode::OK);
}
