//! The clients of a crash trial, on real connections. Each hears one channel, and publishes to it and to the next one.
//!
//! After each start of the node all of them come back: they recover what they missed, and read the whole history of their
//! channels. Only then do they publish again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;
use ringpost::auth::mint;
use ringpost::protocol::centrifuge::Encoding;
use ringpost::ring::Event;
use serde_json::json;

use super::ledger::{Ledger, Message};
use super::order::Order;
use super::told::{Counts, Wrong};
use crate::advice::advice;
use crate::clock::Clock;
use crate::limits::{
    CRASH_PROCESS, CRASH_UNANSWERED_MAX, DRAIN_PATIENCE_MS, EVENTS_PER_TURN, GATHER_PATIENCE_MS, PAGE_MESSAGES,
};
use crate::payload::{Damaged, Payloads, Stamp};
use crate::protocol::{self, CONNECT_ID, Heard, Page, Reader, Terms, Writer};
use crate::swarm::{self, Phase, Swarm};

const MILLISECOND_NS: u64 = 1_000_000;
/// How often somebody looks around who waits.
const LOOK_NS: u64 = 10 * MILLISECOND_NS;
const SECOND_NS: f64 = 1e9;

/// What is known of a client, whatever its connection.
#[derive(Debug, Default)]
struct Member {
    /// Its connection, where it has one.
    key: u32,
    next_id: u32,
    /// What it has published and was not answered, by the id of the command.
    under_way: HashMap<u32, (usize, Message)>,
    /// Of its next message to its own channel, and of that to the next one.
    sequences: [u32; 2],
    /// The newest offset, once the last page of its channel's history is there.
    top: Option<u64>,
    /// True once it has come back and has read all.
    is_back: bool,
}

impl Member {
    fn take_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id - 1
    }
}

/// All clients, and what they know.
#[derive(Debug)]
pub(super) struct Clients {
    everyone: Everyone,
    reader: Reader,
    events: Vec<Event>,
}

#[derive(Debug)]
struct Everyone {
    swarm: Swarm,
    writer: Writer,
    payloads: Payloads,
    names: Vec<String>,
    secret: Option<String>,
    ledger: Ledger,
    counts: Counts,
    examples: Vec<String>,
    members: Vec<Member>,
    version: String,
    /// Why somebody could not come back.
    refusal: Option<String>,
    /// Why the first publish that was refused was.
    refused_publish: Option<String>,
    rate_per_s: f64,
    /// Messages of the whole trial.
    sent: u64,
    /// True from the kill until all connections have ended.
    is_killed: bool,
}

impl Clients {
    /// Nobody is connected.
    ///
    /// # Errors
    /// What the host lacks.
    pub(super) fn new(order: &Order, clock: Clock) -> anyhow::Result<Self> {
        swarm::allow(u64::from(order.channels))?;
        let terms = Terms { encoding: Encoding::Json, payload_bytes: order.payload_bytes, has_audience: true };
        let mut reader = Reader::new(&order.target, &terms);
        reader.read_whole(true);
        let everyone = Everyone {
            swarm: Swarm::new(order.target.clone().into(), clock, CRASH_PROCESS)?,
            writer: Writer::new(&order.target, &terms),
            payloads: Payloads::new(order.payload_bytes),
            // A node that was tried before has channels of another trial.
            names: (0..order.channels).map(|at| format!("{}crash-{}-{at}", order.channel_prefix, order.seed)).collect(),
            secret: order.secret.clone(),
            ledger: Ledger::new(order.channels as usize),
            counts: Counts::default(),
            examples: Vec::new(),
            members: (0..order.channels).map(|_| Member::default()).collect(),
            version: String::new(),
            refusal: None,
            refused_publish: None,
            rate_per_s: order.rate_per_s,
            sent: 0,
            is_killed: false,
        };
        Ok(Self { everyone, reader, events: Vec::with_capacity(EVENTS_PER_TURN) })
    }

    /// What the node says that it is.
    pub(super) fn version(&self) -> &str {
        &self.everyone.version
    }

