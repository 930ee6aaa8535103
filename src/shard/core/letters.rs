//! What other shards write, and what is done about it.

use std::sync::Arc;

use super::Core;
use crate::shard::letter::{Answer, Asker, Letter};
use crate::time::Now;

impl Core {
    /// Takes one letter of shard `from`. Letters of one shard must come in the order of sending.
    pub fn letter_arrived(&mut self, from: u16, letter: Letter, now: Now) {
        match letter {
            Letter::Publish { asker, channel, data, info } => {
                let options = self.hub_options(&channel);
                let result = options.map(|options| self.publish_for_client(&channel, data, info, options, now));
                self.answer(from, asker, Answer::Published(result));
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

    fn enrol_at_home(&mut self, from: u16, asker: Asker, user: Arc<str>, limit: u32) {
        let admitted = self.roster.enrol(&user, limit);
        self.answer(from, asker, Answer::Enrolled { user, admitted });
    }

    fn answer(&mut self, to: u16, asker: Asker, answer: Answer) {
        self.letters.push((to, Letter::Answer { asker, answer }));
    }
}
