//! A node in a catalog of services.

use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use ringpost::config::{Config, Duration as Setting};
use serde_json::json;

use crate::client::request;
use crate::consul::Agent;
use crate::endless::{Endless, Way};
use crate::harness::{PATIENCE, TestNode};

const ID: &str = "edge-node 1/a";

fn node(agent: &Agent, change: impl FnOnce(&mut Config)) -> TestNode {
    node_of(agent.url(), change)
}

/// One with an agent there.
fn node_of(agent: String, change: impl FnOnce(&mut Config)) -> TestNode {
    TestNode::with(|config| {
        config.name = "node 1/a".into();
        let consul = &mut config.discovery.consul;
        (consul.address, consul.service) = (agent, "edge".into());
        consul.check_interval = Setting::from_secs(1);
        change(config);
    })
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20));
    }
}

fn metric(node: &TestNode, name: &str) -> String {
    let text = request(node.internal.unwrap_or(node.http), "GET /metrics", "", "");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name} is not in\n{text}")).trim().to_owned()
}

#[test]
fn a_node_is_registered_with_its_ports_and_a_check_that_it_passes_until_it_drains() {
    let agent = Agent::start("secret");
    let node = node(&agent, |config| {
        config.discovery.consul.token = "secret".into();
        config.discovery.consul.tags = vec!["eu".into()];
        config.internal_server.address = "127.0.0.1".into();
    });
    wait("it is registered", || agent.service(ID).is_some());
    let service = agent.service(ID).expect("it is registered");
    assert_eq!((&service["Name"], &service["Tags"]), (&json!("edge"), &json!(["eu"])));
    assert_eq!((&service["Address"], &service["Port"]), (&json!("127.0.0.1"), &json!(node.http.port())));
    assert_eq!(service["Meta"]["tcp_port"], node.tcp.port().to_string());
    assert_eq!(service["Meta"]["internal_port"], node.internal.expect("it has one").port().to_string());
    wait("its health is good", || agent.look_after(ID) == Some(200));
    wait("it says so", || metric(&node, "ringpost_discovery_registered") == "1");
    node.stop();
    node.wait();
    assert!(agent.service(ID).is_none(), "it is taken off");
    assert_eq!(agent.registrations(), 1, "it stays registered as it is");
}

#[test]
fn a_catalog_that_has_lost_the_node_gets_it_again() {
    let agent = Agent::start("");
    let _node = node(&agent, |_| ());
    wait("it is registered", || agent.service(ID).is_some());
    agent.forget();
    wait("it is registered again", || agent.service(ID).is_some());
    assert_eq!(agent.registrations(), 2);
}

#[test]
fn a_catalog_that_refuses_or_fails_harms_no_node_and_has_it_when_it_is_well() {
    let agent = Agent::start("secret");
    agent.set_ill(true);
    let node = node(&agent, |config| config.discovery.consul.token = "secret".into());
    wait("it has tried", || metric(&node, "ringpost_discovery_errors_total") != "0");
    let answer = request(node.http, "GET /health/ready", "", "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(metric(&node, "ringpost_discovery_registered"), "0");
    agent.set_ill(false);
    wait("it is registered", || agent.service(ID).is_some());
    agent.set_ill(true);
    wait("it sees that it fails", || metric(&node, "ringpost_discovery_registered") == "0");
    let since = Instant::now();
    node.stop();
    node.wait();
    assert!(since.elapsed() < Duration::from_secs(8), "the drain is not held up");
}

#[test]
fn a_wrong_token_and_an_agent_that_is_not_there_are_told_by_the_metrics_only() {
    let agent = Agent::start("secret");
    let first = node(&agent, |config| config.discovery.consul.token = "wrong".into());
    wait("it has tried", || metric(&first, "ringpost_discovery_errors_total") != "0");
    assert!(agent.service(ID).is_none());
    let second = node(&agent, |config| config.discovery.consul.address = "http://127.0.0.1:1".into());
    wait("it has tried", || metric(&second, "ringpost_discovery_errors_total") != "0");
}

/// Nothing of a node waits for its catalog: not its start, nor what it serves, nor longer than so its drain.
#[test]
fn a_node_starts_serves_and_drains_whatever_its_agent_never_ends() {
    thread::scope(|scope| {
        for way in Way::ALL {
            scope.spawn(move || starts_serves_and_drains(way));
        }
    });
}

fn starts_serves_and_drains(way: Way) {
    let (agent, began) = (Endless::start(way), Instant::now());
    let node = node_of(agent.url(), |_| ());
    assert!(began.elapsed() < Duration::from_secs(4), "{way:?}: the start waits for nobody");
    wait("it is asked", || agent.asked() > 0);
    let answer = request(node.http, "GET /health/ready", "", "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{way:?}: {answer}");
    let registered = || metric(&node, "ringpost_discovery_registered");
    if way == Way::Body {
        // It says 200, and of what follows nobody needs the end.
        wait("it counts as registered", || registered() == "1");
    } else {
        wait("the call is given up", || metric(&node, "ringpost_discovery_errors_total") != "0");
        assert_eq!(registered(), "0", "{way:?}");
    }
    // In the middle of a call as well.
    let (asked, since) = (agent.asked(), Instant::now());
    node.stop();
    node.wait();
    assert!(since.elapsed() < Duration::from_secs(8), "{way:?}: the drain is not held up");
    assert!(agent.asked() > asked, "{way:?}: it has tried to leave");
}