    /// Why the first publish that was refused was.
    pub(super) fn refused_publish(&self) -> Option<&str> {
        self.everyone.refused_publish.as_deref()
    }

    /// What was counted since this was asked for the last time.
    pub(super) fn take_counts(&mut self) -> Counts {
        let mut counts = std::mem::take(&mut self.everyone.counts);
        counts.add(&self.everyone.ledger.take_counts());
        counts
    }

    /// The first things that were wrong, for a person.
    pub(super) fn examples(&self) -> Vec<String> {
        [self.everyone.ledger.examples(), &self.everyone.examples].concat()
    }

    /// All clients connect, recover, and read the whole history.
    ///
    /// # Errors
    /// When the node does not let them.
    pub(super) fn come_back(&mut self) -> anyhow::Result<()> {
        let everyone = &mut self.everyone;
        (0..everyone.members.len()).for_each(|client| everyone.open(client));
        let patience_ns = GATHER_PATIENCE_MS * MILLISECOND_NS;
        let (mut last, mut patient_until_ns) = (0, everyone.swarm.now_ns() + patience_ns);
        loop {
            let back = self.everyone.members.iter().filter(|member| member.is_back).count();
            if back == self.everyone.members.len() {
                return Ok(());
            }
            if let Some(why) = &self.everyone.refusal {
                bail!("a client was refused: {why}{}", advice(why));
            }
            let now_ns = self.everyone.swarm.now_ns();
            if back > last {
                (last, patient_until_ns) = (back, now_ns + patience_ns);
            }
            if now_ns > patient_until_ns {
                bail!(
                    "only {back} of {} clients were let in, the others were not answered",
                    self.everyone.members.len()
                );
            }
            self.turn(now_ns + LOOK_NS)?;
        }
    }

    /// All publish by a schedule for so long, or until somebody stops it; how long it was, nanoseconds.
    ///
    /// # Errors
    /// When the kernel fails.
    pub(super) fn work(&mut self, time: Duration, stop: &AtomicBool) -> anyhow::Result<u64> {
        let begin_ns = self.everyone.swarm.now_ns();
        let end_ns = begin_ns + time.as_nanos() as u64;
        let (mut now_ns, mut number) = (begin_ns, 0);
        while now_ns < end_ns && !stop.load(Ordering::Relaxed) {
            let mut due_ns = self.due_ns(begin_ns, number);
            while due_ns <= now_ns && self.everyone.publish(due_ns) {
                number += 1;
                due_ns = self.due_ns(begin_ns, number);
            }
            self.turn(due_ns.max(now_ns + MILLISECOND_NS / 10).min(now_ns + LOOK_NS).min(end_ns))?;
            now_ns = self.everyone.swarm.now_ns();
        }
        Ok(now_ns - begin_ns)
    }

    fn due_ns(&self, begin_ns: u64, number: u64) -> u64 {
        begin_ns + (number as f64 / self.everyone.rate_per_s * SECOND_NS) as u64
    }

    /// The node was killed: reads what it had still said, until all connections have ended.
    ///
    /// # Errors
    /// When some do not end: then it lives.
    pub(super) fn mourn(&mut self) -> anyhow::Result<()> {
        self.everyone.is_killed = true;
        let until_ns = self.everyone.swarm.now_ns() + DRAIN_PATIENCE_MS * MILLISECOND_NS;
        while !self.everyone.swarm.is_empty() {
            let now_ns = self.everyone.swarm.now_ns();
            if now_ns > until_ns {
                bail!("the node was killed, and connections to it are still open");
            }
            self.turn(now_ns + LOOK_NS)?;
        }
        self.everyone.is_killed = false;
        self.everyone.ledger.cut();
        for member in &mut self.everyone.members {
            (member.is_back, member.top) = (false, None);
            member.under_way.clear();
        }
        Ok(())
    }

    /// One turn: what has happened, one send per connection. Waits until then at the most.
    fn turn(&mut self, until_ns: u64) -> anyhow::Result<()> {
        swarm::turn(&mut self.everyone, &self.reader, &mut self.events, until_ns)
    }
}

