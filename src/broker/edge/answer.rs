//! What home shards say, brought to the sessions that asked.

use std::sync::Arc;

use super::{Edge, Notice, Subscriber};
use crate::broker::letter::{Answer, Asker, InboxAnswer, Level};
use crate::model::refusal::{DisconnectKind, Error, ErrorKind};
use crate::model::{Payload, Publication, Subscribed};
use crate::protocol::word::{Push, ReplyBody};
use crate::session::{Awaits, Flags, Stage, State};
use crate::time::Now;
use crate::work::price;

impl Edge {
    /// The receipt of so many publishes came.
    pub(in crate::broker) fn receipts_arrived(&mut self, home: u16, level: Level, count: u32, now: Now) {
        for _ in 0..count {
            let asker = self.receipts.came(home, level);
            self.answer_arrived(asker, Answer::Published(Ok(())), now);
        }
    }

    /// The refusal of a publish came.
    pub(in crate::broker) fn refusal_arrived(&mut self, home: u16, level: Level, error: Error, now: Now) {
        let asker = self.receipts.came(home, level);
        self.answer_arrived(asker, Answer::Published(Err(error)), now);
    }

    /// An answer came by letter.
    pub(in crate::broker) fn answer_arrived(&mut self, asker: Asker, answer: Answer, now: Now) {
        let Some(session) = self.asking(asker) else {
            self.answer_came_too_late(answer);
            return;
        };
        let entry = &mut self.sessions[session as usize];
        let was_paused = entry.is_paused();
        entry.bytes_in_flight -= asker.bytes;
        if entry.awaits == Awaits::Answer {
            entry.awaits = Awaits::Nothing;
        }
        self.answered(session, asker.id, answer, now);
        let entry = &self.sessions[session as usize];
        let goes_on = (was_paused && !entry.is_paused()) || (entry.asks_no_more && entry.is_answered());
        if goes_on && !entry.is_ending {
            self.wake(session);
        }
    }

    /// What the home shard holds for a session that has ended must be given back.
    pub(in crate::broker) fn answer_came_too_late(&mut self, answer: Answer) {
        match answer {
            Answer::Subscribed { channel, client, result } if result.is_ok() => {
                self.notices.push(Notice::Leave { channel, client });
            }
            Answer::Enrolled { user, client, outcome: Ok(()) } => {
                self.notices.push(Notice::Discharge { user, client });
            }
            _ => {}
        }
    }

    /// Tells the session.
    pub(in crate::broker) fn answered(&mut self, session: u32, id: u32, answer: Answer, now: Now) {
        let work_ns = price_of(&answer);
        if work_ns > 0 {
            self.charge_list(session, work_ns, now);
        }
        if self.sessions[session as usize].is_ending
            && matches!(answer, Answer::Subscribed { .. } | Answer::Enrolled { .. })
        {
            self.answer_came_too_late(answer);
            return;
        }
        match answer {
            Answer::Published(Ok(())) => self.reply(session, id, ReplyBody::Publish),
            Answer::Published(Err(error))
            | Answer::History(Err(error))
            | Answer::Presence(Err(error))
            | Answer::PresenceStats(Err(error)) => self.refuse(session, id, error),
            Answer::History(Ok(page)) => self.reply(session, id, ReplyBody::History(&page)),
            Answer::Presence(Ok(list)) => self.reply(session, id, ReplyBody::Encoded(&list.encoded)),
            Answer::Inbox(Ok(InboxAnswer::Taken(hear))) => {
                // They are told by the home, in its own time.
                self.charge_allowance(session, u64::from(hear) * price::DELIVERY_NS, now);
                self.reply(session, id, ReplyBody::Rpc(&Payload::json("{}")));
            }
            Answer::Inbox(Ok(InboxAnswer::Told(payload))) => self.reply(session, id, ReplyBody::Rpc(&payload)),
            Answer::Inbox(Err(error)) => self.refuse(session, id, error),
            Answer::PresenceStats(Ok(stats)) => self.reply(session, id, ReplyBody::PresenceStats(stats)),
            Answer::Subscribed { channel, result, .. } => match *result {
                Ok(subscribed) => self.subscribed(session, id, channel, subscribed, now),
                Err(error) => self.subscribe_failed(session, id, &channel, error),
            },
            Answer::Entered(Ok(())) => {}
            Answer::Entered(Err(why)) => self.close(session, why),
            Answer::Enrolled { outcome, .. } => self.enrolled(session, outcome),
        }
    }

