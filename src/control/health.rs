//! `/health`: is the node there, and does it want clients?

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::state::ControlState;
use super::text::not_found;

/// How the node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Health {
    /// In one word.
    status: Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// It takes clients.
    Ready,
    /// It is about to leave: send no more clients.
    Draining,
    /// It answers.
    Live,
}

/// 200 while the node takes clients, 503 while it drains. With `?live`, as [`live`].
pub(super) async fn ready(state: State<Arc<ControlState>>, RawQuery(query): RawQuery) -> Response {
    if query.is_some_and(|query| query.split('&').any(|pair| pair == "live" || pair.starts_with("live="))) {
        return live(state).await;
    }
    if !state.config().health.enabled {
        return not_found("health is switched off: `health.enabled`");
    }
    match state.is_draining() {
        true => (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: Status::Draining })).into_response(),
        false => Json(Health { status: Status::Ready }).into_response(),
    }
}

/// 200 as long as the node answers at all.
pub(super) async fn live(State(state): State<Arc<ControlState>>) -> Response {
    if !state.config().health.enabled {
        return not_found("health is switched off: `health.enabled`");
    }
    Json(Health { status: Status::Live }).into_response()
}