impl Everyone {
    fn wrong(&mut self, wrong: Wrong, describe: impl FnOnce() -> String) {
        *self.counts.wrong.entry(wrong).or_default() += 1;
        if self.examples.is_empty() {
            self.examples.push(describe());
        }
    }

    fn refuse(&mut self, why: String) {
        self.refusal.get_or_insert(why);
    }

    fn open(&mut self, client: usize) {
        match self.swarm.open(client as u32, 0, 0, None) {
            Ok(key) => self.members[client].key = key,
            Err(error) => self.refuse(error.to_string()),
        }
    }

    fn go_on(&mut self, key: u32, phase: Phase) {
        if let Some(conn) = self.swarm.conn(key) {
            conn.phase = phase;
        }
    }

    /// A connection is of no more use. Where the node was not killed, it was not to end it.
    fn tell_end(&mut self, key: u32, why: &str) {
        let Some(conn) = self.swarm.conn(key) else { return };
        let phase = conn.phase;
        if self.is_killed || matches!(phase, Phase::Leaving | Phase::Ended) {
            return;
        }
        if phase == Phase::Ready {
            self.wrong(Wrong::Disconnected, || why.to_owned());
        } else {
            self.refuse(why.to_owned());
        }
    }

    /// A message with its offset, for the ledger.
    fn take(
        &mut self,
        client: usize,
        offset: u64,
        message: Result<Stamp, Damaged>,
        take: impl FnOnce(&mut Ledger, usize, u64, Message),
    ) {
        match message {
            Ok(Stamp { stream, sequence, .. }) => take(&mut self.ledger, client, offset, Message { stream, sequence }),
            Err(Damaged) => self.ledger.damaged(client),
        }
    }

    fn ask_page(&mut self, key: u32, client: usize, since: Option<(u64, &str)>) {
        let Self { swarm, writer, names, members, .. } = self;
        let id = members[client].take_id();
        let output = swarm.output(key).into_iter();
        output.for_each(|output| writer.history(id, &names[client], since, PAGE_MESSAGES, output));
    }

    /// A page has come, what is on it follows.
    fn turn_page(&mut self, key: u32, client: usize, page: Page<'_>) {
        if page.last == 0 || page.last >= page.top {
            self.members[client].top = Some(page.top);
        } else {
            self.ask_page(key, client, Some((page.last, page.epoch)));
        }
    }

    /// All that is on the last page was read.
    fn finish_look(&mut self, client: usize) {
        if let Some(top) = self.members[client].top.take() {
            self.ledger.looked(client, top);
            self.members[client].is_back = true;
        }
    }

    /// The next message goes out; false where its client must wait first.
    fn publish(&mut self, due_ns: u64) -> bool {
        let (clients, number) = (self.members.len() as u64, self.sent);
        let (client, own) = ((number % clients) as usize, (number / clients).is_multiple_of(2));
        let channel = if own { client } else { (client + 1) % self.members.len() };
        let Self { swarm, writer, payloads, names, ledger, members, .. } = self;
        let member = &mut members[client];
        if member.under_way.len() >= CRASH_UNANSWERED_MAX {
            return false;
        }
        self.sent += 1;
        // Who has lost its connection says nothing until the node is back.
        let Some(output) = swarm.output(member.key) else { return true };
        let stream = 2 * client as u32 + u32::from(!own);
        let next = &mut member.sequences[usize::from(!own)];
        let sequence = *next;
        *next += 1;
        let (id, message) = (member.take_id(), Message { stream, sequence });
        member.under_way.insert(id, (channel, message));
        ledger.sends(channel, message);
        writer.publish(id, &names[channel], payloads.write(Stamp { stream, sequence, due_ns }), output);
        true
    }
}

impl swarm::Clients for Everyone {
    fn swarm(&mut self) -> &mut Swarm {
        &mut self.swarm
    }

    fn has_heard(&mut self, client: u32) {
        self.finish_look(client as usize);
    }

