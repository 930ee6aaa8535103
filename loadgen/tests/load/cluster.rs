//! Runs on a real cluster: nodes over a real Redis, each a process of its own, which commands kill and start meanwhile.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ringpost::config::{Acknowledge, ChannelOptions, Duration, Log, Namespace};
use ringpost_loadgen::measure::{Count, Measure};
use ringpost_loadgen::record::Record;
use tempfile::TempDir;

use crate::chat::counted;
use crate::harness::{TestNode, count, order_of_nodes, record};
use crate::server::free_port;

/// The name of a node of a cluster: `node-0` and so on.
const NAME: &str = "CLUSTER_TEST_NAME";
/// Where it listens.
const PORT: &str = "CLUSTER_TEST_PORT";
/// Where Redis is.
const REDIS: &str = "CLUSTER_TEST_REDIS";
/// Where Kafka is, and how the names of its topics begin; nothing where there is none.
const KAFKA: &str = "CLUSTER_TEST_KAFKA";

/// Starts and ends what a cluster has: `sh cluster.sh start node-1`, `sh cluster.sh stop redis KILL`, `sh cluster.sh pause redis 3`
/// for three seconds.
const SCRIPT: &str = r#"
cd "$(dirname "$0")"
start() {
    rm -f "$1.ready"
    case $1 in
    redis) redis-server --port $REDIS --bind 127.0.0.1 --save "" > redis.log 2>&1 < /dev/null & ;;
    *) eval "port=\$PORT_${1#node-}"
       CLUSTER_TEST_NAME=$1 CLUSTER_TEST_PORT=$port CLUSTER_TEST_REDIS=$REDIS CLUSTER_TEST_KAFKA=$KAFKA \
           "$PROGRAM" cluster::is_a_node_of_a_cluster --exact --ignored > "$1.log" 2>&1 < /dev/null & ;;
    esac
    echo $! > "$1.pid"
    for look in $(seq 1000); do
        case $1 in
        redis) redis-cli -p $REDIS ping > /dev/null 2>&1 && return ;;
        *) [ -e "$1.ready" ] && return ;;
        esac
        sleep 0.02
    done
    cat "$1.log"
    exit 1
}
stop() {
    kill -s "$2" "$(cat "$1.pid")"
    for look in $(seq 1000); do
        kill -0 "$(cat "$1.pid")" 2> /dev/null || return 0
        sleep 0.02
    done
    exit 1
}
pause() {
    kill -s STOP "$(cat "$1.pid")"
    sleep "$2"
    kill -s CONT "$(cat "$1.pid")"
}
"$@"
"#;

/// Is a node of a cluster, when the script starts this program so.
#[test]
#[ignore = "it is a node of the clusters, and runs until it is ended"]
fn is_a_node_of_a_cluster() {
    let (Ok(name), Ok(port), Ok(redis)) = (std::env::var(NAME), std::env::var(PORT), std::env::var(REDIS)) else {
        return;
    };
    let ready = format!("{name}.ready");
    // In order it gives its place in the cluster back; a node that is killed keeps it until its lease has run out.
    let is_to_end = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, is_to_end.clone()).unwrap();
    let _node = TestNode::with(|config| {
        config.name = name;
        config.tcp_server.port = port.parse().unwrap();
        config.cluster.redis.addresses = vec![format!("127.0.0.1:{redis}")];
        config.cluster.redis.buckets = 32;
        let options = ChannelOptions {
            log: Log::Redis,
            history_size: 1000,
            history_ttl: Duration::from_secs(600),
            force_recovery: true,
            ..config.channel.without_namespace.clone()
        };
        config.channel.namespaces = vec![Namespace { name: "cluster".into(), options: options.clone() }];
        let kafka = std::env::var(KAFKA).unwrap_or_default();
        if let Some((broker, prefix)) = kafka.split_once('/') {
            config.cluster.kafka.brokers = vec![broker.into()];
            config.cluster.kafka.group = format!("{prefix}nodes");
            let topics = &mut config.cluster.kafka.topics;
            (topics.publish, topics.publish_dead) = (format!("{prefix}publish"), format!("{prefix}publish.dead"));
            (topics.deliver, topics.publications) = (format!("{prefix}deliver"), format!("{prefix}publications"));
            (topics.login, topics.push) = (String::new(), String::new());
            let options = ChannelOptions { acknowledge: Acknowledge::Kafka, ..options };
            config.channel.namespaces.push(Namespace { name: "kafka".into(), options });
        }
    });
    std::fs::write(ready, "").unwrap();
    while !is_to_end.load(Ordering::Relaxed) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// A cluster of three, in a folder with what its processes say. They end with it.
