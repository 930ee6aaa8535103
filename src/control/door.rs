//! The WebSocket door, asked for something else than an upgrade: what is missing is named.
//!
//! Answers requests of its path only. Never switches protocols: shards do.

use axum::http::{HeaderMap, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};

use super::text::text;

/// Refuses a request for the door (RFC 9110, 7.8; RFC 6455, 4.2.1).
pub(super) fn refuse(door: &str, method: &Method, version: Version, headers: &HeaderMap) -> Response {
    if method != Method::GET {
        let line = format!("{door} is the WebSocket door: an upgrade is asked for with GET");
        return ([(header::ALLOW, "GET")], text(StatusCode::METHOD_NOT_ALLOWED, &line)).into_response();
    }
    let upgrade = has_token(headers, &header::UPGRADE, "websocket");
    let connection = has_token(headers, &header::CONNECTION, "upgrade");
    let missing = match (version >= Version::HTTP_11, upgrade, connection) {
        (false, ..) => "HTTP/1.0 knows no upgrade: the client, or a proxy before the node, must speak HTTP/1.1",
        (_, true, false) => "an upgrade needs `Connection: Upgrade`: a proxy before the node must pass it on",
        (_, false, true) => "an upgrade needs `Upgrade: websocket`: a proxy before the node must pass it on",
        // With both it is an upgrade, and a shard's.
        _ => "this is the WebSocket door: connect with a WebSocket client",
    };
    let asked = [(header::UPGRADE, "websocket"), (header::CONNECTION, "Upgrade, close")];
    (asked, text(StatusCode::UPGRADE_REQUIRED, &format!("{missing} (ws://host{door})"))).into_response()
}

fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(token)))
}
