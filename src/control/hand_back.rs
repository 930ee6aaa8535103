//! Upgrades on conns that have served other requests before: the conn goes back to a shard, with the head of the upgrade
//! as the shard would have read it, so that all upgrades are answered by one hand.
//!
//! hyper is stopped by an error of its service, after everything that was answered before has left. Never answers an
//! upgrade itself.

use std::io::{self, Cursor};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::Router;
use axum::http::{HeaderMap, Method, Uri, Version, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Parts;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWrite, Chain, Join};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use super::refused_calls::Call;
use super::seats::Seat;
use super::visitor::Visitor;
use crate::broker::order::Arrival;
use crate::wire::http;

/// A conn for a shard.
#[derive(Debug)]
pub(super) struct HandedBack {
    /// Its socket, blocking, as shards have them.
    pub(super) socket: OwnedFd,
    /// The head of the upgrade, and what came behind it.
    pub(super) read: Bytes,
    /// Where it came from.
    pub(super) arrival: Arrival,
    /// It counts as a conn of the control plane until a shard has it.
    pub(super) seat: Arc<Seat>,
}

/// What hyper reads and writes: first what the shard had read, then the socket.
pub(super) type Stream = TokioIo<Join<Chain<Cursor<Bytes>, OwnedReadHalf>, Flushing>>;

/// A socket for hyper, of which `read` was read already; and a word each time that all was written.
pub(super) fn stream(socket: TcpStream, read: Bytes) -> (Stream, Arc<Notify>) {
    let flushed = Arc::new(Notify::new());
    let (reader, writer) = socket.into_split();
    let writer = Flushing { writer, flushed: flushed.clone() };
    (TokioIo::new(tokio::io::join(Cursor::new(read).chain(reader), writer)), flushed)
}

/// Serves requests, but for upgrades: at one of those it fails.
#[derive(Debug)]
pub(super) struct Doorman {
    router: TowerToHyperService<Router>,
    flushed: Arc<Notify>,
    head: Arc<OnceLock<Bytes>>,
    visitor: Visitor,
}

/// The conn is to be handed back.
#[derive(Debug, thiserror::Error)]
#[error("an upgrade is a shard's")]
pub(super) struct ForShard;

impl Doorman {
    /// The service of one conn, whose stream tells when all was written.
    pub(super) fn new(router: Router, flushed: Arc<Notify>, visitor: Visitor) -> Self {
        Self { router: TowerToHyperService::new(router), flushed, head: Arc::default(), visitor }
    }
}

impl Service<Request<Incoming>> for Doorman {
    type Response = Response;
    type Error = ForShard;
    type Future = Pin<Box<dyn Future<Output = Result<Response, ForShard>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if self.visitor.state.has_edge()
            && let Some(head) = head_of_upgrade(&request)
        {
            let _ = self.head.set(head);
            let flushed = self.flushed.clone();
            // hyper flushes once its service has nothing to say yet.
            return Box::pin(async move {
                flushed.notified().await;
                Err(ForShard)
            });
        }
        let is_backend = self.visitor.begins(request.headers(), request.uri());
        let call = Call::of(&request, &self.visitor);
        let answer = self.visitor.clone().answer(is_backend, self.router.call(request));
        Box::pin(async move {
            let response = answer.await.unwrap_or_else(|never| match never {});
            if let Some(call) = call {
                call.answered(&response);
            }
            Ok(response)
        })
    }
}

/// The head as a shard reads it, if that would not leave the request to the control plane.
fn head_of_upgrade(request: &Request<Incoming>) -> Option<Bytes> {
    if !request.headers().contains_key(header::UPGRADE) {
        return None;
    }
    let head = head(request.method(), request.uri(), request.version(), request.headers());
    let is_plain = matches!(http::parse(&head), Ok(http::Head::Plain(_)));
    if is_plain { None } else { Some(head.into()) }
}

fn head(method: &Method, uri: &Uri, version: Version, headers: &HeaderMap) -> Vec<u8> {
    let mut head = format!("{method} {uri} {version:?}\r\n").into_bytes();
    for (name, value) in headers {
        let line = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"];
        line.iter().for_each(|part| head.extend_from_slice(part));
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The conn that hyper has let go of, if that was for an upgrade.
///
/// # Errors
/// The socket is broken.
pub(super) fn take_apart(
    parts: Parts<Stream, Doorman>,
    arrival: Arrival,
    seat: Arc<Seat>,
) -> io::Result<Option<HandedBack>> {
    let Some(head) = parts.service.head.get() else { return Ok(None) };
    let (reader, Flushing { writer, .. }) = parts.io.into_inner().into_inner();
    let (first, reader) = reader.into_inner();
    let unread = &first.get_ref()[first.position() as usize..];
    let read = [&head[..], &parts.read_buf, unread].concat().into();
    let socket = reader.reunite(writer).map_err(io::Error::other)?.into_std()?;
    socket.set_nonblocking(false)?;
    SockRef::from(&socket).set_tcp_user_timeout(None)?;
    Ok(Some(HandedBack { socket: socket.into(), read, arrival, seat }))
}

/// Tells when hyper has written all that it had.
#[derive(Debug)]
pub(super) struct Flushing {
    writer: OwnedWriteHalf,
    flushed: Arc<Notify>,
}

impl AsyncWrite for Flushing {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed.notify_waiters();
        Pin::new(&mut self.writer).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.writer.is_write_vectored()
    }
}
