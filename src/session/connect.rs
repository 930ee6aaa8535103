//! Connecting: who is it, and which subscriptions come with it?

use std::collections::VecDeque;
use std::sync::Arc;

use super::connecting::Connecting;
use super::enrolment::Enrolment;
use super::identity::{Identity, PlannedSubscription};
use super::lifetime::has_expired;
use super::permission::may_subscribe;
use super::step::Step;
use super::terms::Wishes;
use super::{Context, Flags, Session, State};
use crate::auth::grant::Grant;
use crate::auth::{ConnectionClaims, Mark, TokenError};
use crate::model::refusal::{Disconnect, DisconnectKind, Error, ErrorKind};
use crate::model::{ClientInfo, Device, Recover};
use crate::protocol::word::Connect;

/// What the client said about itself.
#[derive(Debug, Default)]
struct Introduction {
    device: Device,
    recover: Vec<(Box<str>, Recover)>,
}

impl Introduction {
    fn of(connect: &Connect<'_>) -> Self {
        let header = |wanted: &str| {
            let header = connect.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            header.map_or("", |(_, value)| value)
        };
        Self {
            device: Device::named(header("x-device"), header("x-device-kind"), &connect.name).running(&connect.version),
            recover: connect.subs.iter().map(|(channel, recover)| (Box::from(&**channel), recover.clone())).collect(),
        }
    }
}

impl Session {
    pub(super) fn connect<'a>(&mut self, id: u32, connect: Connect<'a>, context: Context<'_>) -> Step<'a> {
        if !matches!(self.state, State::Fresh) {
            return Step::Close(DisconnectKind::BadRequest.because("connect twice"));
        }
        if id == 0 {
            return Step::Close(DisconnectKind::BadRequest.because("command without id"));
        }
        if connect.token.is_empty() {
            let client = &context.config.client;
            if !(client.insecure || client.allow_anonymous_connect_without_token) {
                return Step::Close(DisconnectKind::BadRequest.because("token required"));
            }
            return self.accept(id, None, Introduction::of(&connect), context);
        }
        let introduction = Introduction::of(&connect);
        let accepted = context.connection_token(&connect.token).and_then(|mut claims| {
            claims.device = self.device_of(claims.device, &introduction.device);
            context.check_revoked(&claims.user, &claims.device.id, &claims.stamp)?;
            Ok(claims)
        });
        match accepted {
            Ok(claims) => self.accept(id, Some(claims), introduction, context),
            Err(TokenError::UnknownKey { .. }) if !self.keys_are_fresh => Step::FetchKeys,
            Err(TokenError::Expired) => Step::Refuse(ErrorKind::TokenExpired.into()),
            Err(TokenError::NotYetValid { .. }) => Step::Refuse(ErrorKind::NotYetValid.into()),
            Err(_) => Step::Close(DisconnectKind::InvalidToken.into()),
        }
    }

    fn accept<'a>(
        &mut self,
        id: u32,
        claims: Option<ConnectionClaims>,
        introduction: Introduction,
        context: Context<'_>,
    ) -> Step<'a> {
        let client = &context.config.client;
        if client.disallow_anonymous_connection_tokens && claims.as_ref().is_some_and(|claims| claims.user.is_empty()) {
            return Step::Close(DisconnectKind::PermissionDenied.because("permission denied: token without user"));
        }
        let token = claims.as_ref().map_or(Mark::NO_TOKEN, |claims| Mark::from(&claims.stamp));
        let claims = claims.unwrap_or_default();
        let expire_at_unix_s = claims.exp_unix_s.filter(|_| !client.insecure);
        if has_expired(expire_at_unix_s, client.token.leeway, context) {
            return Step::Refuse(ErrorKind::Expired.into());
        }
        let planned = match plan(&claims, &introduction, context) {
            Ok(planned) => planned,
            Err(NoPlan::Refuse(error)) => return Step::Refuse(error),
            Err(NoPlan::Close(disconnect)) => return Step::Close(disconnect),
        };
        let user: Arc<str> = Arc::from(&*claims.user);
        let device = self.device_of(claims.device, &introduction.device);
        let enrolment = Enrolment::of(&user, self.info.client, &device, client, context.now);
        Step::Connect(Box::new(Identity {
            id,
            info: Arc::new(ClientInfo {
                user,
                client: self.info.client,
                conn_info: claims.info.map(Box::new),
                chan_info: None,
            }),
            token,
            expire_at_unix_s,
            device,
            planned,
            enrolment,
        }))
    }

    /// What the token says goes before what the client says, and that before the head of the upgrade.
    fn device_of(&self, by_token: Device, by_client: &Device) -> Device {
        let device = by_token.or(by_client);
        self.device.as_ref().map_or(device.clone(), |by_upgrade| device.or(by_upgrade))
    }

    /// Takes the identity on and plans its subscriptions.
    pub fn admit(&mut self, identity: Identity, context: Context<'_>) {
        self.info = identity.info;
        self.token = identity.token;
        self.expire_at = identity.expire_at_unix_s.into();
        self.connected_unix_ms = context.now.unix_ms;
        let delay_ms = context.config.client.stale_close_delay.as_millis();
        self.heartbeat.expect_connect(context.now.mono_ms, delay_ms);
        let mut planned = VecDeque::with_capacity(identity.planned.len());
        for plan in identity.planned {
            let resolved = context.access.resolve(&plan.channel).expect("the plan has names that resolved");
            let recover = plan.recover.filter(|recover| recover.recover).map(|recover| recover.since);
            let wishes = Wishes { server_side: true, ..Wishes::default() };
            let mut terms = self.terms(&resolved, &plan.grant, wishes, recover, context);
            terms.flags = terms.flags.with(Flags::HELD, true).with(Flags::BY_TOKEN, plan.by_token);
            self.begin_subscription(plan.channel.clone(), &terms);
            planned.push_back((plan.channel, terms));
        }
        self.state = State::Connecting(Box::new(Connecting {
            id: identity.id,
            pending: planned.len(),
            subs: Vec::with_capacity(planned.len()),
            planned,
            held: Vec::new(),
        }));
    }
}

