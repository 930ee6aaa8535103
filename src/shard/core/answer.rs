//! What home shards say, brought to the sessions that asked.

use std::sync::Arc;

use super::{Core, Subscriber};
use crate::protocol::codes::{Disconnect, Error};
use crate::protocol::word::{ClientId, Push, ReplyBody, Subscribed};
use crate::session::{Flags, Stage, State};
use crate::shard::letter::{Answer, Asker, Letter};
use crate::time::Now;

impl Core {
    /// An answer came by letter.
    pub(super) fn answer_arrived(&mut self, asker: Asker, answer: Answer, now: Now) {
        let Some(session) = self.asking(asker) else {
            self.answer_came_too_late(answer, now);
            return;
        };
        let entry = &mut self.sessions[session as usize];
        let was_paused = entry.is_paused();
        if !matches!(answer, Answer::Enrolled { .. }) {
            entry.asks_in_flight -= 1;
        }
        let paused = entry.is_paused();
        if self.answered(session, asker.id, answer, now) && was_paused && !paused {
            self.resumed.push(session);
        }
    }

    /// What the home shard holds for a session that has ended must be given back.
    fn answer_came_too_late(&mut self, answer: Answer, now: Now) {
        match answer {
            Answer::Subscribed { channel, client, result: Ok(_) } => self.leave_home(channel, client, now),
            Answer::Enrolled { user, admitted: true } => self.discharge(user),
            _ => {}
        }
    }

    /// Tells the session. False when the session has ended.
    pub(super) fn answered(&mut self, session: u32, id: u32, answer: Answer, now: Now) -> bool {
        match answer {
            Answer::Published(Ok(())) => self.reply(session, id, ReplyBody::Publish),
            Answer::Published(Err(error)) | Answer::History(Err(error)) => {
                return self.refuse(session, id, error, now);
            }
            Answer::History(Ok(page)) => self.reply(session, id, ReplyBody::History(&page)),
            Answer::Presence(clients) => self.reply(session, id, ReplyBody::Presence(&clients)),
            Answer::PresenceStats(stats) => self.reply(session, id, ReplyBody::PresenceStats(stats)),
            Answer::Subscribed { channel, client, result } => {
                let alive = self.subscribed(session, id, channel, client, result, now);
                self.announce();
                return alive;
            }
            Answer::Enrolled { admitted, .. } => {
                self.enrolled(session, admitted, now);
                return admitted;
            }
        }
        true
    }

    fn subscribed(
        &mut self,
        session: u32,
        id: u32,
        channel: Arc<str>,
        client: ClientId,
        result: Result<Box<Subscribed>, Error>,
        now: Now,
    ) -> bool {
        let entry = &mut self.sessions[session as usize];
        let Some(at) = entry.subscriptions.iter().position(|subscription| subscription.channel == channel) else {
            unreachable!("a subscription stays until its home shard has answered");
        };
        let abandoned = entry.subscriptions[at].stage == Stage::Abandoned;
        let (flags, subscribed) = match result {
            Ok(subscribed) if !abandoned => (entry.subscriptions[at].flags, subscribed),
            Ok(_) => {
                entry.subscriptions.swap_remove(at);
                self.subscriptions -= 1;
                self.sessions[session as usize].abandoned -= 1;
                self.leave_home(channel, client, now);
                return true;
            }
            Err(error) => {
                entry.subscriptions.swap_remove(at);
                entry.abandoned -= u16::from(abandoned);
                self.subscriptions -= 1;
                if id != 0 {
                    return self.refuse(session, id, error, now);
                }
                if matches!(self.sessions[session as usize].state, State::Connecting(_)) {
                    self.close(session, Disconnect::SERVER_ERROR, now);
                    return false;
                }
                return true;
            }
        };
        let subscriber = Subscriber { conn: entry.conn, session, format: entry.format, flags };
        let (room, place) = self.audience.join(&channel, subscriber, subscribed.position.offset);
        self.sessions[session as usize].subscriptions[at].stage = Stage::Live { room, place };
        if subscribed.expiry.expires {
            self.resumed.push(session);
        }
        if id != 0 {
            self.reply(session, id, ReplyBody::Subscribe(&subscribed));
        } else if flags.has(Flags::HELD) {
            self.planned_subscribed(session, channel, *subscribed, now);
        } else {
            self.push(session, &Push::Subscribe { channel: &channel, subscribed: &subscribed });
            for publication in &subscribed.publications {
                self.push(session, &Push::Publication { channel: &channel, publication });
            }
        }
        true
    }

    /// Tells a channel's home shard that a subscription has ended.
    pub(super) fn leave_home(&mut self, channel: Arc<str>, client: ClientId, now: Now) {
        let home = self.home.of(&channel);
        if home == self.me {
            self.leave_at_home(channel, client, self.me, now);
        } else {
            self.letters.push((home, Letter::Leave { channel, client }));
        }
    }
}
