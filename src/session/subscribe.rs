//! Subscribing: may the session, and on which terms?

use std::borrow::Cow;
use std::sync::Arc;

use super::access::Resolved;
use super::lifetime::has_expired;
use super::permission::{Permission, may_subscribe};
use super::step::{Ask, Step};
use super::subscription::{Flags, Stage, Subscription};
use super::terms::{RecoverFrom, Terms, Wishes};
use super::{Context, Session};
use crate::auth::TokenError;
use crate::auth::grant::Grant;
use crate::config::SlowConsumer;
use crate::hub::RecoveryMode;
use crate::model::refusal::{DisconnectKind, Error, ErrorKind};
use crate::model::{BadFilter, ClientInfo, TagsFilter};
use crate::protocol::word::Subscribe;
use crate::session::State;

impl Session {
    /// Brings options, grant and wishes together.
    pub(super) fn terms(
        &self,
        resolved: &Resolved<'_>,
        grant: &Grant,
        wishes: Wishes,
        recover: RecoverFrom,
        context: Context<'_>,
    ) -> Terms {
        let options = resolved.options;
        let overrides = grant.overrides;
        let stream = resolved.has_history();
        // Who may read the history, or the presence, as a subscriber may also be kept current about it.
        let history = self.may(Permission::history(options), true, context);
        let presence = self.may(Permission::presence(options), true, context);
        let join_leave = overrides.join_leave.unwrap_or(options.join_leave);
        let push_join_leave = overrides.force_push_join_leave.unwrap_or(options.force_push_join_leave);
        let at_least_once = resolved.is_at_least_once() && !self.user().is_empty();
        let recoverable = stream
            && (at_least_once
                || overrides.force_recovery.unwrap_or(options.force_recovery)
                || (wishes.recoverable && (options.allow_recovery || history)));
        let positioned = stream
            && (recoverable
                || overrides.force_positioning.unwrap_or(options.force_positioning)
                || (wishes.positioned && (options.allow_positioning || history)));
        let mode = resolved.recovery_mode();
        let conflate = options.slow_consumer == SlowConsumer::Conflate && (!positioned || mode == RecoveryMode::Cache);
        let was_recovering = recover.is_some();
        let info = match &grant.info {
            None => self.info.clone(),
            Some(info) => Arc::new(ClientInfo { chan_info: Some(Box::new(info.clone())), ..(*self.info).clone() }),
        };
        Terms {
            info,
            flags: Flags::default()
                .with(Flags::POSITIONED, positioned)
                .with(Flags::RECOVERABLE, recoverable)
                .with(Flags::SERVER_SIDE, wishes.server_side)
                .with(Flags::JOIN_LEAVE, push_join_leave || (wishes.join_leave && join_leave && presence))
                .with(Flags::CONFLATE, conflate),
            announce: join_leave,
            presence: overrides.presence.unwrap_or(options.presence),
            recover: recover.filter(|_| recoverable),
            was_recovering,
            device: at_least_once.then(|| self.device.clone().unwrap_or_default()),
            mode,
            recovery_max: context.config.client.recovery_max_publication_limit,
            whole: wishes.whole,
            filter: wishes.filter,
            data: grant.data.clone(),
            expire_at_unix_s: grant.expire_at_unix_s,
        }
    }

    /// Notes a subscription that the home shard is asked for.
    pub fn begin_subscription(&mut self, channel: Arc<str>, terms: &Terms) {
        debug_assert!(self.subscription(&channel).is_none());
        let info = (!Arc::ptr_eq(&terms.info, &self.info)).then(|| terms.info.clone());
        self.subscriptions.push(Subscription {
            channel,
            stage: Stage::Pending,
            flags: terms.flags,
            expire_at: terms.expire_at_unix_s.into(),
            info,
        });
    }

    pub(super) fn subscribe<'a>(&mut self, mut subscribe: Subscribe<'a>, context: Context<'_>) -> Step<'a> {
        let filter = subscribe.filter.take();
        let channel = &*subscribe.channel;
        if self.subscription(channel).is_some() {
            return Step::Refuse(ErrorKind::AlreadySubscribed.into());
        }
        if self.subscriptions.len() >= context.config.client.channel_limit {
            return Step::Refuse(ErrorKind::LimitExceeded.because("limit exceeded: too many channels in one session"));
        }
        let resolved = match context.access.resolve_for_client(channel) {
            Ok(resolved) => resolved,
            Err(error) => return Step::Refuse(error),
        };
        let grant = match self.subscribe_grant(&subscribe, &resolved, context) {
            Ok(grant) => grant,
            Err(NoGrant::Error(error)) => return Step::Refuse(error),
            Err(NoGrant::Close) => return Step::Close(DisconnectKind::InvalidToken.into()),
            Err(NoGrant::Ask) => return Step::FetchKeys,
        };
        let filter = match admit_filter(filter, &resolved) {
            Ok(filter) => filter,
            Err(error) => return Step::Refuse(error),
        };
        self.ask_subscribe(&subscribe, filter, &resolved, &grant, context)
    }

