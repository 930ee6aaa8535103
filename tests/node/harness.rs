//! Starts a node for one test and sees at its end that nothing was left over.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringpost::broker::metrics::ShardMetrics;
use ringpost::config::{ChannelOptions, Config, ConfigError, Duration as Setting};
use ringpost::control::requests::{Request, Requests};
use ringpost::node::Node;

/// How long a test waits for anything before it gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A node on free ports of loopback. Two shards, also where there is only one core to pin them to.
pub(crate) struct TestNode {
    node: Option<Node>,
    requests: Requests,
    /// The HTTP port.
    pub(crate) http: SocketAddr,
    /// The TCP port.
    pub(crate) tcp: SocketAddr,
    /// The internal port, if there is one.
    pub(crate) internal: Option<SocketAddr>,
}

impl TestNode {
    /// A node where everybody may do everything, with history in every channel.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// The same, changed.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { name: "test".into(), ..Config::default() };
        config.http_server.address = "127.0.0.1".into();
        config.http_server.port = 0;
        config.tcp_server.address = "127.0.0.1".into();
        config.tcp_server.port = 0;
        config.client.insecure = true;
        config.shutdown.drain_time = Setting::from_millis(0);
        config.channel.without_namespace = ChannelOptions {
            history_size: 10_000,
            history_ttl: Setting::from_secs(600),
            allow_recovery: true,
            allow_positioning: true,
            ..ChannelOptions::default()
        };
        change(&mut config);
        let reload = Box::new(|| Err(ConfigError { problems: vec!["tests do not reload".into()] }));
        let requests = Requests::new();
        let node = Node::start(config, reload, requests.clone()).expect("the node starts");
        let (http, tcp) = (node.http_address, node.tcp_address.expect("the TCP port is open"));
        let internal = node.internal_address;
        Self { node: Some(node), requests, http, tcp, internal }
    }

    /// A figure summed over the shards.
    pub(crate) fn sum(&self, figure: impl Fn(&ShardMetrics) -> u64) -> u64 {
        let node = self.node.as_ref().expect("it runs until it is dropped");
        node.metrics.iter().map(|metrics| figure(metrics)).sum()
    }

    /// A figure of each shard, by number.
    pub(crate) fn by_shard(&self, figure: impl Fn(&ShardMetrics) -> u64) -> Vec<u64> {
        let node = self.node.as_ref().expect("it runs until it is dropped");
        node.metrics.iter().map(|metrics| figure(metrics)).collect()
    }

    /// Waits until a figure, summed over the shards, is as expected.
    pub(crate) fn await_sum(&self, what: &str, figure: impl Fn(&ShardMetrics) -> u64, expected: u64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let sum = self.sum(&figure);
            if sum == expected {
                return;
            }
            assert!(Instant::now() < until, "{what}: {sum}, not {expected}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a figure, summed over the shards, is no larger.
    pub(crate) fn await_at_most(&self, what: &str, figure: impl Fn(&ShardMetrics) -> u64, most: u64) {
        let until = Instant::now() + PATIENCE;
        while self.sum(&figure) > most {
            assert!(Instant::now() < until, "{what}: {}, more than {most}", self.sum(&figure));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the node holds nothing for any client: no conn, session, subscription, waiting byte.
    pub(crate) fn await_emptiness(&self) {
        self.await_sum("conns", |shard| shard.conns.get(), 0);
        self.await_sum("sessions", |shard| shard.sessions.get(), 0);
        self.await_sum("subscriptions", |shard| shard.namespaces.sum(|of| of.subscriptions.get()), 0);
        self.await_sum("outbox bytes", |shard| shard.outbox_bytes.get(), 0);
        self.await_sum("letters waiting", |shard| shard.mailbox_waiting.get(), 0);
    }

    /// Has the configuration read again, as SIGHUP does; in tests that is refused.
    pub(crate) fn reload(&self) {
        self.requests.ask(Request::Reload);
    }

    /// Begins the drain.
    pub(crate) fn stop(&self) {
        self.node.as_ref().expect("it runs until it is dropped").stop();
    }

    /// Waits for the end of the drain.
    pub(crate) fn wait(mut self) {
        self.node.take().expect("it runs until it is dropped").wait().expect("the node ends well");
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        if let Some(node) = self.node.take() {
            node.stop();
            // A failed test has said why already.
            let ended = node.wait();
            assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
        }
    }
}
