//! The one listener of a process without the edge: no shard accepts there, so the control plane does.
//!
//! Who connects is a backend or an operator, as on the internal port.

use std::net::TcpListener as StdTcpListener;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::broker::order::Arrival;
use crate::config::Purpose;

/// After accepting has failed, for want of descriptors most likely.
const PAUSE: Duration = Duration::from_millis(100);

/// See the module; where shards accept, nobody ever comes in here.
#[derive(Debug)]
pub(super) struct OwnDoor(Option<TcpListener>);

impl OwnDoor {
    /// Takes the listener over. Must be called within the runtime.
    ///
    /// # Errors
    /// The runtime has no room for it.
    pub(super) fn new(listener: Option<StdTcpListener>) -> std::io::Result<Self> {
        let open = |listener: StdTcpListener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        Ok(Self(listener.map(open).transpose()?))
    }

    /// Waits for the next one. Giving up the wait loses nobody.
    pub(super) async fn next(&self) -> (OwnedFd, Arrival) {
        let Some(listener) = &self.0 else { return std::future::pending().await };
        loop {
            match listener.accept().await {
                Ok((socket, peer)) => {
                    let Ok(socket) = socket.into_std() else { continue };
                    let address = peer.ip().to_canonical();
                    return (socket.into(), Arrival { purpose: Purpose::Internal, address, is_backend: true });
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted for now");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}
