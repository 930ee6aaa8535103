//! Answers in plain text.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A line of text for the person who reads it.
pub(super) fn text(status: StatusCode, line: &str) -> Response {
    let plain: (HeaderName, &str) = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
    (status, [plain], format!("{line}\n")).into_response()
}
