//! Connections as the kernel has them: bytes under way in both directions, ends, resets.
//!
//! Clients write and read here, and so do the shards' sockets. A number is never used twice. What the kernel is free to do
//! (how much a call takes, when a reset destroys what was not read) is drawn from the seed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hash::Hasher;
use std::rc::Rc;

use rand::Rng;
use rand::rngs::StdRng;

use super::fault::{Fault, Planted};
use crate::time::Now;

/// What a socket holds of what its peer has not read.
const SOCKET_BYTES: usize = 2048;

/// Who has broken a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Node,
    /// The kernel, of a connection that the node has never accepted.
    Nobody,
}

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// Client to node: sent, and not yet received.
    up: VecDeque<u8>,
    /// Node to client: sent, and not yet read.
    down: VecDeque<u8>,
    /// The client sends no more.
    client_ended: bool,
    /// The client reads no more either.
    client_gone: bool,
    /// The node sends no more.
    node_ended: bool,
    /// The node receives no more.
    node_deaf: bool,
    /// The node has closed its socket.
    node_gone: bool,
    /// Broken, for both, and by whom.
    broken: Option<Side>,
    /// The last send was cut short.
    is_full: bool,
    /// All that the node has received.
    pub(super) received: Vec<u8>,
    /// The socket was handed over.
    pub(super) is_handed_over: bool,
    /// For how long the client has left something unread, or the node something unsent, milliseconds.
    pub(super) behind_ms: u64,
    /// Takes everything at once.
    is_boundless: bool,
    /// A fault has these come later.
    delayed: Vec<u8>,
}

#[derive(Debug, Default)]
struct Listener {
    waiting: VecDeque<usize>,
    is_shut: bool,
}

/// All connections of a world, and its clock.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) random: StdRng,
    pub(super) now: Now,
    pub(super) planted: Planted,
    /// What a proxy says before each client; empty where there is no proxy.
    pub(super) proxy_header: &'static [u8],
    pipes: Vec<Pipe>,
    listeners: Vec<Listener>,
    trace: std::hash::DefaultHasher,
}

pub(super) type Shared = Rc<RefCell<Network>>;

impl Network {
    pub(super) fn new(random: StdRng, now: Now, planted: Planted) -> Self {
        Self {
            random,
            now,
            planted,
            proxy_header: b"",
            pipes: Vec::new(),
            listeners: Vec::new(),
            trace: std::hash::DefaultHasher::new(),
        }
    }

    /// A number for all that was sent, and when.
    pub(super) fn trace(&self) -> u64 {
        self.trace.finish()
    }

