//! The servers as processes: started pinned to core 0, asked for their CPU time and memory, ended.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The key that the bench signs its tokens with.
pub(crate) const SECRET: &str = "bench-secret-that-is-long-enough-for-hs256";

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// The node with one shard on core 0.
    pub(crate) fn node() -> anyhow::Result<Self> {
        let config = [
            ("SHARDS__CORES", "0"),
            ("HTTP_SERVER__PORT", "0"),
            ("HTTP_SERVER__ADDRESS", "127.0.0.1"),
            ("TCP_SERVER__ENABLED", "false"),
            ("CLIENT__TOKEN__HMAC_SECRET_KEY", SECRET),
            ("CHANNEL__WITHOUT_NAMESPACE__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
            ("CHANNEL__WITHOUT_NAMESPACE__ALLOW_PUBLISH_FOR_CLIENT", "true"),
            ("LOG__LEVEL", "error"),
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        command.arg("serve").envs(config.map(|(key, value)| (format!("RINGPOST_{key}"), value)));
        Self::start(command)
    }

    /// The floor on core 0.
    pub(crate) fn floor() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--floor");
        Self::start(command)
    }

    fn start(mut command: Command) -> anyhow::Result<Self> {
        // Children inherit the cores of the thread that starts them.
        pin(&[SERVER_CORE, CLIENT_CORE])?;
        let mut child = command.stdout(Stdio::piped()).spawn().context("the server does not start")?;
        pin(&[CLIENT_CORE])?;
        let output = BufReader::new(child.stdout.take().context("its output is piped")?);
        let address = output.lines().map_while(Result::ok).find_map(|line| address_in(&line));
        let address = address.context("the server did not say where it listens")?;
        Ok(Self { child, address })
    }

    /// CPU time of all its threads so far, nanoseconds.
    pub(crate) fn cpu_ns(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let schedstat = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("schedstat")).ok();
        let times = tasks.into_iter().flatten().flatten().filter_map(schedstat);
        times.filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok()).sum()
    }

    /// Anonymous memory that is resident, bytes: what the process holds for itself, without code and files.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// The first address in a line such as `listening on 127.0.0.1:4711` or `ws://127.0.0.1:4711/…`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let from = line.find("127.0.0.1:")?;
    let rest = &line[from..];
    let digits = rest["127.0.0.1:".len()..].bytes().take_while(u8::is_ascii_digit).count();
    rest[.."127.0.0.1:".len() + digits].parse().ok()
}

/// The core of the servers.
pub(crate) const SERVER_CORE: usize = 0;
/// The core of this client.
pub(crate) const CLIENT_CORE: usize = 1;

/// Pins this thread, and the processes that it starts from now on, to these cores.
pub(crate) fn pin(cores: &[usize]) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    sched_setaffinity(None, &set).context("the bench wants two cores, 0 and 1")
}

/// Waits until the server is idle: its CPU time stands still.
pub(crate) fn settle(server: &Server) {
    let until = Instant::now() + Duration::from_secs(10);
    let mut before = server.cpu_ns();
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(200));
        let now = server.cpu_ns();
        if now - before < 2_000_000 {
            return;
        }
        before = now;
    }
}
