//! An honest client and its connection: what it says becomes bytes in one of the formats, and what it hears is checked.
//!
//! It may be slow, stop reading, half-close, or lose its connection. As long as it reads it must hear a goodbye before its
//! connection ends, and everything that it asked before it half-closed.

use std::collections::VecDeque;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::deadlines::{Deadlines, Look};
use super::network::Network;
use crate::broker::sim::chronicle::Chronicle;
use crate::broker::sim::client::Client;
use crate::broker::sim::dialect;
use crate::limits::LINGER_MS;
use crate::protocol::Format;
use crate::protocol::centrifuge::Encoding;
use crate::wire::websocket::{Opcode, apply_mask};

/// A connection, as its client has it.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) pipe: usize,
    pub(super) format: Format,
    /// Bytes that the network has not taken.
    out: VecDeque<u8>,
    /// The answer to the upgrade, until it is whole.
    head: Option<Vec<u8>>,
    /// The client has ended its side, and what it asked before must be answered.
    pub(super) is_half_closed: bool,
    /// Nothing can be expected any more: the client has stopped reading, or was too slow for a goodbye.
    pub(super) is_excused: bool,
    /// What it may count on in time.
    pub(super) deadlines: Deadlines,
}

/// A client, connected or not.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) client: Client,
    pub(super) wire: Option<Wire>,
}

/// What became of a peer's reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing had come.
    Nothing,
    /// Something had.
    Something,
    /// The connection has ended.
    Over,
}

impl Peer {
    pub(super) fn new(client: Client) -> Self {
        Self { client, wire: None }
    }

    /// Begins a connection: an upgrade, where the format asks for one.
    pub(super) fn link(&mut self, pipe: usize, format: Format, deadlines: Deadlines, random: &mut StdRng) {
        let mut out = VecDeque::new();
        if format.is_websocket() {
            out.extend(upgrade(format, random).into_bytes());
        }
        let head = format.is_websocket().then(Vec::new);
        self.wire = Some(Wire { pipe, format, out, head, is_half_closed: false, is_excused: false, deadlines });
        self.client.linked(format);
    }

    /// The connection has gone.
    pub(super) fn unlink(&mut self, chronicle: &mut Chronicle) {
        self.wire = None;
        self.client.unlinked(chronicle);
    }

    /// Says some commands in one message; more than one message where `fragments` may be.
    pub(super) fn say(&mut self, commands: &[Value], random: &mut StdRng) {
        let Some(wire) = &mut self.wire else { return };
        if wire.is_half_closed || commands.is_empty() {
            return;
        }
        let mut payload = dialect::encode(wire.format, commands);
        match wire.format {
            Format::TcpProtobuf => wire.out.extend(payload),
            Format::TcpJson => {
                payload.push(b'\n');
                wire.out.extend(payload);
            }
            Format::WebSocketJson | Format::WebSocketProtobuf => {
                let opcode = match wire.format.encoding() {
                    Encoding::Json => Opcode::Text,
                    Encoding::Protobuf => Opcode::Binary,
                };
                let is_fragmented = self.client.is_connected && random.random_bool(0.2);
                let cut = if is_fragmented { random.random_range(0..=payload.len()) } else { payload.len() };
                let (first, rest) = payload.split_at(cut);
                write_frame(!is_fragmented, opcode, first, random, &mut wire.out);
                if is_fragmented {
                    if random.random_bool(0.5) {
                        write_frame(true, Opcode::Ping, b"still there?", random, &mut wire.out);
                    }
                    write_frame(true, Opcode::Continuation, rest, random, &mut wire.out);
                }
            }
        }
    }

    /// The network takes some of what was said.
    pub(super) fn send(&mut self, network: &mut Network) -> bool {
        let Some(wire) = &mut self.wire else { return false };
        let moved = network.write(wire.pipe, &mut wire.out);
        if moved {
            wire.deadlines.said();
        }
        if wire.is_half_closed && wire.out.is_empty() {
            network.end(wire.pipe);
        }
        moved
    }

