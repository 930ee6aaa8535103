//! Renewing tokens before they expire.

use super::step::Step;
use super::{Context, Session};
use crate::auth::TokenError;
use crate::control::order::TokenKind;
use crate::protocol::codes::{Disconnect, Error};
use crate::protocol::word::{Expiry, Refreshed};

/// How a lifetime looks from now.
pub fn expiry(expire_at_unix_s: Option<i64>, now_unix_s: i64) -> Expiry {
    match expire_at_unix_s {
        None => Expiry::default(),
        Some(at) => Expiry { expires: true, ttl_s: u32::try_from((at - now_unix_s).max(0)).unwrap_or(u32::MAX) },
    }
}

impl Session {
    /// When the session expires, as clients are told.
    pub fn expiry(&self, now_unix_s: i64) -> Expiry {
        expiry(self.expire_at_unix_s, now_unix_s)
    }

    pub(super) fn refresh<'a>(&mut self, token: &str, context: Context<'_>) -> Step<'a> {
        if token.is_empty() {
            return Step::Refuse(Error::BAD_REQUEST);
        }
        match context.verifier.connection(token, context.now.unix_s()) {
            Ok(claims) if *claims.user == **self.user() => {
                self.expire_at_unix_s = claims.exp_unix_s;
                Step::Refreshed(Refreshed {
                    client: self.info.client,
                    version: crate::VERSION,
                    expiry: self.expiry(context.now.unix_s()),
                })
            }
            Err(TokenError::UnknownKey { .. }) if !self.keys_are_fresh => {
                Step::Verify { token: Box::from(token), kind: TokenKind::Connection }
            }
            Err(TokenError::Expired) => Step::Refuse(Error::TOKEN_EXPIRED),
            Ok(_) | Err(_) => Step::Close(Disconnect::INVALID_TOKEN),
        }
    }

    pub(super) fn sub_refresh<'a>(&mut self, channel: &str, token: &str, context: Context<'_>) -> Step<'a> {
        if token.is_empty() || channel.is_empty() {
            return Step::Refuse(Error::BAD_REQUEST);
        }
        let claims = match context.verifier.subscription(token, context.now.unix_s()) {
            Ok(claims) => claims,
            Err(TokenError::UnknownKey { .. }) if !self.keys_are_fresh => {
                return Step::Verify { token: Box::from(token), kind: TokenKind::Subscription };
            }
            Err(TokenError::Expired) => return Step::Refuse(Error::TOKEN_EXPIRED),
            Err(_) => return Step::Close(Disconnect::INVALID_TOKEN),
        };
        if *claims.channel != *channel || *claims.user != **self.user() {
            return Step::Close(Disconnect::INVALID_TOKEN);
        }
        let Some(subscription) = self.subscription_mut(channel) else {
            return Step::Refuse(Error::PERMISSION_DENIED.because("permission denied: not subscribed"));
        };
        subscription.expire_at_unix_s = claims.grant.expire_at_unix_s;
        Step::SubRefreshed(expiry(claims.grant.expire_at_unix_s, context.now.unix_s()))
    }
}
