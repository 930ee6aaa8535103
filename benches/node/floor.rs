//! The floor: the smallest server that does the same socket work, on the node's own ring. No frames, no JSON, no
//! sessions: bytes are passed on as they come.
//!
//! A connection's first byte says what it is: `E` is echoed, `S` subscribes, `P` publishes to all subscribers. The byte
//! comes back once the connection is that.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use ringpost::ring::{Event, Received, Ring, RingSize};
use ringpost::shard::doors;
use rustix::net::{SendFlags, send};
use slab::Slab;

struct Conn {
    socket: OwnedFd,
    role: u8,
    /// What the socket did not take.
    unsent: Vec<u8>,
}

/// Serves there for as long as the process lives.
pub(crate) fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let (listener, _) = doors::bind(address, 4096)?;
    let mut ring = Ring::new(RingSize { entries: 4096, buffers: 2048, buffer_bytes: 4096 })?;
    ring.accept(listener.as_fd(), 0);
    let (mut conns, mut subscribers): (Slab<Conn>, Vec<u32>) = (Slab::new(), Vec::new());
    let mut events = Vec::new();
    loop {
        ring.enter_and_wait()?;
        ring.events(&mut events);
        // All that publishers sent in this turn leaves in one send per subscriber.
        let mut published = Vec::new();
        for event in events.drain(..) {
            match event {
                Event::Accepted { socket: Ok(socket), .. } => {
                    let conn = conns.vacant_key();
                    ring.receive(socket.as_fd(), conn as u32);
                    conns.insert(Conn { socket, role: 0, unsent: Vec::new() });
                }
                Event::Received { conn, received: Received::Bytes(bytes), more } => {
                    let entry = &mut conns[conn as usize];
                    let mut bytes = &bytes[..];
                    if entry.role == 0 {
                        entry.role = bytes[0];
                        push(&mut ring, conn, entry, &bytes[..1]);
                        bytes = &bytes[1..];
                        if entry.role == b'S' {
                            subscribers.push(conn);
                        }
                    }
                    match entry.role {
                        b'E' => push(&mut ring, conn, entry, bytes),
                        b'P' => published.extend_from_slice(bytes),
                        _ => {}
                    }
                    if !more {
                        ring.receive(entry.socket.as_fd(), conn);
                    }
                }
                Event::Received { conn, received: Received::NoBuffer, .. } => {
                    ring.receive(conns[conn as usize].socket.as_fd(), conn);
                }
                Event::Received { conn, more: false, .. } => {
                    conns.remove(conn as usize);
                    subscribers.retain(|subscriber| *subscriber != conn);
                }
                Event::Writable { conn } => {
                    if let Some(entry) = conns.get_mut(conn as usize) {
                        let unsent = std::mem::take(&mut entry.unsent);
                        push(&mut ring, conn, entry, &unsent);
                    }
                }
                _ => {}
            }
        }
        if !published.is_empty() {
            for conn in &subscribers {
                push(&mut ring, *conn, &mut conns[*conn as usize], &published);
            }
        }
    }
}

// Inlined, as in the node: the kernel is faster in a loop without calls (`Outbox::flush`).
#[inline(always)]
fn push(ring: &mut Ring, conn: u32, entry: &mut Conn, bytes: &[u8]) {
    if !entry.unsent.is_empty() {
        entry.unsent.extend_from_slice(bytes);
        return;
    }
    let sent = send(&entry.socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).unwrap_or(0);
    if sent < bytes.len() {
        entry.unsent.extend_from_slice(&bytes[sent..]);
        ring.await_writable(entry.socket.as_fd(), conn);
    }
}
