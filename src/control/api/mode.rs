//! Where what a method refuses is told: in the body of a 200, or by the status.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Serialize;

use super::reply::Reply;
use crate::config::ApiErrorMode;
use crate::control::refused::{ApiError, RefusedWith};
use crate::control::state::ControlState;
use crate::model::refusal::{Error, ErrorKind};

/// A caller asks for `transport` by this header. Libraries for backends know its name.
const HEADER: &str = "x-centrifugo-error-mode";

/// Marks a refusal by status of what was a call all the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered;

/// As the configuration has it, or the caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorMode(ApiErrorMode);

impl FromRequestParts<Arc<ControlState>> for ErrorMode {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ControlState>) -> Result<Self, Infallible> {
        let asked = parts.headers.get(HEADER).is_some_and(|mode| mode == "transport");
        Ok(Self(if asked { ApiErrorMode::Transport } else { state.config().http_api.error_mode }))
    }
}

impl ErrorMode {
    /// The answer to a call.
    pub(super) fn answer<T: Serialize>(self, result: Result<T, Error>) -> Response {
        match (self.0, result) {
            (ApiErrorMode::Transport, Err(error)) => {
                let (status, error) = (status(error.kind), ApiError::from(error));
                let marks = (Extension(Answered), Extension(RefusedWith::of(&error)));
                (status, marks, Json(error)).into_response()
            }
            (_, result) => Reply::from(result).into_response(),
        }
    }
}

/// As Centrifugo has them; its `Range Not Satisfiable` for a place that is no longer kept among them.
fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::UnknownChannel | ErrorKind::MethodNotFound => StatusCode::NOT_FOUND,
        ErrorKind::UnrecoverablePosition => StatusCode::RANGE_NOT_SATISFIABLE,
        ErrorKind::BadRequest | ErrorKind::NotAvailable | ErrorKind::Expired | ErrorKind::LimitExceeded => {
            StatusCode::BAD_REQUEST
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
