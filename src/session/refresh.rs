//! Renewing tokens before they expire.

use std::sync::Arc;

use super::appearance::Appearance;
use super::lifetime::has_expired;
use super::step::Step;
use super::{Context, Flags, Session};
use crate::auth::{ConnectionClaims, Mark, SubscriptionClaims, TokenError};
use crate::model::refusal::{DisconnectKind, ErrorKind};
use crate::model::{ClientInfo, Expiry, Payload};
use crate::protocol::word::Refreshed;

/// How a lifetime looks from now. What is just over has another second to be renewed: a time of 0 is left out of replies.
pub fn expiry(expire_at_unix_s: Option<i64>, now_unix_s: i64) -> Expiry {
    match expire_at_unix_s {
        None => Expiry::default(),
        Some(at) => {
            let left_s = at.saturating_sub(now_unix_s).max(1);
            Expiry { expires: true, ttl_s: u32::try_from(left_s).unwrap_or(u32::MAX) }
        }
    }
}

impl Session {
    /// When the session expires, as clients are told.
    pub fn expiry(&self, now_unix_s: i64) -> Expiry {
        expiry(self.expire_at.unix_s(), now_unix_s)
    }

    pub(super) fn refresh<'a>(&mut self, token: &str, context: Context<'_>) -> Step<'a> {
        if token.is_empty() {
            return Step::Refuse(ErrorKind::BadRequest.into());
        }
        let accepted = context.connection_token(token).and_then(|claims| {
            context.check_revoked(&claims.user, self.device_id(), &claims.stamp)?;
            Ok(claims)
        });
        match accepted {
            Ok(claims) if *claims.user == **self.user() => self.renew(claims, context),
            Err(TokenError::UnknownKey { .. }) if !self.keys_are_fresh => Step::FetchKeys,
            // An error would make the SDKs give up for good; after this they come back with a new token.
            Err(TokenError::Expired) => Step::Close(DisconnectKind::Expired.into()),
            Err(TokenError::NotYetValid { .. }) => Step::Refuse(ErrorKind::NotYetValid.into()),
            Ok(_) | Err(_) => Step::Close(DisconnectKind::InvalidToken.into()),
        }
    }

    fn renew<'a>(&mut self, claims: ConnectionClaims, context: Context<'_>) -> Step<'a> {
        let client = &context.config.client;
        let expire_at_unix_s = claims.exp_unix_s.filter(|_| !client.insecure);
        if has_expired(expire_at_unix_s, client.token.leeway, context) {
            return Step::Refuse(ErrorKind::Expired.into());
        }
        if self.is_granted_other_channels(&claims) || self.is_on_other_device(&claims) {
            // The client comes back with the new token, and gets what it names.
            return Step::Close(DisconnectKind::InsufficientState.into());
        }
        self.token = Mark::from(&claims.stamp);
        self.expire_at = expire_at_unix_s.into();
        let appearances = claims.info.map_or_else(Vec::new, |info| self.appear_as(info));
        let refreshed =
            Refreshed { client: self.info.client, version: crate::VERSION, expiry: self.expiry(context.now.unix_s()) };
        Step::Refreshed(refreshed, appearances)
    }

    /// Whether a new token names a channel that the session is not in, or no longer names one that an earlier token
    /// brought.
    fn is_granted_other_channels(&self, claims: &ConnectionClaims) -> bool {
        let mut named = claims.subs.iter().map(|(channel, _)| channel).chain(&claims.channels);
        let is_named = |channel: &str| named.clone().any(|name| **name == *channel);
        let mut by_token = self.subscriptions.iter().filter(|subscription| subscription.flags.has(Flags::BY_TOKEN));
        by_token.any(|subscription| !is_named(&subscription.channel))
            || named.any(|channel| self.subscription(channel).is_none())
    }

    /// Whether a new token is for another device than the session's.
    fn is_on_other_device(&self, claims: &ConnectionClaims) -> bool {
        !claims.device.id.is_empty() && *claims.device.id != *self.device_id()
    }

    /// From now on others see the session with this information. Returns what the homes of its channels must be told.
    pub fn appear_as(&mut self, conn_info: Payload) -> Vec<Appearance> {
        if self.info.conn_info.as_deref() == Some(&conn_info) {
            return Vec::new();
        }
        let with_info =
            |info: &ClientInfo| Arc::new(ClientInfo { conn_info: Some(Box::new(conn_info.clone())), ..info.clone() });
        self.info = with_info(&self.info);
        let general = &self.info;
        let appear = |subscription: &mut super::Subscription| {
            if let Some(info) = &mut subscription.info {
                *info = with_info(info);
            }
            let info = subscription.info.as_ref().unwrap_or(general).clone();
            Appearance { channel: subscription.channel.clone(), info }
        };
        self.subscriptions.iter_mut().map(appear).collect()
    }

    pub(super) fn sub_refresh<'a>(&mut self, channel: &str, token: &str, context: Context<'_>) -> Step<'a> {
        if token.is_empty() || channel.is_empty() {
            return Step::Refuse(ErrorKind::BadRequest.into());
        }
        match self.subscription(channel) {
            None => return Step::Refuse(ErrorKind::PermissionDenied.because("permission denied: not subscribed")),
            Some(subscription) if !subscription.is_live() => return Step::Later,
            Some(_) => {}
        }
        let accepted = context.subscription_token(token).and_then(|claims| {
            context.check_revoked(&claims.user, self.device_id(), &claims.stamp)?;
            Ok(claims)
        });
        let claims = match accepted {
            Ok(claims) => claims,
            Err(TokenError::UnknownKey { .. }) if !self.keys_are_fresh => return Step::FetchKeys,
            Err(TokenError::Expired) => return Step::Refuse(ErrorKind::TokenExpired.into()),
            Err(TokenError::NotYetValid { .. }) => return Step::Refuse(ErrorKind::NotYetValid.into()),
            Err(_) => return Step::Close(DisconnectKind::InvalidToken.into()),
        };
        if !self.is_named_by(&claims, channel) {
            return Step::Close(DisconnectKind::InvalidToken.into());
        }
        let expire_at_unix_s = claims.grant.expire_at_unix_s;
        if has_expired(expire_at_unix_s, context.config.client.subscription_tokens().leeway, context) {
            return Step::Refuse(ErrorKind::Expired.into());
        }
        let appearance = self.renew_subscription(channel, expire_at_unix_s, claims.grant.info);
        Step::SubRefreshed(expiry(expire_at_unix_s, context.now.unix_s()), appearance)
    }

    fn renew_subscription(
        &mut self,
        channel: &str,
        expire_at_unix_s: Option<i64>,
        chan_info: Option<Payload>,
    ) -> Option<Appearance> {
        let general = self.info.clone();
        let subscription = self.subscription_mut(channel)?;
        subscription.expire_at = expire_at_unix_s.into();
        let before = subscription.info.as_ref().unwrap_or(&general);
        if chan_info.is_none() || before.chan_info.as_deref() == chan_info.as_ref() {
            return None;
        }
        let info = Arc::new(ClientInfo { chan_info: chan_info.map(Box::new), ..(**before).clone() });
        subscription.info = Some(info.clone());
        Some(Appearance { channel: subscription.channel.clone(), info })
    }

    /// Whether a subscription token was made for this session, or for its user, in this channel.
    pub(super) fn is_named_by(&self, claims: &SubscriptionClaims, channel: &str) -> bool {
        *claims.channel == *channel
            && *claims.user == **self.user()
            && (claims.client.is_empty() || claims.client.parse() == Ok(self.info.client))
    }
}