    /// The session joins the audience, and is told. The answer lies between the publications that it follows
    /// and those that follow it, since both came from the home shard in order.
    fn subscribed(&mut self, session: u32, id: u32, channel: Arc<str>, subscribed: Subscribed, now: Now) {
        if let Some(room) = self.audience.find(&channel)
            && self.audience.is_outdated(room)
        {
            // What was promised before the answer does not concern who begins with it.
            self.take_in(room);
        }
        if let Some(filter) = &subscribed.filter
            && !self.audience.has_room_for(&channel, filter)
        {
            return self.refuse_filter(session, id, channel);
        }
        let entry = &self.sessions[session as usize];
        let at = entry.subscriptions.iter().position(|subscription| subscription.channel == channel);
        let at = at.expect("a subscription stays until its home shard has answered");
        let mut flags = entry.subscriptions[at].flags;
        if !subscribed.positioned {
            // The home has ceased to keep publications since the session was told that it would.
            flags = flags.without(Flags::POSITIONED).without(Flags::RECOVERABLE);
        }
        let offset = flags.has(Flags::POSITIONED).then_some(subscribed.position.offset);
        if let Some(room) = self.audience.find(&channel)
            && offset.is_some_and(|offset| offset != self.audience.room(room).offset)
        {
            self.gap(room);
        }
        let entry = &mut self.sessions[session as usize];
        let subscriber = Subscriber { conn: entry.conn, session, format: entry.format, flags };
        let counts = || self.policy.counts_of(&channel).clone();
        let (room, place) = self.audience.join(&channel, subscriber, offset, subscribed.filter.clone(), counts);
        // One name for all in a room: that of the question would be one more block of memory for each.
        entry.subscriptions[at].channel = self.audience.room(room).channel.clone();
        entry.subscriptions[at].flags = flags;
        let stage = std::mem::replace(&mut entry.subscriptions[at].stage, Stage::Live { room, place });
        if subscribed.expiry.expires {
            self.wake(session);
        }
        if id != 0 {
            self.reply(session, id, ReplyBody::Subscribe(&subscribed));
        } else if flags.has(Flags::HELD) {
            return self.planned_subscribed(session, channel, subscribed, now);
        } else {
            self.push(session, &Push::Subscribe { channel: &channel, subscribed: &subscribed });
            for publication in &subscribed.publications {
                self.push(session, &Push::Publication { channel: &channel, publication });
            }
        }
        if let Stage::Ending(reason) = stage {
            self.unsubscribe(session, &channel, reason);
        }
    }

    /// The room has too many different filters to ask one more. The home has the session already, and is told that it goes.
    #[cold]
    fn refuse_filter(&mut self, session: u32, id: u32, channel: Arc<str>) {
        let kind = ErrorKind::LimitExceeded;
        self.policy.counts_of(&channel).errors.count(kind);
        self.subscribe_failed(
            session,
            id,
            &channel,
            kind.because("limit exceeded: the channel has too many tags filters"),
        );
        let client = self.sessions[session as usize].info.client;
        self.notices.push(Notice::Leave { channel, client });
    }

    /// The home shard would not have the session.
    fn subscribe_failed(&mut self, session: u32, id: u32, channel: &str, error: Error) {
        let entry = &mut self.sessions[session as usize];
        entry.subscriptions.retain(|subscription| &*subscription.channel != channel);
        if id != 0 {
            self.refuse(session, id, error);
        } else if matches!(entry.state, State::Connecting(_)) {
            self.close(session, DisconnectKind::ServerError);
        }
    }
}

/// What it takes to tell an answer, beyond the command.
fn price_of(answer: &Answer) -> u64 {
    match answer {
        Answer::History(Ok(page)) => price_of_publications(&page.publications),
        // Positions of many members: gathered and written as well.
        Answer::Inbox(Ok(InboxAnswer::Told(payload))) => payload.bytes.len() as u64 * 2 * price::BYTE_NS,
        Answer::Subscribed { result, .. } => result
            .as_ref()
            .as_ref()
            .map_or(0, |subscribed| price_of_publications(&subscribed.publications) + price_of_filter(subscribed)),
        Answer::Presence(Ok(list)) => {
            u64::from(list.newly) * price::MEMBER_NS + list.encoded.len() as u64 * price::BYTE_NS
        }
        _ => 0,
    }
}

/// Publications in an answer, or sent to one session by its name.
pub(super) fn price_of_publications(publications: &[Arc<Publication>]) -> u64 {
    let one =
        |publication: &Arc<Publication>| price::PUBLICATION_NS + publication.data.bytes.len() as u64 * price::BYTE_NS;
    publications.iter().map(one).sum()
}

/// What it took to ask a subscriber's filter: about everything that it has missed, at least once for what it takes.
fn price_of_filter(subscribed: &Subscribed) -> u64 {
    let Some(filter) = &subscribed.filter else { return 0 };
    let missed = if subscribed.recovered { subscribed.position.offset.saturating_sub(subscribed.since) } else { 0 };
    (1 + missed) * u64::from(filter.cost()) * price::FILTER_NODE_NS
}
