//! A server as a process of its own: started, waited for until it takes connections, killed when it is dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use procfs::process::Process;

/// How long an address may be taken, and how long a server that starts may do next to nothing. One that is at work is waited
/// for: how long it takes is the machine's.
const PATIENCE: Duration = Duration::from_secs(20);
/// Processor time below which a server does next to nothing, in ticks: a hundredth of a core in that time.
const WORK_TICKS: u64 = 20;

/// A server that takes connections.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts a program that will listen there. Its output is of no interest.
    pub(crate) fn start(mut command: Command, address: SocketAddr) -> anyhow::Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut until = Instant::now() + PATIENCE;
        // The kernel lets go of a ring's sockets a while after their process has ended.
        while TcpListener::bind(address).is_err() {
            ensure!(Instant::now() < until, "{program} cannot listen on {address}: end what listens there");
            sleep(Duration::from_millis(20));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut server = Self { child: child.with_context(|| format!("{program} does not start"))? };
        let mut work = 0;
        while TcpStream::connect(address).is_err() {
            let has_ended = server.child.try_wait()?.is_some();
            let work_now = server.work();
            if work_now >= work + WORK_TICKS {
                (work, until) = (work_now, Instant::now() + PATIENCE);
            }
            ensure!(!has_ended && Instant::now() < until, "{program} takes no connections; see why: {command:?}");
            sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Processor time that it has used, in ticks; 0 where that is not told.
    fn work(&self) -> u64 {
        let stat = Process::new(self.pid()).and_then(|process| process.stat());
        stat.map_or(0, |stat| stat.utime + stat.stime)
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
