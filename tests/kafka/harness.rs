//! Nodes over Kafka: processes of the real binary on free ports of loopback, killed with their owner.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{LineClient, request};

/// How long a test waits for anything before it gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `chat:` channels are kept in memory.
const CONFIG: &str = r#"
name = "NAME"
[shards]
cores = "0"
per_core = 2
[http_server]
address = "127.0.0.1"
port = 0
[tcp_server]
address = "127.0.0.1"
port = 0
[client]
insecure = true
[http_api]
insecure = true
[shutdown]
drain_time = "0s"
[[channel.namespaces]]
name = "chat"
history_size = 1000
history_ttl = "600s"
allow_subscribe_for_client = true
"#;

/// A node that runs.
pub(crate) struct Node {
    child: Child,
    pub(crate) http: SocketAddr,
    pub(crate) tcp: SocketAddr,
    _folder: TempDir,
}

impl Node {
    /// Starts one whose configuration ends so.
    pub(crate) fn start(name: &str, more: &str) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("node.toml");
        std::fs::write(&path, CONFIG.replace("NAME", name) + more).expect("the file is written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        command.args(["serve", "--config"]).arg(&path).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the node starts");
        let stdout = child.stdout.take().expect("it prints");
        let log = child.stderr.take().expect("it logs");
        // Nobody would read it otherwise, and the node would find it full.
        let name = name.to_owned();
        std::thread::spawn(move || {
            BufReader::new(log).lines().map_while(Result::ok).for_each(|line| eprintln!("{name}: {line}"));
        });
        let (mut http, mut tcp) = (None, None);
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("ws://") {
                http = rest.split('/').next().and_then(|address| address.parse().ok());
            }
            if let Some((_, rest)) = line.split_once("TCP ") {
                tcp = rest.trim().split(',').next().and_then(|address| address.parse().ok());
            }
            if line.contains("metrics") {
                break;
            }
        }
        let (http, tcp) = (http.expect("the HTTP port is told"), tcp.expect("the TCP port is told"));
        Self { child, http, tcp, _folder: folder }
    }

    pub(crate) fn client(&self) -> LineClient {
        LineClient::connect(self.tcp)
    }

    /// Calls the backend API.
    pub(crate) fn api(&self, method: &str, body: &Value) -> Value {
        let answer = request(self.http, &format!("POST /api/{method}"), "", &body.to_string());
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }

    /// What a channel keeps, oldest first.
    pub(crate) fn history(&self, channel: &str) -> Vec<Value> {
        let answer = self.api("history", &json!({"channel": channel, "limit": -1}));
        let publications = answer["result"]["publications"].as_array().cloned().unwrap_or_default();
        publications.into_iter().map(|mut publication| publication["data"].take()).collect()
    }

    /// A sample of the metrics.
    pub(crate) fn metric(&self, sample: &str) -> u64 {
        self.sample(sample).unwrap_or_else(|| panic!("{sample} is not there"))
    }

    /// The same, where it is there.
    pub(crate) fn sample(&self, sample: &str) -> Option<u64> {
        let text = request(self.http, "GET /metrics", "", "");
        let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
        Some(value.trim().parse().expect("it is a number"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the node is there");
    }

    /// Ends it as a loss of power would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it in order.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().expect("the node ends")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
