//! Members and abusers on real connections: how they come in, what they hear, what becomes of them.

use ringpost::auth::mint;
use ringpost::protocol::centrifuge::Encoding;
use serde_json::json;

use super::abuser::{Abuser, Turn};
use super::kind::{Batch, Kind, REQUEST};
use super::order::{Order, Told};
use crate::clock::Clock;
use crate::limits::{ABUSE_PROCESS, ARRIVALS_PER_TURN, HANDSHAKES_MAX, RECEIVE_BUFFER_BYTES_MIN};
use crate::payload::Payloads;
use crate::protocol::{CONNECT_ID, Client, Heard, Reader, Terms, Writer};
use crate::swarm::{self, Clients, Phase, Swarm, read};

/// Members first, then abusers, numbered in this order.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) swarm: Swarm,
    order: Order,
    room: String,
    writer: Writer,
    payloads: Payloads,
    abusers: Vec<Abuser>,
    /// Clients whose connections were opened while the crowd gathers.
    opened: u32,
    /// Of those, the ones that are there.
    ready: u32,
    refusal: Option<String>,
    /// True from when the abusers begin; until then they read all that comes.
    acts: bool,
    told: Told,
}

impl Crowd {
    /// Nobody is connected.
    ///
    /// # Errors
    /// What the host lacks.
    pub(super) fn new(order: Order, clock: Clock) -> anyhow::Result<(Self, Reader)> {
        swarm::allow(u64::from(order.members) + u64::from(order.abusers) + ARRIVALS_PER_TURN as u64)?;
        let payload_bytes = order.kind.payload_bytes();
        let terms = Terms { encoding: Encoding::Json, payload_bytes, has_audience: true };
        let crowd = Self {
            swarm: Swarm::new(order.target.clone().into(), clock, ABUSE_PROCESS)?,
            room: format!("{}abuse", order.channel_prefix),
            writer: Writer::new(&order.target, &terms),
            payloads: Payloads::new(payload_bytes),
            abusers: vec![Abuser::new(CONNECT_ID + 2); order.abusers as usize],
            opened: 0,
            ready: 0,
            refusal: None,
            acts: false,
            told: Told::default(),
            order,
        };
        let reader = Reader::new(&crowd.order.target, &terms);
        Ok((crowd, reader))
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.swarm.now_ns()
    }

    /// What has become of it until now.
    pub(super) fn told(&self) -> &Told {
        &self.told
    }

    /// Clients that are there before anything is done.
    pub(super) fn ready(&self) -> u32 {
        self.ready
    }

