//! Nodes over Kafka: processes of the real binary on free ports of loopback, killed with their owner.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::LineClient;
pub(crate) use crate::process::Process as Node;

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

impl Node {
    /// Starts one whose configuration ends so.
    pub(crate) fn start(name: &str, more: &str) -> Self {
        Self::serve(&(CONFIG.replace("NAME", name) + more))
    }

    pub(crate) fn client(&self) -> LineClient {
        LineClient::connect(self.tcp())
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
}
