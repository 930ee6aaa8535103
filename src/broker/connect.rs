//! From an accepted identity to the connect reply.

use std::sync::Arc;

use super::Core;
use crate::broker::letter::Letter;
use crate::model::Subscribed;
use crate::model::refusal::Disconnect;
use crate::protocol::word::{Connected, Push, ReplyBody};
use crate::session::{Ask, Connecting, Flags, Heartbeat, Held, Identity, Stage, State};
use crate::time::Now;

impl Core {
    /// Takes the identity on, asks for the user's place in the roster where users are limited, then for the
    /// subscriptions. False when the session has ended.
    pub(super) fn enrol(&mut self, session: u32, mut identity: Identity, now: Now) -> bool {
        let id = identity.id;
        let limit = std::mem::take(&mut identity.user_limit);
        let user = identity.info.user.clone();
        let asks = self.with_session(session, now, |session, context| session.admit(identity, context));
        // Nobody asks for the sessions of nobody, and there may be very many.
        if !user.is_empty() {
            self.users.entry(user.clone()).or_default().push(session);
        }
        if limit == 0 {
            return self.ask_planned(session, asks, now);
        }
        let home = self.home.of(&user);
        if home == self.me {
            if !self.roster.enrol(&user, limit) {
                self.close(session, Disconnect::CONNECTION_LIMIT, now);
                return false;
            }
            self.sessions[session as usize].enrolled = true;
        } else {
            let asker = self.asker(session, id);
            self.connecting(session).pending += 1;
            self.sessions[session as usize].asks_in_flight += 1;
            self.letters.push((home, Letter::Enrol { asker, user, limit }));
        }
        self.ask_planned(session, asks, now)
    }

    fn ask_planned(&mut self, session: u32, asks: Vec<(Arc<str>, crate::session::Terms)>, now: Now) -> bool {
        // One more pending than there are, so that answers at once do not finish too early.
        self.connecting(session).pending += 1;
        for (channel, terms) in asks {
            if !self.ask(session, 0, Ask::Subscribe(channel, terms), now) {
                return false;
            }
        }
        self.connect_answered(session, now)
    }

    fn connecting(&mut self, session: u32) -> &mut Connecting {
        match &mut self.sessions[session as usize].state {
            State::Connecting(connecting) => connecting,
            state => unreachable!("answers of a connect come while connecting, not in {state:?}"),
        }
    }

    /// The user's home shard has answered. False when the session has ended.
    pub(super) fn enrolled(&mut self, session: u32, admitted: bool, now: Now) -> bool {
        if !admitted {
            self.close(session, Disconnect::CONNECTION_LIMIT, now);
            return false;
        }
        self.sessions[session as usize].enrolled = true;
        self.connect_answered(session, now)
    }

    /// A planned subscription has begun. False when the session has ended.
    pub(super) fn planned_subscribed(
        &mut self,
        session: u32,
        channel: Arc<str>,
        subscribed: Subscribed,
        now: Now,
    ) -> bool {
        self.connecting(session).subs.push((channel, subscribed));
        self.connect_answered(session, now)
    }

    fn connect_answered(&mut self, session: u32, now: Now) -> bool {
        let connecting = self.connecting(session);
        connecting.pending -= 1;
        if connecting.pending > 0 {
            return true;
        }
        if connecting.is_overfull() {
            // It has come before it goes.
            self.announce();
            self.close(session, Disconnect::INSUFFICIENT_STATE, now);
            return false;
        }
        self.welcome(session, now);
        true
    }

    /// Everything is there: the connect reply, then what was held back behind it.
    fn welcome(&mut self, session: u32, now: Now) {
        let entry = &mut self.sessions[session as usize];
        let State::Connecting(connecting) = std::mem::replace(&mut entry.state, State::Connected) else {
            unreachable!("only a connecting session is welcomed");
        };
        let rhythm = super::timers::rhythm(&self.config);
        let spread = rand::RngCore::next_u64(&mut self.random);
        entry.heartbeat = Heartbeat::start(rhythm, now.mono_ms, spread);
        let connected = Connected {
            client: entry.info.client,
            version: crate::VERSION,
            expiry: entry.expiry(now.unix_s()),
            data: None,
            subs: connecting.subs,
            ping_s: u32::try_from(rhythm.interval_ms.div_ceil(1000)).unwrap_or(u32::MAX),
            pong: rhythm.interval_ms != 0 && rhythm.timeout_ms != 0,
            node: self.node.clone(),
            time_unix_ms: now.unix_ms,
        };
        self.reply(session, connecting.id, ReplyBody::Connect(&connected));
        self.metrics.connects.add(1);
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
