//! The end of the load: what is still under way, and what never came.

use super::device::{Device, Ending};
use super::{Agenda, Inbox};
use crate::fault::{Fault, Faults};
use crate::presence::Presence;

impl Inbox {
    /// The load is over: nothing new is begun, and who is away comes back now, so that it is seen what it missed.
    pub fn end(&mut self, end_ns: u64, now_ns: u64) {
        self.end_ns = end_ns;
        self.away.end(end_ns);
        self.behind = self.agenda.take().map_or(0, |Agenda { messages, drops }| {
            messages.behind(end_ns) + drops.map_or(0, |drops| drops.behind(end_ns))
        });
        (0..self.plan.all_devices()).for_each(|client| self.go_on(client, now_ns.max(end_ns)));
    }

    /// What was due before the end of the load and was not begun.
    pub fn behind(&self) -> u64 {
        self.behind
    }

    /// Devices that are there, with where their channel stands.
    fn there(&self) -> impl Iterator<Item = (u32, &Device, u64)> {
        let there = (0..).zip(&self.devices).filter(|(_, device)| device.presence == Presence::Here);
        there.map(|(client, device)| (client, device, self.ledgers[self.plan.channel(client) as usize].top()))
    }

    /// Replies, returns, deliveries and last looks that are still to come. Looks at everybody.
    pub fn under_way(&self) -> u64 {
        let coming = self.devices.iter().filter(|device| device.presence == Presence::Coming).count();
        let publishing = self.publishers.iter().filter(|publisher| publisher.presence == Presence::Coming).count();
        let unanswered: usize = self.devices.iter().map(|device| device.commands.waiting()).sum();
        let unpublished: usize = self.publishers.iter().map(|publisher| publisher.commands.waiting()).sum();
        let open = self.there().filter(|(_, device, _)| device.ending != Ending::Asked).count();
        let lacks: u64 = self.there().map(|(_, device, top)| device.lacks(top)).sum();
        let untold: u64 = self.ledgers.iter().map(|ledger| ledger.lacks()).sum();
        let waiting = self.actions.len() + self.away.len() + coming + publishing + unanswered + unpublished + open;
        waiting as u64 + lacks + untold
    }

    /// What has not come now never will.
    pub fn finish(&self, faults: &mut Faults) {
        for (client, device, top) in self.there() {
            let (lacks, have) = (device.lacks(top), device.have);
            if lacks > 0 {
                faults.note_many(Fault::Lost, lacks, || {
                    format!("client {client} lacks {lacks} messages, the first one behind offset {have}")
                });
            }
        }
        (0..).zip(&self.ledgers).for_each(|(channel, ledger)| ledger.finish(channel, faults));
        for (client, device) in self.devices.iter().enumerate() {
            for asked in device.commands.unanswered() {
                faults.note(Fault::Unanswered, || format!("client {client} was not answered {asked:?}"));
            }
            if matches!(device.presence, Presence::Coming | Presence::Away) && device.commands.waiting() == 0 {
                faults.note(Fault::NotConnected, || format!("client {client} was not there again"));
            }
        }
        for (channel, publisher) in self.publishers.iter().enumerate() {
            for _ in publisher.commands.unanswered() {
                faults.note(Fault::Unanswered, || format!("a publish to channel {channel} was not answered"));
            }
        }
    }
}
