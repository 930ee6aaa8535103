//! HTTP conns that shards hand over: served by hyper, bounded in number and in every wait.

use std::io;
use std::net::TcpStream as StdTcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::hand_back::{self, Doorman, HandedBack};
use super::router::router;
use super::seats::Seat;
use super::state::ControlState;
use super::visitor::Visitor;
use crate::broker::order::Arrival;
use crate::clock;
use crate::config::Purpose;
use crate::limits::{HTTP_HEAD_TIMEOUT_MS, HTTP_HEADERS_MAX, HTTP_LINGER_MS, HTTP_UNREAD_TIMEOUT_MS};
use crate::wire::http::{Status, write_refusal};

/// Serves HTTP/1.1 with keep-alive and pipelining.
#[derive(Debug)]
pub(super) struct HttpServer {
    state: Arc<ControlState>,
    public: Router,
    internal: Router,
    leaves: watch::Sender<bool>,
    handed_back: flume::Sender<HandedBack>,
}

impl HttpServer {
    /// A server without conns. What comes out beside it are conns for shards: no more than there are seats, as each
    /// keeps its own.
    pub(super) fn new(state: Arc<ControlState>) -> (Self, flume::Receiver<HandedBack>) {
        let (public, internal) = (router(state.clone(), Purpose::Http), router(state.clone(), Purpose::Internal));
        let (handed_back, back) = flume::bounded(0);
        (Self { state, public, internal, leaves: watch::Sender::new(false), handed_back }, back)
    }

    /// Takes a conn over, of which `read` was read already. Must be called within the runtime.
    pub(super) fn serve(&self, socket: OwnedFd, read: Bytes, arrival: Arrival) {
        let socket = StdTcpStream::from(socket);
        let Some(seat) = self.state.seats.take(arrival.is_backend || arrival.purpose == Purpose::Internal) else {
            refuse(&socket);
            return;
        };
        match prepare(socket) {
            Ok(socket) => self.spawn(socket, read, arrival, Arc::new(seat)),
            Err(error) => tracing::debug!(%error, "an HTTP conn was lost"),
        }
    }

    fn spawn(&self, socket: TcpStream, read: Bytes, arrival: Arrival, seat: Arc<Seat>) {
        let router = if arrival.purpose == Purpose::Internal { &self.internal } else { &self.public };
        let (stream, flushed) = hand_back::stream(socket, read);
        let visitor = Visitor { state: self.state.clone(), arrival, seat: seat.clone() };
        let mut conn = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(HTTP_HEAD_TIMEOUT_MS))
            .max_headers(HTTP_HEADERS_MAX)
            // A peer that has ended its side of the connection waits for its answer all the same.
            .half_close(true)
            .serve_connection(stream, Doorman::new(router.clone(), flushed, visitor));
        let (mut leaves, handed_back) = (self.leaves.subscribe(), self.handed_back.clone());
        tokio::spawn(async move {
            let ended = tokio::select! {
                ended = &mut conn => ended,
                () = async { drop(leaves.wait_for(|leaves| *leaves).await) } => {
                    Pin::new(&mut conn).graceful_shutdown();
                    (&mut conn).await
                }
                () = seat.is_lost() => {
                    Pin::new(&mut conn).graceful_shutdown();
                    // Who still reads an answer has a while.
                    timeout(Duration::from_millis(HTTP_LINGER_MS), &mut conn).await.unwrap_or(Ok(()))
                }
            };
            match (ended, hand_back::take_apart(conn.into_parts(), arrival, seat)) {
                (Err(_), Ok(Some(conn))) => drop(handed_back.send_async(conn).await),
                (Err(error), _) => tracing::debug!(%error, "an HTTP conn ended early"),
                (Ok(()), _) => {}
            }
        });
    }

    /// Lets requests that are under way end, for a moment, and closes all conns.
    pub(super) async fn shutdown(self) {
        // Who is not done by then is cut off with the runtime.
        self.leaves.send_replace(true);
        let _ = timeout(Duration::from_millis(HTTP_LINGER_MS), self.leaves.closed()).await;
    }
}

fn prepare(socket: StdTcpStream) -> io::Result<TcpStream> {
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    // hyper waits for a reader for ever; the kernel does not.
    let unread = Duration::from_millis(HTTP_UNREAD_TIMEOUT_MS.into());
    SockRef::from(&socket).set_tcp_user_timeout(Some(unread))?;
    TcpStream::from_std(socket)
}

/// Too many conns: one line that says so, as far as the socket takes it at once.
fn refuse(mut socket: &StdTcpStream) {
    let mut response = Vec::new();
    write_refusal(Status::UNAVAILABLE, "too many HTTP connections; try again", clock::unix_ms(), &mut response);
    let _ = socket.set_nonblocking(true).and_then(|()| io::Write::write_all(&mut socket, &response));
}
