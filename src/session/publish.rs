//! Publishing: may the session?

use std::borrow::Cow;

use super::permission::Permission;
use super::step::{Ask, Step};
use super::{Context, Session};
use crate::model::PayloadRef;
use crate::model::refusal::ErrorKind;

impl Session {
    pub(super) fn publish<'a>(
        &mut self,
        channel: Cow<'a, str>,
        data: PayloadRef<'a>,
        context: Context<'_>,
    ) -> Step<'a> {
        if data.bytes.is_empty() {
            return Step::Refuse(ErrorKind::BadRequest.because("bad request: empty data"));
        }
        let resolved = match context.access.resolve_for_client(&channel) {
            Ok(resolved) => resolved,
            Err(error) => return Step::Refuse(error),
        };
        if let Some(step) = self.refusal(&resolved, Permission::publish(resolved.options), context) {
            return step;
        }
        let in_channel = self.subscription(&channel).and_then(|subscription| subscription.info.as_ref());
        let info = in_channel.unwrap_or(&self.info).clone();
        let options = resolved.hub_options(&context.config.channel);
        Step::Ask(Ask::Publish { channel, data, info, options })
    }
}
