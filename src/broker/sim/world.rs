//! Shards, the mailboxes between them, sockets, clients and the clock.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hasher;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use slab::Slab;

use super::Trouble;
use super::chronicle::Chronicle;
use super::client::Client;
use super::configuration::{
    FLEETING, INBOXES, KEPT, SECRET, UNACKED_MAX, configuration, configuration_on_disk, configuration_with_inboxes,
};
use super::devices;
use super::dialect::{self, FORMATS};
use super::disk;
use super::durability::Unanswered;
use super::link::Link;
use super::mail::Mail;
use super::whims::{DATA_BYTES_MAX, Fresh};
use crate::auth::Verifier;
use crate::auth::mint::hs256;
use crate::broker::ending::Ending;
use crate::broker::letter::Letter;
use crate::broker::{Broker, BrokerSetup, Closing, Input};
use crate::config::Config;
use crate::delivery::Dispatch;
use crate::hub::Placement;
use crate::model::Publication;
use crate::model::refusal::DisconnectKind;
use crate::outbox::{Flushed, Tag};
use crate::protocol::centrifuge::codes;
use crate::store::sim::disk::Disk;
use crate::time::Now;

const CLIENTS: usize = 7;

/// What letters without room may keep of a shard's memory, bytes: a window for each shard, the asks of a frame, an answer,
/// and what seven clients give back when they go.
const WAITING_BYTES_MAX: usize = 24 * 1024;

/// What one sweep adds to that, bytes: a home sends each client in each inbox at the most what a device may have unreceived, and
/// positions.
const SWEPT_BYTES_MAX: usize = CLIENTS
    * INBOXES.len()
    * (2 * (size_of::<Letter>() + size_of::<Dispatch>())
        + (UNACKED_MAX as usize + 1) * (size_of::<Publication>() + DATA_BYTES_MAX));

pub(super) struct World {
    seed: u64,
    pub(super) config: Arc<Config>,
    pub(super) disk: Disk,
    /// What backends wait for.
    pub(super) unanswered: Vec<Unanswered>,
    /// How often a node was killed while its disk wrote, and how often a write failed.
    pub(super) kills_in_flight: u32,
    pub(super) failures: u32,
    pub(super) random: StdRng,
    pub(super) now: Now,
    pub(super) brokers: Vec<Broker>,
    pub(super) links: Vec<Slab<Link>>,
    pub(super) clients: Vec<Client>,
    /// By client: its shard and conn, while it is linked.
    pub(super) places: Vec<Option<(usize, u32)>>,
    /// Shard and conn of connections that their clients have lost and the node still has.
    pub(super) ghosts: Vec<(usize, u32)>,
    /// How many were told to go, by code.
    pub(super) goodbyes: BTreeMap<u16, u32>,
    pub(super) chronicle: Chronicle,
    pub(super) trouble: Trouble,
    expects_gaps: bool,
    /// By sender and receiver.
    mail: Vec<Vec<Mail>>,
    /// Letters that each lane of a mailbox has room for.
    capacity: usize,
    /// How often asks were not taken, and clients not read, since letters had no room.
    pub(super) windows_shut: u32,
    pub(super) congestions: u32,
    pub(super) placement: Placement,
    pub(super) fresh: Fresh,
    trace: std::hash::DefaultHasher,
}

