//! What other shards write, and what is done about it.

use std::sync::Arc;
use std::vec::Drain;

use super::Core;
use crate::broker::letter::{Answer, Asker, Envelope, Letter};
use crate::model::ClientInfo;
use crate::time::Now;

impl Core {
    /// Takes one letter of shard `from`. Letters of one shard must come in the order of sending.
    pub fn letter_arrived(&mut self, from: u16, letter: Letter, now: Now) {
        match letter {
            Letter::Publish { envelope, info } => self.publish_arrived(from, envelope, info, now),
            Letter::Published { count } => {
                for _ in 0..count {
                    let asker = self.receipts.came(from);
                    self.answer_arrived(asker, Answer::Published(Ok(())), now);
                }
            }
            Letter::Refused { error } => {
                let asker = self.receipts.came(from);
                self.answer_arrived(asker, Answer::Published(Err(error)), now);
            }
            Letter::Subscribe { asker, channel, terms } => {
                let answer = self.subscribe_at_home(channel, &terms, from, now);
                self.answer(from, asker, answer);
                self.announce();
            }
            Letter::Leave { channel, client } => self.leave_at_home(channel, client, from, now),
            Letter::History { asker, channel, filter } => {
                let page = self.history_at_home(&channel, &filter.0, filter.1, now);
                self.answer(from, asker, Answer::History(page.map(Box::new)));
            }
            Letter::Presence { asker, channel } => {
                let clients = self.hub.presence(&channel);
                self.answer(from, asker, Answer::Presence(clients));
            }
            Letter::PresenceStats { asker, channel } => {
                let stats = self.hub.presence_stats(&channel);
                self.answer(from, asker, Answer::PresenceStats(stats));
            }
            Letter::Enrol { asker, user, limit } => self.enrol_at_home(from, asker, user, limit),
            Letter::Discharge { user } => self.roster.discharge(&user),
            Letter::Answer { asker, answer } => self.answer_arrived(asker, answer, now),
            Letter::Publication { channel, publication, exclude } => {
                self.deliver(&channel, &publication, exclude, now);
            }
            Letter::Announce { channel, info, joined } => self.deliver_announcement(&channel, &info, joined),
        }
    }

    fn publish_arrived(&mut self, from: u16, envelope: Envelope, info: Arc<ClientInfo>, now: Now) {
        let mut channel = std::mem::take(&mut self.name);
        channel.clear();
        let data = envelope.open(&mut channel);
        match self.hub_options(&channel) {
            Ok(options) => {
                self.publish_for_client(&channel, data, info, options, now);
                self.receipts.owe(from);
            }
            Err(error) => {
                // What is told of others must come before.
                self.give_receipts();
                self.letters.push((from, Letter::Refused { error }));
            }
        }
        self.name = channel;
    }

    /// Whether other shards are to be told something.
    pub fn has_letters(&self) -> bool {
        !self.letters.is_empty() || self.receipts.are_due()
    }

    /// Output: what other shards are to be told, in order.
    pub fn letters(&mut self) -> Drain<'_, (u16, Letter)> {
        self.give_receipts();
        self.letters.drain(..)
    }

    fn give_receipts(&mut self) {
        self.letters.extend(self.receipts.give().map(|(to, count)| (to, Letter::Published { count })));
    }

    fn enrol_at_home(&mut self, from: u16, asker: Asker, user: Arc<str>, limit: u32) {
        let admitted = self.roster.enrol(&user, limit);
        self.answer(from, asker, Answer::Enrolled { user, admitted });
    }

    fn answer(&mut self, to: u16, asker: Asker, answer: Answer) {
        self.letters.push((to, Letter::Answer { asker, answer }));
    }
}
