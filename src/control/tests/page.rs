//! `/` and what it needs.

use reqwest::StatusCode;
use serde_json::Value;

use super::node::{Setup, TestNode};
use crate::config::Config;

#[tokio::test]
async fn the_demo_page_may_talk_to_its_node_only() {
    let node = TestNode::start(Setup::default());
    let response = node.http.get(node.url("/")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'self' 'unsafe-inline'") && policy.contains("connect-src 'self' ws: wss:"));
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn a_token_of_the_demo_opens_a_session_of_that_user() {
    let node = TestNode::start(Setup::default());
    let response = node.http.post(node.url("/demo/token?user=Zo%C3%AB%20B")).send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["user"], "Zoë B");
    let client = node.client_with(0, answer["token"].as_str().unwrap());
    let id = client.id();
    let result = node.result("connections", serde_json::json!({ "user": "Zoë B" })).await;
    assert!(result["connections"].get(id).is_some(), "{result}");
}

#[tokio::test]
async fn names_that_are_empty_long_or_missing_get_no_token() {
    let node = TestNode::start(Setup::default());
    let long = "x".repeat(65);
    for query in ["", "?user=", &format!("?user={long}")] {
        let response = node.http.post(node.url(&format!("/demo/token{query}"))).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn without_the_demo_there_is_no_page_and_no_token() {
    let mut config = Config::dev();
    config.demo.enabled = false;
    let node = TestNode::start(Setup { config, ..Setup::default() });
    let (status, text) = node.get("/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("/api/openapi.json") && !text.contains("<html"), "{text}");
    let response = node.http.post(node.url("/demo/token?user=ann")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}
