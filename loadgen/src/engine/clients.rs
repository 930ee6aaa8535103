//! The clients: how they come in, and what they make of what they hear.

use ringpost::auth::mint;
use serde_json::json;

use super::work::Work;
use crate::fault::{Fault, Faults};
use crate::measure::{Interval, Measure};
use crate::nodes::{NodeUse, node_of};
use crate::payload::{Damaged, Payloads};
use crate::protocol::{CONNECT_ID, Client, Heard, Reader, Writer};
use crate::share::Share;
use crate::swarm::{Phase, Swarm};

/// How much of what comes is copied behind the beginning of a frame, to make it whole: most frames are shorter.
const SEAM_BYTES: usize = 256;

/// All clients of a thread, with what they have in common.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) swarm: Swarm,
    pub(super) share: Share,
    pub(super) work: Work,
    pub(super) interval: Box<Interval>,
    pub(super) faults: Faults,
    /// By client of the plan: its connection.
    pub(super) keys: Vec<u32>,
    /// By client of the plan: how many connections it was opened.
    pub(super) connections: Vec<u32>,
    /// What came of each node.
    pub(super) nodes: Vec<NodeUse>,
    /// Clients of the share whose connections were opened.
    pub(super) opened: usize,
    /// Clients of the share that are there.
    pub(super) ready: usize,
    pub(super) writer: Writer,
    pub(super) payloads: Payloads,
    /// By number.
    pub(super) channel_names: Vec<String>,
    pub(super) secret: Option<String>,
}

impl Clients {
    /// The channels of a client of the plan, or of one that came later: those take turns.
    fn channels(&self, client: u32) -> Vec<u32> {
        let plan = &self.share.plan;
        match plan.clients.get(client as usize) {
            Some(channels) => channels.clone(),
            None if plan.channels == 0 => Vec::new(),
            None => vec![client % plan.channels],
        }
    }

    fn is_of_the_plan(&self, client: u32) -> bool {
        (client as usize) < self.share.plan.clients.len()
    }

    /// Whether there is nothing more to do: all that was to happen once has happened, or those who have work to do are
    /// all gone and none comes back.
    pub(super) fn are_done(&self) -> bool {
        match self.work {
            Work::Traffic(_) | Work::Slow(_) | Work::Receiving(_) | Work::Nothing => self.swarm.is_empty(),
            Work::Arrivals(_) | Work::Storm(_) | Work::Recovery(_) | Work::Chat(_) | Work::Inbox(_) => {
                self.work.is_over()
            }
        }
    }

    /// The node of a client's next connection.
    fn next_node(&mut self, client: u32) -> u32 {
        let before = self.connections.get_mut(client as usize).map_or(0, |connections| {
            *connections += 1;
            *connections - 1
        });
        node_of(client, before, self.nodes.len() as u32)
    }

    /// Opens a connection for a client that was due then.
    pub(super) fn open(&mut self, client: u32, due_ns: u64) {
        let node = self.next_node(client);
        match self.swarm.open(client, node, due_ns, self.share.plan.receive_buffer_bytes(client)) {
            Ok(key) if self.is_of_the_plan(client) => self.keys[client as usize] = key,
            Ok(_) => {}
            Err(error) => self.not_connected(client, &error.to_string()),
        }
    }

    /// The socket of a connection takes bytes.
    pub(super) fn writable(&mut self, key: u32, reader: &Reader) {
        let Some(conn) = self.swarm.conn(key) else { return };
        let client = conn.client;
        match self.swarm.writable(key) {
            Ok(false) => {}
            Ok(true) if reader.speaks_first() => {
                self.go_on(key, Phase::Opening, |_, _| {});
                let Self { swarm, writer, .. } = self;
                swarm.opening(key).into_iter().for_each(|(node, output)| writer.open(node, output));
            }
            Ok(true) => self.join(key, client),
            Err(error) => self.not_connected(client, &error.to_string()),
        }
    }

    /// The next phase of a connection, and what is said in it.
    pub(super) fn go_on(&mut self, key: u32, phase: Phase, say: impl FnOnce(&mut Writer, &mut Vec<u8>)) {
        if let Some(conn) = self.swarm.conn(key) {
            conn.phase = phase;
        }
        self.say(key, say);
    }