impl World {
    pub(super) fn new(seed: u64, trouble: Trouble) -> Self {
        let kills = trouble.disk().is_some();
        let has_inboxes = matches!(trouble, Trouble::Inboxes { .. });
        let expects_gaps = matches!(trouble, Trouble::Losses | Trouble::Reloads);
        let has_devices = trouble == Trouble::Devices;
        let mut random = StdRng::seed_from_u64(seed);
        let shards = random.random_range(1..=4);
        let capacity = random.random_range(1..=4);
        let placement = Placement::new(shards, seed);
        let mut config = match trouble {
            Trouble::Inboxes { .. } => configuration_with_inboxes(),
            Trouble::Kills(_) => configuration_on_disk(),
            _ => configuration(),
        };
        if has_devices {
            devices::limit(&mut config);
        }
        let config = Arc::new(config);
        let mut world = Self {
            seed,
            config,
            disk: Disk::new(seed ^ 1 << 40, trouble.disk().flatten()),
            unanswered: Vec::new(),
            kills_in_flight: 0,
            failures: 0,
            random,
            now: Now { mono_ms: 1_000_000, unix_ms: 1_700_000_000_000 },
            brokers: Vec::new(),
            links: Vec::new(),
            clients: (0..CLIENTS)
                .map(|at| {
                    let user = match (has_devices, has_inboxes) {
                        (true, _) => (at > 1).then(|| "user".into()),
                        (_, true) => (at > 0).then(|| format!("user{}", at % 2)),
                        _ => (at % 2 == 1).then(|| format!("user{}", at % 3)),
                    };
                    let mut client = Client::new(user, at == 0, expects_gaps);
                    client.device = devices::device_of(at).0;
                    client
                })
                .collect(),
            places: vec![None; CLIENTS],
            ghosts: Vec::new(),
            goodbyes: BTreeMap::new(),
            chronicle: if kills { Chronicle::seen_from_afar() } else { Chronicle::default() },
            trouble,
            expects_gaps,
            mail: Vec::new(),
            capacity,
            windows_shut: 0,
            congestions: 0,
            placement,
            fresh: Fresh::default(),
            trace: std::hash::DefaultHasher::new(),
        };
        for client in &mut world.clients {
            client.expects_failures = kills;
        }
        world.start();
        world
    }

    /// A node starts, on what the disk has, and the one who always listens comes.
    fn start(&mut self) {
        let (shards, secret) = (self.placement.shards(), self.seed ^ u64::from(self.disk.starts()) << 40);
        let verifier = Arc::new(Verifier::new(&self.config.client.tokens(), None).expect("the key is a key"));
        let broker = |me| {
            let setup = BrokerSetup {
                me,
                placement: self.placement.clone(),
                config: self.config.clone(),
                verifier: verifier.clone(),
                metrics: Arc::default(),
                secret,
                random: StdRng::seed_from_u64(secret ^ u64::from(me) << 32),
            };
            Broker::new(setup).expect("no expressions, no error")
        };
        self.brokers = (0..shards).map(broker).collect();
        self.links = (0..shards).map(|_| Slab::new()).collect();
        self.mail = (0..shards).map(|_| (0..shards).map(|_| Mail::default()).collect()).collect();
        if self.trouble.disk().is_some() {
            disk::start(&mut self.disk, &mut self.brokers, &self.placement, self.now);
        }
        self.link(0);
        for channel in FLEETING {
            self.settle();
            let command = self.clients[0].subscribe(channel, (false, false), false);
            self.send(0, &[command]);
        }
        self.settle();
    }

    /// The node is gone; another starts, with so many shards.
    pub(super) fn start_again(&mut self, shards: u16) {
        for client in 0..self.clients.len() {
            if self.places[client].take().is_some() {
                self.clients[client].unlinked(&mut self.chronicle);
            }
        }
        self.chronicle.forget_what_is_fleeting();
        self.placement = Placement::new(shards, self.seed);
        self.start();
    }

    pub(super) fn trace(&self) -> u64 {
        self.trace.finish()
    }

    pub(super) fn home_of(&self, channel: &str) -> usize {
        usize::from(self.placement.of(channel))
    }

    // ------------------------------------------------------------ connections

