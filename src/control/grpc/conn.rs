//! The life of one connection: HTTP/2 with prior knowledge, until it or the node ends.

use std::pin::pin;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use super::gate::Gate;
use super::visit::{LINGER, Visit};
use crate::limits::{GRPC_HEADERS_BYTES_MAX, GRPC_PING_INTERVAL_MS, GRPC_PING_TIMEOUT_MS, GRPC_STREAMS_MAX};

/// Serves a connection, whose peer is taken for gone when it answers no ping.
pub(super) async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    gate: Gate,
    visit: &Visit,
    mut leaves: watch::Receiver<bool>,
) {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(GRPC_STREAMS_MAX)
        .max_header_list_size(GRPC_HEADERS_BYTES_MAX)
        .keep_alive_interval(Duration::from_millis(GRPC_PING_INTERVAL_MS))
        .keep_alive_timeout(Duration::from_millis(GRPC_PING_TIMEOUT_MS));
    let mut conn = pin!(builder.serve_connection(TokioIo::new(io), gate));
    let ended = tokio::select! {
        ended = &mut conn => ended,
        () = visit.is_over() => {
            conn.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = conn => ended,
                () = visit.lingers() => Ok(()),
            }
        }
        () = async { drop(leaves.wait_for(|leaves| *leaves).await) } => {
            conn.as_mut().graceful_shutdown();
            timeout(LINGER, conn).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a gRPC connection ended early");
    }
}
