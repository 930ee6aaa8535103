//! HTTP conns that shards hand over: served by hyper, bounded in number and in every wait.

use std::io::{self, Cursor};
use std::net::TcpStream as StdTcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Purpose;
use crate::limits::{HTTP_HEAD_TIMEOUT_MS, HTTP_HEADERS_MAX, HTTP_LINGER_MS, HTTP_UNREAD_TIMEOUT_MS};
use crate::wire::http::{Status, write_refusal};

/// Serves HTTP/1.1 with keep-alive and pipelining.
#[derive(Debug)]
pub(super) struct HttpServer {
    public: Router,
    internal: Router,
    conns: Arc<Semaphore>,
    graceful: GracefulShutdown,
}

impl HttpServer {
    /// A server without conns; what answers is a matter of the listener's purpose. It takes one permit of `conns`
    /// for each.
    pub(super) fn new(router: impl Fn(Purpose) -> Router, conns: Arc<Semaphore>) -> Self {
        let (public, internal) = (router(Purpose::Http), router(Purpose::Internal));
        Self { public, internal, conns, graceful: GracefulShutdown::new() }
    }

    /// Takes a conn over, of which `read` was read already. Must be called within the runtime.
    pub(super) fn serve(&self, socket: OwnedFd, read: Bytes, purpose: Purpose) {
        let socket = StdTcpStream::from(socket);
        let Ok(permit) = self.conns.clone().try_acquire_owned() else {
            refuse(&socket);
            return;
        };
        match prepare(socket) {
            Ok(socket) => self.spawn(socket, read, purpose, permit),
            Err(error) => tracing::debug!(%error, "an HTTP conn was lost"),
        }
    }

    fn spawn(&self, socket: TcpStream, read: Bytes, purpose: Purpose, permit: OwnedSemaphorePermit) {
        let router = if purpose == Purpose::Internal { &self.internal } else { &self.public };
        let (reader, writer) = socket.into_split();
        let stream = tokio::io::join(Cursor::new(read).chain(reader), writer);
        let conn = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(HTTP_HEAD_TIMEOUT_MS))
            .max_headers(HTTP_HEADERS_MAX)
            // A peer that has ended its side of the connection waits for its answer all the same.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let conn = self.graceful.watch(conn);
        tokio::spawn(async move {
            if let Err(error) = conn.await {
                tracing::debug!(%error, "an HTTP conn ended early");
            }
            drop(permit);
        });
    }

    /// Lets requests that are under way end, for a moment, and closes all conns.
    pub(super) async fn shutdown(self) {
        // Who is not done by then is cut off with the runtime.
        let _ = tokio::time::timeout(Duration::from_millis(HTTP_LINGER_MS), self.graceful.shutdown()).await;
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
    let now_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
    write_refusal(Status::UNAVAILABLE, "too many HTTP connections; try again", now_unix_ms, &mut response);
    let _ = socket.set_nonblocking(true).and_then(|()| io::Write::write_all(&mut socket, &response));
}
