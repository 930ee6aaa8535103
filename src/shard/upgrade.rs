//! The first bytes of a conn decide what it is: a WebSocket client, a TCP client, or somebody for the control
//! plane.

use std::borrow::Cow;

use super::Shard;
use super::conn::Phase;
use super::origin;
use super::reactor::Reactor;
use super::recv::Progress;
use crate::broker::ending::Ending;
use crate::broker::order::Arrival;
use crate::config::Purpose;
use crate::model::Device;
use crate::model::refusal::DisconnectKind;
use crate::outbox::Tag;
use crate::protocol::Format;
use crate::time::Now;
use crate::wire::http::{self, Head, Status, Upgrade};

impl<R: Reactor> Shard<R> {
    /// The head of a request on the HTTP port.
    pub(super) fn read_head(&mut self, conn: u32, bytes: &[u8], now: Now) -> Progress {
        match http::parse(bytes) {
            Ok(Head::Partial) => {
                self.conns[conn as usize].phase = Phase::Upgrading;
                Progress::Wait
            }
            Ok(Head::Upgrade(upgrade)) => {
                self.read_forwarded(conn, &bytes[..upgrade.consumed]);
                match self.check(conn, &upgrade) {
                    Ok(()) => self.upgrade(conn, &upgrade, now),
                    Err((status, message)) => self.refuse(conn, status, &message, now),
                }
            }
            Ok(Head::Plain(request)) => self.take_request(conn, &request, bytes.len(), now),
            Err(violation) => self.refuse(conn, violation.status(), &violation.to_string(), now),
        }
    }

    fn check(&self, conn: u32, upgrade: &Upgrade<'_>) -> Result<(), (Status, Cow<'static, str>)> {
        if self.conns[conn as usize].purpose == Purpose::Internal {
            return Err((Status::NOT_FOUND, "no WebSocket here: clients connect to the HTTP port".into()));
        }
        let path = self.broker.config().http_server.websocket_path.as_str();
        if !http::is_same_text(upgrade.path, path) {
            return Err((Status::NOT_FOUND, format!("no WebSocket here: connect to {path}").into()));
        }
        if let Some(page) = upgrade.origin
            && !origin::is_allowed(page, upgrade.host, &self.broker.config().client.allowed_origins)
        {
            let hint = "pages of this origin may not connect: add it to client.allowed_origins";
            return Err((Status::FORBIDDEN, hint.into()));
        }
        if self.drain.is_some() {
            return Err((Status::UNAVAILABLE, "the node is shutting down".into()));
        }
        Ok(())
    }

    fn upgrade(&mut self, conn: u32, upgrade: &Upgrade<'_>, now: Now) -> Progress {
        match self.admit(conn, now) {
            Ok(true) => {}
            Ok(false) => {
                self.conns[conn as usize].phase = Phase::Upgrading;
                return Progress::Wait;
            }
            Err(refusal) => return self.refuse(conn, Status::UNAVAILABLE, refusal.message(), now),
        }
        let (format, protocol) = Format::of_upgrade(&upgrade.protocols, upgrade.query);
        self.broker.edge.outbox.write(conn, Tag::CONTROL, |out| http::write_accept(upgrade.key, protocol, out));
        let session = self.open(conn, format, now);
        let device = Device::named(upgrade.device.unwrap_or_default(), upgrade.device_kind.unwrap_or_default(), "");
        self.broker.name_device(session, device);
        Progress::Consumed(upgrade.consumed)
    }

    pub(super) fn refuse(&mut self, conn: u32, status: Status, message: &str, now: Now) -> Progress {
        let ending = Ending::Refusal(status.0);
        self.tell_refused(conn, None, ending, message, now);
        self.broker.edge.outbox.write(conn, Tag::CONTROL, |out| http::write_refusal(status, message, now.unix_ms, out));
        self.begin_closing(conn, ending, now);
        Progress::Ended
    }

    /// The peer has ended its side within the head of its request.
    pub(super) fn cut_short(&mut self, conn: u32, now: Now) {
        self.refuse(conn, Status::BAD_REQUEST, "the request ended within its head", now);
    }

    /// The first bytes on the TCP port tell the format.
    pub(super) fn read_first_bytes(&mut self, conn: u32, bytes: &[u8], now: Now) -> Progress {
        let Some(format) = Format::of_tcp(bytes) else { return Progress::Wait };
        match self.admit(conn, now) {
            Ok(true) => {
                self.open(conn, format, now);
                Progress::Consumed(0)
            }
            Ok(false) => Progress::Wait,
            Err(refusal) => {
                let disconnect = DisconnectKind::ConnectionLimit.because(refusal.message());
                let ending = Ending::Disconnect(disconnect.kind);
                self.tell_refused(conn, Some(format), ending, refusal.message(), now);
                self.broker.edge.outbox.write(conn, Tag::CONTROL, |out| format.write_goodbye(&disconnect, out));
                self.begin_closing(conn, ending, now);
                Progress::Ended
            }
        }
    }

    fn open(&mut self, conn: u32, format: Format, now: Now) -> u32 {
        let session = self.broker.open(conn, format, self.address_of(conn), now);
        self.forget_told(conn);
        let entry = &mut self.conns[conn as usize];
        entry.phase = Phase::Open { session, format };
        let due_ms = self.broker.next_due_ms(session, now);
        self.look_at(conn, due_ms);
        session
    }

    /// Gives a conn that is no client to the control plane.
    pub(super) fn hand_over(&mut self, conn: u32) {
        self.count_ending(conn, Ending::HandedOver);
        let address = self.address_of(conn);
        let entry = self.take_out(conn);
        debug_assert!(entry.in_flight.is_empty());
        let arrival = Arrival { purpose: entry.purpose, address, is_backend: entry.is_backend };
        if let Some(errand) = self.reactor.hand_over(entry.socket, entry.unread.into(), arrival) {
            // A control plane that has ended closes the socket by dropping it.
            let _ = self.errands.send(errand);
        }
    }
}
