//! Calls that are refused, and how the caller learns why.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::node::{KEY, Setup, TestNode};
use crate::config::{ApiErrorMode, Config};
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
    let response = node.http.post(node.url("/api/info")).body("{}").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

/// Its commands are counted while they are read: a body of 8 MiB may hold some millions.
#[tokio::test]
async fn a_batch_of_more_than_ten_thousand_commands_is_refused_at_the_first_beyond() {
    let node = TestNode::start(Setup::default());
    let batch = |count: usize, end: &str| format!(r#"{{"commands":[{}{end}"#, vec!["{}"; count].join(","));
    let send = |body: String| node.http.post(node.url("/api/batch")).header("X-API-Key", KEY).body(body).send();
    for body in [batch(10_001, "]}"), batch(2_000_000, "]}"), batch(10_001, ",7")] {
        let response = send(body).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let answer: Value = response.json().await.unwrap();
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("commands: limit exceeded: more than 10000"), "{message}");
        // Each takes three bytes, and they begin behind the first 13.
        assert!(message.ends_with("at line 1 column 30016"), "{message}");
    }
    let answer: Value = send(batch(10_000, "]}")).await.unwrap().json().await.unwrap();
    assert_eq!(answer["replies"].as_array().unwrap().len(), 10_000);
}

#[tokio::test]
async fn a_body_that_is_no_call_is_told_which_field_is_wrong() {
    let node = TestNode::start(Setup::default());
    for (method, body, says) in [
        ("publish", r#"{"channel":"chat:a""#, "EOF"),
        ("publish", r#"{"channel":7,"data":1}"#, "channel: invalid type"),
        ("publish", r#"{"channel":"chat:a","data":1,"tags":{"a":1}}"#, "tags.a: invalid type"),
        ("info", "", "the body is missing"),
        ("publish", "[]", "expected an object"),
        ("publish", r#"["chat:a",1,null,null,null,null,null]"#, "expected an object"),
        ("history", r#"{"channel":"chat:a","since":[1,"x"]}"#, "since: invalid type: sequence, expected an object"),
        ("subscribe", r#"{"user":"a","channel":"chat:a","override":{"presence":[true]}}"#, "override.presence"),
        ("subscribe", r#"{"user":"a","channel":"chat:a","override":[]}"#, "override: invalid type: sequence"),
        ("subscribe", r#"{"user":"a","channel":"chat:a","recover_since":[]}"#, "recover_since: invalid type: sequence"),
        ("disconnect", r#"{"user":"a","disconnect":[4000,"x"]}"#, "disconnect: invalid type: sequence"),
        ("batch", r#"[[]]"#, "expected an object"),
        ("batch", r#"{"commands":[{"publish":["chat:a",1]}]}"#, "commands[0].publish: invalid type: sequence"),
        ("history", r#"{"channel":"chat:a","limit":2.5}"#, "limit: invalid value: floating point `2.5`"),
        ("history", r#"{"channel":"chat:a","limit":2147483648}"#, "limit: invalid value"),
        ("disconnect", r#"{"user":"a","disconnect":{"code":1e300}}"#, "disconnect.code: invalid value"),
        ("refresh", r#"{"user":"a","expire_at":-9223372036854775809}"#, "expire_at: invalid value"),
        ("history", r#"{"channel":"chat:a","since":{"offset":-1}}"#, "since.offset"),
        ("batch", r#"{"commands":7}"#, "commands: invalid type"),
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
        ("publish", json!({ "channel": "chat:a", "data": 1, "version_epoch": long }), 107),
        ("publish", json!({}), 107),
        ("broadcast", json!({}), 107),
        ("subscribe", json!({}), 107),
        ("presence", json!({}), 107),
        ("presence_stats", json!({}), 107),
        ("history", json!({}), 107),
        ("history_remove", json!({}), 107),
        ("history", json!({ "channel": "chat:a", "since": {}, "reverse": true }), 107),
        ("channels", json!({ "pattern": "chat:[" }), 107),
        ("broadcast", json!({ "channels": [], "data": 1 }), 107),
        ("broadcast", json!({ "channels": vec!["a"; 100_001], "data": 1 }), 106),
        ("subscribe", json!({ "user": "ann", "channel": "nowhere:a" }), 102),
        ("unsubscribe", json!({ "user": "ann", "channel": "nowhere:a" }), 102),
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
    let (status, text) = node.get("/nothing").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains("/connection/websocket") && text.contains("/api/"), "{text}");
    let (status, text) = node.get("/connection/websocket").await;
    assert_eq!(status, StatusCode::UPGRADE_REQUIRED);
    assert!(text.contains("WebSocket client"), "{text}");
}

#[tokio::test]
async fn what_is_refused_anywhere_is_told_in_the_same_json() {
    let mut config = Config::dev();
    (config.prometheus.enabled, config.health.enabled) = (false, false);
    let node = TestNode::start(Setup { config, ..Setup::default() });
    for (method, path, status, code, allow) in [
        ("GET", "/api/publish", 405, 104, Some("POST")),
        ("PATCH", "/api/openapi.json", 405, 104, Some("GET,HEAD")),
        ("DELETE", "/metrics", 405, 104, Some("GET,HEAD")),
        ("GET", "/demo/token", 405, 104, Some("POST")),
        ("GET", "/nothing", 404, 104, None),
        ("POST", "/api/fly", 404, 104, None),
        ("GET", "/api/", 404, 104, None),
        ("GET", "/metrics", 404, 104, None),
        ("GET", "/health", 404, 104, None),
        ("POST", "/demo/token", 400, 107, None),
        ("POST", "/demo/token?user=", 400, 107, None),
        ("POST", "/api/info", 401, 101, None),
    ] {
        let response = node.http.request(method.parse().unwrap(), node.url(path)).send().await.unwrap();
        let here = format!("{method} {path}");
        assert_eq!(response.status().as_u16(), status, "{here}");
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("application/json"), "{here}");
        assert_eq!(header("allow").as_deref(), allow, "{here}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["error"]["code"], code, "{here}: {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{here}: {answer}");
    }
}

#[tokio::test]
async fn a_whole_number_may_be_written_with_a_point_or_an_exponent() {
    let node = TestNode::start(Setup::default());
    node.result("publish", json!({ "channel": "chat:a", "data": 1 })).await;
    for limit in ["1", "1.0", "1e0", "10.0e-1"] {
        let body = format!(r#"{{"channel":"chat:a","limit":{limit},"since":{{"offset":0.0,"epoch":""}}}}"#);
        let call = node.http.post(node.url("/api/history")).header("X-API-Key", KEY).body(body);
        let answer: Value = call.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["result"]["publications"].as_array().map(Vec::len), Some(1), "{limit}: {answer}");
    }
    let end = json!({ "user": "ann", "disconnect": { "code": 4000.0, "reason": "bye" } });
    assert_eq!(node.result("disconnect", end).await, json!({}));
    assert_eq!(node.result("refresh", json!({ "user": "ann", "expire_at": 1.9e9 })).await, json!({}));
}

#[tokio::test]
async fn a_door_may_have_any_path() {
    let mut config = Config::dev();
    config.http_server.websocket_path = "/{*:ws".into();
    let node = TestNode::start(Setup { config, ..Setup::default() });
    let (status, _) = node.get("/health").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_caller_may_have_errors_as_statuses() {
    let mut config = Config::dev();
    let node = TestNode::start(Setup { config: config.clone(), ..Setup::default() });
    config.http_api.error_mode = ApiErrorMode::Transport;
    let always = TestNode::start(Setup { config, ..Setup::default() });
    for (method, body, status, code) in [
        ("publish", json!({ "channel": "nowhere:a", "data": 1 }), 404, 102),
        ("publish", json!({}), 400, 107),
        ("presence", json!({ "channel": "plain" }), 400, 108),
        ("history", json!({ "channel": "chat:a", "limit": 1, "since": { "offset": 1, "epoch": "other" } }), 416, 112),
    ] {
        let asked = node.request(method, &body).header("X-Centrifugo-Error-Mode", "transport");
        for answer in [asked.send().await.unwrap(), always.request(method, &body).send().await.unwrap()] {
            assert_eq!(answer.status().as_u16(), status, "{method}");
            let error: Value = answer.json().await.unwrap();
            assert_eq!(error["code"], code, "{error}");
        }
    }
    let asked = node.request("info", &json!({})).header("X-Centrifugo-Error-Mode", "transport").send().await.unwrap();
    assert!(asked.json::<Value>().await.unwrap()["result"]["nodes"].is_array(), "a result is as ever");
}

#[tokio::test]
async fn the_key_may_stand_in_the_address() {
    let node = TestNode::start(Setup::default());
    for (query, header, status) in [
        ("?api_key=dev", None, 200),
        ("?other=1&api_key=%64ev", None, 200),
        ("?api_key=dev", Some("wrong"), 200),
        ("?api_key=wrong", None, 401),
        ("?api_key=", None, 401),
        ("?key=dev", None, 401),
    ] {
        let mut call = node.http.post(node.url(&format!("/api/info{query}"))).body("{}");
        if let Some(key) = header {
            call = call.header("X-API-Key", key);
        }
        assert_eq!(call.send().await.unwrap().status().as_u16(), status, "{query}");
    }
}
