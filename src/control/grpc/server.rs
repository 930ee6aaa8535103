//! The port: takes connections in, has them served, and ends them when the node leaves.

use std::net::{IpAddr, TcpListener as StdTcpListener};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::gate::Gate;
use super::visit::Visit;
use super::{conn, proto, service, tls};
use crate::control::state::ControlState;
use crate::limits::{ACCEPT_RETRY_MS, GRPC_CALLS_MAX, GRPC_TLS_TIMEOUT_MS, HTTP_LINGER_MS, HTTP_UNREAD_TIMEOUT_MS};
use crate::vital;

/// The gRPC API of a node. Its connections have seats among those of HTTP.
#[derive(Debug)]
pub(in crate::control) struct GrpcServer {
    port: Arc<Port>,
    health: HealthReporter,
    draining: watch::Sender<bool>,
    leaves: watch::Sender<bool>,
}

/// What every connection is served by.
#[derive(Debug)]
struct Port {
    state: Arc<ControlState>,
    router: Router,
    room: Arc<Semaphore>,
    tls: RwLock<Option<Arc<ServerConfig>>>,
}

impl GrpcServer {
    /// Serves what comes to a listener. Must be called within the runtime.
    ///
    /// # Errors
    /// A file of TLS cannot be read; the listener cannot be watched.
    pub(in crate::control) async fn start(listener: StdTcpListener, state: Arc<ControlState>) -> anyhow::Result<Self> {
        let config = state.config().grpc_api.clone();
        let tls = RwLock::new(tls::read(&config)?);
        listener.set_nonblocking(true).context("grpc_api")?;
        let listener = TcpListener::from_std(listener).context("grpc_api")?;
        let health = HealthReporter::new();
        let router = service::router(&state, config.reflection, health.clone());
        let port = Arc::new(Port { state, router, room: Arc::new(Semaphore::new(GRPC_CALLS_MAX)), tls });
        let this = Self { port, health, draining: watch::Sender::new(false), leaves: watch::Sender::new(false) };
        this.tell(ServingStatus::Serving).await;
        let accept = accept(listener, this.port.clone(), this.draining.subscribe(), this.leaves.clone());
        tokio::spawn(vital::task(accept));
        Ok(this)
    }

    /// Reads the files of TLS again: connections that come are shown what they hold now.
    pub(in crate::control) fn reload(&self) {
        match tls::read(&self.port.state.config().grpc_api) {
            Ok(tls) => *self.port.tls.write().unwrap_or_else(PoisonError::into_inner) = tls,
            Err(error) => tracing::error!("gRPC goes on with the certificates that it has: {error:#}"),
        }
    }

    /// The node is about to leave: takes no connection any more, and says so to who asks for its health.
    pub(in crate::control) async fn drain(&self) {
        self.draining.send_replace(true);
        self.tell(ServingStatus::NotServing).await;
    }

    /// Lets calls that are under way end, for a moment, and closes all connections.
    pub(in crate::control) async fn shutdown(self) {
        self.draining.send_replace(true);
        self.leaves.send_replace(true);
        let _ = timeout(Duration::from_millis(HTTP_LINGER_MS), self.leaves.closed()).await;
    }

    async fn tell(&self, status: ServingStatus) {
        self.health.set_service_status("", status).await;
        for service in proto::pool().services() {
            self.health.set_service_status(service.full_name(), status).await;
        }
    }
}

/// Takes connections in until the node drains.
async fn accept(
    listener: TcpListener,
    port: Arc<Port>,
    mut draining: watch::Receiver<bool>,
    leaves: watch::Sender<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.wait_for(|draining| *draining) => return,
        };
        match accepted {
            Ok((socket, address)) => {
                port.welcome(socket, address.ip(), leaves.subscribe());
                // Who gave its seat to this one goes first: places for those that leave are few.
                yield_now().await;
            }
            Err(error) => {
                // One that has gone again, or no descriptor is left.
                tracing::debug!(%error, "no gRPC connection could be accepted");
                sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
            }
        }
    }
}

impl Port {
    fn welcome(self: &Arc<Self>, socket: TcpStream, address: IpAddr, leaves: watch::Receiver<bool>) {
        // Nobody's until a call of it has the key: strangers have some of the seats only.
        let Some(seat) = self.state.seats.take(false) else { return };
        let unread = Duration::from_millis(HTTP_UNREAD_TIMEOUT_MS.into());
        if let Err(error) = socket.set_nodelay(true).and(SockRef::from(&socket).set_tcp_user_timeout(Some(unread))) {
            tracing::debug!(%error, "a gRPC connection was lost");
            return;
        }
        let visit = Arc::new(Visit::new(self.state.clone(), address, seat));
        let gate = Gate::new(self.router.clone(), self.room.clone(), visit.clone());
        let tls = self.tls.read().unwrap_or_else(PoisonError::into_inner).clone();
        tokio::spawn(async move {
            let Some(tls) = tls else { return conn::serve(socket, gate, &visit, leaves).await };
            let shaken = TlsAcceptor::from(tls).accept(socket);
            match timeout(Duration::from_millis(GRPC_TLS_TIMEOUT_MS), shaken).await {
                Ok(Ok(socket)) => conn::serve(socket, gate, &visit, leaves).await,
                Ok(Err(error)) => tracing::debug!(%error, "a gRPC connection began without TLS as it must be"),
                Err(_) => tracing::debug!("a gRPC connection took too long to begin"),
            }
        });
    }
}
