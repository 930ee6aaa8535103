//! A node for one test, and orders to run against it.

use ringpost::config::{ChannelOptions, Config, ConfigError, Duration};
use ringpost::control::requests::Requests;
use ringpost::cores;
use ringpost::node::Node;
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::record::Record;
use ringpost_loadgen::run::{Order, Progress, run};
use ringpost_loadgen::scenario::{find, read, set};
use ringpost_loadgen::target::Targets;

/// What the node checks tokens with.
pub(crate) const SECRET: &str = "a secret of the tests that is long enough";

/// A node on free ports of loopback that ends with the test.
pub(crate) struct TestNode {
    node: Option<Node>,
    config: Config,
}

impl TestNode {
    /// A node where everybody with a token may subscribe and publish.
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
        config.client.token.hmac_secret_key = SECRET.into();
        config.shutdown.drain_time = Duration::from_millis(0);
        config.channel.without_namespace = ChannelOptions {
            allow_subscribe_for_client: true,
            allow_publish_for_client: true,
            ..ChannelOptions::default()
        };
        change(&mut config);
        let node = Some(start(config.clone()));
        Self { node, config }
    }

    /// Ends the node and starts another one on the same ports.
    pub(crate) fn restart(&mut self) {
        self.config.http_server.port = self.node().http_address.port();
        self.config.tcp_server.port = self.node().tcp_address.map_or(0, |address| address.port());
        self.stop();
        self.node = Some(start(self.config.clone()));
    }

    /// Ends the node.
    pub(crate) fn stop(&mut self) {
        if let Some(node) = self.node.take() {
            node.stop();
            // A failed test has said why already.
            let ended = node.wait();
            assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
        }
    }

    fn node(&self) -> &Node {
        self.node.as_ref().expect("it runs until it is dropped")
    }

    /// Commands that it was given by clients.
    pub(crate) fn commands(&self) -> u64 {
        self.node().metrics.iter().map(|shard| shard.commands.get()).sum()
    }

    /// Where WebSockets are.
    pub(crate) fn websocket_url(&self) -> String {
        format!("ws://{}/connection/websocket", self.node().http_address)
    }

    /// Where plain TCP is.
    pub(crate) fn tcp_url(&self) -> String {
        format!("tcp://{}", self.node().tcp_address.expect("the TCP port is open"))
    }

    /// Where the metrics are.
    pub(crate) fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.node().http_address)
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start(config: Config) -> Node {
    let reload = Box::new(|| Err(ConfigError { problems: vec!["tests do not reload".into()] }));
    Node::start(config, reload, Requests::new()).expect("the node starts")
}

/// A built-in scenario, made short, with more settings.
pub(crate) fn order(name: &str, url: &str, settings: &[&str]) -> Order {
    order_of_nodes(name, &[url.to_owned()], settings)
}

/// The same, for a server of several nodes.
pub(crate) fn order_of_nodes(name: &str, urls: &[String], settings: &[&str]) -> Order {
    let scenario = read(&find(name).unwrap()).unwrap();
    let settings = ["warm_up_s=0.2", "duration_s=1"].iter().chain(settings);
    let scenario = settings.fold(scenario, |scenario, setting| set(&scenario, setting).unwrap());
    Order {
        name: name.into(),
        scenario,
        targets: Targets::parse(urls).unwrap(),
        secret: Some(SECRET.into()),
        processes: None,
        cores: vec![*cores::allowed().unwrap().last().unwrap()],
        program: env!("CARGO_BIN_EXE_ringpost-loadgen").into(),
        pids: Vec::new(),
        metrics_url: None,
        command: String::new(),
    }
}

/// How much there was of a measure.
pub(crate) fn count(record: &Record, measure: Measure) -> u64 {
    record.whole.get(&measure).map_or(0, |whole| whole.summary.count)
}

/// Runs to the end; the run must be possible.
pub(crate) fn record(order: &Order) -> Record {
    run(order, |_| {}).unwrap()
}

/// The same, and the node restarts as soon as a second was measured.
pub(crate) fn record_with_restart(order: &Order, node: &mut TestNode) -> Record {
    let mut restarted = false;
    run(order, |progress| {
        if matches!(progress, Progress::Second { measured: true, .. }) && !std::mem::replace(&mut restarted, true) {
            node.restart();
        }
    })
    .unwrap()
}
