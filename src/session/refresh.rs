//! Renewing tokens before they expire.

use super::step::Step;
use super::{Context, Session};
use crate::auth::TokenError;
use crate::model::Expiry;
use crate::model::refusal::{Disconnect, Error};
use crate::protocol::word::Refreshed;

/// How a lifetime looks from now.
pub fn expiry(expire_at_unix_s: Option<i64>, now_unix_s: i64) -> Expiry {
    match expire_at_unix_s {
        None => Expiry::default(),
        Some(at) => Expiry { expires: true, ttl_s: u32::try_from((at - now_unix_s).max(0)).unwrap_or(u32::MAX) },
    }
}

/// Whether something that is about to begin or to be renewed is over already.
pub(super) fn has_expired(expire_at_unix_s: Option<i64>, context: Context<'_>) -> bool {
    expire_at_unix_s.is_some_and(|at| at <= context.now.unix_s())
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
                let expire_at_unix_s = claims.exp_unix_s.filter(|_| !context.config.client.insecure);
                if has_expired(expire_at_unix_s, context) {
                    return Step::Refuse(Error::EXPIRED);
                }
                self.expire_at_unix_s = expire_at_unix_s;
                Step::Refreshed(Refreshed {
                    client: self.info.client,
                    version: crate::VERSION,
                    expiry: self.expiry(context.now.unix_s()),
                })
            }
            Err(TokenError::UnknownKey { .. }) if !self.keys_are_fresh => Step::FetchKeys,
            // An error would make the SDKs give up for good; after this they come back with a new token.
            Err(TokenError::Expired) => Step::Close(Disconnect::EXPIRED),
            Ok(_) | Err(_) => Step::Close(Disconnect::INVALID_TOKEN),
        }
    }

    pub(super) fn sub_refresh<'a>(&mut self, channel: &str, token: &str, context: Context<'_>) -> Step<'a> {
        if token.is_empty() || channel.is_empty() {
            return Step::Refuse(Error::BAD_REQUEST);
        }
        match self.subscription(channel) {
            None => return Step::Refuse(Error::PERMISSION_DENIED.because("permission denied: not subscribed")),
            Some(subscription) if !subscription.is_live() => return Step::Later,
            Some(_) => {}
        }
        let claims = match context.verifier.subscription(token, context.now.unix_s()) {
            Ok(claims) => claims,
            Err(TokenError::UnknownKey { .. }) if !self.keys_are_fresh => return Step::FetchKeys,
            Err(TokenError::Expired) => return Step::Refuse(Error::TOKEN_EXPIRED),
            Err(_) => return Step::Close(Disconnect::INVALID_TOKEN),
        };
        if *claims.channel != *channel || *claims.user != **self.user() {
            return Step::Close(Disconnect::INVALID_TOKEN);
        }
        let expire_at_unix_s = claims.grant.expire_at_unix_s;
        if has_expired(expire_at_unix_s, context) {
            return Step::Refuse(Error::EXPIRED);
        }
        if let Some(subscription) = self.subscription_mut(channel) {
            subscription.expire_at_unix_s = expire_at_unix_s;
        }
        Step::SubRefreshed(expiry(expire_at_unix_s, context.now.unix_s()))
    }
}
