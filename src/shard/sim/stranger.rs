//! Strangers: connections that are no honest client's. They send garbage, floods, halves of frames, or nothing at all,
//! read or do not, and end as they please. Nothing is expected of them but that nobody else suffers.

use std::collections::VecDeque;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::deadlines::{LATE_MS_MAX, Look};
use super::network::Network;
use super::peer::write_frame;
use crate::broker::sim::dialect::{self, FORMATS};
use crate::limits::LINGER_MS;
use crate::protocol::Format;
use crate::wire::websocket::Opcode;

/// Where strangers publish and subscribe.
const NOISE: [&str; 2] = ["noise:a", "noise:b"];

const UPGRADE: &str = "GET /connection/websocket HTTP/1.1\r\nHost: node\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// One such connection.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) pipe: usize,
    shard: usize,
    out: VecDeque<u8>,
    reads: bool,
    /// For how long the shard has looked at it, milliseconds, where it never says anything whole.
    silent_ms: Option<u64>,
}

/// What a stranger sends.
pub(super) struct Script {
    /// To the port for HTTP.
    pub(super) is_http: bool,
    bytes: Vec<u8>,
    /// It makes nothing whole.
    is_silent: bool,
}

/// What a stranger sends.
pub(super) fn script(random: &mut StdRng) -> Script {
    let kind = random.random_range(0..9);
    let (is_http, bytes) = script_of(kind, random);
    Script { is_http, bytes, is_silent: matches!(kind, 1 | 3) }
}

fn script_of(kind: u32, random: &mut StdRng) -> (bool, Vec<u8>) {
    match kind {
        0 => (random.random_bool(0.5), garbage(random)),
        1 => (random.random_bool(0.5), Vec::new()),
        2 => (true, b"POST /api/info HTTP/1.1\r\nHost: node\r\nContent-Length: 2\r\n\r\n{}".to_vec()),
        3 => (true, UPGRADE.as_bytes()[..random.random_range(1..UPGRADE.len())].to_vec()),
        4 => (true, [b"GET /".to_vec(), vec![b'a'; random.random_range(0..20_000)]].concat()),
        5 => giant(random),
        6 => fragments(random),
        _ => flood(random),
    }
}

fn garbage(random: &mut StdRng) -> Vec<u8> {
    let len = random.random_range(1..3000);
    let mut bytes: Vec<u8> = (0..len).map(|_| random.random()).collect();
    if random.random_bool(0.5) {
        bytes.splice(0..0, UPGRADE.bytes());
    }
    bytes
}

/// The beginning of something that never ends.
fn giant(random: &mut StdRng) -> (bool, Vec<u8>) {
    let len = random.random_range(0..80_000);
    let (is_http, mut bytes): (bool, Vec<u8>) = match random.random_range(0..4) {
        0 => (false, b"{\"id\":1,\"connect\":{\"token\":\"".to_vec()),
        1 => (false, vec![0xff, 0xff, 0x03]),
        2 => (true, [UPGRADE.as_bytes(), &[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]].concat()),
        _ => (true, [UPGRADE.as_bytes(), &[0x81, 0xfe, 0xff, 0xff, 1, 2, 3, 4]].concat()),
    };
    bytes.resize(bytes.len() + len, b'x');
    (is_http, bytes)
}

