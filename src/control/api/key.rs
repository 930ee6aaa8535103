//! Who may call: whoever knows the key.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;

use super::reply::Rejection;
use crate::config::HttpApiConfig;
use crate::control::state::ControlState;

/// The caller may call.
#[derive(Debug)]
pub(super) struct Authorized;

impl FromRequestParts<Arc<ControlState>> for Authorized {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ControlState>) -> Result<Self, Rejection> {
        check(&state.config().http_api, &parts.headers, &parts.uri).map(|()| Self)
    }
}

fn check(config: &HttpApiConfig, headers: &HeaderMap, uri: &Uri) -> Result<(), Rejection> {
    if may_call(config, headers, uri) {
        return Ok(());
    }
    if config.key.is_empty() {
        return Err(Rejection::Unauthorized("the API is closed: configure `http_api.key`"));
    }
    if given(headers).is_none() && in_query(uri).is_none() {
        return Err(Rejection::Unauthorized("send the API key as X-API-Key, or as Authorization: apikey KEY"));
    }
    Err(Rejection::Unauthorized("wrong API key"))
}

/// Whether who sends these headers to this address may call.
pub(in crate::control) fn may_call(config: &HttpApiConfig, headers: &HeaderMap, uri: &Uri) -> bool {
    config.admits(given(headers)) || in_query(uri).is_some_and(|key| config.admits(Some(key.as_bytes())))
}

/// `?api_key=`: for callers that can set no header. Proxies write addresses into their logs.
fn in_query(uri: &Uri) -> Option<String> {
    #[derive(Deserialize)]
    struct WithKey {
        api_key: String,
    }
    uri.query().filter(|query| query.contains("api_key="))?;
    Query::<WithKey>::try_from_uri(uri).ok().map(|Query(query)| query.api_key)
}

/// The key among a call's headers: `X-API-Key`, or `Authorization: apikey KEY`.
pub(in crate::control) fn given(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let authorization = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, key) = authorization.split_at_checked(b"apikey ".len())?;
    scheme.eq_ignore_ascii_case(b"apikey ").then(|| key.trim_ascii())
}
