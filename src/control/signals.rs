//! What the operating system asks of the node.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that the node knows.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    stop: flume::Receiver<()>,
}

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// SIGTERM, SIGINT, or the owner of the node: leave. Asked twice: at once.
    Leave,
    /// SIGHUP: read the configuration again.
    Reload,
}

impl Signals {
    /// Begins to listen, to the process's signals and to the node's owner.
    pub(super) fn new(stop: flume::Receiver<()>) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            stop,
        })
    }

    /// Waits for the next one. Giving up the wait loses none.
    pub(super) async fn next(&mut self) -> Request {
        let stop = async {
            // An owner who has gone will never ask.
            if self.stop.recv_async().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Request::Leave,
            _ = self.interrupt.recv() => Request::Leave,
            () = stop => Request::Leave,
            _ = self.hangup.recv() => Request::Reload,
        }
    }
}