    pub(super) fn say(&mut self, key: u32, say: impl FnOnce(&mut Writer, &mut Vec<u8>)) {
        if let Some(output) = self.swarm.output(key) {
            say(&mut self.writer, output);
        }
    }

    fn join(&mut self, key: u32, client: u32) {
        let user = self.share.user(client);
        let (_, device) = self.share.plan.who(client);
        let claims = match device {
            Some(device) => json!({ "sub": user, "device": format!("device-{device}") }),
            None => json!({ "sub": user }),
        };
        let token = self.secret.as_ref().map(|secret| mint::hs256(secret, &claims)).unwrap_or_default();
        let subscribes = !self.channels(client).is_empty();
        let who = Client { user: &user, token: &token, subscribes };
        self.go_on(key, Phase::Joining, |writer, output| writer.connect(&who, output));
    }

    /// The oldest command of a client that has no answer was carried out.
    fn done(&mut self, key: u32, client: u32, now_ns: u64) {
        let Some(conn) = self.swarm.conn(key) else { return };
        match (conn.phase, self.work.traffic_mut()) {
            (Phase::Ready, Some(traffic)) => {
                traffic.acknowledged_oldest(client, now_ns, &mut self.interval, &mut self.faults);
            }
            (Phase::Joining, _) => {
                self.hear_rare(key, client, Heard::Welcome { pong: true, version: "".into() }, now_ns)
            }
            _ => self.hear_rare(key, client, Heard::Subscribed, now_ns),
        }
    }

    fn subscribe(&mut self, key: u32, client: u32, now_ns: u64) {
        match self.work {
            Work::Chat(_) => return self.enter(key, client),
            Work::Inbox(_) => return self.open_inbox(key, client, now_ns),
            Work::Recovery(_) => return self.stand_again(key, client, now_ns),
            _ if self.opens_receiver(client) => return self.open_receiver(key, client),
            _ => {}
        }
        let channels = self.channels(client);
        if channels.is_empty() {
            return self.arrived(key, client, now_ns);
        }
        let (Some(output), writer) = (self.swarm.output(key), &mut self.writer) else { return };
        for (id, channel) in (CONNECT_ID + 1..).zip(&channels) {
            writer.subscribe(id, &self.channel_names[*channel as usize], output);
        }
        self.go_on(key, Phase::Subscribing(channels.len() as u32), |_, _| {});
    }

    pub(super) fn arrived(&mut self, key: u32, client: u32, now_ns: u64) {
        let Some(conn) = self.swarm.conn(key) else { return };
        conn.phase = Phase::Ready;
        let due_ns = conn.due_ns;
        self.nodes[conn.node as usize].came += 1;
        match &mut self.work {
            Work::Nothing | Work::Traffic(_) | Work::Slow(_) | Work::Receiving(_) => self.ready += 1,
            Work::Arrivals(arrivals) => arrivals.welcomed(client, key, due_ns, now_ns, &mut self.interval),
            Work::Storm(storm) => storm.welcomed(client, due_ns, now_ns, &mut self.interval),
            // Until its load begins the clients gather.
            Work::Recovery(_) if self.ready < self.share.clients.len() => self.ready += 1,
            Work::Recovery(recovery) => recovery.welcomed(due_ns, now_ns, &mut self.interval),
            Work::Chat(chat) => {
                self.ready += 1;
                chat.arrived(client, due_ns, now_ns, &mut self.interval);
            }
            Work::Inbox(inbox) => {
                self.ready += 1;
                inbox.arrived(client, due_ns, now_ns, &mut self.interval);
            }
        }
    }

    fn not_connected(&mut self, client: u32, why: &str) {
        match &mut self.work {
            Work::Nothing | Work::Traffic(_) | Work::Slow(_) | Work::Receiving(_) => {}
            Work::Arrivals(arrivals) => arrivals.failed(),
            // Until its load begins none is due.
            Work::Recovery(_) if self.ready < self.share.clients.len() => {}
            Work::Recovery(recovery) => recovery.failed(),
            Work::Storm(storm) => {
                if storm.turned_away(client, self.swarm.now_ns()) {
                    return;
                }
            }
            Work::Chat(chat) => {
                if chat.lost(client, self.swarm.now_ns(), &mut self.interval) {
                    return;
                }
            }
            Work::Inbox(inbox) => {
                if inbox.lost(client, self.swarm.now_ns()) {
                    return;
                }
            }
        }
        self.faults.note(Fault::NotConnected, || format!("client {client} could not connect: {why}"));
    }

