//! Whose conn it is: the address of the client, which trusted proxies tell before its first byte (the PROXY protocol) or in
//! the head of its request.
//!
//! Never believes anybody but `proxies.trusted`. The socket is asked only when the address is needed.

use std::net::{IpAddr, Ipv4Addr};

use super::Shard;
use super::conn::Phase;
use super::reactor::{Reactor, Socket};
use super::recv::Progress;
use crate::broker::ending::Ending;
use crate::time::Now;
use crate::wire::proxy::{self, ProxyHeader};

impl<R: Reactor> Shard<R> {
    /// A conn has been accepted: where it is a proxy's that tells whose it is, that comes first.
    pub(super) fn expect_proxy(&mut self, conn: u32) {
        let config = self.broker.config();
        if self.conns[conn as usize].purpose.takes_proxy_header(config) && config.proxies.trusts(self.address_of(conn))
        {
            self.conns[conn as usize].phase = Phase::Proxied;
        }
    }

    /// What the proxy says first.
    pub(super) fn read_proxy_header(&mut self, conn: u32, bytes: &[u8], now: Now) -> Progress {
        match proxy::read(bytes) {
            Ok(ProxyHeader::Partial) => Progress::Wait,
            Ok(ProxyHeader::Whole { client, consumed }) => {
                self.conns[conn as usize].phase = Phase::Accepted;
                if let Some(client) = client {
                    self.told.insert(conn, client);
                }
                Progress::Consumed(consumed)
            }
            Err(violation) => {
                self.tell_refused(conn, None, Ending::ProxyHeader, &violation.to_string(), now);
                self.begin_closing(conn, Ending::ProxyHeader, now);
                Progress::Ended
            }
        }
    }

    /// The head of a request has come: a trusted proxy says there whose it is.
    pub(super) fn read_forwarded(&mut self, conn: u32, head: &[u8]) {
        let proxies = &self.broker.config().proxies;
        if proxies.trusted.is_empty() {
            return;
        }
        let peer = self.address_of(conn);
        let client = proxies.client_of(peer, |header| crate::wire::http::values(head, header));
        if client != peer {
            self.told.insert(conn, client);
        }
    }

    /// The client's address, as far as it is known: the one that a proxy has told, else the socket's peer. Unspecified where
    /// the peer is gone already.
    pub(super) fn address_of(&self, conn: u32) -> IpAddr {
        let entry = &self.conns[conn as usize];
        match entry.session() {
            Some(session) => self.broker.address_of(session),
            None => {
                let told = self.told.get(&conn).copied();
                told.or_else(|| entry.socket.peer()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
            }
        }
    }

    /// What a proxy has told of a conn is known to its session, or the conn is gone.
    pub(super) fn forget_told(&mut self, conn: u32) {
        if !self.told.is_empty() {
            self.told.remove(&conn);
        }
    }
}