/// Why a connection does not begin.
enum NoPlan {
    /// The command is refused: a channel does not exist.
    Refuse(Error),
    /// The session ends: there are too many channels.
    Close(Disconnect),
}

/// The subscriptions that come with a connection, in the making.
struct Plan<'a> {
    planned: Vec<PlannedSubscription>,
    introduction: &'a Introduction,
    context: Context<'a>,
}

impl Plan<'_> {
    /// A channel that the token or the configuration names.
    ///
    /// # Errors
    /// It does not exist, or there are too many.
    fn must_have(&mut self, channel: Arc<str>, grant: Grant, by_token: bool) -> Result<(), NoPlan> {
        self.context.access.resolve(&channel).map_err(NoPlan::Refuse)?;
        if self.has(&channel) {
            return Ok(());
        }
        if self.is_full() {
            return Err(NoPlan::Close(DisconnectKind::ChannelLimit.into()));
        }
        let mut wishes = self.introduction.recover.iter();
        let recover = wishes.find(|(name, _)| **name == *channel).map(|(_, recover)| recover.clone());
        self.planned.push(PlannedSubscription { channel, grant, recover, by_token });
        Ok(())
    }

    /// A channel that the client was in when it was last connected, by a backend's doing. It has it again if it may
    /// subscribe by itself; the client takes what is missing in the reply for ended.
    fn may_have(&mut self, channel: &str, recover: &Recover, user: &str) {
        let Ok(resolved) = self.context.access.resolve_for_client(channel) else { return };
        if self.is_full() || self.has(channel) || !may_subscribe(user, &resolved, self.context) {
            return;
        }
        let (channel, recover) = (Arc::from(channel), Some(recover.clone()));
        self.planned.push(PlannedSubscription { channel, grant: Grant::default(), recover, by_token: false });
    }

    fn has(&self, channel: &str) -> bool {
        self.planned.iter().any(|planned| *planned.channel == *channel)
    }

    fn is_full(&self) -> bool {
        self.planned.len() >= self.context.config.client.channel_limit
    }
}

/// Which channels come with the connection: `subs` and `channels` of the token, the personal channel, then those that
/// the client asks to have back.
fn plan(
    claims: &ConnectionClaims,
    introduction: &Introduction,
    context: Context<'_>,
) -> Result<Vec<PlannedSubscription>, NoPlan> {
    let mut plan = Plan { planned: Vec::new(), introduction, context };
    for (channel, grant) in &claims.subs {
        plan.must_have(Arc::from(&**channel), grant.clone(), true)?;
    }
    for channel in &claims.channels {
        plan.must_have(Arc::from(&**channel), Grant::default(), true)?;
    }
    let personal = &context.config.client.subscribe_to_user_personal_channel;
    if personal.enabled && !claims.user.is_empty() {
        let channel = context.access.personal_channel(&personal.personal_channel_namespace, &claims.user);
        plan.must_have(channel, Grant::default(), false)?;
    }
    for (channel, recover) in &introduction.recover {
        plan.may_have(channel, recover, &claims.user);
    }
    Ok(plan.planned)
}
