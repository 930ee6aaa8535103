//! Reading a channel without subscribing: history and presence.

use std::borrow::Cow;

use super::access::Resolved;
use super::step::{Ask, Step};
use super::{Context, Session};
use crate::protocol::codes::Error;
use crate::protocol::word::History;

/// Who may, as a namespace states it.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    client: bool,
    subscriber: bool,
    anonymous: bool,
}

impl Session {
    fn may_read(&self, channel: &str, allowed: Allowed, context: Context<'_>) -> bool {
        let known = !self.user().is_empty();
        context.config.client.insecure
            || (allowed.client && (known || allowed.anonymous))
            || (allowed.subscriber && self.is_subscribed(channel))
    }

    pub(super) fn history<'a>(&mut self, history: History<'a>, context: Context<'_>) -> Step<'a> {
        let resolved = match context.access.resolve(&history.channel) {
            Ok(resolved) => resolved,
            Err(error) => return Step::Refuse(error),
        };
        let options = resolved.options;
        if options.history_size == 0 || options.history_ttl.as_millis() == 0 {
            return Step::Refuse(Error::NOT_AVAILABLE);
        }
        let allowed = Allowed {
            client: options.allow_history_for_client,
            subscriber: options.allow_history_for_subscriber,
            anonymous: options.allow_history_for_anonymous,
        };
        if !self.may_read(&history.channel, allowed, context) {
            return Step::Refuse(Error::PERMISSION_DENIED);
        }
        let max = context.config.client.history_max_publication_limit;
        Step::Ask(Ask::History { channel: history.channel, filter: history.filter, max })
    }

    fn presence_refused(&self, channel: &str, resolved: &Resolved<'_>, context: Context<'_>) -> Option<Error> {
        let options = resolved.options;
        if !options.presence {
            return Some(Error::NOT_AVAILABLE);
        }
        let allowed = Allowed {
            client: options.allow_presence_for_client,
            subscriber: options.allow_presence_for_subscriber,
            anonymous: options.allow_presence_for_anonymous,
        };
        (!self.may_read(channel, allowed, context)).then_some(Error::PERMISSION_DENIED)
    }

    fn ask_presence<'a>(
        &mut self,
        channel: Cow<'a, str>,
        context: Context<'_>,
        ask: impl FnOnce(Cow<'a, str>) -> Ask<'a>,
    ) -> Step<'a> {
        let refused = match context.access.resolve(&channel) {
            Ok(resolved) => self.presence_refused(&channel, &resolved, context),
            Err(error) => Some(error),
        };
        match refused {
            Some(error) => Step::Refuse(error),
            None => Step::Ask(ask(channel)),
        }
    }

    pub(super) fn presence<'a>(&mut self, channel: Cow<'a, str>, context: Context<'_>) -> Step<'a> {
        self.ask_presence(channel, context, Ask::Presence)
    }

    pub(super) fn presence_stats<'a>(&mut self, channel: Cow<'a, str>, context: Context<'_>) -> Step<'a> {
        self.ask_presence(channel, context, Ask::PresenceStats)
    }
}
