//! What clients do of themselves: publish, come, go, stop reading, when it is due.

use super::clients::Clients;
use super::slow::Turn;
use super::work::Work;
use crate::limits::ARRIVALS_PER_TURN;
use crate::plan::{Breakage, Load};
use crate::protocol::Writer;
use crate::swarm::Phase;

impl Clients {
    /// Does what is due; whether anything was.
    pub(super) fn act(&mut self, now_ns: u64) -> bool {
        match &self.work {
            Work::Nothing => false,
            Work::Traffic(_) => self.publish(now_ns),
            Work::Slow(_) => self.slow_down(now_ns) | self.publish(now_ns),
            Work::Receiving(receiving) => {
                let has_ended = receiving.has_ended();
                (!has_ended && self.publish(now_ns)) | self.say_received(now_ns)
            }
            Work::Arrivals(_) => self.come_and_go(now_ns),
            Work::Storm(_) => self.storm(now_ns),
            Work::Recovery(_) => self.recover(now_ns),
            Work::Chat(_) | Work::Inbox(_) => self.live(now_ns),
        }
    }

    fn publish(&mut self, now_ns: u64) -> bool {
        let mut published = false;
        let pings = matches!(self.share.plan.load, Load::Ping(_));
        let Some(traffic) = self.work.traffic_mut() else { return false };
        while let Some(due) = traffic.take(now_ns, &mut self.interval) {
            if let Some(output) = self.swarm.output(self.keys[due.publisher as usize]) {
                if pings {
                    self.writer.ping(due.id, output);
                } else {
                    let payload = self.payloads.write(due.stamp);
                    self.writer.publish(due.id, &self.channel_names[due.channel as usize], payload, output);
                }
            }
            published = true;
        }
        published
    }

    fn slow_down(&mut self, now_ns: u64) -> bool {
        let Work::Slow(slow) = &mut self.work else { return false };
        let turn = slow.turn(now_ns);
        turn.into_iter().for_each(|turn| self.turn_readers(turn));
        turn.is_some()
    }

    fn turn_readers(&mut self, turn: Turn) {
        let Work::Slow(slow) = &mut self.work else { return };
        let clients = slow.clients();
        for client in self.share.clients.iter().take_while(|client| **client < clients) {
            let key = self.keys[*client as usize];
            match turn {
                Turn::Stop => {
                    self.swarm.stop_reading(key);
                    slow.stopped();
                }
                Turn::Resume => self.swarm.read_again(key),
            }
        }
    }

    /// Nothing more is due from `end_ns` on.
    pub(super) fn end_load(&mut self, end_ns: u64) {
        match &mut self.work {
            Work::Slow(slow) => slow.end().into_iter().for_each(|turn| self.turn_readers(turn)),
            Work::Receiving(receiving) => receiving.end(),
            Work::Chat(chat) => chat.end(end_ns),
            Work::Inbox(inbox) => inbox.end(end_ns, self.swarm.now_ns()),
            Work::Nothing | Work::Traffic(_) | Work::Arrivals(_) | Work::Storm(_) | Work::Recovery(_) => {}
        }
    }

    fn come_and_go(&mut self, now_ns: u64) -> bool {
        let (mut opened, mut departed) = (0, 0);
        while let Work::Arrivals(arrivals) = &mut self.work {
            if let Some((client, key)) = arrivals.depart(now_ns) {
                self.depart(client, key);
                departed += 1;
            } else if opened < ARRIVALS_PER_TURN
                && let Some((client, due_ns)) = arrivals.arrive(now_ns, &mut self.interval)
            {
                self.open(client, due_ns);
                opened += 1;
            } else {
                break;
            }
        }
        opened + departed > 0
    }

    fn storm(&mut self, now_ns: u64) -> bool {
        let Work::Storm(storm) = &mut self.work else { return false };
        if let Some((breakage, clients)) = storm.break_loose(now_ns) {
            // They come in the next turn, when the broken connections have given their descriptors back.
            self.break_loose(breakage, clients);
            return true;
        }
        let mut opened = 0;
        while opened < ARRIVALS_PER_TURN
            && let Work::Storm(storm) = &mut self.work
            && let Some((client, due_ns)) = storm.come(now_ns, &mut self.interval)
        {
            self.open(client, due_ns);
            opened += 1;
        }
        opened > 0
    }

    fn live(&mut self, now_ns: u64) -> bool {
        let mut acted = false;
        loop {
            match &mut self.work {
                Work::Chat(chat) => match chat.take(now_ns, &mut self.interval) {
                    Some(action) => self.act_in_chat(action),
                    None => return acted,
                },
                Work::Inbox(inbox) => match inbox.take(now_ns, &mut self.interval) {
                    Some(action) => self.act_in_inbox(action),
                    None => return acted,
                },
                _ => return acted,
            }
            acted = true;
        }
    }

    /// Breaks the connections of so many clients.
    pub(super) fn break_loose(&mut self, breakage: Breakage, clients: u32) {
        for client in 0..clients {
            let key = self.keys[client as usize];
            match breakage {
                Breakage::Close => self.depart(client, key),
                Breakage::Reset => self.swarm.reset(key),
                Breakage::Server => unreachable!("the server does that"),
            }
        }
    }

    /// Ends the connection of a client that has stayed long enough.
    fn depart(&mut self, client: u32, key: u32) {
        if self.swarm.conn(key).is_some_and(|conn| conn.client == client && conn.phase == Phase::Ready) {
            self.say(key, Writer::close);
            self.swarm.leave(key);
        }
    }
}
