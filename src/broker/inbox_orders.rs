//! What backends ask about members and what they have received, and the answers.

use std::sync::Arc;

use super::Broker;
use super::home::{Outcome, Waiter};
use super::line::Task;
use crate::broker::inbox_order::InboxOrder;
use crate::delivery::Requeue;
use crate::hub::NewPublication;
use crate::model::Position;
use crate::model::refusal::Error;
use crate::time::Now;

impl Broker {
    /// Carries one out, and answers it.
    pub(super) fn inbox_order(&mut self, order: InboxOrder, now: Now) {
        let Some(order) = self.shared_inbox_order(order) else { return };
        // An asker that goes meanwhile is nobody's loss.
        match order {
            InboxOrder::AddMembers(channel, users, answer) => {
                self.begin_task(Task::Members { channel, users, belong: true, answer }, now);
            }
            InboxOrder::RemoveMembers(channel, users, answer) => {
                self.begin_task(Task::Members { channel, users, belong: false, answer }, now);
            }
            InboxOrder::Members(channel, after, limit, answer) => {
                let known = self.home.policy.inbox_options(&channel);
                let page = known.map(|_| self.home.inboxes(&channel, now).members(&channel, &after, limit));
                self.walks.looked_at(page.as_ref().map_or(0, |page| page.users.len()));
                drop(answer.send(page));
            }
            InboxOrder::Devices(channel, user, answer) => {
                let known = self.home.policy.inbox_options(&channel);
                drop(answer.send(known.and_then(|_| self.home.inboxes(&channel, now).devices(&channel, &user))));
            }
            InboxOrder::Unread(channel, user, answer) => {
                let known = self.home.policy.inbox_options(&channel);
                drop(answer.send(known.and_then(|_| self.home.inboxes(&channel, now).unread(&channel, &user))));
            }
            InboxOrder::DeadLetters(filter, answer) => {
                let (letters, looks) = self.home.delivery.dead_letters().list(&filter);
                self.walks.looked_at(looks);
                drop(answer.send(Ok(letters)));
            }
            InboxOrder::Requeue(channel, offset, answer) => match self.requeue(&channel, offset, now) {
                Ok(Outcome::Later(pending)) => self.home.wait(pending, Waiter::Publisher(answer)),
                Ok(Outcome::Done(position)) => {
                    self.answer_when_on_disk(&channel, Ok(()), Waiter::Requeuer(answer, position), now);
                }
                Err(error) => drop(answer.send(Err(error))),
            },
            InboxOrder::Purge(channel, offset, answer) => {
                let purged = self.home.purge(&channel, offset);
                self.answer_when_on_disk(&channel, Ok(()), Waiter::Purger(answer, purged), now);
            }
            InboxOrder::Trace(channel, offset, is_elsewhere, answer) => {
                let known = self.home.policy.inbox_options(&channel);
                let events = known.map(|options| match options.is_shared || !is_elsewhere {
                    true => self.home.delivery.trace().of(&channel, offset),
                    false => Vec::new(),
                });
                self.walks.looked_at(self.home.delivery.trace().len());
                drop(answer.send(events));
            }
        }
        self.home.dispatch();
    }

    /// Users belong to a channel from now on, or no longer.
    ///
    /// # Errors
    /// As `Home::add_member`, `Home::check_reserve` and `Policy::inbox_options`.
    pub(super) fn change_members(
        &mut self,
        channel: &Arc<str>,
        users: &[Arc<str>],
        belong: bool,
        now: Now,
    ) -> Result<(), Error> {
        if self.home.policy.inbox_options(channel)?.is_durable {
            self.home.check_reserve()?;
        }
        let changed = users.iter().try_for_each(|user| match belong {
            true => self.home.add_member(channel, user, now),
            false => {
                self.home.remove_member(channel, user);
                Ok(())
            }
        });
        self.home.dispatch();
        changed
    }

    /// Answers a backend once what it has changed is on disk, where the channel is.
    pub(super) fn answer_when_on_disk(&mut self, channel: &str, outcome: Result<(), Error>, waiter: Waiter, now: Now) {
        self.home.dispatch();
        let is_durable = self.home.policy.inbox_options(channel).is_ok_and(|options| options.is_durable);
        match outcome {
            Ok(()) if is_durable => self.answer_from_disk(waiter, now),
            outcome => self.settled(waiter, outcome.map(|()| Position::default()), now),
        }
    }

    /// Has a dead letter sent once more to its devices, or published anew where the channel has begun anew.
    fn requeue(&mut self, channel: &Arc<str>, offset: u64, now: Now) -> Result<Outcome<Position>, Error> {
        let options = self.home.policy.hub_options(channel)?;
        if options.is_durable {
            self.home.check_reserve()?;
        }
        let shelf = self.home.hub.shelf(channel, now);
        let publication = match self.home.delivery.requeue(channel, offset, shelf, now)? {
            Requeue::Again(position) => return Ok(Outcome::Done(position)),
            Requeue::Anew(publication) => publication,
        };
        let message = NewPublication {
            info: publication.info.clone(),
            tags: publication.tags.clone(),
            ..NewPublication::new(publication.data.clone())
        };
        let published = self.home.publish(channel, message, options, None, self.me, now)?;
        self.home.purge(channel, Some(offset));
        Ok(published)
    }
}