    /// Connects a client, users with a token that subscribes them to some channels.
    pub(super) fn link(&mut self, client: usize) {
        let shard = self.random.random_range(0..self.brokers.len());
        let format = *FORMATS.choose(&mut self.random).expect("there are some");
        let (broker, now) = (&mut self.brokers[shard], self.now);
        let entry = self.links[shard].vacant_entry();
        let conn = entry.key() as u32;
        broker.edge.outbox.open(conn);
        let session = broker.open(conn, format, core::net::Ipv4Addr::LOCALHOST.into(), now);
        entry.insert(Link {
            session: Some(session),
            format,
            up: VecDeque::new(),
            down: VecDeque::new(),
            paused: false,
            due_ms: broker.next_due_ms(session, now),
            closing: false,
            boundless: self.clients[client].is_witness,
        });
        self.clients[client].linked(format);
        self.places[client] = Some((shard, conn));
        let command = match self.clients[client].user.clone() {
            None => self.clients[client].connect("", &[]),
            Some(user) => {
                let mut channels = vec!["kept:a", "live:b", "cache:a"];
                if matches!(self.trouble, Trouble::Inboxes { .. }) {
                    channels.push("letters:b");
                }
                channels.retain(|_| self.random.random_bool(0.5));
                let mut claims = serde_json::json!({"sub": user, "channels": channels});
                if matches!(self.trouble, Trouble::Devices | Trouble::Inboxes { .. }) {
                    let (device, kind) = devices::device_of(client);
                    claims["device"] = device.into();
                    claims["device_kind"] = kind.into();
                }
                if self.random.random_bool(0.3) {
                    claims["exp"] = (self.now.unix_s() + 60).into();
                }
                self.clients[client].connect(&hs256(SECRET, &claims), &channels)
            }
        };
        self.send(client, &[command]);
    }

    /// The client is gone without a word.
    pub(super) fn drop_link(&mut self, client: usize) {
        let Some((shard, conn)) = self.places[client].take() else { return };
        let link = self.links[shard].remove(conn as usize);
        if let Some(session) = link.session {
            self.brokers[shard].end(session, Ending::PeerEnded, self.now);
        }
        self.brokers[shard].edge.outbox.close(conn);
        self.clients[client].unlinked(&mut self.chronicle);
        self.after(shard);
    }

    /// A frame of a client is on its way.
    pub(super) fn send(&mut self, client: usize, commands: &[Value]) {
        let Some((shard, conn)) = self.places[client] else { return };
        let link = &mut self.links[shard][conn as usize];
        // On TCP a message is a frame.
        let frames = if link.format.is_websocket() { commands.len().max(1) } else { 1 };
        link.up.extend(commands.chunks(frames).map(|commands| dialect::encode(link.format, commands)));
    }

    // ------------------------------------------------------------ the node's side

    /// A shard reads one frame of a conn, if its session is ready for one.
    pub(super) fn receive(&mut self, shard: usize, conn: u32) -> bool {
        if self.brokers[shard].is_congested() {
            self.congestions += 1;
            return false;
        }
        let link = &mut self.links[shard][conn as usize];
        let Some(session) = link.session.filter(|_| !link.paused) else { return false };
        let Some(frame) = link.up.pop_front() else { return false };
        let input = self.brokers[shard].input(session, &frame, self.now);
        link.paused = input == Input::Paused;
        self.after(shard);
        true
    }

    /// A letter arrives, of any lane that is taken now.
    pub(super) fn deliver(&mut self, from: usize, to: usize) -> bool {
        let takes_asks = self.brokers[to].takes_asks(from as u16);
        self.windows_shut += u32::from(!takes_asks);
        let Some(letter) = self.mail[from][to].take(takes_asks, &mut self.random) else { return false };
        self.brokers[to].letter_arrived(from as u16, letter, self.now);
        self.after(to);
        true
    }

