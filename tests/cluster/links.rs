//! Links to Redis that are slow, narrow, silent, or reset: a node behind Toxiproxy beside one that is not.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{LineClient, request};
use crate::harness::{Node, over, publish_in_the_end, subscribe, unsubscribed};
use crate::outages::{INSUFFICIENT, epoch_of, publish_all};
use crate::server::{Kind, Server, free_port, wait};

/// A link to a server that can be made bad.
struct Link {
    proxy: Child,
    api: SocketAddr,
    /// Where the server is reached by it.
    address: String,
}

impl Link {
    fn to(server: &Server) -> Self {
        let [api, port] = [(); 2].map(|()| free_port());
        let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin");
        let path = format!("{tools}:{}", std::env::var("PATH").unwrap_or_default());
        let mut proxy = Command::new("toxiproxy-server");
        proxy.args(["-host", "127.0.0.1", "-port", &api.to_string()]).env("PATH", path);
        let proxy = proxy.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tests/packages installs it");
        let this = Self { proxy, api: SocketAddr::from(([127, 0, 0, 1], api)), address: format!("127.0.0.1:{port}") };
        wait("Toxiproxy answers", || TcpStream::connect(this.api).is_ok());
        this.call("POST /proxies", &json!({"name": "redis", "listen": this.address, "upstream": server.address()}));
        this
    }

    fn call(&self, line: &str, body: &Value) {
        let answer = request(self.api, line, "", &body.to_string());
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }

    /// Makes it bad in both directions, or a share of its connections.
    fn spoil(&self, kind: &str, share: f64, attributes: &Value) {
        for stream in ["upstream", "downstream"] {
            self.spoil_one_way(stream, kind, share, attributes);
        }
    }

    /// The same of what goes one way: each connection is drawn once, so that `share` is that of the connections.
    fn spoil_one_way(&self, stream: &str, kind: &str, share: f64, attributes: &Value) {
        let toxic = json!({"type": kind, "stream": stream, "toxicity": share, "attributes": attributes});
        self.call("POST /proxies/redis/toxics", &toxic);
    }

    fn heal(&self) {
        self.call("POST /reset", &json!({}));
    }

