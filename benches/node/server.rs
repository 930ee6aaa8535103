//! A server as a process of its own: started, waited for until it takes connections, killed when it is dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

/// How long it may take until the address is free and a server takes connections there.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A server that takes connections.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts a program that will listen there. Its output is of no interest.
    pub(crate) fn start(mut command: Command, address: SocketAddr) -> anyhow::Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let until = Instant::now() + START_TIMEOUT;
        // The kernel lets go of a ring's sockets a while after their process has ended.
        while TcpListener::bind(address).is_err() {
            ensure!(Instant::now() < until, "{program} cannot listen on {address}: end what listens there");
            sleep(Duration::from_millis(20));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut server = Self { child: child.with_context(|| format!("{program} does not start"))? };
        while TcpStream::connect(address).is_err() {
            let has_ended = server.child.try_wait()?.is_some();
            ensure!(!has_ended && Instant::now() < until, "{program} takes no connections; see why: {command:?}");
            sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which whoever measured it has seen.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of loopback where nobody listens.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr())?)
}