    /// Ends its side as soon as what it said has left.
    pub(super) fn half_close(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.is_half_closed = true;
        }
    }

    /// Time has passed.
    pub(super) fn waited(&mut self, ms: u64, network: &Network) {
        if let Some(wire) = &mut self.wire {
            let pipe = network.pipe(wire.pipe);
            let is_behind = !pipe.is_read() || !wire.out.is_empty();
            // A goodbye is not waited for so long.
            wire.is_excused |= pipe.behind_ms >= LINGER_MS / 2;
            wire.deadlines.waited(ms, is_behind, network.now);
        }
    }

    /// A shard has looked: if it is this client's, nothing that it is to do was due long ago.
    pub(super) fn check_deadlines(&mut self, shard: usize, look: Look, network: &Network) {
        if let Some(wire) = &mut self.wire
            && wire.deadlines.shard == shard
            && !wire.is_half_closed
        {
            wire.deadlines.check(look, &self.client, network.pipe(wire.pipe));
        }
    }

    /// Nothing can be expected of the node any more.
    pub(super) fn excuse(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.is_excused = true;
        }
    }

    /// Reads some of what has come, and answers pings.
    pub(super) fn read(&mut self, most: usize, network: &mut Network, chronicle: &mut Chronicle) -> Reading {
        let Some(wire) = &mut self.wire else { return Reading::Nothing };
        if !self.client.is_reading {
            wire.is_excused = true;
            return Reading::Nothing;
        }
        let pipe = network.pipe(wire.pipe);
        wire.is_excused |= pipe.is_cut_by_others();
        let bytes = network.read(wire.pipe, most);
        let was_connected = self.client.is_connected;
        if let Some(words) = past_head(&mut wire.head, &bytes) {
            let was_over = self.client.goodbye.is_some();
            self.client.read(words, chronicle);
            if !was_over && self.client.goodbye.is_some() {
                wire.deadlines.judge_goodbye(&self.client, network.now);
                // It was late, and was told so: nobody has heard all from here on.
                chronicle.has_lost_witness |= self.client.is_witness;
            }
        }
        if self.client.pongs > 0 || self.client.is_connected && !was_connected {
            wire.deadlines.pinged();
        }
        let (pipe, is_excused) = (wire.pipe, wire.is_excused);
        if wire.is_half_closed && self.client.has_every_answer() && self.client.goodbye.is_none() {
            // Nothing more is promised.
            wire.is_excused = true;
        }
        let pings = std::mem::take(&mut self.client.pongs);
        for _ in 0..pings {
            self.say(&[json!({})], &mut network.random);
        }
        if network.is_over(pipe) {
            let said_all = self.client.goodbye.is_some() || self.wire.as_ref().is_some_and(|wire| wire.is_excused);
            assert!(is_excused || said_all, "pipe {pipe} has ended without a goodbye: {:?}", self.client);
            return Reading::Over;
        }
        if bytes.is_empty() { Reading::Nothing } else { Reading::Something }
    }
}

/// What of the bytes comes after the answer to the upgrade.
fn past_head<'a>(head: &mut Option<Vec<u8>>, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let Some(gathered) = head else { return Some(bytes) };
    let before = gathered.len();
    gathered.extend_from_slice(bytes);
    let end = gathered.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    assert!(gathered.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(gathered));
    *head = None;
    Some(&bytes[end - before..])
}

fn upgrade(format: Format, random: &mut StdRng) -> String {
    let protocol = match (format.encoding(), random.random_bool(0.5)) {
        (Encoding::Json, true) => "",
        (Encoding::Json, false) => "Sec-WebSocket-Protocol: centrifuge-json\r\n",
        (Encoding::Protobuf, _) => "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n",
    };
    format!(
        "GET /connection/websocket HTTP/1.1\r\nHost: node\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{protocol}\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A masked frame (RFC 6455, 5.2).
pub(super) fn write_frame(fin: bool, opcode: Opcode, payload: &[u8], random: &mut StdRng, out: &mut VecDeque<u8>) {
    out.push_back(u8::from(fin) << 7 | opcode as u8);
    match payload.len() {
        len @ ..126 => out.push_back(0x80 | len as u8),
        len @ 126..0x1_0000 => {
            out.push_back(0x80 | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push_back(0x80 | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    let mask: [u8; 4] = random.random();
    out.extend(mask);
    let mut payload = payload.to_vec();
    apply_mask(&mut payload, mask);
    out.extend(payload);
}
