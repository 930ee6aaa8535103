//! Questions to a channel's home: answered at once where it is here, sent where it is another shard's.

use super::Broker;
use super::home::{Asking, Outcome, Tried, Waiter};
use super::letter::{Answer, Envelope, HistoryAsk, Letter, Level, NamedPublish};
use crate::limits::{ASK_BYTES, LIST_ASK_BYTES, RECOVERY_ASK_BYTES};
use crate::model::HistoryFilter;
use crate::session::{Ask, InboxWord};
use crate::time::Now;
use crate::work::price;

impl Broker {
    /// Carries a session's question to the channel's home.
    pub(super) fn ask(&mut self, session: u32, id: u32, ask: Ask<'_>, now: Now) {
        let home = self.placement.of(channel_of(&ask));
        let bytes = bytes_of(&ask);
        let each_ns = price_of_delivery(&ask);
        if home == self.me {
            return match ask {
                Ask::Publish { .. } => self.publish_here(session, id, ask, now),
                Ask::Subscribe(channel, terms) => {
                    self.subscribe_here(session, id, (channel, terms), (bytes, each_ns), now)
                }
                Ask::History { channel, filter, max } => {
                    let ask = self.history_ask(session, &channel, (filter, max), now);
                    self.history_here((session, id), bytes, &channel, ask, now)
                }
                Ask::Inbox(channel, ask) => self.inbox_here((session, id), (bytes, each_ns), &channel, *ask, now),
                ask @ (Ask::Presence(..) | Ask::PresenceStats(_))
                    if self.home.is_listed_in_bucket(channel_of(&ask)) =>
                {
                    self.ask_bucket_for(session, id, bytes, ask);
                }
                ask => self.ask_here(session, id, ask, now),
            };
        }
        let asker = self.edge.awaits(session, id, bytes);
        if each_ns > 0 {
            let here = self.edge.heard_by(channel_of(&ask));
            self.edge.charge_deliveries(session, here, each_ns, now);
        }
        if matches!(ask, Ask::Publish { .. }) {
            self.edge.charge_filters(session, self.edge.filters_of(channel_of(&ask)), now);
        }
        let letter = match ask {
            // Whose home a channel is looks up for itself what the channel keeps: the answer must not be older than
            // its own configuration.
            Ask::Publish { channel, data, info, options } if options.is_mirrored => {
                let envelope = Envelope::new(&channel, &data);
                Letter::PublishByName(Box::new(NamedPublish { asker, envelope, info }))
            }
            Ask::Publish { channel, data, info, options } => {
                let level = Level::of(options);
                self.edge.receipts.expect(home, level, asker);
                Letter::Publish { envelope: Envelope::new(&channel, &data), info, level }
            }
            Ask::Subscribe(channel, terms) => Letter::Subscribe { asker, channel, terms: Box::new(terms) },
            Ask::History { channel, filter, max } => {
                let ask = self.history_ask(session, &channel, (filter, max), now);
                Letter::History { asker, channel: channel.into(), ask: Box::new(ask) }
            }
            Ask::Presence(channel, encoding) => Letter::Presence { asker, channel: channel.into(), encoding },
            Ask::PresenceStats(channel) => Letter::PresenceStats { asker, channel: channel.into() },
            Ask::Inbox(channel, ask) => Letter::Inbox { asker, channel: channel.into(), ask },
        };
        self.post.ask(home, letter);
    }
}

impl Broker {
    fn ask_here(&mut self, session: u32, id: u32, ask: Ask<'_>, now: Now) {
        let each_ns = price_of_delivery(&ask);
        let attached = self.edge.attached;
        let answer = self.home.answer(ask);
        // What the answer follows is told before it.
        self.carry(now);
        self.edge.answered(session, id, answer, now);
        self.home.announce();
        self.carry(now);
        self.edge.charge_deliveries(session, self.edge.attached - attached, each_ns, now);
    }

    /// With the filter of the session's subscription, which is charged as if all were looked at that may be: how much there is is
    /// known to the home.
    fn history_ask(&mut self, session: u32, channel: &str, ask: (HistoryFilter, usize), now: Now) -> HistoryAsk {
        let (part, max) = ask;
        let tags = self.edge.filter_of(session, channel);
        if tags.is_some() && part.limit != 0 {
            self.edge.charge_history_filter(session, now);
        }
        HistoryAsk { part, max, tags }
    }