    /// The rest of a subscribe command once it is clear that the session may.
    fn ask_subscribe<'a>(
        &mut self,
        subscribe: &Subscribe<'_>,
        filter: Option<Arc<TagsFilter>>,
        resolved: &Resolved<'_>,
        grant: &Grant,
        context: Context<'_>,
    ) -> Step<'a> {
        let wishes = Wishes {
            filter,
            positioned: subscribe.positioned,
            recoverable: subscribe.recoverable || subscribe.recover.recover,
            join_leave: subscribe.join_leave,
            whole: subscribe.whole,
            server_side: false,
        };
        let recover = subscribe.recover.recover.then(|| subscribe.recover.since.clone());
        let terms = self.terms(resolved, grant, wishes, recover, context);
        let channel: Arc<str> = Arc::from(&*subscribe.channel);
        self.begin_subscription(channel.clone(), &terms);
        Step::Ask(Ask::Subscribe(channel, terms))
    }

    fn subscribe_grant(
        &self,
        subscribe: &Subscribe<'_>,
        resolved: &Resolved<'_>,
        context: Context<'_>,
    ) -> Result<Grant, NoGrant> {
        if !subscribe.token.is_empty() {
            let verified = context.subscription_token(&subscribe.token).and_then(|claims| {
                context.check_revoked(&claims.user, self.device_id(), &claims.stamp)?;
                Ok(claims)
            });
            let claims = match verified {
                Ok(claims) => claims,
                Err(TokenError::UnknownKey { .. }) if !self.keys_are_fresh => return Err(NoGrant::Ask),
                Err(TokenError::Expired) => return Err(NoGrant::Error(ErrorKind::TokenExpired.into())),
                Err(TokenError::NotYetValid { .. }) => return Err(NoGrant::Error(ErrorKind::NotYetValid.into())),
                Err(_) => return Err(NoGrant::Error(ErrorKind::PermissionDenied.into())),
            };
            if !self.is_named_by(&claims, &subscribe.channel) {
                return Err(NoGrant::Close);
            }
            let leeway = context.config.client.subscription_tokens().leeway;
            if has_expired(claims.grant.expire_at_unix_s, leeway, context) {
                return Err(NoGrant::Error(ErrorKind::Expired.into()));
            }
            return Ok(claims.grant);
        }
        if may_subscribe(self.user(), resolved, context) {
            Ok(Grant::default())
        } else {
            Err(NoGrant::Error(ErrorKind::PermissionDenied.into()))
        }
    }

    pub(super) fn unsubscribe<'a>(&mut self, channel: Cow<'a, str>) -> Step<'a> {
        match self.subscription(&channel) {
            Some(subscription) if !subscription.is_live() => Step::Later,
            _ => Step::Unsubscribe(channel),
        }
    }

    /// A backend subscribes the session.
    ///
    /// # Errors
    /// As [`Access::resolve`](super::access::Access::resolve); also when it is subscribed, or has too many channels.
    pub fn subscribe_by_server(
        &mut self,
        channel: &Arc<str>,
        grant: &Grant,
        recover: RecoverFrom,
        context: Context<'_>,
    ) -> Result<Terms, Error> {
        if !matches!(self.state, State::Connected) {
            return Err(ErrorKind::NotAvailable.into());
        }
        if self.subscription(channel).is_some() {
            return Err(ErrorKind::AlreadySubscribed.into());
        }
        if self.subscriptions.len() >= context.config.client.channel_limit {
            return Err(ErrorKind::LimitExceeded.into());
        }
        let resolved = context.access.resolve(channel)?;
        let wishes = Wishes { server_side: true, ..Wishes::default() };
        let terms = self.terms(&resolved, grant, wishes, recover, context);
        self.begin_subscription(channel.clone(), &terms);
        Ok(terms)
    }
}

/// A filter that the client asks for, where its namespace lets it.
fn admit_filter(
    filter: Option<Result<TagsFilter, BadFilter>>,
    resolved: &Resolved<'_>,
) -> Result<Option<Arc<TagsFilter>>, Error> {
    let Some(filter) = filter else { return Ok(None) };
    if !resolved.options.allow_tags_filter {
        return Err(ErrorKind::BadRequest.because("bad request: the channel takes no tags filter"));
    }
    match filter {
        Ok(filter) => Ok(Some(Arc::new(filter))),
        Err(why) => Err(ErrorKind::BadRequest.because(format!("bad request: the tags filter is wrong: {why}"))),
    }
}

enum NoGrant {
    Error(Error),
    /// The token is somebody else's or for another channel.
    Close,
    /// The token's key is not known here.
    Ask,
}
