//! A process of the real binary: on free ports of loopback, which it tells, and killed with its owner.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::request;
use crate::harness::PATIENCE;

/// One that runs.
pub(crate) struct Process {
    child: Child,
    pub(crate) http: SocketAddr,
    /// The TCP port, where it has one.
    pub(crate) tcp: Option<SocketAddr>,
    /// The port of gRPC, where it has one.
    pub(crate) grpc: Option<SocketAddr>,
    /// Where its configuration lies, in `node.toml`.
    pub(crate) folder: TempDir,
    pub(crate) started: Instant,
    log: Arc<Mutex<String>>,
}

/// The binary of an earlier version, which the environment names.
pub(crate) fn before() -> String {
    std::env::var("BEFORE_BIN").expect("BEFORE_BIN names the binary of an earlier version")
}

/// The binary by this command, with this configuration; it may refuse to start.
pub(crate) fn spawn(mut command: Command, config: &str) -> (Child, TempDir) {
    let folder = TempDir::new().expect("a folder can be made");
    let path = folder.path().join("node.toml");
    std::fs::write(&path, config).expect("the file is written");
    command.args(["serve", "--config"]).arg(&path).stdout(Stdio::piped()).stderr(Stdio::piped());
    (command.spawn().expect("the process starts"), folder)
}

impl Process {
    /// One with this configuration.
    pub(crate) fn serve(config: &str) -> Self {
        Self::running(spawn(Command::new(env!("CARGO_BIN_EXE_ringpost")), config))
    }

    /// One that was started, once it has told where it listens.
    pub(crate) fn running((mut child, folder): (Child, TempDir)) -> Self {
        let stdout = child.stdout.take().expect("it prints");
        let (mut http, mut tcp, mut grpc, started) = (None, None, None, Instant::now());
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("ws://").or_else(|| line.split_once("http://")) {
                http = http.or_else(|| rest.split('/').next()?.parse().ok());
            }
            if let Some((_, rest)) = line.split_once("TCP ") {
                tcp = rest.trim().split(',').next().and_then(|address| address.parse().ok());
            }
            if let Some((_, rest)) = line.split_once("gRPC ") {
                grpc = rest.trim().split(',').next().and_then(|address| address.parse().ok());
            }
            if line.contains("metrics") {
                break;
            }
        }
        let log = BufReader::new(child.stderr.take().expect("it logs")).lines().map_while(Result::ok);
        let Some(http) = http else { panic!("it does not start: {}", log.collect::<Vec<_>>().join("\n")) };
        let said = Arc::<Mutex<String>>::default();
        let to = said.clone();
        // Nobody would read it otherwise, and the process would find it full.
        std::thread::spawn(move || {
            log.for_each(|line| {
                eprintln!("{http}: {line}");
                to.lock().expect("nobody panics with it").extend([&*line, "\n"]);
            });
        });
        Self { child, http, tcp, grpc, folder, started, log: said }
    }

    /// The TCP port.
    pub(crate) fn tcp(&self) -> SocketAddr {
        self.tcp.expect("it has an edge")
    }

    /// Calls the backend API.
    pub(crate) fn api(&self, method: &str, body: &Value) -> Value {
        let answer = request(self.http, &format!("POST /api/{method}"), "", &body.to_string());
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }

    /// All that it counts.
    pub(crate) fn metrics(&self) -> String {
        request(self.http, "GET /metrics", "", "")
    }

    /// The value of a metric, with its labels as they are written; where it is there.
    pub(crate) fn sample(&self, name: &str) -> Option<u64> {
        let text = self.metrics();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        Some(value.trim().parse().unwrap_or_else(|_| panic!("{name}: {value}")))
    }

    /// How many lines of its log have this in them.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log.lock().expect("nobody panics with it").lines().filter(|line| line.contains(text)).count()
    }

    /// For how long one of its roles has had no pulse, seconds.
    pub(crate) fn silence(&self, role: &str) -> f64 {
        let (text, name) = (self.metrics(), format!("ringpost_role_silence_seconds{{role=\"{role}\"}} "));
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.and_then(|value| value.trim().parse().ok()).expect("it has the role")
    }

    /// Waits until one of its roles has its place in the group.
    pub(crate) fn wait_member(&self, role: &str) {
        // Until then it has been silent ever since.
        wait("it is a member", || self.started.elapsed().as_secs_f64() - self.silence(role) > 2.0);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
    }

    /// Ends it as a loss of power would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it in order.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().expect("the process ends")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until something holds.
pub(crate) fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