    /// The server has ended the connection of a client that was there.
    fn disconnected(&mut self, client: u32, fault: Fault, why: &str) {
        let is_expected = fault == Fault::Disconnected
            && match &mut self.work {
                Work::Storm(storm) => storm.ended(client, self.swarm.now_ns()),
                Work::Chat(chat) => chat.lost(client, self.swarm.now_ns(), &mut self.interval),
                Work::Inbox(inbox) => inbox.lost(client, self.swarm.now_ns()),
                _ => self.is_cut(client, why),
            };
        if !is_expected {
            self.faults.note(fault, || format!("client {client}: {why}"));
        }
    }

    /// The server will have no more of a client. Whether that is what becomes of those who do not read.
    fn is_cut(&mut self, client: u32, why: &str) -> bool {
        match &mut self.work {
            Work::Slow(slow) => slow.cut(client, why),
            _ => false,
        }
    }

    /// The server has ended a connection or will not have it, or broke the protocol: it is of no more use.
    fn give_up(&mut self, key: u32, fault: Fault, why: &str) {
        let Some(conn) = self.swarm.conn(key) else { return };
        let client = conn.client;
        match conn.phase {
            Phase::Leaving | Phase::Ended => return,
            Phase::Ready => {
                self.nodes[conn.node as usize].ended += 1;
                self.disconnected(client, fault, why);
            }
            _ => self.not_connected(client, why),
        }
        self.swarm.leave(key);
    }

    /// The server has closed a connection.
    pub(super) fn ended(&mut self, key: u32) {
        self.give_up(key, Fault::Disconnected, "the connection was closed without a word");
        self.swarm.ended(key);
    }

    /// Bytes came. Of a frame whose beginning came before, as much is copied as makes it whole; all others are read
    /// where they are.
    pub(super) fn received(&mut self, key: u32, mut bytes: &mut [u8], reader: &Reader, now_ns: u64) {
        if let Work::Slow(slow) = &mut self.work
            && let Some(conn) = self.swarm.conn(key)
        {
            slow.received(conn.client, bytes.len());
        }
        let mut input = self.swarm.take_input(key);
        let kept = input.len();
        if kept > 0 {
            let (seam, rest) = bytes.split_at(bytes.len().min(SEAM_BYTES));
            input.extend_from_slice(seam);
            let mut read = self.read(key, &mut input, reader, now_ns);
            if read < kept {
                input.drain(..read);
                input.extend_from_slice(rest);
                read = self.read(key, &mut input, reader, now_ns);
                input.drain(..read);
                return self.swarm.keep_input(key, input);
            }
            input.clear();
            bytes = &mut bytes[read - kept..];
        }
        let read = self.read(key, bytes, reader, now_ns);
        input.extend_from_slice(&bytes[read..]);
        self.swarm.keep_input(key, input);
    }

    /// Reads what is whole; how many bytes that is.
    fn read(&mut self, key: u32, bytes: &mut [u8], reader: &Reader, now_ns: u64) -> usize {
        let Some(conn) = self.swarm.conn(key) else { return bytes.len() };
        let (client, mut read) = (conn.client, 0);
        if matches!(conn.phase, Phase::Leaving | Phase::Ended) {
            return bytes.len();
        }
        if conn.phase == Phase::Opening {
            match reader.open(bytes) {
                Ok(Some(head)) => read = head,
                Ok(None) => return 0,
                Err(violation) => {
                    self.give_up(key, Fault::Protocol, &violation.to_string());
                    return bytes.len();
                }
            }
            self.join(key, client);
        }
        match reader.read(&mut bytes[read..], &mut |heard| self.hear(key, client, heard, now_ns)) {
            Ok(more) => read + more,
            Err(violation) => {
                self.give_up(key, Fault::Protocol, &violation.to_string());
                bytes.len()
            }
        }
    }

