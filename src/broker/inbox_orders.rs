//! What backends ask about members and what they have received, and the answers.

use std::sync::Arc;

use super::Broker;
use crate::broker::inbox_order::InboxOrder;
use crate::hub::NewPublication;
use crate::model::Position;
use crate::model::refusal::{Error, ErrorKind};
use crate::time::Now;

impl Broker {
    /// Carries one out, and answers it.
    pub(super) fn inbox_order(&mut self, order: InboxOrder, now: Now) {
        // An asker that goes meanwhile is nobody's loss.
        match order {
            InboxOrder::AddMembers(channel, users, answer) => {
                self.walks.looked_at(users.len());
                drop(answer.send(users.iter().try_for_each(|user| self.home.add_member(&channel, user, now))));
            }
            InboxOrder::RemoveMembers(channel, users, answer) => {
                self.walks.looked_at(users.len());
                let known = self.home.policy.inbox_options(&channel).map(drop);
                let removed = known.map(|()| users.iter().for_each(|user| self.home.remove_member(&channel, user)));
                drop(answer.send(removed));
            }
            InboxOrder::Members(channel, after, limit, answer) => {
                let known = self.home.policy.inbox_options(&channel);
                let page = known.map(|_| self.home.delivery.members(&channel, &after, limit));
                self.walks.looked_at(page.as_ref().map_or(0, |page| page.users.len()));
                drop(answer.send(page));
            }
            InboxOrder::Devices(channel, user, answer) => {
                let known = self.home.policy.inbox_options(&channel);
                drop(answer.send(known.and_then(|_| self.home.delivery.devices(&channel, &user))));
            }
            InboxOrder::Unread(channel, user, answer) => {
                let known = self.home.policy.inbox_options(&channel);
                drop(answer.send(known.and_then(|_| self.home.delivery.unread(&channel, &user))));
            }
            InboxOrder::DeadLetters(filter, answer) => {
                let letters = self.home.delivery.dead_letters().list(&filter);
                self.walks.looked_at(letters.len());
                drop(answer.send(Ok(letters)));
            }
            InboxOrder::Requeue(channel, offset, answer) => drop(answer.send(self.requeue(&channel, offset, now))),
            InboxOrder::Purge(channel, offset, answer) => {
                let dead = self.home.delivery.dead_letters();
                let purged = match offset {
                    Some(offset) => usize::from(dead.remove(&channel, offset).is_some()),
                    None => dead.purge(&channel),
                };
                drop(answer.send(Ok(purged)));
            }
            InboxOrder::Trace(channel, offset, answer) => {
                let known = self.home.policy.inbox_options(&channel);
                let events = known.map(|_| self.home.delivery.trace().of(&channel, offset));
                drop(answer.send(events));
            }
        }
        self.home.dispatch();
    }

    /// Publishes a dead letter anew: its attempts begin anew with its new offset.
    fn requeue(&mut self, channel: &Arc<str>, offset: u64, now: Now) -> Result<Position, Error> {
        let dead = self.home.delivery.dead_letters();
        let letter = dead
            .find(channel, offset)
            .ok_or_else(|| ErrorKind::NotAvailable.because("not available: no such dead letter"))?;
        let publication = letter.publication.clone();
        let message = NewPublication {
            data: publication.data.clone(),
            info: publication.info.clone(),
            tags: publication.tags.clone(),
            skip_history: false,
            idempotency_key: None,
            version: None,
        };
        let position = self.home.publish_in_memory(channel, message, None, self.me, now)?;
        self.home.delivery.dead_letters().remove(channel, offset);
        Ok(position)
    }
}
