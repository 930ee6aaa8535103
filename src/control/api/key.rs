//! Who may call: whoever knows the key.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::reply::Refusal;
use crate::config::HttpApiConfig;
use crate::control::state::ControlState;

/// The caller may call.
#[derive(Debug)]
pub(super) struct Authorized;

impl FromRequestParts<Arc<ControlState>> for Authorized {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ControlState>) -> Result<Self, Refusal> {
        check(&state.config().http_api, &parts.headers).map(|()| Self)
    }
}

fn check(config: &HttpApiConfig, headers: &HeaderMap) -> Result<(), Refusal> {
    if config.insecure {
        return Ok(());
    }
    if config.key.is_empty() {
        return Err(Refusal::Unauthorized("the API is closed: configure `http_api.key`"));
    }
    let Some(key) = given(headers) else {
        return Err(Refusal::Unauthorized("send the API key as X-API-Key, or as Authorization: apikey KEY"));
    };
    verify_slices_are_equal(key, config.key.as_bytes()).map_err(|_| Refusal::Unauthorized("wrong API key"))
}

fn given(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let authorization = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, key) = authorization.split_at_checked(b"apikey ".len())?;
    scheme.eq_ignore_ascii_case(b"apikey ").then(|| key.trim_ascii())
}
