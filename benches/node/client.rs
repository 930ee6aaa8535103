//! Many connections in one thread: epoll, non-blocking sockets, no allocation per message.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use ringpost::wire::http::{Response, UpgradeRequest};
use ringpost::wire::websocket::{self, Decoded, Opcode, Sender};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::{Domain, Socket, Type};

/// One connection.
pub(crate) struct Conn {
    socket: OwnedFd,
    /// The beginning of a message whose end has not come.
    partial: Vec<u8>,
}

/// How messages are told apart.
#[derive(Clone, Copy)]
pub(crate) enum Framing {
    /// Frames of a server.
    WebSocket,
    /// So many bytes each.
    Fixed(usize),
}

/// All connections of a measurement.
pub(crate) struct Swarm {
    epoll: OwnedFd,
    /// By number.
    pub(crate) conns: Vec<Conn>,
    framing: Framing,
    input: Vec<u8>,
    ready: Vec<Event>,
}

impl Swarm {
    /// No connections yet.
    pub(crate) fn new(framing: Framing) -> anyhow::Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            conns: Vec::new(),
            framing,
            input: vec![0; 256 * 1024],
            ready: Vec::with_capacity(1024),
        })
    }

    /// Connects one more; returns its number.
    pub(crate) fn connect(&mut self, address: SocketAddr) -> anyhow::Result<usize> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.connect(&address.into()).context("cannot connect")?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let number = self.conns.len();
        let socket = OwnedFd::from(socket);
        epoll::add(&self.epoll, socket.as_fd(), EventData::new_u64(number as u64), EventFlags::IN)?;
        self.conns.push(Conn { socket, partial: Vec::new() });
        Ok(number)
    }

    /// Sends all of it; the sockets' buffers have room for what the measurements leave unanswered.
    pub(crate) fn send(&self, conn: usize, mut bytes: &[u8]) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            match send(&self.conns[conn].socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(rustix::io::Errno::AGAIN) => std::thread::yield_now(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for bytes and gives every whole message to `take`, with the number of its connection.
    pub(crate) fn turn(&mut self, wait: Duration, mut take: impl FnMut(usize, &[u8])) -> anyhow::Result<()> {
        self.ready.clear();
        let timeout = rustix::event::Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.ready), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &self.ready {
            let number = event.data.u64() as usize;
            let conn = &mut self.conns[number];
            // What was left of the last message comes first.
            let kept = conn.partial.len();
            self.input[..kept].copy_from_slice(&conn.partial);
            conn.partial.clear();
            let (got, _) = match recv(&conn.socket, &mut self.input[kept..], RecvFlags::DONTWAIT) {
                Ok(got) => got,
                Err(rustix::io::Errno::AGAIN) => (0, 0),
                Err(error) => return Err(io::Error::from(error).into()),
            };
            ensure!(got > 0 || kept > 0, "the server closed connection {number}");
            let bytes = &mut self.input[..kept + got];
            let used = messages(self.framing, bytes, |message| take(number, message))?;
            conn.partial.extend_from_slice(&bytes[used..]);
        }
        Ok(())
    }

    /// Turns until `done` says so of a message, or ten seconds have passed.
    pub(crate) fn until(&mut self, mut done: impl FnMut(usize, &[u8]) -> bool) -> anyhow::Result<()> {
        let until = Instant::now() + Duration::from_secs(10);
        let mut finished = false;
        while !finished {
            ensure!(Instant::now() < until, "the server did not answer in ten seconds");
            self.turn(Duration::from_millis(100), |conn, message| finished |= done(conn, message))?;
        }
        Ok(())
    }
}

fn messages(framing: Framing, bytes: &mut [u8], mut take: impl FnMut(&[u8])) -> anyhow::Result<usize> {
    let mut at = 0;
    loop {
        match framing {
            Framing::Fixed(len) => {
                let Some(message) = bytes.get(at..at + len) else { return Ok(at) };
                take(message);
                at += len;
            }
            Framing::WebSocket => match websocket::decode(&mut bytes[at..], Sender::Server, 1 << 20)? {
                Decoded::Partial => return Ok(at),
                Decoded::Frame(frame) => {
                    take(&bytes[at + frame.payload.start..at + frame.payload.end]);
                    at += frame.consumed;
                }
            },
        }
    }
}

/// Upgrades a connection to WebSocket.
pub(crate) fn upgrade(swarm: &mut Swarm, conn: usize) -> anyhow::Result<()> {
    let request = UpgradeRequest {
        target: "/connection/websocket",
        host: "127.0.0.1",
        nonce: *b"sixteen bytes it",
        protocol: None,
        origin: None,
    };
    let mut head = Vec::new();
    request.write(&mut head);
    swarm.send(conn, &head)?;
    let until = Instant::now() + Duration::from_secs(10);
    let mut answer = vec![0; 1024];
    let mut got = 0;
    loop {
        ensure!(Instant::now() < until, "no answer to the upgrade");
        match recv(&swarm.conns[conn].socket, &mut answer[got..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => anyhow::bail!("the server closed the connection"),
            Ok((more, _)) => got += more,
            Err(rustix::io::Errno::AGAIN) => std::thread::sleep(Duration::from_micros(20)),
            Err(error) => return Err(error.into()),
        }
        match request.check(&answer[..got])? {
            Response::Partial => {}
            // The server says nothing before it is asked.
            Response::Accepted { consumed, .. } if consumed == got => return Ok(()),
            response => anyhow::bail!("no upgrade: {response:?}"),
        }
    }
}

/// A masked text frame.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    websocket::write_masked(Opcode::Text, text.as_bytes(), [1, 2, 3, 4], &mut bytes);
    bytes
}