    /// Whether the planted fault shows this time.
    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        self.planted.strikes(fault, &mut self.random)
    }

    pub(super) fn pipe(&self, pipe: usize) -> &Pipe {
        &self.pipes[pipe]
    }

    /// Time passes.
    pub(super) fn wait(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.unix_ms += ms as i64;
        for pipe in &mut self.pipes {
            let is_behind = pipe.is_full || !pipe.down.is_empty();
            pipe.behind_ms = if is_behind { pipe.behind_ms + ms } else { 0 };
        }
    }

    /// A listener that nobody has connected to.
    pub(super) fn listen(&mut self) -> usize {
        self.listeners.push(Listener::default());
        self.listeners.len() - 1
    }

    // ------------------------------------------------------------ the client's end

    /// Connects; `None` where nobody listens any more.
    pub(super) fn connect(&mut self, listener: usize, is_boundless: bool) -> Option<usize> {
        if self.listeners[listener].is_shut {
            return None;
        }
        let pipe = self.pipes.len();
        let up = self.proxy_header.iter().copied().collect();
        self.pipes.push(Pipe { up, is_boundless, ..Pipe::default() });
        self.listeners[listener].waiting.push_back(pipe);
        Some(pipe)
    }

    /// Sends some of `out`, as much as fits. Returns whether any was taken.
    pub(super) fn write(&mut self, pipe: usize, out: &mut VecDeque<u8>) -> bool {
        let Self { pipes, random, .. } = self;
        let pipe = &mut pipes[pipe];
        if pipe.client_ended || out.is_empty() {
            return false;
        }
        if pipe.node_gone || pipe.is_broken() {
            // The answer to bytes for a socket that is closed.
            pipe.break_off(Side::Node, random);
            out.clear();
            return true;
        }
        let most = out.len().min(SOCKET_BYTES - pipe.up.len());
        if most == 0 {
            return false;
        }
        let taken = if random.random_bool(0.7) { most } else { random.random_range(1..=most) };
        pipe.up.extend(out.drain(..taken));
        true
    }

    /// Takes up to `most` bytes of what has come.
    pub(super) fn read(&mut self, pipe: usize, most: usize) -> Vec<u8> {
        let down = &mut self.pipes[pipe].down;
        let taken = most.min(down.len());
        down.drain(..taken).collect()
    }

    /// The client ends its side.
    pub(super) fn end(&mut self, pipe: usize) {
        self.pipes[pipe].client_ended = true;
    }

    /// The client closes its socket: a reset, where it left something unread.
    pub(super) fn abandon(&mut self, pipe: usize) {
        let Self { pipes, random, .. } = self;
        let pipe = &mut pipes[pipe];
        pipe.client_ended = true;
        pipe.client_gone = true;
        if !pipe.down.is_empty() {
            pipe.break_off(Side::Client, random);
        }
    }

    /// The connection breaks, on the client's side.
    pub(super) fn reset(&mut self, pipe: usize) {
        self.break_off(pipe, Side::Client);
    }

    fn break_off(&mut self, pipe: usize, by: Side) {
        let Self { pipes, random, .. } = self;
        pipes[pipe].break_off(by, random);
    }

    /// Whether the client has read the last that ever comes.
    pub(super) fn is_over(&self, pipe: usize) -> bool {
        let pipe = &self.pipes[pipe];
        pipe.has_ended() && pipe.down.is_empty()
    }

    // ------------------------------------------------------------ the node's end

    /// The next connection that waits at a listener.
    pub(super) fn accept(&mut self, listener: usize) -> Option<usize> {
        self.listeners[listener].waiting.pop_front()
    }

    pub(super) fn is_waited_at(&self, listener: usize) -> bool {
        !self.listeners[listener].waiting.is_empty()
    }

    /// Closes a listener: who waits is refused.
    pub(super) fn shut(&mut self, listener: usize) {
        self.listeners[listener].is_shut = true;
        for pipe in std::mem::take(&mut self.listeners[listener].waiting) {
            self.break_off(pipe, Side::Nobody);
        }
    }

    /// Whether a receive would bring something: bytes, or the end.
    pub(super) fn is_readable(&self, pipe: usize) -> bool {
        let pipe = &self.pipes[pipe];
        !pipe.up.is_empty() || pipe.is_at_end()
    }

    /// Whether the connection broke.
    pub(super) fn is_reset(&self, pipe: usize) -> bool {
        self.pipes[pipe].is_broken()
    }

    /// Receives up to `most` bytes; `None` is the end, or a reset.
    pub(super) fn receive(&mut self, pipe: usize, most: usize) -> Option<Vec<u8>> {
        let Self { pipes, random, .. } = self;
        let pipe = &mut pipes[pipe];
        if pipe.up.is_empty() {
            assert!(pipe.is_at_end(), "there was nothing to receive");
            return None;
        }
        let most = most.min(pipe.up.len());
        let taken = if random.random_bool(0.6) { most } else { random.random_range(1..=most) };
        let bytes: Vec<u8> = pipe.up.drain(..taken).collect();
        pipe.received.extend_from_slice(&bytes);
        Some(bytes)
    }

    /// Whether a send would take something, or fail.
    pub(super) fn is_writable(&self, pipe: usize) -> bool {
        let pipe = &self.pipes[pipe];
        pipe.is_broken() || pipe.node_ended || pipe.client_gone || pipe.room() > 0
    }

    /// Sends some of the bytes: as many as fit, or fewer. `None` is a broken connection.
    pub(super) fn send(&mut self, number: usize, bytes: &[u8]) -> Option<usize> {
        let Self { pipes, random, trace, now, planted, .. } = self;
        let pipe = &mut pipes[number];
        assert!(!pipe.node_gone, "a send on a socket that was closed");
        if pipe.is_broken() || pipe.node_ended {
            return None;
        }
        if pipe.client_gone {
            pipe.break_off(Side::Client, random);
            return Some(bytes.len());
        }
        let most = pipe.room().min(bytes.len());
        let taken = match most {
            0 => 0,
            most if pipe.is_boundless || random.random_bool(0.8) => most,
            most => random.random_range(1..=most),
        };
        pipe.is_full = taken < bytes.len();
        trace.write_u64(now.mono_ms);
        trace.write_usize(number);
        trace.write(&bytes[..taken]);
        if !pipe.is_boundless && planted.strikes(Fault::ReordersSends, random) {
            pipe.delayed.extend_from_slice(&bytes[..taken]);
            return Some(taken);
        }
        pipe.down.extend(&bytes[..taken]);
        let delayed = std::mem::take(&mut pipe.delayed);
        pipe.down.extend(&delayed);
        if !pipe.is_boundless && planted.strikes(Fault::SendsTwice, random) {
            pipe.down.extend(&bytes[..taken]);
        }
        Some(taken)
    }

    /// The node ends what it sends, or both directions.
    pub(super) fn shutdown(&mut self, pipe: usize, both: bool) {
        if self.strikes(Fault::BreaksAtShutdown) {
            return self.break_off(pipe, Side::Node);
        }
        let pipe = &mut self.pipes[pipe];
        pipe.node_ended = true;
        pipe.node_deaf |= both;
    }

    /// The node closes its socket: a reset, where it left something unreceived.
    pub(super) fn close(&mut self, pipe: usize) {
        let Self { pipes, random, .. } = self;
        let pipe = &mut pipes[pipe];
        pipe.node_gone = true;
        if !pipe.up.is_empty() {
            pipe.break_off(Side::Node, random);
        }
    }

    /// The control plane serves this one from now on.
    pub(super) fn hand_over(&mut self, pipe: usize, read: &[u8]) {
        let pipe = &mut self.pipes[pipe];
        let received = &pipe.received[self.proxy_header.len()..];
        assert_eq!(received, read, "all that was received is handed over");
        pipe.is_handed_over = true;
    }

    /// Whether every socket of the node is closed.
    pub(super) fn is_at_rest(&self) -> bool {
        self.pipes.iter().all(|pipe| pipe.node_gone || pipe.is_broken())
    }
}

impl Pipe {
    fn room(&self) -> usize {
        if self.is_boundless { usize::MAX } else { SOCKET_BYTES.saturating_sub(self.down.len()) }
    }

    fn is_at_end(&self) -> bool {
        self.client_ended || self.node_deaf || self.is_broken()
    }

    /// A reset: what the node has not received is lost, and perhaps what the client has not read.
    fn break_off(&mut self, by: Side, random: &mut StdRng) {
        self.broken.get_or_insert(by);
        self.up.clear();
        if random.random_bool(0.5) {
            self.down.clear();
        }
    }

    fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Whether it broke, but not by the node.
    pub(super) fn is_cut_by_others(&self) -> bool {
        self.broken.is_some_and(|by| by != Side::Node)
    }

    /// Whether the node will send nothing more.
    pub(super) fn has_ended(&self) -> bool {
        self.node_ended || self.node_gone || self.is_broken()
    }

    /// Whether the client has read all that the node has to send.
    pub(super) fn is_read(&self) -> bool {
        self.down.is_empty() && !self.is_full
    }

    /// Whether the node has received all.
    pub(super) fn is_received(&self) -> bool {
        self.up.is_empty()
    }
}
