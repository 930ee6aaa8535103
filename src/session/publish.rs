//! Publishing: may the session?

use std::borrow::Cow;

use super::step::{Ask, Step};
use super::{Context, Session};
use crate::protocol::codes::Error;
use crate::protocol::word::PayloadRef;

impl Session {
    pub(super) fn publish<'a>(
        &mut self,
        channel: Cow<'a, str>,
        data: PayloadRef<'a>,
        context: Context<'_>,
    ) -> Step<'a> {
        if data.bytes.is_empty() {
            return Step::Refuse(Error::BAD_REQUEST.because("bad request: empty data"));
        }
        let resolved = match context.access.resolve(&channel) {
            Ok(resolved) => resolved,
            Err(error) => return Step::Refuse(error),
        };
        let options = resolved.options;
        let known = !self.user().is_empty();
        let subscription = self.subscription(&channel);
        let subscribed = subscription.is_some_and(|subscription| subscription.is_live());
        let allowed = context.config.client.insecure
            || (options.allow_publish_for_client && (known || options.allow_publish_for_anonymous))
            || (options.allow_publish_for_subscriber && subscribed);
        if !allowed || !resolved.is_well_named() {
            return Step::Refuse(Error::PERMISSION_DENIED);
        }
        let info = subscription.and_then(|subscription| subscription.info.as_ref()).unwrap_or(&self.info).clone();
        Step::Ask(Ask::Publish { channel, data, info })
    }
}
