//! `tokens_revoke`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Method;
use super::reply::Done;
use super::shape::whole_or_null;
use crate::auth::{Revocation, Subject};
use crate::broker::order::Order;
use crate::clock;
use crate::config::ClientConfig;
use crate::control::state::ControlState;
use crate::limits::{REVOKED_NAME_BYTES_MAX, TOKEN_LEEWAY_MS_MAX};
use crate::model::refusal::{Error, ErrorKind};

/// Call tokens back: those of a user, of a user's device, one by its id, or all that were issued before a time. Their
/// sessions end with 3500, and no connect, refresh or subscription is granted with them any more.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "TokensRevokeRequest")]
pub(super) struct TokensRevoke {
    /// Those of this user.
    user: String,
    /// Only those with which this device of the user comes: claim `device`, or what the client calls its device.
    device: String,
    /// Only the token with this `jti`, without any other field but `until`.
    id: String,
    /// Those whose `iat` is before this, Unix seconds; a token without `iat` is. Without it all that were issued by now.
    #[serde(deserialize_with = "whole_or_null")]
    issued_before: Option<i64>,
    /// Until when they are refused, Unix seconds: when none of them is valid any more. Without it for
    /// `client.revocation_ttl`.
    #[serde(deserialize_with = "whole_or_null")]
    until: Option<i64>,
}

impl TokensRevoke {
    fn revocation(self, client: &ClientConfig, now_unix_s: i64) -> Result<Revocation, Error> {
        let bad = |why: &str| Err(ErrorKind::BadRequest.because(format!("bad request: {why}")));
        if [&self.user, &self.device, &self.id].iter().any(|name| name.len() > REVOKED_NAME_BYTES_MAX) {
            return bad(&format!("names of a revocation have at most {REVOKED_NAME_BYTES_MAX} bytes"));
        }
        let subject = match (&*self.user, &*self.device, &*self.id) {
            ("", "", "") if self.issued_before.is_none() => {
                return bad("name a user, the id of a token, or a time with issued_before");
            }
            ("", "", "") => Subject::All,
            ("", "", id) if self.issued_before.is_none() => Subject::Token(id.into()),
            (_, _, id) if !id.is_empty() => {
                return bad("id names one token: give it without user, device, issued_before");
            }
            ("", ..) => return bad("device is a device of a user: name the user, too"),
            (user, "", _) => Subject::User(user.into()),
            (user, device, _) => Subject::Device { user: user.into(), device: device.into() },
        };
        let now_ahead_unix_s = now_unix_s.saturating_add_unsigned(TOKEN_LEEWAY_MS_MAX / 1000);
        let issued_before_unix_s = match subject {
            Subject::Token(_) => i64::MAX,
            // The second that has begun is one of those that are over.
            _ => self.issued_before.unwrap_or(now_unix_s + 1),
        };
        if issued_before_unix_s < 1 {
            return bad("issued_before is no time after 1970");
        }
        if issued_before_unix_s > now_ahead_unix_s && !matches!(subject, Subject::Token(_)) {
            return bad("issued_before is to come: tokens that do not exist yet cannot be called back");
        }
        let until = |ttl_ms: u64| now_unix_s.saturating_add_unsigned(ttl_ms / 1000);
        let until_unix_s = self.until.unwrap_or_else(|| until(client.revocation_ttl.as_millis()));
        if until_unix_s <= now_unix_s {
            return bad("until has passed");
        }
        if until_unix_s > until(client.revocation_ttl_max.as_millis()) {
            return bad("until is later than client.revocation_ttl_max allows");
        }
        Ok(Revocation { subject, issued_before_unix_s, until_unix_s })
    }
}

impl Method for TokensRevoke {
    const NAME: &'static str = "tokens_revoke";
    type Result = Done;

    async fn run(self, state: &ControlState) -> Result<Done, Error> {
        let revocation = Arc::new(self.revocation(&state.config().client, clock::unix_ms() / 1000)?);
        state.shards.ask_all(|answer| Order::Revoke { revocation: revocation.clone(), answer }).await?;
        if let Some(nodes) = &state.nodes {
            nodes.revoke(&revocation).await?;
        }
        Ok(Done {})
    }
}