    #[inline]
    fn hear(&mut self, key: u32, client: u32, heard: Heard<'_>, now_ns: u64) {
        let (interval, faults) = (&mut *self.interval, &mut self.faults);
        match (heard, &mut self.work) {
            (Heard::Message(Ok(stamp)), Work::Traffic(traffic)) => {
                traffic.delivered(client, stamp, Measure::Delivery, now_ns, interval, faults);
            }
            (Heard::Message(Ok(stamp)), Work::Slow(slow)) => {
                slow.delivered(client, stamp, now_ns, interval, faults);
            }
            (Heard::Message(Ok(stamp)), Work::Receiving(receiving)) => {
                receiving.delivered(client, stamp, now_ns, interval, faults);
            }
            (Heard::Acknowledged { id }, Work::Traffic(traffic)) => {
                traffic.acknowledged(client, id, now_ns, interval, faults);
            }
            (Heard::Acknowledged { id }, Work::Slow(slow)) => {
                slow.traffic.acknowledged(client, id, now_ns, interval, faults);
            }
            (Heard::Done, _) => self.done(key, client, now_ns),
            (heard, Work::Chat(_)) => self.hear_chat(key, client, heard, now_ns),
            (heard, Work::Inbox(_)) => self.hear_inbox(key, client, heard, now_ns),
            (heard, Work::Receiving(_)) => self.hear_receiving(key, client, heard, now_ns),
            (heard, Work::Recovery(_)) => self.hear_recovery(key, client, heard, now_ns),
            (heard, _) => self.hear_rare(key, client, heard, now_ns),
        }
    }

    pub(super) fn hear_rare(&mut self, key: u32, client: u32, heard: Heard<'_>, now_ns: u64) {
        let Some(conn) = self.swarm.conn(key) else { return };
        match (heard, conn.phase) {
            (Heard::Welcome { pong, version }, Phase::Joining) => {
                conn.pong = pong;
                // Where it does not come with the welcome it was told before.
                if !version.is_empty() {
                    self.nodes[conn.node as usize].version = version.into_owned();
                }
                self.subscribe(key, client, now_ns);
            }
            (Heard::Subscribed, Phase::Subscribing(1)) => self.arrived(key, client, now_ns),
            (Heard::Subscribed, Phase::Subscribing(missing)) => conn.phase = Phase::Subscribing(missing - 1),
            (Heard::Ping, _) if conn.pong => self.say(key, Writer::pong),
            (Heard::Ping, _) => {}
            (Heard::WebSocketPing(payload), _) => {
                self.say(key, |writer, output| writer.websocket_pong(payload, output));
            }
            (Heard::Refused { id, why, .. }, Phase::Ready) => match self.work.traffic_mut() {
                Some(traffic) => traffic.refused(client, id, &why, &mut self.faults),
                None => self.unexpected(client, &why),
            },
            (Heard::Refused { why, .. } | Heard::Goodbye(why), _) => self.give_up(key, Fault::Disconnected, &why),
            (Heard::Unsubscribed { channel, why }, _) => {
                if !self.is_cut(client, &why) {
                    let told = || format!("client {client} was unsubscribed from {channel}: {why}");
                    self.faults.note(Fault::Unsubscribed, told);
                }
            }
            (Heard::Message(Err(Damaged)), _) => {
                self.faults.note(Fault::Damaged, || format!("client {client} heard a message that was changed"));
            }
            (Heard::Message(Ok(stamp)), _) => self.faults.note(Fault::Misdelivered, || {
                format!("client {client} heard stream {}, though nobody publishes", stamp.stream)
            }),
            (Heard::Version(version), _) => self.nodes[conn.node as usize].version = version,
            (
                Heard::Welcome { .. }
                | Heard::Subscribed
                | Heard::Acknowledged { .. }
                | Heard::Done
                | Heard::Publication { .. }
                | Heard::Joined { .. }
                | Heard::Recovered { .. }
                | Heard::Page { .. }
                | Heard::Kept { .. }
                | Heard::Left { .. }
                | Heard::Unread { .. }
                | Heard::Positions { .. }
                | Heard::Present { .. },
                _,
            ) => self.unexpected(client, "what it did not ask"),
        }
    }

    fn unexpected(&mut self, client: u32, what: &str) {
        self.faults.note(Fault::Unasked, || format!("client {client} was answered {what}"));
    }
}
