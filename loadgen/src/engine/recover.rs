//! Recoveries on real connections: what is due becomes commands, what is heard goes back.

use super::clients::Clients;
use super::recovery::Action;
use super::work::Work;
use crate::fault::Fault;
use crate::limits::ARRIVALS_PER_TURN;
use crate::plan::Breakage;
use crate::protocol::{CONNECT_ID, Heard};
use crate::swarm::Phase;

impl Clients {
    /// A client is welcome: subscribes to its channel from where it stood.
    pub(super) fn stand_again(&mut self, key: u32, client: u32, now_ns: u64) {
        let Work::Recovery(recovery) = &self.work else { return };
        let Some(channel) = self.share.plan.clients[client as usize].first() else {
            return self.arrived(key, client, now_ns);
        };
        let Some(output) = self.swarm.output(key) else { return };
        let name = &self.channel_names[*channel as usize];
        self.writer.subscribe_since(CONNECT_ID + 1, name, recovery.since(client), output);
        self.go_on(key, Phase::Subscribing(1), |_, _| {});
    }

    /// Does what is due; whether anything was.
    pub(super) fn recover(&mut self, now_ns: u64) -> bool {
        let (mut acted, mut opened) = (false, 0);
        while opened < ARRIVALS_PER_TURN
            && let Work::Recovery(recovery) = &mut self.work
            && let Some(action) = recovery.take(now_ns, &mut self.interval)
        {
            acted = true;
            match action {
                Action::Break(clients) => {
                    self.break_loose(Breakage::Reset, clients);
                    // They come when the broken connections have given their descriptors back.
                    return true;
                }
                Action::Publish { id, stamp } => {
                    let publisher = recovery.publisher();
                    if let Some(output) = self.swarm.output(self.keys[publisher as usize]) {
                        let name = &self.channel_names[stamp.stream as usize];
                        self.writer.publish(id, name, self.payloads.write(stamp), output);
                    }
                }
                Action::Come { client, due_ns } => {
                    self.open(client, due_ns);
                    opened += 1;
                }
            }
        }
        acted
    }

    /// A client has heard something.
    pub(super) fn hear_recovery(&mut self, key: u32, client: u32, heard: Heard<'_>, now_ns: u64) {
        let Self { work: Work::Recovery(recovery), faults, swarm, .. } = self else { return };
        let is_ready = swarm.conn(key).is_some_and(|conn| conn.phase == Phase::Ready);
        match heard {
            Heard::Acknowledged { .. } => recovery.acknowledged(now_ns),
            Heard::Joined { joined, .. } => {
                recovery.joined(client, joined, faults);
                self.arrived(key, client, now_ns);
            }
            Heard::Refused { why, .. } if is_ready && client == recovery.publisher() => {
                recovery.give_up();
                faults.note(Fault::Refused, || format!("what all are to miss was refused: {why}"));
            }
            Heard::Recovered { offset, message } => recovery.recovered(client, offset, message, faults),
            heard => self.hear_rare(key, client, heard, now_ns),
        }
    }
}
