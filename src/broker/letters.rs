//! What other shards write, and what is done about it.

use std::sync::Arc;
use std::vec::Drain;

use super::Core;
use super::letter::{Answer, Asker, Envelope, Letter};
use crate::model::ClientInfo;
use crate::time::Now;

impl Core {
    /// Takes one letter of shard `from`. Letters of one shard must come in the order of sending.
    pub fn letter_arrived(&mut self, from: u16, letter: Letter, now: Now) {
        match letter {
            Letter::Publish { envelope, info } => self.publish_arrived(from, envelope, info, now),
            Letter::Published { count } => {
                for _ in 0..count {
                    let asker = self.edge.receipts.came(from);
                    self.edge.answer_arrived(asker, Answer::Published(Ok(())), now);
                }
            }
            Letter::Refused { error } => {
                let asker = self.edge.receipts.came(from);
                self.edge.answer_arrived(asker, Answer::Published(Err(error)), now);
            }
            Letter::Subscribe { asker, channel, terms } => {
                let answer = self.home.subscribe(channel, &terms, from, now);
                self.answer(from, asker, answer);
                self.home.announce();
            }
            Letter::Leave { channel, client } => self.home.leave(channel, client, from, now),
            Letter::Appear { channel, info } => self.home.hub.appear(&channel, info),
            Letter::History { asker, channel, filter } => {
                let page = self.home.history(&channel, &filter.0, filter.1, now);
                self.answer(from, asker, Answer::History(page.map(Box::new)));
            }
            Letter::Presence { asker, channel } => {
                let clients = self.home.hub.presence(&channel);
                self.answer(from, asker, Answer::Presence(clients));
            }
            Letter::PresenceStats { asker, channel } => {
                let stats = self.home.hub.presence_stats(&channel);
                self.answer(from, asker, Answer::PresenceStats(stats));
            }
            Letter::Enrol { asker, user, limit } => {
                let admitted = self.home.roster.enrol(&user, limit);
                self.answer(from, asker, Answer::Enrolled { user, admitted });
            }
            Letter::Discharge { user } => self.home.roster.discharge(&user),
            Letter::Answer { asker, answer } => {
                let enrolled = matches!(answer, Answer::Enrolled { admitted: true, .. });
                self.edge.answer_arrived(asker, answer, now);
                if enrolled && let Some(session) = self.edge.asking(asker) {
                    self.ask_planned(session, now);
                }
            }
            Letter::Publication { channel, publication, exclude } => {
                self.edge.deliver(&channel, &publication, exclude);
            }
            Letter::Announce { channel, info, joined } => self.edge.deliver_announcement(&channel, &info, joined),
        }
        self.finish(now);
    }

    fn publish_arrived(&mut self, from: u16, envelope: Envelope, info: Arc<ClientInfo>, now: Now) {
        let mut channel = std::mem::take(&mut self.name);
        channel.clear();
        let data = envelope.open(&mut channel);
        match self.home.policy.hub_options(&channel) {
            Ok(options) => {
                self.home.publish_for_client(&channel, data, info, options, now);
                self.post.owe_receipt(from);
            }
            Err(error) => {
                self.post.give_receipts();
                self.post.send(from, Letter::Refused { error });
            }
        }
        self.name = channel;
    }

    /// Whether other shards are to be told something.
    pub fn has_letters(&self) -> bool {
        !self.post.is_empty()
    }

    /// Output: what other shards are to be told, in order.
    pub fn letters(&mut self) -> Drain<'_, (u16, Letter)> {
        self.post.drain()
    }

    fn answer(&mut self, to: u16, asker: Asker, answer: Answer) {
        self.post.send(to, Letter::Answer { asker, answer });
    }
}
