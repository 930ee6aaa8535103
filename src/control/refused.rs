//! What a request is refused with: one JSON object, whatever its path. The WebSocket door alone answers in text, as shards
//! do.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::refusal::{Error, ErrorKind};
use crate::protocol::centrifuge::codes;

/// Why a call was refused.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ApiError {
    /// 100 the node failed, 101 without the right key, 102 unknown channel, 104 unknown method or path, 106 limit exceeded,
    /// 107 bad request, 108 not available, 112 unrecoverable position.
    code: u32,
    /// For a person.
    message: Cow<'static, str>,
}

impl ApiError {
    /// Its code.
    pub(super) fn code(&self) -> u32 {
        self.code
    }

    /// For a person.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let (code, message, _) = codes::of_error(error.kind);
        Self { code, message: error.message.unwrap_or(Cow::Borrowed(message)) }
    }
}

/// The code of the error that a call was answered with: left in the answer, for the access log.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusedWith(pub(super) u32);

impl RefusedWith {
    /// The code of this one.
    pub(super) fn of(error: &ApiError) -> Self {
        Self(error.code)
    }
}

/// The body of every answer that is no 200.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Refused {
    /// As in a reply that refuses a call.
    error: ApiError,
}

/// An answer that refuses.
pub(super) fn refused(status: StatusCode, error: Error) -> Response {
    let error = ApiError::from(error);
    (status, Extension(RefusedWith::of(&error)), Json(Refused { error })).into_response()
}

/// 404: nothing is at the path, or it is switched off.
pub(super) fn not_found(why: impl Into<Cow<'static, str>>) -> Response {
    refused(StatusCode::NOT_FOUND, ErrorKind::MethodNotFound.because(why))
}

/// 400: the request is not what the path takes.
pub(super) fn bad_request(why: impl Into<Cow<'static, str>>) -> Response {
    refused(StatusCode::BAD_REQUEST, ErrorKind::BadRequest.because(why))
}