    fn writable(&mut self, key: u32, reader: &Reader) {
        let client = self.swarm.conn(key).map(|conn| conn.client);
        match (self.swarm.writable(key), client) {
            (Ok(true), Some(_)) if reader.speaks_first() => {
                self.go_on(key, Phase::Opening);
                let Self { swarm, writer, .. } = self;
                swarm.opening(key).into_iter().for_each(|(node, output)| writer.open(node, output));
            }
            (Ok(true), Some(client)) => self.join(key, client),
            (Ok(_), _) => {}
            (Err(error), _) => self.refuse(error.to_string()),
        }
    }

    fn join(&mut self, key: u32, client: u32) {
        let user = format!("crash-{client}");
        let secret = self.secret.as_ref();
        let token = secret.map(|secret| mint::hs256(secret, &json!({ "sub": user }))).unwrap_or_default();
        let who = protocol::Client { user: &user, token: &token, subscribes: true };
        self.go_on(key, Phase::Joining);
        let Self { swarm, writer, .. } = self;
        swarm.output(key).into_iter().for_each(|output| writer.connect(&who, output));
    }

    fn hear(&mut self, key: u32, client: u32, heard: Heard<'_>) {
        let client = client as usize;
        match heard {
            Heard::Welcome { pong, version } => {
                self.version = version.into_owned();
                self.swarm.conn(key).into_iter().for_each(|conn| conn.pong = pong);
                self.go_on(key, Phase::Subscribing(1));
                self.members[client].next_id = CONNECT_ID + 2;
                let Self { swarm, writer, names, ledger, .. } = self;
                let since = ledger.position(client);
                let output = swarm.output(key).into_iter();
                output.for_each(|output| writer.subscribe_since(CONNECT_ID + 1, &names[client], since, output));
            }
            Heard::Joined { joined, .. } if !joined.is_recoverable => {
                self.refuse(format!("client {client} cannot recover: the server does not keep its messages"));
            }
            Heard::Joined { joined, .. } => {
                self.ledger.joined(client, joined.epoch, joined.offset, joined.is_recovered);
                self.go_on(key, Phase::Ready);
                self.ask_page(key, client, None);
            }
            Heard::Recovered { offset, message } => {
                self.counts.recovered += 1;
                self.take(client, offset, message, Ledger::heard);
            }
            Heard::Publication { channel, offset, message, .. } if *channel == *self.names[client] => {
                self.take(client, offset, message, Ledger::heard);
            }
            Heard::Publication { .. } => self.ledger.damaged(client),
            Heard::Page { page, .. } => self.turn_page(key, client, page),
            Heard::Kept { offset, message } => self.take(client, offset, message, Ledger::kept),
            Heard::Acknowledged { id } => {
                if let Some((channel, message)) = self.members[client].under_way.remove(&id) {
                    self.ledger.acknowledged(channel, message);
                }
            }
            Heard::Refused { id, why, .. } => match self.members[client].under_way.remove(&id) {
                Some((channel, message)) => {
                    self.ledger.refused(channel, message);
                    self.refused_publish.get_or_insert(why);
                }
                None => self.refuse(why),
            },
            Heard::Ping if self.swarm.conn(key).is_some_and(|conn| conn.pong) => {
                let Self { swarm, writer, .. } = self;
                swarm.output(key).into_iter().for_each(|output| writer.pong(output));
            }
            Heard::WebSocketPing(payload) => {
                let Self { swarm, writer, .. } = self;
                swarm.output(key).into_iter().for_each(|output| writer.websocket_pong(payload, output));
            }
            Heard::Unsubscribed { why, .. } | Heard::Goodbye(why) => self.give_up(key, &why),
            _ => {}
        }
    }

    fn give_up(&mut self, key: u32, why: &str) {
        self.tell_end(key, why);
        self.swarm.leave(key);
    }

    fn ended(&mut self, key: u32) {
        self.tell_end(key, "a connection was closed without a word");
        self.swarm.ended(key);
    }
}
