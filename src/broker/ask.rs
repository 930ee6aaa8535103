//! Questions to a channel's home: answered at once where it is here, sent where it is another shard's.

use super::Core;
use super::letter::{Envelope, Letter};
use crate::session::Ask;
use crate::time::Now;

impl Core {
    /// Carries a session's question to the channel's home. False when the session has been told to go.
    pub(super) fn ask(&mut self, session: u32, id: u32, ask: Ask<'_>, now: Now) -> bool {
        let home = self.placement.of(channel_of(&ask));
        let asker = self.edge.asker(session, id);
        if home == self.me {
            let answer = self.home.answer(ask, now);
            // A publication is delivered before its publisher is answered, and can tell its publisher's session to go.
            self.carry(now);
            self.edge.answered(session, id, answer, now);
            self.home.announce();
            self.carry(now);
            return !self.edge.sessions[session as usize].is_ending;
        }
        self.edge.sessions[session as usize].asks_in_flight += 1;
        let letter = match ask {
            // Whose home a channel is looks up for itself what the channel keeps: the answer must not be older than
            // its own configuration.
            Ask::Publish { channel, data, info, options: _ } => {
                self.edge.receipts.expect(home, asker);
                Letter::Publish { envelope: Envelope::new(&channel, &data), info }
            }
            Ask::Subscribe(channel, terms) => Letter::Subscribe { asker, channel, terms: Box::new(terms) },
            Ask::History { channel, filter, max } => {
                Letter::History { asker, channel: channel.into(), filter: Box::new((filter, max)) }
            }
            Ask::Presence(channel) => Letter::Presence { asker, channel: channel.into() },
            Ask::PresenceStats(channel) => Letter::PresenceStats { asker, channel: channel.into() },
        };
        self.post.send(home, letter);
        true
    }
}

fn channel_of<'a>(ask: &'a Ask<'_>) -> &'a str {
    match ask {
        Ask::Publish { channel, .. } | Ask::History { channel, .. } => channel,
        Ask::Presence(channel) | Ask::PresenceStats(channel) => channel,
        Ask::Subscribe(channel, _) => channel,
    }
}