    /// Why somebody was not let in before anything was done.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    fn expected(&self) -> u32 {
        self.order.members + if self.order.kind.are_clients() { self.order.abusers } else { 0 }
    }

    /// Whether all are there who come before anything is done.
    pub(super) fn is_there(&self) -> bool {
        self.ready == self.expected()
    }

    /// Opens more connections, as many as a server commonly listens for.
    pub(super) fn gather(&mut self) {
        while self.opened < self.expected() && self.opened < self.ready + HANDSHAKES_MAX as u32 {
            self.open(self.opened);
            self.opened += 1;
        }
    }

    fn abuser(&mut self, client: u32) -> Option<&mut Abuser> {
        self.abusers.get_mut(client.checked_sub(self.order.members)? as usize)
    }

    fn open(&mut self, client: u32) {
        let is_slow = client >= self.order.members && self.order.kind.reads_per_s().is_some();
        match self.swarm.open(client, 0, 0, is_slow.then_some(RECEIVE_BUFFER_BYTES_MIN)) {
            Ok(key) => self.abuser(client).into_iter().for_each(|abuser| abuser.came(key)),
            Err(error) => self.lost(client, &error.to_string()),
        }
    }

    /// A client has no connection any more, and did not end it itself.
    fn lost(&mut self, client: u32, why: &str) {
        let now_ns = self.now_ns();
        if !self.is_there() {
            self.refusal.get_or_insert_with(|| why.to_owned());
        }
        match self.abuser(client) {
            Some(abuser) => {
                abuser.lost(now_ns);
                self.told.cut += 1;
            }
            None => self.told.members_lost += 1,
        }
    }

    fn go_on(&mut self, key: u32, phase: Phase, say: impl FnOnce(&mut Writer, &mut Vec<u8>)) {
        if let Some(conn) = self.swarm.conn(key) {
            conn.phase = phase;
        }
        if let Some(output) = self.swarm.output(key) {
            say(&mut self.writer, output);
        }
    }

    fn go_on_as(&mut self, key: u32, say: impl FnOnce(&mut Writer, &mut Vec<u8>)) {
        let Some(phase) = self.swarm.conn(key).map(|conn| conn.phase) else { return };
        self.go_on(key, phase, say);
    }

    fn arrived(&mut self, key: u32, client: u32) {
        self.go_on(key, Phase::Ready, |_, _| {});
        if self.is_there() {
            return;
        }
        self.ready += 1;
        if client == self.order.members
            && let Some(prelude) = self.order.kind.prelude()
        {
            self.say(key, client, &prelude);
        }
    }

    /// An abuser says something.
    fn say(&mut self, key: u32, client: u32, batch: &Batch) {
        let Some(at) = client.checked_sub(self.order.members) else { return };
        let Self { swarm, writer, payloads, room, abusers, told, .. } = self;
        let (Some(output), abuser) = (swarm.output(key), &mut abusers[at as usize]) else { return };
        let before = output.len();
        abuser.next_id = batch.write(writer, payloads, room, abuser.next_id, output);
        told.bytes_said += (output.len() - before) as u64;
    }

    /// The abusers begin. What happened before is not told.
    pub(super) fn begin(&mut self) {
        if !std::mem::replace(&mut self.acts, true) {
            self.told = Told::default();
            if !self.order.kind.are_clients() {
                return;
            }
            let (now_ns, number, (_, next)) = (self.now_ns(), self.abusers.len() as f64, self.order.kind.batch());
            for (at, abuser) in self.abusers.iter_mut().enumerate() {
                abuser.begin(at as f64 / number, next, now_ns);
            }
        }
    }

    /// Every abuser does what is due.
    pub(super) fn act(&mut self) {
        let (now_ns, reads_per_s) = (self.now_ns(), self.order.kind.reads_per_s());
        let mut opened = 0;
        for client in self.order.members..self.order.members + self.order.abusers {
            let key = self.abuser(client).and_then(|abuser| abuser.key);
            let is_ready = |key| self.swarm.conn(key).is_some_and(|conn| conn.phase == Phase::Ready);
            let is_ready = key.is_some_and(is_ready) && self.order.kind.are_clients();
            let waiting_bytes = key.map_or(0, |key| self.swarm.unsent_bytes(key));
            let Some(abuser) = self.abuser(client) else { continue };
            match (abuser.turn(now_ns, is_ready, waiting_bytes, reads_per_s), key) {
                (Some(Turn::Come), _) if opened < ARRIVALS_PER_TURN => {
                    opened += 1;
                    self.open(client);
                }
                (Some(Turn::Speak), Some(key)) => self.speak(key, client, now_ns),
                (Some(Turn::Read), Some(key)) => {
                    abuser.stopped = false;
                    self.swarm.read_again(key);
                }
                (Some(Turn::Break), Some(key)) => {
                    abuser.lost(now_ns);
                    self.swarm.reset(key);
                }
                _ => {}
            }
        }
    }

    fn speak(&mut self, key: u32, client: u32, now_ns: u64) {
        let (batch, next) = self.order.kind.batch();
        self.say(key, client, &batch);
        self.told.acts += 1;
        if self.abuser(client).is_some_and(|abuser| abuser.spoke(next, now_ns)) {
            self.swarm.stop_reading(key);
        }
    }
}

