//! `/metrics`, parsed back.

use std::collections::BTreeMap;

use serde_json::json;

use super::node::{Setup, TestNode};
use crate::config::Config;

/// Samples by name and labels, as written.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, value)| (name, value.parse().unwrap())).collect()
}

#[tokio::test]
async fn every_family_has_a_type_a_help_and_the_nodes_prefix() {
    let node = TestNode::start(Setup::default());
    let response = node.http.get(node.url("/metrics")).send().await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap().to_string();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let text = response.text().await.unwrap();
    assert!(text.ends_with("# EOF\n"));
    let families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert!(families.len() > 20, "{families:?}");
    for family in families {
        let name = family.split(' ').next().unwrap();
        assert!(name.starts_with("ringpost_") || name.starts_with("process_"), "{name}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
    for sample in samples(&text).keys() {
        let name = sample.split('{').next().unwrap();
        let family = ["_total", "_bucket", "_sum", "_count", "_info"].iter().find_map(|end| name.strip_suffix(end));
        let family = family.unwrap_or(name);
        assert!(text.contains(&format!("# TYPE {family} ")), "{sample} belongs to no family");
    }
}

#[tokio::test]
async fn what_happens_on_a_shard_is_counted_under_its_number() {
    let node = TestNode::start(Setup::default());
    let client = node.client(1, "ann");
    client.subscribe("chat:room");
    client.send(json!({ "id": 3, "subscribe": { "channel": "nowhere:x" } }));
    node.result("publish", json!({ "channel": "chat:room", "data": 1 })).await;
    node.result("disconnect", json!({ "user": "ann" })).await;
    // The call is answered before the conn is closed, and counted: what is done next comes after that.
    node.on_world(|_| ());
    node.metrics[1].ticks.record_ns(30_000);
    node.metrics[1].ticks.record_ns(900_000_000);
    let (_, text) = node.get("/metrics").await;
    let samples = samples(&text);
    let value = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("{name} is not in\n{text}"));
    assert_eq!(value(r#"ringpost_connects_total{shard="1"}"#), 1.0);
    assert_eq!(value(r#"ringpost_connects_total{shard="0"}"#), 0.0);
    assert_eq!(value(r#"ringpost_messages_in_total{shard="1"}"#), 3.0);
    assert_eq!(value(r#"ringpost_deliveries_total{shard="1"}"#), 1.0);
    assert_eq!(value(r#"ringpost_errors_total{shard="1",code="102"}"#), 1.0);
    assert_eq!(value(r#"ringpost_closes_total{shard="1",cause="disconnect",code="3503"}"#), 1.0);
    let published = |shard| value(&format!("ringpost_publishes_total{{shard=\"{shard}\"}}"));
    assert_eq!(published(0) + published(1), 1.0);
    assert_eq!(value(r#"ringpost_sessions{shard="1"}"#), 0.0);
    assert_eq!(value(r#"ringpost_tick_duration_seconds_bucket{le="0.000025",shard="1"}"#), 0.0);
    assert_eq!(value(r#"ringpost_tick_duration_seconds_bucket{le="0.00005",shard="1"}"#), 1.0);
    assert_eq!(value(r#"ringpost_tick_duration_seconds_bucket{le="+Inf",shard="1"}"#), 2.0);
    assert_eq!(value(r#"ringpost_tick_duration_seconds_count{shard="1"}"#), 2.0);
    assert!((value(r#"ringpost_tick_duration_seconds_sum{shard="1"}"#) - 0.90003).abs() < 1e-9);
    assert!(value("process_open_fds") > 3.0 && value("process_resident_memory_bytes") > 1e6);
    assert!(value(r#"ringpost_http_conns{class="backend"}"#) >= 1.0);
}

#[tokio::test]
async fn metrics_can_be_switched_off() {
    let mut config = Config::dev();
    config.prometheus.enabled = false;
    let node = TestNode::start(Setup { config, ..Setup::default() });
    let (status, text) = node.get("/metrics").await;
    assert_eq!((status.as_u16(), text.contains("prometheus.enabled")), (404, true));
}
