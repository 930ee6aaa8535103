//! Reads the body of a call.

use std::error::Error as _;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::reply::Rejection;
use super::shape::Object;
use crate::limits::{API_BODY_BYTES_MAX, HTTP_BODY_TIMEOUT_MS};

/// Reads a request, whatever the content type says: `curl -d` claims it is a form.
///
/// # Errors
/// What is wrong with it, with the path of the field.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Rejection> {
    let body = whole(body).await?;
    if body.is_empty() {
        return Err(Rejection::BadRequest(
            "the body is missing: every method takes a JSON object, `{}` at the least".into(),
        ));
    }
    match Json::from_bytes(&body) {
        Ok(Json(Object(request))) => Ok(request),
        Err(rejection) => Err(Rejection::BadRequest(rejection.body_text())),
    }
}

/// The bytes of a body.
///
/// # Errors
/// It is too long, or broke off, or did not come in time.
pub(super) async fn whole(body: Body) -> Result<Bytes, Rejection> {
    let whole = to_bytes(body, API_BODY_BYTES_MAX);
    match timeout(Duration::from_millis(HTTP_BODY_TIMEOUT_MS), whole).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.source().is_some_and(|source| source.is::<LengthLimitError>()) => {
            Err(Rejection::TooLarge)
        }
        Ok(Err(_)) => Err(Rejection::BadRequest("the body broke off, or its chunks are malformed".into())),
        Err(_) => Err(Rejection::Slow),
    }
}
