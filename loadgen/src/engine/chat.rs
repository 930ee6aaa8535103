//! A chat's day on real connections: its actions become commands, what is heard goes back to it.

use super::clients::Clients;
use super::work::Work;
use crate::chat::{Action, Publication, Refusal};
use crate::fault::Fault;
use crate::payload::{Damaged, Stamp};
use crate::protocol::Heard;
use crate::swarm::Phase;

impl Clients {
    /// A user is welcome: subscribes to all its channels, and recovers what it missed there.
    pub(super) fn enter(&mut self, key: u32, user: u32) {
        let (Some(output), Work::Chat(chat)) = (self.swarm.output(key), &mut self.work) else { return };
        let mut subscriptions = 0;
        for entry in chat.come(user) {
            let name = &self.channel_names[entry.channel as usize];
            self.writer.subscribe_since(entry.id, name, entry.since, output);
            subscriptions += 1;
        }
        self.go_on(key, Phase::Subscribing(subscriptions), |_, _| {});
    }

    /// Does what is due.
    pub(super) fn act_in_chat(&mut self, action: Action) {
        let Self { swarm, keys, writer, payloads, channel_names, work, .. } = self;
        let Work::Chat(chat) = work else { return };
        let (user, id, channel) = match action {
            Action::Return { user, due_ns } => return self.open(user, due_ns),
            Action::Drop { user } => {
                swarm.leave(keys[user as usize]);
                self.ready -= 1;
                return;
            }
            Action::Publish { user, id, stamp, .. } => (user, id, stamp.stream),
            Action::Ask { user, id, channel } => (user, id, channel),
            Action::Join { user, id, channel } | Action::Leave { user, id, channel } => (user, id, channel),
        };
        let (Some(output), name) = (swarm.output(keys[user as usize]), &channel_names[channel as usize]) else {
            return;
        };
        match action {
            Action::Publish { stamp, is_typing: true, .. } => {
                writer.publish(id, name, payloads.write_short(stamp), output);
            }
            Action::Publish { stamp, .. } => writer.publish(id, name, payloads.write(stamp), output),
            Action::Ask { .. } => writer.presence(id, name, output),
            Action::Join { .. } => writer.subscribe_since(id, name, chat.since(user, channel), output),
            Action::Leave { .. } => writer.unsubscribe(id, name, output),
            Action::Return { .. } | Action::Drop { .. } => {}
        }
    }

    /// A user has heard something.
    pub(super) fn hear_chat(&mut self, key: u32, user: u32, heard: Heard<'_>, now_ns: u64) {
        let number = match &heard {
            Heard::Publication { channel, message, .. } => channel_number(&self.channel_names, channel, message),
            Heard::Unsubscribed { channel, .. } => channel_number(&self.channel_names, channel, &Err(Damaged)),
            _ => None,
        };
        let phase = self.swarm.conn(key).map(|conn| conn.phase);
        let Self { work: Work::Chat(chat), interval, faults, .. } = self else { return };
        if chat.is_away(user) {
            return;
        }
        match (heard, phase) {
            (Heard::Publication { channel, offset, message, .. }, _) => match number {
                Some(channel) => {
                    chat.heard(user, Publication { channel, offset, message }, now_ns, interval, faults);
                }
                None => faults.note(Fault::Misdelivered, || format!("user {user} heard the strange channel {channel}")),
            },
            (Heard::Acknowledged { id }, _) => chat.acknowledged(user, id, now_ns, interval, faults),
            (Heard::Joined { id, joined }, phase) => {
                chat.joined(user, id, joined, now_ns, interval, faults);
                if let Some(Phase::Subscribing(missing)) = phase {
                    self.let_in(key, user, missing, now_ns);
                }
            }
            (Heard::Recovered { offset, message }, _) => chat.recovered(user, offset, message, interval, faults),
            (Heard::Left { id }, _) => chat.left(user, id, faults),
            (Heard::Present { id, clients }, _) => chat.present(user, id, clients, now_ns, interval, faults),
            (Heard::Refused { id, why, is_temporary }, Some(Phase::Ready)) => {
                chat.refused(user, id, Refusal { why: &why, is_temporary }, now_ns, interval, faults);
            }
            (heard @ Heard::Unsubscribed { .. }, phase) => {
                match (number.and_then(|channel| chat.unsubscribed(user, channel, interval)), phase) {
                    (None, _) => self.hear_rare(key, user, heard, now_ns),
                    // One more answer is missing.
                    (Some(true), Some(Phase::Subscribing(missing))) => {
                        self.go_on(key, Phase::Subscribing(missing + 1), |_, _| {});
                    }
                    (Some(_), _) => {}
                }
            }
            (heard, _) => self.hear_rare(key, user, heard, now_ns),
        }
    }

    /// One of the subscriptions that were missing is answered.
    fn let_in(&mut self, key: u32, user: u32, missing: u32, now_ns: u64) {
        if missing == 1 {
            self.arrived(key, user, now_ns);
        } else if let Some(conn) = self.swarm.conn(key) {
            conn.phase = Phase::Subscribing(missing - 1);
        }
    }
}

/// The number of a channel: as a rule the one that its message was sent to.
fn channel_number(names: &[String], channel: &str, message: &Result<Stamp, Damaged>) -> Option<u32> {
    let is_it = |number: u32| names.get(number as usize).is_some_and(|name| name == channel);
    let sent_to = message.as_ref().map(|stamp| stamp.stream).ok().filter(|number| is_it(*number));
    sent_to.or_else(|| names.iter().position(|name| name == channel).map(|number| number as u32))
}
