//! Reading a channel without subscribing: history and presence.

use std::borrow::Cow;

use super::permission::Permission;
use super::step::{Ask, Step};
use super::{Context, Session};
use crate::model::refusal::ErrorKind;
use crate::protocol::word::History;

impl Session {
    pub(super) fn history<'a>(&mut self, history: History<'a>, context: Context<'_>) -> Step<'a> {
        let resolved = match context.access.resolve_for_client(&history.channel) {
            Ok(resolved) => resolved,
            Err(error) => return Step::Refuse(error),
        };
        if !resolved.has_history() {
            return Step::Refuse(ErrorKind::NotAvailable.into());
        }
        if let Some(step) = self.refusal(&resolved, Permission::history(resolved.options), context) {
            return step;
        }
        let max = context.config.client.history_max_publication_limit;
        Step::Ask(Ask::History { channel: history.channel, filter: history.filter, max })
    }

    /// `ask` is one of the two questions about presence.
    pub(super) fn presence<'a>(
        &mut self,
        channel: Cow<'a, str>,
        ask: impl FnOnce(Cow<'a, str>) -> Ask<'a>,
        context: Context<'_>,
    ) -> Step<'a> {
        let resolved = match context.access.resolve_for_client(&channel) {
            Ok(resolved) => resolved,
            Err(error) => return Step::Refuse(error),
        };
        if !resolved.options.presence {
            return Step::Refuse(ErrorKind::NotAvailable.into());
        }
        match self.refusal(&resolved, Permission::presence(resolved.options), context) {
            Some(step) => step,
            None => Step::Ask(ask(channel)),
        }
    }
}
