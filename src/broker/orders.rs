//! What the control plane asks, and the answers.

use std::sync::Arc;

use super::Broker;
use super::letter::Letter;
use super::policy::Policy;
use crate::broker::order::{Order, Publish, SessionInfo, ShardInfo, Subscribe, Who};
use crate::config::Config;
use crate::hub::{Limit, NewPublication, ShardSet};
use crate::limits::API_REPLY_BYTES_MAX;
use crate::model::refusal::{Disconnect, DisconnectKind, Error, ErrorKind, Unsubscribe};
use crate::model::{ClientId, Expiry, Payload, Position};
use crate::protocol::word::Push;
use crate::session::{Ask, State};
use crate::time::Now;

/// What a backend is told at once.
const API_LIMIT: Limit = Limit { publications: usize::MAX, bytes: API_REPLY_BYTES_MAX };

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
            Order::Publish(publish, answer) => drop(answer.send(self.publish_for_backend(*publish, now))),
            Order::Presence { channel, answer } => {
                let presence = self
                    .home
                    .policy
                    .with_presence(&channel)
                    .and_then(|()| self.home.presence(&channel, API_REPLY_BYTES_MAX));
                drop(answer.send(presence));
            }
            Order::PresenceStats { channel, answer } => {
                let stats = self.home.policy.with_presence(&channel).map(|()| self.home.hub.presence_stats(&channel));
                drop(answer.send(stats));
            }
            Order::History { channel, filter, answer } => {
                drop(answer.send(self.home.history(&channel, &filter, API_LIMIT, now)));
            }
            Order::HistoryRemove { channel, answer } => {
                let removed = self.home.policy.with_history(&channel).map(|_| self.home.hub.history_remove(&channel));
                drop(answer.send(removed));
            }
            Order::Channels { pattern, answer } => drop(answer.send(Ok(self.home.hub.channels(&pattern)))),
            Order::Subscribe(subscribe, answer) => {
                drop(answer.send(self.subscribe_for_backend(&subscribe, now)));
            }
            Order::Unsubscribe { who, channel, reason, answer } => {
                drop(answer.send(self.unsubscribe_for_backend(&who, &channel, reason)));
            }
            Order::Disconnect { who, whitelist, reason, answer } => {
                self.disconnect_for_backend(&who, &whitelist, &reason);
                drop(answer.send(Ok(())));
            }
            Order::Refresh { who, expired, expire_at_unix_s, info, answer } => {
                self.refresh_for_backend(&who, expired, expire_at_unix_s, info.as_ref(), now);
                drop(answer.send(Ok(())));
            }
            Order::Sessions { user, answer } => drop(answer.send(Ok(self.sessions_of(&user, now)))),
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

    fn publish_for_backend(&mut self, publish: Publish, now: Now) -> Result<Position, Error> {
        let Publish { channel, data, tags, skip_history, idempotency_key, exclude_client } = publish;
        let message = NewPublication { data, info: None, tags, skip_history, idempotency_key };
        let options = self.home.policy.hub_options(&channel)?;
        self.home.publish(&channel, message, options, exclude_client, self.me, now)
    }

    /// The sessions here that an order is about.
    fn sessions_for(&self, who: &Who) -> Vec<u32> {
        let matches = |session: &u32| {
            let entry = &self.edge.sessions[*session as usize];
            !matches!(entry.state, State::Fresh) && who.client.is_none_or(|client| entry.info.client == client)
        };
        match self.edge.users.get(&*who.user) {
            Some(user) => user.sessions.iter().copied().filter(matches).collect(),
            // An anonymous session can be named by its client id only.
            None if who.user.is_empty() && who.client.is_some() => {
                let all = self.edge.sessions.iter().filter(|(_, session)| session.user().is_empty());
                all.map(|(key, _)| key as u32).filter(matches).collect()
            }
            None => Vec::new(),
        }
    }

    fn subscribe_for_backend(&mut self, subscribe: &Subscribe, now: Now) -> Result<(), Error> {
        self.home.policy.access.resolve(&subscribe.channel)?;
        if subscribe.grant.expire_at_unix_s.is_some_and(|at| at <= now.unix_s()) {
            return Err(ErrorKind::Expired.into());
        }
        let recover = subscribe.recover.as_ref().filter(|recover| recover.recover);
        for session in self.sessions_for(&subscribe.who) {
            if self.edge.sessions[session as usize].is_ending {
                // A subscription of another has shown a gap.
                continue;
            }
            let since = recover.map(|recover| recover.since.clone());
            let terms = self.edge.with_session(session, now, |session, context| {
                session.subscribe_by_server(&subscribe.channel, &subscribe.grant, since, context)
            });
            // Who is subscribed already, or cannot be, stays as it is.
            let Ok(terms) = terms else { continue };
            self.ask(session, 0, Ask::Subscribe(subscribe.channel.clone(), terms), now);
        }
        Ok(())
    }

    fn unsubscribe_for_backend(&mut self, who: &Who, channel: &Arc<str>, reason: Unsubscribe) -> Result<(), Error> {
        let all = channel.is_empty();
        if !all {
            self.home.policy.access.resolve(channel)?;
        }
        for session in self.sessions_for(who) {
            let entry = &self.edge.sessions[session as usize];
            if !entry.is_connected() {
                continue;
            }
            let channels: Vec<Arc<str>> = entry
                .subscriptions
                .iter()
                .filter(|subscription| all || subscription.channel == *channel)
                .map(|subscription| subscription.channel.clone())
                .collect();
            for channel in channels {
                self.edge.unsubscribe(session, &channel, reason);
            }
        }
        Ok(())
    }

    fn disconnect_for_backend(&mut self, who: &Who, whitelist: &[ClientId], reason: &Disconnect) {
        for session in self.sessions_for(who) {
            if !whitelist.contains(&self.edge.sessions[session as usize].info.client) {
                self.edge.close(session, reason.clone());
            }
        }
    }

    fn refresh_for_backend(
        &mut self,
        who: &Who,
        expired: bool,
        expire_at_unix_s: Option<i64>,
        info: Option<&Payload>,
        now: Now,
    ) {
        for session in self.sessions_for(who) {
            if !self.edge.sessions[session as usize].is_connected() {
                continue;
            }
            if expired || expire_at_unix_s.is_some_and(|at| at <= now.unix_s()) {
                self.edge.close(session, DisconnectKind::Expired);
                continue;
            }
            let entry = &mut self.edge.sessions[session as usize];
            entry.expire_at_unix_s = expire_at_unix_s;
            let appearances = info.map_or_else(Vec::new, |info| entry.appear_as(info.clone()));
            let expiry: Expiry = entry.expiry(now.unix_s());
            self.edge.appear(appearances);
            self.edge.push(session, &Push::Refresh(expiry));
            self.edge.wake(session);
        }
    }

    fn sessions_of(&self, user: &str, now: Now) -> Vec<SessionInfo> {
        let sessions = self.edge.users.get(user).map_or(&[][..], |user| &user.sessions);
        let info = |session: &u32| {
            let entry = &self.edge.sessions[*session as usize];
            SessionInfo {
                client: entry.info.client,
                format: entry.format,
                device: entry.device.clone().unwrap_or_default(),
                shard: self.me,
                connected_unix_ms: entry.connected_unix_ms,
                expiry: entry.expiry(now.unix_s()),
                channels: entry.subscriptions.iter().map(|subscription| subscription.channel.clone()).collect(),
            }
        };
        sessions.iter().map(info).collect()
    }

    fn info(&self) -> ShardInfo {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        ShardInfo {
            num_clients: count(self.edge.sessions.iter().filter(|(_, session)| session.is_connected()).count()),
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
            self.edge.home_changed(self.me, access, &self.placement);
            let others = ShardSet::all(self.placement.shards()).without(ShardSet::of(self.me));
            self.post.deliver(self.me, others, || Letter::Changed { access: access.clone() });
        }
    }

    fn reload(&mut self, config: Arc<Config>) {
        match Policy::new(config, self.home.policy.verifier.clone()) {
            Ok(policy) => {
                self.edge.outbox.set_bytes_max(policy.config.client.queue_max_size);
                self.go_by(policy);
            }
            // `Config::load` compiles every expression before the order is given.
            Err(error) => tracing::error!(%error, "the new configuration was not taken"),
        }
    }
}