    /// The section of a node's configuration that takes this way.
    fn section(&self) -> String {
        format!("addresses = [\"{}\"]", self.address)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

/// A node behind a link of its own, and one beside it.
fn nodes(redis: &Server) -> (Link, [Node; 2]) {
    let link = Link::to(redis);
    let nodes = [Node::over("far", &link.section()), Node::over("near", &over(redis))];
    (link, nodes)
}

fn publish_by_tens(node: &Node, count: usize) {
    for _ in 0..count / 10 {
        publish_all(node, "shared:room", 10);
        thread::sleep(Duration::from_millis(50));
    }
}

/// Both nodes publish so many each, ten at a time, and both hear all of them once, in one order.
fn all_is_heard(nodes: &[Node; 2], listeners: &mut [LineClient; 2], each: usize, meanwhile: impl Fn()) {
    thread::scope(|scope| {
        let publishers = nodes.each_ref().map(|node| scope.spawn(|| publish_by_tens(node, each)));
        while !publishers.iter().all(thread::ScopedJoinHandle::is_finished) {
            meanwhile();
            thread::sleep(Duration::from_millis(50));
        }
        publishers.into_iter().for_each(|publisher| publisher.join().expect("all is taken"));
    });
    let heard = listeners.each_mut().map(|listener| {
        let heard: Vec<_> = (0..2 * each).map(|_| listener.publication()).collect();
        assert!(heard.iter().map(|(_, offset, _)| *offset).eq(1..=2 * each as u64));
        heard
    });
    assert_eq!(heard[0], heard[1]);
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_slow_link_delays_and_changes_nothing_else() {
    let redis = Server::start(Kind::Redis, &[]);
    let (link, nodes) = nodes(&redis);
    link.spoil("latency", 1.0, &json!({"latency": 100}));
    let mut listeners = nodes.each_ref().map(Node::client);
    listeners.iter_mut().for_each(|listener| drop(subscribe(listener, "shared:room", None)));
    all_is_heard(&nodes, &mut listeners, 300, || {});
    assert!(nodes[0].metrics().contains("\nringpost_leases_lost_total 0\n"));
}

/// How many connections have come to a Redis.
fn connections(redis: &Server) -> u64 {
    let stats = redis.cli(&["INFO", "stats"]);
    let count = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    count.expect("it counts them").trim().parse().expect("a number")
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn of_a_link_that_resets_every_other_connection_nobody_notices_anything() {
    let redis = Server::start(Kind::Redis, &[]);
    let (link, nodes) = nodes(&redis);
    let mut listeners = nodes.each_ref().map(Node::client);
    listeners.iter_mut().for_each(|listener| drop(subscribe(listener, "shared:room", None)));
    link.spoil_one_way("downstream", "reset_peer", 0.5, &json!({"timeout": 100}));
    let before = connections(&redis);
    // So often that calls are cut off, and so seldom that a host that has much to do comes to one in between.
    all_is_heard(&nodes, &mut listeners, 600, || {
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        thread::sleep(Duration::from_millis(250));
    });
    assert!(connections(&redis) - before > 20, "they are cut off, and come again");
    assert!(nodes[0].metrics().contains("\nringpost_leases_lost_total 0\n"));
}

/// Publishes so many of a kilobyte, and gives what was taken.
fn flood(node: &Node, count: usize) -> BTreeSet<String> {
    let mut client = node.client();
    let name = |at: usize| format!("{at:0>1000}");
    for at in 0..count {
        client.tell(json!({"publish": {"channel": "shared:room", "data": name(at)}}));
    }
    let mut taken = BTreeSet::new();
    for at in 0..count {
        let reply = client.word();
        match reply["error"]["code"].as_u64() {
            None => drop(taken.insert(name(at))),
            Some(code) => assert_eq!(code, 100, "{reply}"),
        }
    }
    taken
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn of_what_a_narrow_link_cannot_carry_some_is_refused_and_nothing_that_was_taken_is_lost() {
    const COUNT: usize = 600;
    let redis = Server::start(Kind::Redis, &[]);
    let (link, nodes) = nodes(&redis);
    let mut listener = nodes[1].client();
    subscribe(&mut listener, "shared:room", None);
    link.spoil("bandwidth", 1.0, &json!({"rate": 10}));
    let mut local = 0;
    let taken = thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&nodes[0], COUNT));
        while !flooding.is_finished() {
            local += 1;
            assert_eq!(nodes[0].publish("local:room", local)["result"]["offset"], local, "memory is not disturbed");
            let metrics = nodes[0].metrics();
            let waiting = metrics.lines().find_map(|line| line.strip_prefix("ringpost_redis_waiting_bytes "));
            assert!(waiting.expect("it is counted").parse::<u64>().unwrap() <= 64 << 20);
        }
        flooding.join().expect("all is answered")
    });
    assert!(taken.len() < COUNT, "the link was wide enough");
    link.heal();
    let last = publish_in_the_end(&nodes[0], "shared:room", "last");
    let last = last["result"]["offset"].as_u64().expect("it has one");
    let mut heard = BTreeSet::new();
    for expected in 1..=last {
        let (_, offset, data) = listener.publication();
        assert_eq!(offset, expected, "one order, and no hole");
        // But for what was published again, since nobody knew.
        let is_first = heard.insert(data.as_str().expect("it is text").to_owned());
        assert!(is_first || data == "last", "nothing comes twice: {data}");
    }
    assert!(taken.is_subset(&heard), "{} were taken", taken.len());
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn a_link_that_is_silent_for_longer_than_a_lease_has_its_node_act_dead_and_come_back() {
    let redis = Server::start(Kind::Redis, &[]);
    let (link, nodes) = nodes(&redis);
    let mut listeners = nodes.each_ref().map(Node::client);
    let [epoch, _] = listeners.each_mut().map(|listener| epoch_of(&subscribe(listener, "shared:room", None)));
    assert_eq!(nodes[1].publish("shared:room", 1)["result"]["offset"], 1);
    listeners.iter_mut().for_each(|listener| assert_eq!(listener.publication().1, 1));
    // Connections stay, and new ones come about: nothing is ever said on them.
    link.spoil("timeout", 1.0, &json!({"timeout": 0}));
    let refused = nodes[0].publish("shared:room", "x");
    assert_eq!(refused["error"]["code"], 100, "{refused}");
    (2..=5).for_each(|at| assert_eq!(nodes[1].publish("shared:room", at)["result"]["offset"], at));
    assert_eq!(unsubscribed(&mut listeners[0], "shared:room"), INSUFFICIENT);
    link.heal();
    let taken = publish_in_the_end(&nodes[0], "shared:room", "6");
    assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(6), &json!(epoch)));
    (2..=6).for_each(|at| assert_eq!(listeners[1].publication().1, at));
    let recovered = subscribe(&mut listeners[0], "shared:room", Some((1, &epoch)));
    assert_eq!(recovered["publications"].as_array().map(Vec::len), Some(5), "{recovered}");
}
