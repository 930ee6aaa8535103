//! Subscribers that say how far they have received, on real connections: what is due becomes commands, what is heard goes back.

use super::clients::Clients;
use super::work::Work;
use crate::protocol::{Heard, InboxCall};
use crate::swarm::Phase;

impl Clients {
    /// Whether a client receives at least once.
    pub(super) fn opens_receiver(&self, client: u32) -> bool {
        matches!(&self.work, Work::Receiving(receiving) if receiving.is_receiver(client))
    }

    /// A client that receives at least once is welcome: it subscribes as a device does.
    pub(super) fn open_receiver(&mut self, key: u32, client: u32) {
        let Work::Receiving(receiving) = &mut self.work else { return };
        let id = receiving.come(client);
        let channel = self.share.plan.clients[client as usize][0];
        let Self { writer, channel_names, swarm, .. } = self;
        let output = swarm.output(key).into_iter();
        output.for_each(|output| writer.subscribe_since(id, &channel_names[channel as usize], None, output));
        self.go_on(key, Phase::Subscribing(1), |_, _| {});
    }

    /// All say what is due; whether anything was.
    pub(super) fn say_received(&mut self, now_ns: u64) -> bool {
        let mut said = false;
        while let Work::Receiving(receiving) = &mut self.work
            && let Some((client, id, call)) = receiving.take_word(now_ns)
        {
            self.call_of_receiver(client, id, call);
            said = true;
        }
        said
    }

    fn call_of_receiver(&mut self, client: u32, id: u32, call: InboxCall) {
        let channel = self.share.plan.clients[client as usize][0];
        let Self { writer, channel_names, swarm, keys, .. } = self;
        let output = swarm.output(keys[client as usize]).into_iter();
        output.for_each(|output| writer.call_inbox(id, &channel_names[channel as usize], call, output));
    }

    /// A client has heard something else than a message while it is in.
    pub(super) fn hear_receiving(&mut self, key: u32, client: u32, heard: Heard<'_>, now_ns: u64) {
        let phase = self.swarm.conn(key).map(|conn| conn.phase);
        let Self { work: Work::Receiving(receiving), interval, faults, .. } = self else { return };
        match (heard, phase) {
            (Heard::Joined { id, joined }, _) if receiving.is_receiver(client) => {
                receiving.joined(client, id, joined, faults);
            }
            // A bystander's.
            (Heard::Joined { .. }, _) => return self.hear_rare(key, client, Heard::Subscribed, now_ns),
            (Heard::Recovered { offset, .. } | Heard::Publication { offset, .. }, Some(Phase::Subscribing(_)))
                if receiving.is_receiver(client) =>
            {
                receiving.caught_up(client, offset);
            }
            (Heard::Unread { id, unread }, _) => receiving.told(client, id, unread.offset, faults),
            (Heard::Acknowledged { id }, _) => receiving.acknowledged(client, id, now_ns, interval, faults),
            (Heard::Refused { id, why, .. }, Some(Phase::Ready)) => receiving.refused(client, id, &why, faults),
            (heard, _) => return self.hear_rare(key, client, heard, now_ns),
        }
        if matches!(phase, Some(Phase::Subscribing(_))) {
            if receiving.is_in(client) {
                self.arrived(key, client, now_ns);
            } else if let Some((id, call)) = receiving.say(client, now_ns) {
                self.call_of_receiver(client, id, call);
            }
        }
    }
}
