//! Rates that are raised until a server does not keep up.

use ringpost_loadgen::fault::Fault;
use ringpost_loadgen::run::{Progress, run};

use crate::harness::{TestNode, order, record};
use crate::proxy::{self, Mischief};

#[test]
fn a_server_that_keeps_up_is_asked_for_more_as_often_as_was_said() {
    let node = TestNode::start();
    let settings = ["subscribers=5", "rate_per_s=20", "factor=2", "steps_max=3", "p99_ms=2000"];
    let order = order("ramp-fanout", &node.websocket_url(), &settings);
    let mut told = Vec::new();
    let record = run(&order, |progress| {
        if let Progress::Step { rate_per_s, held, .. } = progress {
            told.push((rate_per_s, held));
        }
    })
    .unwrap();
    assert!(record.is_good(), "{:?}", record.ramp);
    assert_eq!(told, [(20.0, true), (40.0, true), (80.0, true)]);
    let climb = record.ramp.unwrap();
    assert_eq!(climb.knee().map(|step| step.rate_per_s), Some(80.0));
    assert_eq!(record.scenario.rate_per_s().unwrap(), 80.0, "the record is the knee's");
}

#[test]
fn a_rate_that_a_server_cannot_keep_up_with_breaks_and_the_knee_is_below() {
    let node = TestNode::start();
    let tcp = node.tcp_url().trim_start_matches("tcp://").parse().unwrap();
    // The wire takes 5 ms for each: of 1,200 messages the last ones are late by twice the bound and more, and of 24 none is, but
    // by whatever the machine lacks. Fewer are due than may be behind, so that it is latency that breaks.
    let settings = ["subscribers=1", "rate_per_s=20", "factor=50", "refinements=0", "p99_ms=2000", "duration_s=1"];
    let record = record(&order("ramp-fanout", &proxy::start(tcp, Mischief::Tire), &settings));
    assert!(record.is_good(), "a server may have limits: {:?}", record.ramp);
    let climb = record.ramp.unwrap();
    assert_eq!(climb.knee().map(|step| step.rate_per_s), Some(20.0));
    let broken = climb.steps.last().unwrap();
    assert_eq!(broken.rate_per_s, 1000.0);
    assert!(broken.broke.as_ref().is_some_and(|why| why.contains("p99")), "{broken:?}");
}

#[test]
fn a_server_that_refuses_the_first_rate_fails() {
    let node = TestNode::with(|config| config.channel.without_namespace.allow_publish_for_client = false);
    let record = record(&order("ramp-publish", &node.tcp_url(), &["publishers=3", "rate_per_s=50", "tries=1"]));
    assert!(!record.is_good() && record.faults.count(Fault::Refused) > 0, "{:?}", record.faults);
    assert!(record.ramp.unwrap().knee().is_none());
}
