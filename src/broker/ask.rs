//! Questions to a channel's home shard: answered at once where this shard is the home, sent otherwise.

use std::sync::Arc;

use super::Core;
use crate::broker::letter::{Answer, Envelope, Letter};
use crate::hub::{FanOut, HubOptions, Join, NewPublication};
use crate::model::refusal::Error;
use crate::model::{ClientId, ClientInfo, HistoryFilter, HistoryPage, Payload, Position, Subscribed};
use crate::session::{Ask, Flags, Terms};
use crate::time::Now;

impl Core {
    /// Carries a session's question to the channel's home. False when the session has ended.
    pub(super) fn ask(&mut self, session: u32, id: u32, ask: Ask<'_>, now: Now) -> bool {
        let home = self.home.of(channel_of(&ask));
        if home == self.me {
            let answer = self.answer_at_home(ask, now);
            return self.answered(session, id, answer, now);
        }
        let asker = self.asker(session, id);
        self.sessions[session as usize].asks_in_flight += 1;
        let letter = match ask {
            // Whose home a channel is looks up for itself what the channel keeps: the answer must not be older than
            // its own configuration.
            Ask::Publish { channel, data, info, options: _ } => {
                self.receipts.expect(home, asker);
                Letter::Publish { envelope: Envelope::new(&channel, &data), info }
            }
            Ask::Subscribe(channel, terms) => Letter::Subscribe { asker, channel, terms: Box::new(terms) },
            Ask::History { channel, filter, max } => {
                Letter::History { asker, channel: channel.into(), filter: Box::new((filter, max)) }
            }
            Ask::Presence(channel) => Letter::Presence { asker, channel: channel.into() },
            Ask::PresenceStats(channel) => Letter::PresenceStats { asker, channel: channel.into() },
        };
        self.letters.push((home, letter));
        true
    }

    fn answer_at_home(&mut self, ask: Ask<'_>, now: Now) -> Answer {
        match ask {
            Ask::Publish { channel, data, info, options } => {
                self.publish_for_client(&channel, data.to_payload(), info, options, now);
                Answer::Published(Ok(()))
            }
            Ask::Subscribe(channel, terms) => self.subscribe_at_home(channel, &terms, self.me, now),
            Ask::History { channel, filter, max } => {
                Answer::History(self.history_at_home(&channel, &filter, max, now).map(Box::new))
            }
            Ask::Presence(channel) => Answer::Presence(self.hub.presence(&channel)),
            Ask::PresenceStats(channel) => Answer::PresenceStats(self.hub.presence_stats(&channel)),
        }
    }

    /// What the hub needs to know of a channel's options.
    ///
    /// # Errors
    /// 102 for an unknown namespace.
    pub(super) fn hub_options(&self, channel: &str) -> Result<HubOptions, Error> {
        Ok(self.access.resolve(channel)?.hub_options(&self.config.channel))
    }

    /// As [`Core::publish_at_home`], for a client.
    pub(super) fn publish_for_client(
        &mut self,
        channel: &str,
        data: Payload,
        info: Arc<ClientInfo>,
        options: HubOptions,
        now: Now,
    ) {
        let message = NewPublication { data, info: Some(info), tags: None, skip_history: false, idempotency_key: None };
        self.publish_at_home(channel, message, options, None, now);
    }

    /// Puts a message into its place and sends it to every shard with subscribers.
    pub(super) fn publish_at_home(
        &mut self,
        channel: &str,
        message: NewPublication,
        options: HubOptions,
        exclude: Option<ClientId>,
        now: Now,
    ) -> Position {
        let published = self.hub.publish(channel, message, options, now);
        self.metrics.publishes.add(1);
        if let Some(FanOut { channel, publication, shards }) = published.fan_out {
            for shard in shards.iter() {
                if shard != self.me {
                    let (channel, publication) = (channel.clone(), publication.clone());
                    self.letters.push((shard, Letter::Publication { channel, publication, exclude }));
                }
            }
            if shards.contains(self.me) {
                self.deliver(&channel, &publication, exclude, now);
            }
        }
        published.position
    }

    /// Begins a subscription of a session on `shard`.
    pub(super) fn subscribe_at_home(&mut self, channel: Arc<str>, terms: &Terms, shard: u16, now: Now) -> Answer {
        let client = terms.info.client;
        let result = Box::new(self.join_at_home(&channel, terms, shard, now));
        Answer::Subscribed { channel, client, result }
    }

    fn join_at_home(&mut self, channel: &Arc<str>, terms: &Terms, shard: u16, now: Now) -> Result<Subscribed, Error> {
        let options = self.hub_options(channel)?;
        let join = Join {
            channel,
            shard,
            info: &terms.info,
            announce: terms.announce,
            presence: terms.presence,
            recover: terms.recover.as_ref(),
            mode: terms.mode,
            recovery_limit: terms.recovery_max,
            whole: terms.whole,
            stream: terms.flags.has(Flags::POSITIONED),
        };
        let joined = self.hub.subscribe(join, options, now)?;
        if !joined.announce_to.is_empty() {
            self.announcements.push((channel.clone(), terms.info.clone(), joined.announce_to));
        }
        Ok(Subscribed {
            recoverable: terms.flags.has(Flags::RECOVERABLE),
            positioned: terms.flags.has(Flags::POSITIONED),
            position: joined.position,
            publications: joined.publications,
            recovered: joined.recovered,
            was_recovering: terms.recover.is_some(),
            data: terms.data.clone(),
            expiry: crate::session::expiry(terms.expire_at_unix_s, now.unix_s()),
        })
    }

    /// Reads history.
    ///
    /// # Errors
    /// 102, 108 without history, 112 when the position asked for is gone.
    pub(super) fn history_at_home(
        &mut self,
        channel: &str,
        filter: &HistoryFilter,
        max: usize,
        now: Now,
    ) -> Result<HistoryPage, Error> {
        let options = self.with_history(channel)?;
        self.hub.history(channel, filter, max, options, now)
    }

    /// The options of a channel that keeps history.
    ///
    /// # Errors
    /// 102, 108 without history.
    pub(super) fn with_history(&self, channel: &str) -> Result<HubOptions, Error> {
        let resolved = self.access.resolve(channel)?;
        match resolved.has_history() {
            true => Ok(resolved.hub_options(&self.config.channel)),
            false => Err(Error::NOT_AVAILABLE),
        }
    }
}

fn channel_of<'a>(ask: &'a Ask<'_>) -> &'a str {
    match ask {
        Ask::Publish { channel, .. } | Ask::History { channel, .. } => channel,
        Ask::Presence(channel) | Ask::PresenceStats(channel) => channel,
        Ask::Subscribe(channel, _) => channel,
    }
}
