//! Fan-out: one publication to every subscriber on this shard. The hottest loop of the node.

use std::sync::Arc;

use super::turn::Limits;
use super::{Edge, Subscriber};
use crate::broker::policy::Policy;
use crate::model::refusal::{DisconnectKind, Unsubscribe};
use crate::model::{ClientId, ClientInfo, Publication};
use crate::outbox::{Extent, Tag};
use crate::protocol::Format;
use crate::protocol::word::Push;
use crate::session::{Flags, Held, State};

/// A push encoded once per format that has a subscriber.
#[derive(Default)]
struct Encoded([Option<Extent>; Format::COUNT]);

impl Edge {
    /// Brings a publication to the room of its channel, if there still is one. Encodes it once per format.
    pub(in crate::broker) fn deliver(
        &mut self,
        channel: &Arc<str>,
        publication: &Arc<Publication>,
        exclude: Option<ClientId>,
    ) {
        let Some(number) = self.audience.find(channel) else { return };
        if self.audience.is_outdated(number) {
            self.take_in(number);
            if self.audience.find(channel) != Some(number) {
                return;
            }
        }
        let room = self.audience.room_mut(number);
        if publication.offset != 0 {
            let expected = room.offset + 1;
            room.offset = publication.offset;
            if publication.offset != expected {
                self.gap(number);
                // Who stayed is not positioned. The room may be gone with those who were.
                if self.audience.find(channel) != Some(number) {
                    return;
                }
            }
        }
        let push = Push::Publication { channel, publication };
        let room = self.audience.room_mut(number);
        let conns = room.subscribers.len();
        let (wanting, any_held) = match &mut room.filters {
            None => (conns, self.attach::<false>(number, &push, conns, exclude)),
            Some(filters) => {
                self.asked += u64::from(filters.cost());
                let kept_out = filters.ask(publication.tags.as_ref());
                room.counts.filtered.add(kept_out as u64);
                let wanting = conns - kept_out;
                (wanting, self.attach::<true>(number, &push, wanting, exclude))
            }
        };
        self.audience.room(number).counts.deliveries.add(wanting as u64);
        self.attached += wanting as u64;
        if any_held {
            self.hold(number, &Held::Publication(publication.clone()), Flags::HELD, exclude);
        }
    }

    /// Attaches a publication to the conns of a room, about `wanting` of them; of a room with filters, to those whose filter
    /// it passes. Whether some of them are held back instead.
    #[inline]
    fn attach<const FILTERED: bool>(
        &mut self,
        number: u32,
        push: &Push<'_>,
        wanting: usize,
        exclude: Option<ClientId>,
    ) -> bool {
        let mut encoded = Encoded::default();
        let mut any_held = false;
        let room = self.audience.room(number);
        for (place, subscriber) in room.subscribers.iter().enumerate() {
            if FILTERED && !room.wants(place) {
                continue;
            }
            if subscriber.flags.has_any(Flags::HELD.with(Flags::MUTED, true).with(Flags::BEHIND, true)) {
                any_held |= subscriber.flags.has(Flags::HELD);
                continue;
            }
            if let Some(client) = exclude
                && self.sessions[subscriber.session as usize].info.client == client
            {
                continue;
            }
            let extent = *encoded.0[subscriber.format.index()]
                .get_or_insert_with(|| self.outbox.encode(wanting, |out| subscriber.format.write_push(push, out)));
            let conflate = subscriber.flags.has(Flags::CONFLATE);
            let tag = if conflate { Tag::latest_of(number) } else { Tag::KEEP };
            self.outbox.attach(subscriber.conn, extent, tag);
        }
        any_held
    }

    /// Keeps a push for subscribers with these flags whose connect reply is not out yet. Who has too many is
    /// closed when the reply is due.
    fn hold(&mut self, room: u32, held: &Held, flags: Flags, exclude: Option<ClientId>) {
        let room = self.audience.room(room);
        let is_publication = matches!(held, Held::Publication(_));
        let held_back = |subscriber: &Subscriber| subscriber.flags.has(flags);
        for (place, subscriber) in room.subscribers.iter().enumerate().filter(|(_, subscriber)| held_back(subscriber)) {
            if is_publication && !room.wants(place) {
                continue;
            }
            let session = &mut self.sessions[subscriber.session as usize];
            if exclude == Some(session.info.client) || (is_publication && subscriber.flags.has(Flags::BEHIND)) {
                continue;
            }
            let State::Connecting(connecting) = &mut session.state else {
                unreachable!("only a connecting session's subscriptions are held");
            };
            if !connecting.is_overfull() {
                connecting.held.push((room.channel.clone(), held.clone()));
            }
        }
    }

    /// A publication is missing in a room. Who counts on seeing all is told: a client's subscription ends
    /// with 2500 (it resubscribes and recovers), a server-side one ends the connection with 3010.
    pub(super) fn gap(&mut self, room: u32) {
        let room = self.audience.room(room);
        let channel = room.channel.clone();
        let positioned: Vec<(u32, Flags)> = room
            .subscribers
            .iter()
            .filter(|subscriber| subscriber.flags.has(Flags::POSITIONED))
            .map(|subscriber| (subscriber.session, subscriber.flags))
            .collect();
        for (session, flags) in positioned {
            self.lose_place(session, &channel, flags);
        }
    }

    /// As [`Edge::gap`], where its home has found out.
    pub(in crate::broker) fn missed(&mut self, channel: &str) {
        if let Some(room) = self.audience.find(channel) {
            self.gap(room);
        }
    }

    pub(super) fn lose_place(&mut self, session: u32, channel: &str, flags: Flags) {
        if flags.has(Flags::SERVER_SIDE) {
            self.close(session, DisconnectKind::InsufficientState);
        } else {
            self.unsubscribe(session, channel, Unsubscribe::Insufficient);
        }
    }

    /// Another policy holds from now on.
    pub(in crate::broker) fn go_by(&mut self, policy: Policy) {
        self.limits = Limits::of(&policy.config.client);
        self.policy = policy;
    }

    /// Tells a room who came or left.
    pub(in crate::broker) fn deliver_announcement(&mut self, channel: &Arc<str>, info: &Arc<ClientInfo>, joined: bool) {
        let Some(number) = self.audience.find(channel) else { return };
        let push = match joined {
            true => Push::Join { channel, info },
            false => Push::Leave { channel, info },
        };
        let mut encoded = Encoded::default();
        let mut any_held = false;
        let room = self.audience.room(number);
        let conns = room.subscribers.len();
        for subscriber in &room.subscribers {
            if !subscriber.flags.has(Flags::JOIN_LEAVE) {
                continue;
            }
            if subscriber.flags.has_any(Flags::HELD.with(Flags::MUTED, true)) {
                any_held |= subscriber.flags.has(Flags::HELD);
                continue;
            }
            let extent = *encoded.0[subscriber.format.index()]
                .get_or_insert_with(|| self.outbox.encode(conns, |out| subscriber.format.write_push(&push, out)));
            self.outbox.attach(subscriber.conn, extent, Tag::KEEP);
        }
        self.attached += conns as u64;
        if any_held {
            let held = if joined { Held::Join(info.clone()) } else { Held::Leave(info.clone()) };
            self.hold(number, &held, Flags::HELD.with(Flags::JOIN_LEAVE, true), None);
        }
    }
}
