//! Which path goes where.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::state::ControlState;
use super::{api, health, metrics, page};

/// All paths but the WebSocket door, whose upgrades the shards answer themselves.
pub(super) fn router(state: Arc<ControlState>) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/demo/token", post(page::token))
        .route("/health", get(health::ready))
        .route("/health/live", get(health::live))
        .route("/metrics", get(metrics::metrics))
        .nest("/api", api::routes())
        .fallback(elsewhere)
        .method_not_allowed_fallback(wrong_method)
        .with_state(state)
}

/// A line of text for the person who reads it.
pub(super) fn text(status: StatusCode, line: &str) -> Response {
    let plain: (HeaderName, &str) = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
    (status, [plain], format!("{line}\n")).into_response()
}

/// 404 with a reason.
pub(super) fn not_found(line: &str) -> Response {
    text(StatusCode::NOT_FOUND, line)
}

/// The WebSocket door is no route, since it is configurable and may be any path.
async fn elsewhere(State(state): State<Arc<ControlState>>, uri: Uri, headers: HeaderMap) -> Response {
    let door = &state.config().http_server.websocket_path;
    if uri.path() == door && headers.contains_key(header::UPGRADE) {
        // The shard has given the socket away. Proxies that keep conns open must not mix the two.
        let line = "an upgrade must be the first request of its connection: come again on a new one";
        return ([(header::CONNECTION, "close")], text(StatusCode::UPGRADE_REQUIRED, line)).into_response();
    }
    if uri.path() == door {
        let upgrade = [(header::UPGRADE, "websocket"), (header::CONNECTION, "Upgrade")];
        let line = format!("{door} is the WebSocket door: connect with a WebSocket client (ws://host{door})");
        return (upgrade, text(StatusCode::UPGRADE_REQUIRED, &line)).into_response();
    }
    not_found(&format!("nothing is here; clients connect to {door} by WebSocket, backends call POST /api/<method>"))
}

async fn wrong_method(uri: Uri) -> Response {
    let line = match uri.path().starts_with("/api/") {
        true => "API methods are called with POST",
        false => "this path does not take that method",
    };
    text(StatusCode::METHOD_NOT_ALLOWED, line)
}
