//! One run of the load generator beside a server, and what the node is told for it.

use std::path::PathBuf;

use ringpost_loadgen::record::Record;
use ringpost_loadgen::run::{Order, run};
use ringpost_loadgen::scenario::Scenario;
use ringpost_loadgen::target::Targets;

/// The core of the load generator.
pub(crate) const CLIENT_CORE: usize = 1;

/// The key that tokens are signed with, for servers that want some; `benches/peers` has it too.
pub(crate) const SECRET: &str = "bench-secret-that-is-long-enough-for-hs256";

/// What the node is told beside its shards, its port and the key.
pub(crate) const NODE: [(&str, &str); 6] = [
    ("RINGPOST_HTTP_SERVER__ADDRESS", "127.0.0.1"),
    ("RINGPOST_TCP_SERVER__ENABLED", "false"),
    ("RINGPOST_CHANNEL__WITHOUT_NAMESPACE__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("RINGPOST_CHANNEL__WITHOUT_NAMESPACE__ALLOW_PUBLISH_FOR_CLIENT", "true"),
    ("RINGPOST_CHANNEL__NAMESPACES", NAMESPACES),
    ("RINGPOST_LOG__LEVEL", "error"),
];

/// Namespaces with what costs something: `kept` keeps what is published, `seen` knows who is there,
/// `present` tells it to all who are.
const NAMESPACES: &str = "[{ name = \"kept\", history_size = 300, history_ttl = \"5m\", force_recovery = true, \
                          force_positioning = true, allow_subscribe_for_client = true, allow_publish_for_client = true, \
                          allow_history_for_subscriber = true }, \
                          { name = \"seen\", presence = true, allow_subscribe_for_client = true, \
                          allow_presence_for_subscriber = true }, \
                          { name = \"present\", presence = true, join_leave = true, force_push_join_leave = true, \
                          allow_subscribe_for_client = true, allow_publish_for_client = true, \
                          allow_presence_for_subscriber = true }]";

/// Makes a load for the nodes of a server, from a process of its own core; the processor time of some processes is watched.
///
/// # Errors
/// When the run cannot be made. What the server did wrong is in the record.
pub(crate) fn load(
    watched: Vec<i32>,
    urls: &[String],
    secret: Option<&str>,
    name: String,
    scenario: Scenario,
    command: &str,
) -> anyhow::Result<Record> {
    let order = Order {
        name,
        scenario,
        targets: Targets::parse(urls)?,
        secret: secret.map(str::to_owned),
        processes: Some(1),
        cores: vec![CLIENT_CORE],
        program: PathBuf::new(),
        pids: watched,
        metrics_url: None,
        command: command.to_owned(),
    };
    run(&order, |_| {})
}
