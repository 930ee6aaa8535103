//! The listeners of one shard. Every shard has its own on the same ports (`SO_REUSEPORT`): the kernel spreads
//! the connections.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

/// Which port a connection came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Door {
    /// WebSocket, and HTTP for the control plane.
    Http,
    /// JSON lines or length-prefixed Protobuf.
    Tcp,
}

impl Door {
    /// All doors.
    pub const ALL: [Self; 2] = [Self::Http, Self::Tcp];
}

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

/// One shard's listeners.
#[derive(Debug)]
pub struct Doors<S = OwnedFd> {
    listeners: [Option<S>; Door::ALL.len()],
}

impl<S> Doors<S> {
    /// The doors of a shard; the TCP door may be shut.
    pub fn new(http: S, tcp: Option<S>) -> Self {
        Self { listeners: [Some(http), tcp] }
    }

    /// A door's listener, unless it is shut.
    pub fn listener(&self, door: Door) -> Option<&S> {
        self.listeners[door as usize].as_ref()
    }

    /// Shuts a door: who waits behind it is refused by the kernel.
    pub fn shut(&mut self, door: Door) {
        self.listeners[door as usize] = None;
    }
}
