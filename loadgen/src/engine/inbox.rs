//! Devices that receive at least once, on real connections: what is to be said becomes commands, what is heard goes back.

use super::clients::Clients;
use super::work::Work;
use crate::fault::Fault;
use crate::inbox::{Action, Publication};
use crate::protocol::Heard;
use crate::swarm::Phase;

impl Clients {
    /// A device is welcome: it subscribes. A publisher is in.
    pub(super) fn open_inbox(&mut self, key: u32, client: u32, now_ns: u64) {
        let Work::Inbox(inbox) = &mut self.work else { return };
        match inbox.come(client) {
            Some((id, channel)) => {
                let Self { writer, channel_names, swarm, .. } = self;
                let output = swarm.output(key).into_iter();
                output.for_each(|output| writer.subscribe_since(id, &channel_names[channel as usize], None, output));
                self.go_on(key, Phase::Subscribing(1), |_, _| {});
            }
            None => self.arrived(key, client, now_ns),
        }
    }

    /// Does what is due.
    pub(super) fn act_in_inbox(&mut self, action: Action) {
        let Self { swarm, keys, writer, payloads, channel_names, .. } = self;
        match action {
            Action::Return { client, due_ns } => self.open(client, due_ns),
            Action::Drop { client } => {
                swarm.reset(keys[client as usize]);
                self.ready -= 1;
            }
            Action::Publish { client, id, stamp } => {
                if let Some(output) = swarm.output(keys[client as usize]) {
                    writer.publish(id, &channel_names[stamp.stream as usize], payloads.write(stamp), output);
                }
            }
            Action::Call { client, id, channel, call } => {
                if let Some(output) = swarm.output(keys[client as usize]) {
                    writer.call_inbox(id, &channel_names[channel as usize], call, output);
                }
            }
        }
    }

    /// A device or a publisher has heard something.
    pub(super) fn hear_inbox(&mut self, key: u32, client: u32, heard: Heard<'_>, now_ns: u64) {
        let phase = self.swarm.conn(key).map(|conn| conn.phase);
        let Self { work: Work::Inbox(inbox), interval, faults, share, channel_names, .. } = self else { return };
        match (heard, phase) {
            (Heard::Publication { channel, offset, attempt, message }, _) => {
                let own = &channel_names[share.plan.clients[client as usize].first().map_or(0, |own| *own as usize)];
                if own == channel {
                    inbox.heard(client, Publication { offset, attempt, message }, now_ns, interval, faults);
                } else {
                    faults.note(Fault::Misdelivered, || format!("client {client} heard the strange channel {channel}"));
                }
            }
            (Heard::Joined { id, joined }, _) => inbox.joined(client, id, joined, now_ns, faults),
            (Heard::Unread { id, unread }, _) => inbox.unread(client, id, unread, now_ns, faults),
            (Heard::Positions { id, users }, _) => {
                inbox.position(client, id, users, &share.user(client), faults);
            }
            (Heard::Acknowledged { id }, _) => inbox.acknowledged(client, id, now_ns, interval, faults),
            (Heard::Refused { id, why, .. }, Some(Phase::Ready)) => inbox.refused(client, id, &why, faults),
            (heard, _) => return self.hear_rare(key, client, heard, now_ns),
        }
        if matches!(phase, Some(Phase::Subscribing(_))) && inbox.is_in(client) {
            self.arrived(key, client, now_ns);
        }
    }
}
