//! The floor: the smallest server that does the same socket work, on the node's own ring. No JSON, no sessions, no
//! channels: bytes are passed on as they come.
//!
//! A connection's first byte says what it is: `E` is echoed, `S` subscribes, `P` publishes to all subscribers. The byte
//! comes back once the connection is that. A connection that begins with the head of a request is upgraded to a
//! WebSocket, in which every message comes back.
//!
//! Where echoes must be kept first, all that came in a turn is kept in one call, and then comes back: the least that a server
//! does that answers for what it was given.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use ringpost::ring::{Event, InFlight, Received, Ring, RingSize};
use ringpost::shard::doors;
use ringpost::wire::http::{self, Head};
use ringpost::wire::websocket::{self, Decoded, Opcode, Sender};
use rustix::net::{SendFlags, Shutdown, send, shutdown};
use slab::Slab;

/// The longest message of a WebSocket, bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Keeps what was sent before it comes back.
pub(crate) type Keep = Box<dyn FnMut(&[u8]) -> io::Result<()>>;

/// What is to be kept: all that came in a turn.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Whose it is: connections, and how many bytes of each.
    owners: Vec<(u32, usize)>,
}

struct Conn {
    socket: OwnedFd,
    role: u8,
    websocket: Option<Box<WebSocket>>,
    /// What the socket did not take.
    unsent: Vec<u8>,
    in_flight: InFlight,
    has_ended: bool,
}

/// A connection that began with the head of a request.
#[derive(Default)]
struct WebSocket {
    is_open: bool,
    /// What is not whole yet.
    unread: Vec<u8>,
}

impl WebSocket {
    /// What is answered to these bytes; `None` where they are no WebSocket's.
    fn answer(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.unread.extend_from_slice(bytes);
        if !self.is_open {
            let head = match http::parse(&self.unread).ok()? {
                Head::Partial => return Some(out),
                Head::Upgrade(upgrade) => {
                    http::write_accept(upgrade.key, None, &mut out);
                    upgrade.consumed
                }
                _ => return None,
            };
            self.unread.drain(..head);
            self.is_open = true;
        }
        while let Decoded::Frame(frame) = websocket::decode(&mut self.unread, Sender::Client, MESSAGE_BYTES_MAX).ok()? {
            if frame.opcode == Opcode::Binary {
                websocket::write_frame(Opcode::Binary, &self.unread[frame.payload.clone()], &mut out);
            }
            self.unread.drain(..frame.consumed);
        }
        Some(out)
    }
}

/// Serves there for as long as the process lives.
pub(crate) fn serve(address: SocketAddr, mut keep: Option<Keep>) -> anyhow::Result<()> {
    let (listener, _) = doors::bind(address, 4096)?;
    let mut ring = Ring::new(RingSize { entries: 4096, buffers: 2048, buffer_bytes: 4096 })?;
    ring.accept(listener.as_fd(), 0);
    let (mut conns, mut subscribers): (Slab<Conn>, Vec<u32>) = (Slab::new(), Vec::new());
    let (mut events, mut batch) = (Vec::new(), keep.is_some().then(Batch::default));
    loop {
        ring.enter_and_wait(None)?;
        ring.events(&mut events);
        // All that publishers sent in this turn leaves in one send per subscriber.
        let mut published = Vec::new();
        for event in events.drain(..) {
            match event {
                Event::Accepted { socket: Ok(socket), .. } => {
                    let (unsent, in_flight) = (Vec::new(), InFlight::default());
                    let entry = Conn { socket, role: 0, websocket: None, unsent, in_flight, has_ended: false };
                    let conn = conns.insert(entry) as u32;
                    receive(&mut ring, conn, &mut conns[conn as usize]);
                }
                Event::Received { conn, received: Received::Bytes(bytes), more } => {
                    let entry = &mut conns[conn as usize];
                    let was_new = entry.role == 0;
                    received(&mut ring, conn, entry, &bytes, &mut published, batch.as_mut());
                    if was_new && entry.role == b'S' {
                        subscribers.push(conn);
                    }
                    if !more {
                        entry.in_flight.end_receive();
                        receive(&mut ring, conn, entry);
                    }
                }
                Event::Received { conn, received: Received::NoBuffer, .. } => {
                    let entry = &mut conns[conn as usize];
                    entry.in_flight.end_receive();
                    receive(&mut ring, conn, entry);
                }
                Event::Received { conn, more: false, .. } => {
                    let entry = &mut conns[conn as usize];
                    entry.in_flight.end_receive();
                    entry.has_ended = true;
                    // What waits for the socket comes back.
                    let _ = shutdown(&entry.socket, Shutdown::Both);
                    subscribers.retain(|subscriber| *subscriber != conn);
                    forget_if_over(&mut conns, conn);
                }
                Event::Writable { conn } => {
                    let entry = &mut conns[conn as usize];
                    entry.in_flight.end_writable();
                    let unsent = std::mem::take(&mut entry.unsent);
                    if !entry.has_ended {
                        push(&mut ring, conn, entry, &unsent);
                    }
                    forget_if_over(&mut conns, conn);
                }
                _ => {}
            }
        }
        if let (Some(keep), Some(batch)) = (&mut keep, &mut batch) {
            echo(&mut ring, &mut conns, batch, keep)?;
        }
        if !published.is_empty() {
            for conn in &subscribers {
                push(&mut ring, *conn, &mut conns[*conn as usize], &published);
            }
        }
    }
}

