//! The listeners of one shard. Every shard has its own on the same ports (`SO_REUSEPORT`): the kernel spreads
//! the connections.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Purpose;

/// Binds a listener that shares its port with the other shards'. Port 0 takes a free one.
///
/// # Errors
/// The address is in use by another process, is not this host's, or needs privileges.
pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<(OwnedFd, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Accepted sockets inherit it: small messages leave at once, and it costs no call per connection.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    let bound = socket.local_addr()?.as_socket().expect("an IP socket has an IP address");
    Ok((socket.into(), bound))
}

/// One listener of a shard.
#[derive(Debug)]
struct Door<S> {
    purpose: Purpose,
    listener: Option<S>,
}

/// One shard's listeners, by number.
#[derive(Debug)]
pub struct Doors<S = OwnedFd>(Vec<Door<S>>);

impl<S> Doors<S> {
    /// Adds a listener.
    pub fn add(&mut self, purpose: Purpose, listener: S) {
        self.0.push(Door { purpose, listener: Some(listener) });
    }

    /// The numbers of all doors.
    pub fn numbers(&self) -> Range<u32> {
        0..self.0.len() as u32
    }

    /// What a door is for.
    pub fn purpose(&self, door: u32) -> Purpose {
        self.0[door as usize].purpose
    }

    /// A door's listener, unless it is shut.
    pub fn listener(&self, door: u32) -> Option<&S> {
        self.0[door as usize].listener.as_ref()
    }

    /// Shuts a door: who waits behind it is refused by the kernel.
    pub fn shut(&mut self, door: u32) {
        self.0[door as usize].listener = None;
    }
}

impl<S> Default for Doors<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
