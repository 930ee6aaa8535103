//! The connect reply: everything that it waits for, and what is held back behind it.

use std::sync::Arc;

use super::Edge;
use crate::model::refusal::DisconnectKind;
use crate::model::{ClientId, Device, Subscribed};
use crate::protocol::word::{Connected, Push, ReplyBody};
use crate::session::{Connecting, Flags, Heartbeat, Held, Rhythm, Stage, State};
use crate::time::Now;

impl Edge {
    pub(in crate::broker) fn connecting(&mut self, session: u32) -> &mut Connecting {
        match &mut self.sessions[session as usize].state {
            State::Connecting(connecting) => connecting,
            state => unreachable!("answers of a connect come while connecting, not in {state:?}"),
        }
    }

    /// Whether a session's connect reply waits for subscriptions that no home was asked for yet.
    pub(in crate::broker) fn has_planned(&self, session: u32) -> bool {
        match &self.sessions[session as usize].state {
            State::Connecting(connecting) => !connecting.planned.is_empty(),
            _ => false,
        }
    }

    /// The user's home shard has answered: the session has a place, and its subscriptions can be asked for, or has none.
    pub(in crate::broker) fn enrolled(&mut self, session: u32, outcome: Result<(), DisconnectKind>) {
        match outcome {
            Ok(()) => self.sessions[session as usize].enrolled = true,
            Err(why) => self.close(session, why),
        }
    }

    /// A session has lost its place to another of its user, unless it has ended since.
    pub(in crate::broker) fn dismiss(&mut self, user: &str, client: ClientId, why: DisconnectKind) {
        let Some(user) = self.users.get(user) else { return };
        let mut sessions = user.sessions.iter().copied();
        if let Some(session) = sessions.find(|session| self.sessions[*session as usize].info.client == client) {
            self.close(session, why);
        }
    }

    /// It is known on which device the session's client is.
    pub(in crate::broker) fn name_device(&mut self, session: u32, device: Device) {
        self.sessions[session as usize].device = (!device.is_unknown()).then(|| self.devices.share(device));
    }

    /// A planned subscription has begun.
    pub(super) fn planned_subscribed(&mut self, session: u32, channel: Arc<str>, subscribed: Subscribed, now: Now) {
        self.connecting(session).subs.push((channel, subscribed));
        self.connect_answered(session, now);
    }

    pub(in crate::broker) fn connect_answered(&mut self, session: u32, now: Now) {
        let connecting = self.connecting(session);
        connecting.pending -= 1;
        if connecting.pending > 0 {
            return;
        }
        if connecting.is_overfull() {
            self.close(session, DisconnectKind::InsufficientState);
        } else {
            self.welcome(session, now);
        }
    }

    /// Everything is there: the connect reply, then what was held back behind it.
    fn welcome(&mut self, session: u32, now: Now) {
        let entry = &mut self.sessions[session as usize];
        let State::Connecting(mut connecting) = std::mem::replace(&mut entry.state, State::Connected) else {
            unreachable!("only a connecting session is welcomed");
        };
        self.connected += 1;
        share_budget(&mut connecting.subs, self.policy.config.client.reply_max_size);
        let rhythm = Rhythm::of(&self.policy.config.client);
        let spread = rand::RngCore::next_u64(&mut self.random);
        entry.heartbeat = Heartbeat::start(rhythm, now.mono_ms, spread);
        let connected = Connected {
            client: entry.info.client,
            version: crate::VERSION,
            expiry: entry.expiry(now.unix_s()),
            data: None,
            subs: connecting.subs,
            ping_s: rhythm.interval_ms.div_ceil(1000),
            pong: rhythm.expects_answers(),
            node: self.node.clone(),
            time_unix_ms: now.unix_ms,
        };
        self.reply(session, connecting.id, ReplyBody::Connect(&connected));
        self.metrics.connects.add(1);
        self.tell_connected(session, now);
        self.release(session);
        for (channel, held) in &connecting.held {
            let push = match held {
                Held::Publication(publication) => Push::Publication { channel, publication },
                Held::Join(info) => Push::Join { channel, info },
                Held::Leave(info) => Push::Leave { channel, info },
            };
            self.push(session, &push);
        }
        self.wake(session);
    }

    /// From now on publications reach the session as they come.
    fn release(&mut self, session: u32) {
        for subscription in &mut self.sessions[session as usize].subscriptions {
            subscription.flags = subscription.flags.without(Flags::HELD);
            if let Stage::Live { room, place } = subscription.stage {
                self.audience.room_mut(room).subscribers[place as usize].flags = subscription.flags;
            }
        }
    }
}

/// One reply has one budget of bytes, however many subscriptions come with it. What does not fit was not recovered.
fn share_budget(subs: &mut [(Arc<str>, Subscribed)], mut bytes_left: usize) {
    for (_, subscribed) in subs {
        let bytes: usize = subscribed.publications.iter().map(|publication| publication.weight()).sum();
        match bytes_left.checked_sub(bytes) {
            Some(left) => bytes_left = left,
            None => {
                subscribed.publications = Vec::new();
                subscribed.recovered = false;
            }
        }
    }
}