    /// What the driver does after every call of the broker, but for sending, which may wait.
    pub(super) fn after(&mut self, shard: usize) {
        self.hear_answers();
        self.observe(shard);
        self.say_goodbyes(shard);
        self.brokers[shard].begin_tick(self.now);
        self.hear_answers();
        self.observe(shard);
        self.say_goodbyes(shard);
        while !self.brokers[shard].is_congested()
            && let Some(session) = self.brokers[shard].next_resumed()
        {
            let Some(conn) = self.brokers[shard].conn_of(session) else { continue };
            self.links[shard][conn as usize].due_ms = self.brokers[shard].next_due_ms(session, self.now);
            let input = self.brokers[shard].resume(session, self.now);
            self.observe(shard);
            if input == Input::Ready {
                self.links[shard][conn as usize].paused = false;
            }
            self.say_goodbyes(shard);
        }
        self.post(shard);
        disk::serve(&mut self.disk, shard, &mut self.brokers[shard]);
        if self.random.random_bool(0.4) {
            self.flush(shard);
        }
    }

    /// Letters leave for mailboxes that have room.
    pub(super) fn post(&mut self, shard: usize) {
        let Self { brokers, mail, random, capacity, trouble, now, .. } = self;
        let mail = &mut mail[shard];
        brokers[shard].post(*now, |to, lane, _, letter| {
            assert_ne!(usize::from(to), shard, "a letter to itself");
            assert_eq!(letter.lane(), lane);
            if *trouble == Trouble::Losses
                && let Letter::Publication { channel, .. } = &letter
                && (channel.starts_with("kept:") || channel.starts_with("cache:"))
                && random.random_bool(0.1)
            {
                return Ok(());
            }
            mail[usize::from(to)].leave(lane, letter, *capacity)
        });
        let (_, bytes) = brokers[shard].post.waiting();
        let swept = if matches!(trouble, Trouble::Inboxes { .. }) { SWEPT_BYTES_MAX } else { 0 };
        assert!(bytes <= WAITING_BYTES_MAX + swept, "{bytes} bytes wait for room");
    }

    fn observe(&mut self, shard: usize) {
        for channel in KEPT {
            if self.home_of(channel) != shard {
                continue;
            }
            self.brokers[shard].observe(&mut self.chronicle, channel, self.now);
        }
        self.look_at_inboxes(shard);
    }

    fn say_goodbyes(&mut self, shard: usize) {
        while let Some(Closing { conn, disconnect }) = self.brokers[shard].edge.closings.pop() {
            self.count_goodbye(shard, conn, disconnect.kind);
            let link = &mut self.links[shard][conn as usize];
            link.session = None;
            link.closing = true;
            self.trace.write_u16(codes::of_disconnect(disconnect.kind).0);
            let gap = disconnect.kind == DisconnectKind::InsufficientState;
            // Who comes with a token into channels that are received at least once begins anew where something is lost.
            let may_lose = matches!(self.trouble, Trouble::Inboxes { .. });
            assert!(self.expects_gaps || may_lose || !gap, "told of a gap that was none");
            let outbox = &mut self.brokers[shard].edge.outbox;
            if disconnect.kind == DisconnectKind::Slow {
                outbox.cut(conn);
            }
            outbox.write(conn, Tag::CONTROL, |out| link.format.write_goodbye(&disconnect, out));
        }
    }

    /// Sends some slices of what is in the outbox, to sockets that take a part.
    pub(super) fn flush(&mut self, shard: usize) {
        while self.brokers[shard].edge.outbox.is_dirty() {
            let mut unsent = Vec::new();
            let Self { brokers, links, random, trace, .. } = self;
            brokers[shard].edge.outbox.flush(
                |conn, bytes| {
                    let taken = links[shard][conn as usize].send(bytes, random)?;
                    trace.write(&bytes[..taken]);
                    Ok(taken)
                },
                |conn, flushed| unsent.push((conn, flushed)),
            );
            for (conn, flushed) in unsent {
                if flushed == Flushed::Slow
                    && let Some(session) = self.links[shard][conn as usize].session
                {
                    self.brokers[shard].close(session, DisconnectKind::Slow, self.now);
                    self.after(shard);
                }
            }
            if self.random.random_bool(0.3) {
                break;
            }
        }
    }

