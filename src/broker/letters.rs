//! What other shards write, and what is done about it.

use std::sync::Arc;

use super::Broker;
use super::home::{Outcome, Tried, Waiter};
use super::lane::Lane;
use super::letter::{Answer, Asker, Envelope, Letter, Level, NamedPublish};
use crate::hub::HubOptions;
use crate::model::ClientInfo;
use crate::model::refusal::ErrorKind;
use crate::time::Now;

impl Broker {
    /// Takes one letter of shard `from`. Letters of one shard and lane must come in the order of sending, and an ask after
    /// the answers that were sent before it; asks only where [`Broker::takes_asks`].
    pub fn letter_arrived(&mut self, from: u16, letter: Letter, now: Now) {
        match letter {
            Letter::Publish { envelope, info, level } => self.publish_arrived(from, envelope, info, level, now),
            Letter::PublishByName(publish) => self.named_publish_arrived(from, *publish, now),
            Letter::Published { level, count } => self.edge.receipts_arrived(from, level, count, now),
            Letter::Refused { level, error } => self.edge.refusal_arrived(from, level, error, now),
            Letter::Subscribe { asker, channel, terms } => {
                self.subscribe_arrived((from, asker), channel, terms, now);
            }
            Letter::Leave { channel, client } => self.home.leave(channel, client, from, now),
            Letter::Appear { channel, info } => self.home.appear(&channel, info, now),
            Letter::History { asker, channel, ask } => {
                self.read_mirrored((from, asker), channel, ask, Tried::default(), now);
            }
            Letter::Presence { asker, channel, encoding } => self.presence_arrived(from, asker, channel, encoding),
            Letter::PresenceStats { asker, channel } => self.presence_stats_arrived(from, asker, channel),
            Letter::Inbox { asker, channel, ask } => self.inbox_arrived(from, asker, &channel, *ask, now),
            Letter::Gap(channel) => self.edge.missed(&channel),
            Letter::Dispatch(dispatch) => self.edge.dispatched(&dispatch, now),
            Letter::Enrol { asker, user, enrolment } => {
                let client = enrolment.client;
                let outcome = self.give_seat(&user, *enrolment, from);
                self.answer(from, asker, Answer::Enrolled { user, client, outcome });
            }
            Letter::Discharge { user, client } => self.home.roster.discharge(&user, client),
            Letter::Dismiss { user, client, why } => self.edge.dismiss(&user, client, why),
            Letter::Answer { asker, answer } => {
                let enrolled = matches!(answer, Answer::Enrolled { outcome: Ok(()), .. });
                self.edge.answer_arrived(asker, answer, now);
                if let Some(session) = self.edge.asking(asker)
                    && !self.edge.sessions[session as usize].is_ending
                    && (enrolled || self.edge.has_planned(session))
                {
                    self.ask_planned(session, now);
                }
            }
            Letter::Publication { channel, publication, exclude } => {
                self.edge.deliver(&channel, &publication, exclude);
            }
            Letter::Changed { access } => {
                self.edge.home_changed(from, access);
                self.edge.go_on_with_changes();
            }
            Letter::Announce { channel, info, joined } => self.edge.deliver_announcement(&channel, &info, joined),
        }
        self.finish(now);
    }

    fn publish_arrived(&mut self, from: u16, envelope: Envelope, info: Arc<ClientInfo>, level: Level, now: Now) {
        let mut channel = std::mem::take(&mut self.name);
        channel.clear();
        let data = envelope.open(&mut channel);
        let options = self.home.policy.hub_options(&channel);
        let options = self.home.counted(&channel, options);
        // Its receipt is counted, and so can wait for the disk only: the namespace has just become another.
        let is_other = |options: &HubOptions| options.is_mirrored;
        let options =
            options.and_then(|options| if is_other(&options) { Err(ErrorKind::Internal.into()) } else { Ok(options) });
        let published =
            options.and_then(|options| self.home.publish_for_client(&channel, data, info, options, from, now));
        // Charged before it is owed for.
        self.carry(now);
        match published {
            Ok(Outcome::Later(later)) => self.home.wait(later, Waiter::Receipt(from, level)),
            Ok(Outcome::Done(_)) => self.owe(from, level, Ok(())),
            Err(error) => self.owe(from, level, Err(error)),
        }
        self.name = channel;
    }

    fn named_publish_arrived(&mut self, from: u16, publish: NamedPublish, now: Now) {
        let NamedPublish { asker, envelope, info } = publish;
        let mut channel = std::mem::take(&mut self.name);
        channel.clear();
        let data = envelope.open(&mut channel);
        let options = self.home.policy.hub_options(&channel);
        let options = self.home.counted(&channel, options);
        let published =
            options.and_then(|options| self.home.publish_for_client(&channel, data, info, options, from, now));
        self.carry(now);
        match published {
            Ok(Outcome::Later(later)) => self.home.wait(later, Waiter::Client(from, asker)),
            Ok(Outcome::Done(_)) => self.answer_publisher((from, asker), Ok(()), now),
            Err(error) => self.answer_publisher((from, asker), Err(error), now),
        }
        self.name = channel;
    }

    /// Whether other shards are to be told something.
    pub fn has_letters(&self) -> bool {
        !self.post.is_empty()
    }

    /// Output: what other shards are to be told, in the order of each lane. `push` is told for which shard a letter is, its
    /// lane, and how many bytes it keeps in memory; it gives the letter back where there is no room, and is asked again at
    /// the next call.
    pub fn post(&mut self, now: Now, mut push: impl FnMut(u16, Lane, usize, Letter) -> Result<(), Letter>) {
        self.post.give(&mut push);
        while let Some((level, outcome)) = self.post.next_own() {
            match outcome {
                Ok(count) => self.edge.receipts_arrived(self.me, level, count, now),
                Err(error) => self.edge.refusal_arrived(self.me, level, error, now),
            }
        }
    }

    /// Whether asks of shard `from` may be taken: not while what they have made waits for room in the mailboxes.
    #[inline]
    pub fn takes_asks(&self, from: u16) -> bool {
        self.post.takes_asks(from)
    }

    /// Whether so much of what the clients and backends here have asked waits for room in the mailboxes that nothing more
    /// may be taken from them.
    #[inline]
    pub fn is_congested(&self) -> bool {
        self.post.is_congested()
    }

    /// As if clients had asked a home so much.
    #[cfg(test)]
    pub(crate) fn crowd(&mut self, home: u16, asks: u32) {
        let encoding = crate::protocol::centrifuge::Encoding::Json;
        for id in 0..asks {
            let asker = Asker { session: u32::MAX, generation: 0, id, bytes: 0 };
            self.post.ask(home, Letter::Presence { asker, channel: "crowd".into(), encoding });
        }
    }

    pub(super) fn answer(&mut self, to: u16, asker: Asker, answer: Answer) {
        self.post.answer(to, Letter::Answer { asker, answer });
    }
}
