//! `/`: the demo page, or a few lines that say where to go.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::refused::{bad_request, not_found};
use super::state::ControlState;
use super::text::text;
use crate::auth::mint;
use crate::clock;
use crate::config::Purpose;
use crate::limits::DEMO_USER_BYTES_MAX;

const PAGE: &str = include_str!("demo.html");

/// The page is one file with its own script and style; it talks to this node and to nobody else.
const POLICY: &str = "default-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; img-src 'self' data:; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// How long a token of the demo page is good, seconds.
const TOKEN_LIFE_S: u64 = 24 * 60 * 60;

/// The demo page where it is switched on.
pub(super) async fn index(State(state): State<Arc<ControlState>>) -> Response {
    let config = state.config();
    if config.demo.enabled {
        let headers = [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        return (headers, Html(PAGE)).into_response();
    }
    let (version, door) = (crate::VERSION, &config.http_server.websocket_path);
    let internal = match Purpose::Http.is_internal(&config) {
        true => {
            "\nbackends  POST /api/<method>, described by /api/openapi.json\nhealth    /health, /health/live\n\
             metrics   /metrics"
        }
        false => "",
    };
    let lines = format!("Ringpost {version}\n\nclients   {door} (WebSocket){internal}");
    text(StatusCode::OK, &lines)
}

/// Who wants a token.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    user: String,
}

/// A connection token for whoever asks: only where the demo is switched on.
pub(super) async fn token(
    State(state): State<Arc<ControlState>>,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Response {
    let config = state.config();
    if !config.demo.enabled {
        return not_found("the demo is switched off: `demo.enabled`");
    }
    let user = match wish {
        Ok(Query(Wish { user })) => user,
        Err(rejection) => return bad_request(rejection.body_text()),
    };
    if user.is_empty() || user.len() > DEMO_USER_BYTES_MAX {
        return bad_request(format!("`user` must be 1 to {DEMO_USER_BYTES_MAX} bytes"));
    }
    let secret = &config.client.token.hmac_secret_key;
    if secret.is_empty() {
        return not_found("no token can be made: `client.token.hmac_secret_key` is empty");
    }
    let now_s = clock::unix_ms().unsigned_abs() / 1000;
    let claims = json!({ "sub": user, "iat": now_s, "exp": now_s + TOKEN_LIFE_S, "info": { "name": user } });
    Json(json!({ "user": user, "token": mint::hs256(secret, &claims) })).into_response()
}