pub(crate) struct Cluster {
    folder: TempDir,
    ports: [u16; 3],
}

impl Cluster {
    fn start() -> Self {
        Self::start_with("")
    }

    /// One whose nodes also have a Kafka: its address, a slash, and how the names of its topics begin.
    pub(crate) fn start_with(kafka: &str) -> Self {
        let [redis, ports @ ..] = [0; 4].map(|_| free_port());
        let cluster = Self { folder: tempfile::tempdir().unwrap(), ports };
        let program = std::env::current_exe().unwrap();
        let [zero, one, two] = ports;
        let head = format!(
            "PROGRAM={}\nREDIS={redis}\nKAFKA={kafka}\nPORT_0={zero} PORT_1={one} PORT_2={two}\n",
            program.display()
        );
        std::fs::write(cluster.path().join("cluster.sh"), head + SCRIPT).unwrap();
        for part in ["redis", "node-0", "node-1", "node-2"] {
            assert!(cluster.run(&["start", part]), "{part} does not start");
        }
        cluster
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Calls the script; whether it succeeds.
    pub(crate) fn run(&self, arguments: &[&str]) -> bool {
        let mut script = Command::new("sh");
        script.arg(self.path().join("cluster.sh")).args(arguments).stdin(Stdio::null());
        script.status().unwrap().success()
    }

    /// What calls the script, as a command of the shell.
    pub(crate) fn script(&self) -> String {
        format!("sh {}", self.path().join("cluster.sh").display())
    }

    /// A short run of a scenario on all nodes, with thirty users in six rooms.
    pub(crate) fn record(&self, scenario: &str, settings: &[&str]) -> Record {
        self.record_on(self.ports.len(), scenario, settings)
    }

    /// The same, on the first nodes, so many.
    pub(crate) fn record_on(&self, nodes: usize, scenario: &str, settings: &[&str]) -> Record {
        let urls: Vec<_> = self.ports[..nodes].iter().map(|port| format!("tcp://127.0.0.1:{port}")).collect();
        let few = ["users=30", "rooms=6", "zipf=0", "messages_per_s=100", "pause_s=0.3"];
        record(&order_of_nodes(scenario, &urls, &[&few, settings].concat()))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What a test has ended is as good.
        for part in ["node-0", "node-1", "node-2", "redis"] {
            self.run(&["stop", part, "KILL"]);
        }
    }
}

#[test]
fn on_all_nodes_a_room_has_one_order_and_who_comes_back_to_another_node_misses_nothing() {
    let record = Cluster::start().record("cluster", &["reconnects_per_s=20", "duration_s=2"]);
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!(record.nodes.iter().map(|node| node.clients).collect::<Vec<_>>(), [10; 3]);
    assert!(count(&record, Measure::Delivery) > 200 && counted(&record, Count::Recovered) > 0, "{:?}", record.counts);
}

#[test]
#[ignore = "it takes long: `make test-cluster` runs it"]
fn nodes_that_restart_one_after_the_other_lose_nothing_and_double_nothing() {
    let cluster = Cluster::start();
    let script = cluster.script();
    let command = format!("command={script} stop node-$LOADGEN_NODE TERM; {script} start node-$LOADGEN_NODE");
    let record = cluster.record("rolling", &[&command, "duration_s=12", "after_s=0.3", "every_s=2"]);
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!(record.disturbed.iter().map(|disturbed| disturbed.node).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(record.nodes.iter().all(|node| node.ended > 0), "{:?}", record.nodes);
    assert!(counted(&record, Count::Ended) >= 30, "each was cut off once at least: {:?}", record.counts);
    assert_eq!(counted(&record, Count::Ended), count(&record, Measure::Reconnect), "and was back");
}

#[test]
fn a_node_that_is_killed_takes_nothing_with_it() {
    let cluster = Cluster::start();
    let command = format!("command={} stop node-1 KILL", cluster.script());
    let record = cluster.record("failover", &[&command, "duration_s=3", "after_s=0.5", "expect_recovery=true"]);
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!((record.nodes[1].ended, count(&record, Measure::Reconnect)), (10, 10), "{:?}", record.nodes);
}

#[test]
#[ignore = "it takes long: `make test-cluster` runs it"]
fn what_a_redis_that_has_lost_its_data_cannot_give_is_told_and_nothing_is_doubled() {
    let cluster = Cluster::start();
    let script = cluster.script();
    let command = format!("command={script} stop redis KILL; {script} start redis");
    let record = cluster.record("failover", &[&command, "duration_s=6", "after_s=0.5"]);
    assert!(record.is_good(), "{:?}", record.faults);
    assert!(counted(&record, Count::Gaps) > 0, "{:?}", record.counts);
}