/// Messages in very many pieces, the last of which never comes.
fn fragments(random: &mut StdRng) -> (bool, Vec<u8>) {
    let mut out: VecDeque<u8> = UPGRADE.bytes().collect();
    let connects = random.random_bool(0.7);
    if connects {
        write_frame(true, Opcode::Text, br#"{"id":1,"connect":{}}"#, random, &mut out);
    }
    write_frame(false, Opcode::Text, b"{", random, &mut out);
    for _ in 0..random.random_range(0..300) {
        let opcode = if random.random_bool(0.1) { Opcode::Ping } else { Opcode::Continuation };
        let blanks = random.random_range(0..100);
        write_frame(opcode == Opcode::Ping, opcode, &vec![b' '; blanks], random, &mut out);
    }
    (true, out.into())
}

/// A client that asks and asks.
fn flood(random: &mut StdRng) -> (bool, Vec<u8>) {
    let format = *FORMATS.choose(random).expect("there are some");
    let mut out: VecDeque<u8> = if format.is_websocket() { UPGRADE.bytes().collect() } else { VecDeque::new() };
    say(format, &[json!({"id": 1, "connect": {}})], random, &mut out);
    let commands = random.random_range(1..400);
    let kind = random.random_range(0..4);
    let mut batch = Vec::new();
    for id in 2..commands + 2 {
        batch.push(question(kind, id, random));
        if random.random_bool(0.1) {
            say(format, &std::mem::take(&mut batch), random, &mut out);
        }
    }
    say(format, &batch, random, &mut out);
    if random.random_bool(0.3) {
        // In the middle of a frame.
        out.truncate(random.random_range(1..=out.len()));
    }
    (format.is_websocket(), out.into())
}

fn question(kind: u32, id: u32, random: &mut StdRng) -> Value {
    let channel = *NOISE.choose(random).expect("there are some");
    match kind {
        0 => json!({"id": id, "ping": {}}),
        1 if id.is_multiple_of(2) => json!({"id": id, "subscribe": {"channel": channel}}),
        1 => json!({"id": id, "unsubscribe": {"channel": channel}}),
        2 => {
            // Without an id, too.
            let id = if random.random_bool(0.5) { id } else { 0 };
            json!({"id": id, "publish": {"channel": channel, "data": "x".repeat(random.random_range(0..300))}})
        }
        _ => json!({"id": id, "presence": {"channel": "live:a"}}),
    }
}

fn say(format: Format, commands: &[Value], random: &mut StdRng, out: &mut VecDeque<u8>) {
    if commands.is_empty() {
        return;
    }
    let payload = dialect::encode(format, commands);
    match format {
        Format::WebSocketJson => write_frame(true, Opcode::Text, &payload, random, out),
        Format::WebSocketProtobuf => write_frame(true, Opcode::Binary, &payload, random, out),
        Format::TcpProtobuf => out.extend(payload),
        Format::TcpJson => {
            out.extend(payload);
            out.push_back(b'\n');
        }
    }
}

impl Stranger {
    pub(super) fn new(pipe: usize, shard: usize, script: Script, random: &mut StdRng) -> Self {
        let silent_ms = script.is_silent.then_some(0);
        Self { pipe, shard, out: script.bytes.into(), reads: random.random_bool(0.7), silent_ms }
    }

    /// A shard has looked: if it is this one's, it does not wait for ever.
    pub(super) fn check_deadline(&mut self, shard: usize, look: Look, stale_ms: u64, network: &Network) {
        let Some(silent_ms) = self.silent_ms.as_mut().filter(|_| self.shard == shard) else { return };
        *silent_ms += look.ms;
        // It may wait for a while until it is accepted, where descriptors are short.
        let patience_ms = stale_ms + LINGER_MS + 2 * LATE_MS_MAX;
        assert!(
            *silent_ms <= patience_ms || network.pipe(self.pipe).has_ended(),
            "somebody says nothing for long: {self:?}"
        );
    }

    /// Does something. False when it has gone.
    pub(super) fn act(&mut self, network: &mut Network) -> bool {
        network.write(self.pipe, &mut self.out);
        if self.reads {
            network.read(self.pipe, 1000);
        }
        let end = network.random.random_range(0..150);
        match end {
            0 => network.reset(self.pipe),
            1 | 2 => network.abandon(self.pipe),
            3 => network.end(self.pipe),
            4 => self.reads ^= true,
            _ => {}
        }
        end > 2 && !network.is_over(self.pipe)
    }

    /// Sends the rest and reads all. Returns whether anything moved.
    pub(super) fn settle(&mut self, network: &mut Network) -> bool {
        self.reads = true;
        let moved = network.write(self.pipe, &mut self.out);
        let read = !network.read(self.pipe, usize::MAX).is_empty();
        moved || read
    }
}
