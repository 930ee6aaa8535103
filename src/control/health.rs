//! `/health`, for requests that no shard has answered: those that come behind others on a connection.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::refused::not_found;
use super::state::ControlState;
use crate::shard::probe::Probe;
use crate::wire::http::Status;

/// Answers a probe, on any of its paths.
pub(super) async fn health(State(state): State<Arc<ControlState>>, uri: Uri) -> Response {
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let Some(probe) = Probe::of(target).filter(|_| state.config().health.enabled) else {
        return not_found("health is switched off: `health.enabled`");
    };
    // The health of a process with the edge is that of the edge: clients are not sent elsewhere since a role is behind.
    let is_stalled = probe == Probe::Ready && !state.has_edge() && !state.roles.are_well();
    let (status, json) = match is_stalled && !state.is_draining() {
        true => (Status::UNAVAILABLE, r#"{"status":"stalled"}"#),
        false => probe.answer(state.is_draining()),
    };
    let status = StatusCode::from_u16(status.0).expect("a status of the node's own");
    (status, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}