impl Clients for Crowd {
    fn swarm(&mut self) -> &mut Swarm {
        &mut self.swarm
    }

    fn writable(&mut self, key: u32, reader: &Reader) {
        let Some(conn) = self.swarm.conn(key) else { return };
        let client = conn.client;
        match self.swarm.writable(key) {
            Ok(false) => {}
            Ok(true) if !self.order.kind.are_clients() => {
                self.told.acts += 1;
                self.go_on(key, Phase::Ready, |_, _| {});
                if self.order.kind == Kind::IdleHttp
                    && let Some(output) = self.swarm.output(key)
                {
                    output.extend_from_slice(REQUEST);
                    self.told.bytes_said += REQUEST.len() as u64;
                }
            }
            Ok(true) if reader.speaks_first() => {
                self.go_on(key, Phase::Opening, |_, _| {});
                let Self { swarm, writer, .. } = self;
                swarm.opening(key).into_iter().for_each(|(node, output)| writer.open(node, output));
            }
            Ok(true) => self.join(key, client),
            Err(error) => self.lost(client, &error.to_string()),
        }
    }

    /// What an abuser is told is thrown away.
    fn received(&mut self, key: u32, bytes: &mut [u8], reader: &Reader) {
        self.told.bytes_heard += bytes.len() as u64;
        let Some(conn) = self.swarm.conn(key) else { return };
        let (client, phase, reads_per_s) = (conn.client, conn.phase, self.order.kind.reads_per_s());
        let is_acting = self.acts;
        if phase == Phase::Ready
            && let Some(abuser) = self.abuser(client)
        {
            let is_used_up = abuser.read(bytes.len(), reads_per_s);
            if is_acting && is_used_up && !abuser.stopped {
                abuser.stopped = true;
                self.swarm.stop_reading(key);
            }
            return;
        }
        read(self, key, bytes, reader);
    }

    fn join(&mut self, key: u32, client: u32) {
        let user = format!("abuse-{client}");
        let secret = self.order.secret.as_ref();
        let token = secret.map(|secret| mint::hs256(secret, &json!({ "sub": user }))).unwrap_or_default();
        let who = Client { user: &user, token: &token, subscribes: true };
        self.go_on(key, Phase::Joining, |writer, output| writer.connect(&who, output));
    }

    fn hear(&mut self, key: u32, client: u32, heard: Heard<'_>) {
        let Some(conn) = self.swarm.conn(key) else { return };
        let is_member = client < self.order.members;
        match (heard, conn.phase) {
            (Heard::Welcome { pong, .. }, Phase::Joining) => {
                conn.pong = pong;
                if is_member || self.order.kind.are_in_the_room() {
                    let Self { writer, room, swarm, .. } = self;
                    swarm.output(key).into_iter().for_each(|output| writer.subscribe(CONNECT_ID + 1, room, output));
                    self.go_on(key, Phase::Subscribing(1), |_, _| {});
                } else {
                    self.arrived(key, client);
                }
            }
            (Heard::Subscribed, Phase::Subscribing(_)) => self.arrived(key, client),
            (Heard::Ping, _) if conn.pong => self.go_on_as(key, Writer::pong),
            (Heard::WebSocketPing(payload), _) => {
                self.go_on_as(key, |writer, output| writer.websocket_pong(payload, output));
            }
            (Heard::Refused { why, .. }, phase) if phase != Phase::Ready => self.give_up(key, &why),
            (Heard::Goodbye(why), _) => self.give_up(key, &why),
            _ => {}
        }
    }

    fn give_up(&mut self, key: u32, why: &str) {
        let Some(conn) = self.swarm.conn(key) else { return };
        if !matches!(conn.phase, Phase::Leaving | Phase::Ended) {
            let client = conn.client;
            self.lost(client, why);
            self.swarm.leave(key);
        }
    }

    fn ended(&mut self, key: u32) {
        self.give_up(key, "the connection was closed without a word");
        self.swarm.ended(key);
    }
}
