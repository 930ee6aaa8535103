//! Who may publish, read history, see presence: for each, a namespace names three groups.

use super::access::Resolved;
use super::step::Step;
use super::{Context, Session};
use crate::config::ChannelOptions;
use crate::model::refusal::ErrorKind;

/// Who may, as a namespace states it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permission {
    client: bool,
    subscriber: bool,
    anonymous: bool,
}

impl Permission {
    /// `allow_publish_for_…`
    pub(super) fn publish(options: &ChannelOptions) -> Self {
        Self {
            client: options.allow_publish_for_client,
            subscriber: options.allow_publish_for_subscriber,
            anonymous: options.allow_publish_for_anonymous,
        }
    }

    /// `allow_history_for_…`
    pub(super) fn history(options: &ChannelOptions) -> Self {
        Self {
            client: options.allow_history_for_client,
            subscriber: options.allow_history_for_subscriber,
            anonymous: options.allow_history_for_anonymous,
        }
    }

    /// `allow_presence_for_…`
    pub(super) fn presence(options: &ChannelOptions) -> Self {
        Self {
            client: options.allow_presence_for_client,
            subscriber: options.allow_presence_for_subscriber,
            anonymous: options.allow_presence_for_anonymous,
        }
    }
}

impl Session {
    /// Whether the session has a permission, in a channel that it is subscribed to or not.
    pub(super) fn may(&self, permission: Permission, subscribed: bool, context: Context<'_>) -> bool {
        let known = !self.user().is_empty();
        context.config.client.insecure
            || ((permission.client || (permission.subscriber && subscribed)) && (known || permission.anonymous))
    }

    /// What is to be done instead when the session lacks a permission. Who may not subscribe to a channel because of its
    /// name, and is not subscribed, may do nothing else there.
    pub(super) fn refusal(
        &self,
        resolved: &Resolved<'_>,
        permission: Permission,
        context: Context<'_>,
    ) -> Option<Step<'static>> {
        if !is_closed_to(self.user(), resolved, context) && self.may(permission, false, context) {
            return None;
        }
        match self.subscription(resolved.channel) {
            Some(subscription) if self.may(permission, true, context) => {
                // Commands take effect in the order in which they were sent.
                (!subscription.is_live()).then_some(Step::Later)
            }
            _ => Some(Step::Refuse(ErrorKind::PermissionDenied.into())),
        }
    }
}

/// Whether the channel's name keeps the user out: only a token, or a backend, lets them in.
pub(super) fn is_closed_to(user: &str, resolved: &Resolved<'_>, context: Context<'_>) -> bool {
    let admitted = || context.config.client.insecure || (!user.is_empty() && resolved.admits_user(user));
    resolved.private || (resolved.lists_users() && !admitted())
}

/// Whether the user may subscribe without a token.
pub(super) fn may_subscribe(user: &str, resolved: &Resolved<'_>, context: Context<'_>) -> bool {
    let options = resolved.options;
    let open = || options.allow_subscribe_for_client && (!user.is_empty() || options.allow_subscribe_for_anonymous);
    !is_closed_to(user, resolved, context) && (context.config.client.insecure || resolved.lists_users() || open())
}