/// Keeps a batch, then sends each connection what it has sent.
fn echo(ring: &mut Ring, conns: &mut Slab<Conn>, batch: &mut Batch, keep: &mut Keep) -> io::Result<()> {
    if !batch.bytes.is_empty() {
        keep(&batch.bytes)?;
    }
    let mut rest = &batch.bytes[..];
    for (conn, length) in batch.owners.drain(..) {
        let (bytes, after) = rest.split_at(length);
        rest = after;
        if let Some(entry) = conns.get_mut(conn as usize) {
            push(ring, conn, entry, bytes);
        }
    }
    batch.bytes.clear();
    Ok(())
}

fn receive(ring: &mut Ring, conn: u32, entry: &mut Conn) {
    if entry.in_flight.begin_receive() {
        ring.receive(entry.socket.as_fd(), conn);
    }
}

fn forget_if_over(conns: &mut Slab<Conn>, conn: u32) {
    let entry = &conns[conn as usize];
    if entry.has_ended && entry.in_flight.is_empty() {
        conns.remove(conn as usize);
    }
}

/// Does with bytes what their connection is for.
fn received(
    ring: &mut Ring,
    conn: u32,
    entry: &mut Conn,
    mut bytes: &[u8],
    published: &mut Vec<u8>,
    batch: Option<&mut Batch>,
) {
    if entry.role == 0 {
        entry.role = bytes[0];
        if entry.role == b'G' {
            entry.websocket = Some(Box::default());
        } else {
            push(ring, conn, entry, &bytes[..1]);
            bytes = &bytes[1..];
        }
    }
    match (entry.role, batch) {
        (b'E', Some(batch)) => {
            batch.bytes.extend_from_slice(bytes);
            batch.owners.push((conn, bytes.len()));
        }
        (b'E', None) => push(ring, conn, entry, bytes),
        (b'P', _) => published.extend_from_slice(bytes),
        _ => {
            let Some(websocket) = &mut entry.websocket else { return };
            match websocket.answer(bytes) {
                Some(answer) => push(ring, conn, entry, &answer),
                // Its end is told as any other.
                None => {
                    let _ = shutdown(&entry.socket, Shutdown::Both);
                }
            }
        }
    }
}

// Inlined, as in the node: the kernel is faster in a loop without calls (`Outbox::flush`).
#[inline(always)]
fn push(ring: &mut Ring, conn: u32, entry: &mut Conn, bytes: &[u8]) {
    if !entry.unsent.is_empty() || bytes.is_empty() {
        entry.unsent.extend_from_slice(bytes);
        return;
    }
    let sent = send(&entry.socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).unwrap_or(0);
    if sent < bytes.len() {
        entry.unsent.extend_from_slice(&bytes[sent..]);
        if entry.in_flight.begin_writable() {
            ring.await_writable(entry.socket.as_fd(), conn);
        }
    }
}
