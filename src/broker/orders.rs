//! What the control plane asks, and the answers.

use std::sync::Arc;

use super::Broker;
use super::home::{Outcome, Tried, Waiter};
use super::letter::Letter;
use super::policy::Policy;
use crate::broker::order::{Order, Publish, ShardInfo};
use crate::config::Config;
use crate::hub::{NewPublication, ShardSet};
use crate::model::refusal::Error;
use crate::model::{Position, ScheduledId};
use crate::time::Now;

impl Broker {
    /// Carries one order out and answers it, unless nobody waits for the answer any more. [`Order::Drain`] and [`Order::Adopt`] are the
    /// caller's, who owns the listeners and the conns.
    pub fn order(&mut self, order: Order, now: Now) {
        // Who was told that it failed must not see it happen afterwards.
        if order.is_abandoned() {
            return;
        }
        // An asker that goes meanwhile is nobody's loss: every send below ignores that.
        match order {
            Order::Publish(publish, answer) => match self.publish_unscheduled(*publish, now) {
                Ok(Outcome::Later(pending)) => self.home.wait(pending, Waiter::Publisher(answer)),
                Ok(Outcome::Done(position)) => drop(answer.send(Ok(position))),
                Err(error) => drop(answer.send(Err(error))),
            },
            Order::Presence { channel, answer } => self.presence_for_backend(channel, answer),
            Order::PresenceStats { channel, answer } => self.presence_stats_for_backend(channel, answer),
            Order::History { channel, filter, answer } => {
                self.read_for_backend(channel, filter, answer, Tried::default(), now);
            }
            Order::HistoryRemove { channel, answer } => match self.home.history_remove(&channel) {
                Ok(Outcome::Later(pending)) => self.home.wait(pending, Waiter::Remover(answer)),
                Ok(Outcome::Done(())) => drop(answer.send(Ok(()))),
                Err(error) => drop(answer.send(Err(error))),
            },
            Order::Inbox(order) => self.inbox_order(order, now),
            Order::Schedule(order) => self.schedule_order(order, now),
            Order::Channels { .. }
            | Order::Attributes { .. }
            | Order::Sessions { .. }
            | Order::Subscribe(..)
            | Order::Unsubscribe { .. }
            | Order::Disconnect { .. }
            | Order::Refresh { .. }
            | Order::Revoke { .. } => self.begin_walk(order, now),
            Order::Online { users, answer } => {
                self.walks.looked_at(users.len());
                let online = users.iter().map(|user| self.edge.users.contains_key(&**user)).collect();
                drop(answer.send(Ok(online)));
            }
            Order::Followed { answer } => {
                let news = self.home.followed.take_news();
                self.walks.looked_at(news.len());
                drop(answer.send(Ok(news)));
            }
            Order::Revocations { after, limit, answer } => {
                let page: Vec<_> = self.edge.revocations.after(after.as_ref()).take(limit).collect();
                self.walks.looked_at(page.len());
                drop(answer.send(Ok(page)));
            }
            Order::Info { answer } => drop(answer.send(Ok(self.info()))),
            Order::Verifier(verifier) => self.go_by(Policy { verifier, ..self.home.policy.clone() }),
            Order::Reload(config) => self.reload(config),
            Order::Drain(_) | Order::Adopt { .. } => unreachable!("the driver keeps these to itself"),
            Order::KeysFetched { ticket, fetched } => self.keys_fetched(ticket, fetched),
            #[cfg(test)]
            Order::Panic => panic!("as a broken invariant does"),
        }
        self.finish(now);
    }

    fn publish_unscheduled(&mut self, publish: Publish, now: Now) -> Result<Outcome<Position>, Error> {
        self.check_scheduled(&publish)?;
        self.publish_for_backend(publish, None, now)
    }

    /// Publishes for a backend; `scheduled` is what it was called on disk until now.
    pub(super) fn publish_for_backend(
        &mut self,
        publish: Publish,
        scheduled: Option<ScheduledId>,
        now: Now,
    ) -> Result<Outcome<Position>, Error> {
        let options = self.home.policy.hub_options(&publish.channel)?;
        let Publish { channel, data, tags, skip_history, idempotency_key, version, ttl_ms, exclude_client } = publish;
        let message =
            NewPublication { data, info: None, tags, skip_history, idempotency_key, version, ttl_ms, scheduled };
        self.home.publish(&channel, message, options, exclude_client, self.me, now)
    }

    fn info(&self) -> ShardInfo {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        ShardInfo {
            num_clients: self.edge.connected,
            num_users: count(self.edge.users.len()),
            num_subs: count(self.edge.audience.subscribers()),
            num_channels: self.home.hub.active(),
        }
    }

    /// Goes by another policy from now on. Where channels at home here have other options, every shard is told, in the
    /// order of their publications: what was promised of a history holds up to there.
    fn go_by(&mut self, policy: Policy) {
        let before = self.home.policy.access.config();
        let changes = policy.config.channel != *before;
        self.home.go_by(policy.clone());
        self.edge.go_by(policy.clone());
        if changes {
            let access = &policy.access;
            self.edge.home_changed(self.me, access.clone());
            self.edge.go_on_with_changes();
            let others = ShardSet::all(self.placement.shards()).without(ShardSet::of(self.me));
            self.post.deliver(self.me, others, || Letter::Changed { access: access.clone() });
        }
    }

    fn reload(&mut self, config: Arc<Config>) {
        match Policy::new(config, self.home.policy.verifier.clone(), &self.edge.metrics) {
            Ok(policy) => {
                self.edge.outbox.set_bytes_max(policy.config.client.queue_max_size);
                self.go_by(policy);
            }
            // `Config::load` compiles every expression before the order is given.
            Err(error) => tracing::error!(%error, "the new configuration was not taken"),
        }
    }
}