    /// A socket has room again.
    pub(super) fn writable(&mut self, shard: usize, conn: u32) -> bool {
        let Self { brokers, links, random, .. } = self;
        let before = brokers[shard].edge.outbox.backlog_bytes();
        let link = &mut links[shard][conn as usize];
        brokers[shard].edge.outbox.resume(conn, |bytes| link.send(bytes, random));
        let moves = brokers[shard].edge.outbox.backlog_bytes() != before;
        if let Some(session) = link.session.filter(|_| link.paused) {
            brokers[shard].drained(session);
            self.after(shard);
        }
        moves
    }

    // ------------------------------------------------------------ the clients' side

    /// A client reads some of what has come, and answers pings.
    pub(super) fn read(&mut self, client: usize) -> bool {
        let Some((shard, conn)) = self.places[client] else { return false };
        if !self.clients[client].is_reading {
            return false;
        }
        let link = &mut self.links[shard][conn as usize];
        let most = if link.boundless { usize::MAX } else { self.random.random_range(1..=1500) };
        let bytes: Vec<u8> = link.down.drain(..most.min(link.down.len())).collect();
        self.clients[client].read(&bytes, &mut self.chronicle);
        for _ in 0..std::mem::take(&mut self.clients[client].pongs) {
            self.send(client, &[json!({})]);
        }
        let link = &self.links[shard][conn as usize];
        let is_over = link.closing && link.down.is_empty() && !self.brokers[shard].edge.outbox.is_waiting(conn);
        if is_over {
            assert!(self.clients[client].goodbye.is_some(), "closed without a goodbye");
            self.drop_link(client);
        }
        !bytes.is_empty() || is_over
    }

    /// Time passes.
    pub(super) fn wait(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.unix_ms += ms as i64;
        for shard in 0..self.brokers.len() {
            let due: Vec<(u32, u32)> = self.links[shard]
                .iter()
                .filter(|(_, link)| link.due_ms <= self.now.mono_ms)
                .filter_map(|(conn, link)| Some((conn as u32, link.session?)))
                .collect();
            for (conn, session) in due {
                // One ending can have made another.
                if self.links[shard][conn as usize].session == Some(session)
                    && let Some(next_ms) = self.brokers[shard].timer(session, self.now)
                {
                    self.links[shard][conn as usize].due_ms = next_ms;
                }
                self.after(shard);
            }
            let broker = &mut self.brokers[shard];
            let (may_make_more, before) = (broker.post.may_make_more(), broker.post.waiting());
            broker.sweep(self.now);
            assert!(may_make_more || broker.post.waiting() == before, "a sweep sends on, and nothing leaves");
            self.after(shard);
        }
    }

    /// Carries everything everywhere until nothing moves.
    pub(super) fn settle(&mut self) {
        self.settle_but_for_the_disk();
        while self.write_all() {
            self.settle_but_for_the_disk();
        }
    }

    /// Likewise, while the disk does nothing.
    pub(super) fn settle_but_for_the_disk(&mut self) {
        for client in &mut self.clients {
            client.is_reading = true;
        }
        let mut moves = true;
        while moves {
            moves = false;
            let shards = self.brokers.len();
            for (from, to) in (0..shards).flat_map(|from| (0..shards).map(move |to| (from, to))) {
                while self.deliver(from, to) {
                    moves = true;
                }
            }
            for shard in 0..shards {
                // What waited for room, and who waited for that.
                self.after(shard);
                moves |= self.brokers[shard].has_letters() || self.brokers[shard].waits_for_tick();
                let conns: Vec<u32> = self.links[shard].iter().map(|(conn, _)| conn as u32).collect();
                for conn in conns {
                    while self.links[shard].contains(conn as usize) && self.receive(shard, conn) {
                        moves = true;
                    }
                }
                self.flush(shard);
                moves |= self.brokers[shard].edge.outbox.is_dirty();
                let conns: Vec<u32> = self.links[shard].iter().map(|(conn, _)| conn as u32).collect();
                for conn in conns {
                    moves |= self.writable(shard, conn);
                }
            }
            for client in 0..self.clients.len() {
                moves |= self.read(client);
            }
        }
    }
}
