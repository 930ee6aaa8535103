//! Which port serves what.

use crate::client::{WebSocketClient, request};
use crate::harness::TestNode;

const OPERATORS_PATHS: [&str; 5] =
    ["GET /health", "GET /health/live", "GET /metrics", "POST /api/info", "GET /api/openapi.json"];

#[test]
fn where_there_is_an_internal_port_api_health_and_metrics_answer_only_there() {
    let node = TestNode::with(|config| {
        config.internal_server.address = "127.0.0.1".into();
        config.http_api.key = "key".into();
    });
    let internal = node.internal.expect("the internal port is open");
    for line in OPERATORS_PATHS {
        let (inside, outside) =
            (request(internal, line, "X-API-Key: key\r\n", "{}"), request(node.http, line, "X-API-Key: key\r\n", "{}"));
        assert!(inside.starts_with("HTTP/1.1 200 "), "{line}: {inside}");
        assert!(outside.starts_with("HTTP/1.1 404 ") && !outside.contains("/api"), "{line}: {outside}");
    }
    let page = request(node.http, "GET /", "", "");
    assert!(page.starts_with("HTTP/1.1 200 ") && !page.contains("/api"), "{page}");
    assert!(request(internal, "GET /", "", "").starts_with("HTTP/1.1 404 "), "the page is for the public port");
    WebSocketClient::connect(node.http);
    let (_, head) = WebSocketClient::request(internal, "/connection/websocket", "");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
}

#[test]
fn where_there_is_none_they_share_the_http_port() {
    let node = TestNode::with(|config| config.http_api.key = "key".into());
    for line in OPERATORS_PATHS {
        let answer = request(node.http, line, "X-API-Key: key\r\n", "{}");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{line}: {answer}");
    }
}
