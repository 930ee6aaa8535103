//! Which path goes where.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri, Version, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};

use super::refused::{bad_request, not_found, refused};
use super::state::ControlState;
use super::{api, door, health, metrics, page};
use crate::config::Purpose;
use crate::model::refusal::ErrorKind;
use crate::wire::http::is_same_text;

/// What a listener answers, but for upgrades on the WebSocket door: the shards do that themselves.
pub(super) fn router(state: Arc<ControlState>, purpose: Purpose) -> Router {
    let mut router = Router::new();
    if purpose.is_internal(&state.config()) {
        router = router
            .route("/health", get(health::health))
            .route("/health/live", get(health::health))
            .route("/health/ready", get(health::health))
            .route("/metrics", get(metrics::metrics))
            .nest("/api", api::routes(&state));
    }
    let router = match purpose {
        Purpose::Internal => router.fallback(elsewhere_internally),
        Purpose::Http | Purpose::Tcp => {
            router.route("/", get(page::index)).route("/demo/token", post(page::token)).fallback(elsewhere)
        }
    };
    router.method_not_allowed_fallback(wrong_method).layer(middleware::from_fn(one_host)).with_state(state)
}

/// One `Host`, which HTTP/1.0 may leave out (RFC 9112, 3.2).
async fn one_host(request: Request, next: Next) -> Response {
    match request.headers().get_all(header::HOST).iter().count() {
        0 if request.version() == Version::HTTP_11 => bad_request("Host is missing"),
        0 | 1 => next.run(request).await,
        _ => bad_request("Host comes more than once"),
    }
}

/// The WebSocket door is no route, since it is configurable and may be any path.
async fn elsewhere(State(state): State<Arc<ControlState>>, request: Request) -> Response {
    let door = &state.config().http_server.websocket_path;
    if is_same_text(request.uri().path(), door) {
        return door::refuse(door, request.method(), request.version(), request.headers());
    }
    let backends = match Purpose::Http.is_internal(&state.config()) {
        true => ", backends call POST /api/<method>",
        false => "",
    };
    not_found(format!("nothing is here; clients connect to {door} by WebSocket{backends}"))
}

async fn elsewhere_internally() -> Response {
    not_found("nothing is here; backends call POST /api/<method>")
}

async fn wrong_method(uri: Uri) -> Response {
    let line = match uri.path().starts_with("/api/") {
        true => "API methods are called with POST",
        false => "this path does not take that method",
    };
    refused(StatusCode::METHOD_NOT_ALLOWED, ErrorKind::MethodNotFound.because(line))
}