    fn history_here(&mut self, (session, id): (u32, u32), bytes: u32, channel: &str, ask: HistoryAsk, now: Now) {
        match self.awaits_history(channel, &ask, now) {
            Ok(Some(until)) => {
                let asker = self.edge.awaits(session, id, bytes);
                let asking = Asking::Reader(self.me, asker, Box::new(ask));
                self.home.wait_for_mirror(channel.into(), asking, until, Tried::default());
            }
            Ok(None) => {
                let answer = self.home.history_for_client(channel, &ask, now);
                self.edge.answered(session, id, answer, now);
            }
            Err(error) => {
                let page = self.home.counted(channel, Err(error));
                self.edge.answered(session, id, Answer::History(page), now);
            }
        }
    }

    fn publish_here(&mut self, session: u32, id: u32, ask: Ask<'_>, now: Now) {
        let (bytes, each_ns) = (bytes_of(&ask), price_of_delivery(&ask));
        let Ask::Publish { channel, data, info, options } = ask else { unreachable!("only publishes come here") };
        let (attached, asked, mark) = (self.edge.attached, self.edge.asked, self.post.mark());
        let published = self.home.publish_for_client(&channel, data.to_payload(), info, options, self.me, now);
        // A publication is delivered before its publisher is answered, and can tell its publisher's session to go.
        self.carry(now);
        let level = Level::of(options);
        match published {
            Ok(Outcome::Done(_)) if !self.post.is_behind(mark) => {
                self.edge.answered(session, id, Answer::Published(Ok(())), now);
            }
            Err(error) => self.edge.answered(session, id, Answer::Published(Err(error)), now),
            Ok(outcome) => {
                let asker = self.edge.awaits(session, id, bytes);
                if !options.is_mirrored {
                    self.edge.receipts.expect(self.me, level, asker);
                }
                match outcome {
                    Outcome::Done(_) => self.owe(self.me, level, Ok(())),
                    Outcome::Later(later) => {
                        let waiter = match options.is_mirrored {
                            true => Waiter::Client(self.me, asker),
                            false => Waiter::Receipt(self.me, level),
                        };
                        self.home.wait(later, waiter);
                        // Nobody has heard of it yet: as of one that is on its way to another shard.
                        let here = self.edge.heard_by(&channel);
                        self.edge.charge_deliveries(session, here, each_ns, now);
                        self.edge.charge_filters(session, self.edge.filters_of(&channel), now);
                    }
                }
            }
        }
        self.edge.charge_deliveries(session, self.edge.attached - attached, each_ns, now);
        self.edge.charge_filters(session, self.edge.asked - asked, now);
    }
}

/// What each delivery costs that a question brings about, nanoseconds.
fn price_of_delivery(ask: &Ask<'_>) -> u64 {
    match ask {
        Ask::Publish { data, .. } => price::DELIVERY_NS + data.bytes.len() as u64 * price::BYTE_NS / 8,
        // Its leave will be announced, too.
        Ask::Subscribe(_, terms) if terms.announce => 2 * price::DELIVERY_NS,
        Ask::Inbox(_, ask) => match &ask.word {
            InboxWord::Send { data, .. } => price::DELIVERY_NS + data.bytes.len() as u64 * price::BYTE_NS / 8,
            _ => 0,
        },
        _ => 0,
    }
}

/// What a question counts among what its session has in flight.
fn bytes_of(ask: &Ask<'_>) -> u32 {
    match ask {
        Ask::Publish { data, .. } => ASK_BYTES + data.bytes.len() as u32,
        Ask::History { .. } | Ask::Presence(..) => LIST_ASK_BYTES,
        Ask::Subscribe(_, terms) if terms.recover.is_some() => RECOVERY_ASK_BYTES,
        Ask::Inbox(_, ask) => ASK_BYTES + ask.bytes() as u32,
        Ask::Subscribe(..) | Ask::PresenceStats(_) => ASK_BYTES,
    }
}

fn channel_of<'a>(ask: &'a Ask<'_>) -> &'a str {
    match ask {
        Ask::Publish { channel, .. } | Ask::History { channel, .. } => channel,
        Ask::Presence(channel, _) | Ask::PresenceStats(channel) | Ask::Inbox(channel, _) => channel,
        Ask::Subscribe(channel, _) => channel,
    }
}
