//! What calls are answered with.

use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::Serialize;

use crate::control::refused::{ApiError, RefusedWith, refused};
use crate::limits::API_BODY_BYTES_MAX;
use crate::model::refusal::{Error, ErrorKind};

/// A result, or why there is none.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ReplyOf{T}")]
pub(in crate::control) enum Reply<T> {
    /// It was done.
    Result(T),
    /// It was refused.
    Error(ApiError),
}

impl<T> Reply<T> {
    /// Why there is no result.
    pub(in crate::control) fn refused(&self) -> Option<&ApiError> {
        match self {
            Self::Result(_) => None,
            Self::Error(error) => Some(error),
        }
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        (self.refused().map(|error| Extension(RefusedWith::of(error))), Json(self)).into_response()
    }
}

impl<T> From<Result<T, Error>> for Reply<T> {
    fn from(result: Result<T, Error>) -> Self {
        match result {
            Ok(result) => Self::Result(result),
            Err(error) => Self::Error(error.into()),
        }
    }
}

/// Nothing to tell but that it was done.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control) struct Done {}

/// Why a request is no call.
#[derive(Debug)]
pub(super) enum Rejection {
    /// The body is not what the method takes: what is wrong, and where.
    BadRequest(String),
    /// Without the right key.
    Unauthorized(&'static str),
    /// The body is longer than [`API_BODY_BYTES_MAX`].
    TooLarge,
    /// The body did not come in time.
    Slow,
    /// No method has this name.
    UnknownMethod,
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::BadRequest(why) => (StatusCode::BAD_REQUEST, ErrorKind::BadRequest.because(why)),
            Self::Unauthorized(why) => (StatusCode::UNAUTHORIZED, ErrorKind::Unauthorized.because(why)),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorKind::LimitExceeded.because(format!("the body is longer than {API_BODY_BYTES_MAX} bytes")),
            ),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, ErrorKind::BadRequest.because("the body did not come in time")),
            Self::UnknownMethod => (
                StatusCode::NOT_FOUND,
                ErrorKind::MethodNotFound.because("method not found: /api/openapi.json lists the methods"),
            ),
        };
        let mut response = refused(status, error);
        if status == StatusCode::UNAUTHORIZED {
            // Who guesses keys pays with a connection for each.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
