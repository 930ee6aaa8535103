//! Who may call: whoever knows the key.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::reply::Rejection;
use crate::config::HttpApiConfig;
use crate::control::state::ControlState;

/// The caller may call.
#[derive(Debug)]
pub(super) struct Authorized;

impl FromRequestParts<Arc<ControlState>> for Authorized {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ControlState>) -> Result<Self, Rejection> {
        check(&state.config().http_api, &parts.headers).map(|()| Self)
    }
}

fn check(config: &HttpApiConfig, headers: &HeaderMap) -> Result<(), Rejection> {
    if may_call(config, headers) {
        return Ok(());
    }
    if config.key.is_empty() {
        return Err(Rejection::Unauthorized("the API is closed: configure `http_api.key`"));
    }
    if given(headers).is_none() {
        return Err(Rejection::Unauthorized("send the API key as X-API-Key, or as Authorization: apikey KEY"));
    }
    Err(Rejection::Unauthorized("wrong API key"))
}

/// Whether who sends these headers may call.
pub(in crate::control) fn may_call(config: &HttpApiConfig, headers: &HeaderMap) -> bool {
    config.admits(given(headers))
}

fn given(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let authorization = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, key) = authorization.split_at_checked(b"apikey ".len())?;
    scheme.eq_ignore_ascii_case(b"apikey ").then(|| key.trim_ascii())
}
