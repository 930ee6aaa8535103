//! Reload and leave.

use std::sync::mpsc;

use reqwest::StatusCode;
use serde_json::json;

use super::node::{Setup, TestNode};
use crate::config::{Config, ConfigError, Duration};
use crate::control::requests::Request;

#[tokio::test]
async fn a_node_that_leaves_is_live_but_not_ready_until_its_shards_have_ended() {
    let mut node = TestNode::start(Setup { ends: false, ..Setup::default() });
    assert_eq!(node.get("/health").await, (StatusCode::OK, r#"{"status":"ready"}"#.into()));
    node.requests.ask(Request::Leave);
    while node.get("/health").await.0 == StatusCode::OK {
        tokio::task::yield_now().await;
    }
    assert_eq!(node.get("/health").await, (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"draining"}"#.into()));
    assert_eq!(node.get("/health/live").await.0, StatusCode::OK);
    assert_eq!(node.get("/health?live").await.0, StatusCode::OK);
    assert_eq!(node.result("info", json!({})).await["nodes"][0]["num_clients"], 0, "the API still answers");
    node.requests.ask(Request::Leave);
    let cut_short = node.wait().unwrap_err().to_string();
    assert!(cut_short.contains("twice"), "{cut_short}");
}

#[test]
fn a_node_ends_after_its_last_shard() {
    let mut node = TestNode::start(Setup::default());
    node.requests.ask(Request::Leave);
    node.wait().unwrap();
}

#[test]
fn a_shard_that_hangs_holds_the_node_until_the_timeout_only() {
    let mut config = Config::dev();
    config.shutdown.timeout = Duration::from_millis(50);
    let mut node = TestNode::start(Setup { config, ends: false, ..Setup::default() });
    node.requests.ask(Request::Leave);
    let cut_short = node.wait().unwrap_err().to_string();
    assert!(cut_short.contains("50ms"), "{cut_short}");
}

#[test]
fn a_node_whose_shard_fails_ends_with_an_error() {
    let mut node = TestNode::start(Setup::default());
    node.on_world(|world| world.fail(1));
    let failed = node.wait().unwrap_err().to_string();
    assert!(failed.contains("shard 1"), "{failed}");
}

#[tokio::test]
async fn a_hangup_brings_the_new_configuration_to_shards_and_api() {
    let (read, reads) = mpsc::channel();
    let reload = move || {
        let mut config = Config::dev();
        config.http_api.key = "new".into();
        config.http_server.websocket_path = "/moved".into();
        config.channel.namespaces[0].name = "talk".into();
        read.send(()).unwrap();
        Ok(config)
    };
    let node = TestNode::start(Setup { reload: Some(Box::new(reload)), ..Setup::default() });
    assert_eq!(node.error("publish", json!({ "channel": "talk:room", "data": 1 })).await, 102);
    node.requests.ask(Request::Reload);
    reads.recv().unwrap();
    let call = || {
        let request = node.http.post(node.url("/api/publish")).header("X-API-Key", "new");
        request.json(&json!({ "channel": "talk:room", "data": 1 })).send()
    };
    while call().await.unwrap().status() == StatusCode::UNAUTHORIZED {
        tokio::task::yield_now().await;
    }
    let answer: serde_json::Value = call().await.unwrap().json().await.unwrap();
    assert!(answer["result"]["offset"].is_u64(), "{answer}");
    let (status, _) = node.get("/connection/websocket").await;
    assert_eq!(status, StatusCode::UPGRADE_REQUIRED, "the door stays where it was");
}

#[tokio::test]
async fn a_broken_configuration_changes_nothing() {
    let (read, reads) = mpsc::channel();
    let reload = move || {
        read.send(()).unwrap();
        Err(ConfigError { problems: vec!["unknown key `clint`".into()] })
    };
    let node = TestNode::start(Setup { reload: Some(Box::new(reload)), ..Setup::default() });
    node.result("info", json!({})).await;
    node.requests.ask(Request::Reload);
    reads.recv().unwrap();
    node.result("publish", json!({ "channel": "chat:room", "data": 1 })).await;
}
