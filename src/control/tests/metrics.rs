//! `/metrics`, parsed back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

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
    let call = node.http.get(node.url("/metrics")).header("accept", "application/openmetrics-text");
    let response = call.send().await.unwrap();
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
        let unit = ["bytes", "seconds"].into_iter().find(|unit| name.ends_with(&format!("_{unit}")));
        let said = text.lines().find_map(|line| line.strip_prefix(&format!("# UNIT {name} ")));
        assert_eq!(said, unit, "{name}");
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
    node.metrics[1].ticks.record(30_000);
    node.metrics[1].ticks.record(900_000_000);
    node.metrics[0].namespaces.of("chat").keeps.record(200_000);
    let (_, text) = node.get("/metrics").await;
    let samples = samples(&text);
    let value = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("{name} is not in\n{text}"));
    assert_eq!(value(r#"ringpost_connects_total{shard="1"}"#), 1.0);
    assert_eq!(value(r#"ringpost_connects_total{shard="0"}"#), 0.0);
    assert_eq!(value(r#"ringpost_messages_in_total{shard="1"}"#), 3.0);
    assert_eq!(value(r#"ringpost_deliveries_total{shard="1",namespace="chat"}"#), 1.0);
    assert_eq!(value(r#"ringpost_subscribes_total{shard="1",namespace="chat"}"#), 1.0);
    assert_eq!(value(r#"ringpost_subscriptions{shard="1",namespace="chat"}"#), 0.0);
    assert_eq!(value(r#"ringpost_errors_total{shard="1",namespace="(none)",code="102"}"#), 1.0);
    assert_eq!(value(r#"ringpost_closes_total{shard="1",cause="disconnect",code="3503"}"#), 1.0);
    let published = |shard| value(&format!("ringpost_publishes_total{{shard=\"{shard}\",namespace=\"chat\"}}"));
    assert_eq!(published(0) + published(1), 1.0);
    assert_eq!(value(r#"ringpost_sessions{shard="1"}"#), 0.0);
    assert_eq!(value(r#"ringpost_tick_duration_seconds_bucket{le="0.000025",shard="1"}"#), 0.0);
    assert_eq!(value(r#"ringpost_tick_duration_seconds_bucket{le="0.00005",shard="1"}"#), 1.0);
    assert_eq!(value(r#"ringpost_tick_duration_seconds_bucket{le="+Inf",shard="1"}"#), 2.0);
    assert_eq!(value(r#"ringpost_tick_duration_seconds_count{shard="1"}"#), 2.0);
    assert!((value(r#"ringpost_tick_duration_seconds_sum{shard="1"}"#) - 0.90003).abs() < 1e-9);
    let kept = |end: &str| value(&format!("ringpost_keep_duration_seconds_{end},shard=\"0\",namespace=\"chat\"}}"));
    assert_eq!((kept("bucket{le=\"0.0001\""), kept("bucket{le=\"0.00025\"")), (0.0, 1.0));
    let series = samples.keys().filter(|name| name.starts_with("ringpost_keep_duration_seconds_count"));
    assert_eq!(series.count(), 1, "namespaces that keep nothing on disk have none");
    assert!(value("process_open_fds") > 3.0 && value("process_resident_memory_bytes") > 1e6);
    assert!(value(r#"ringpost_http_conns{class="backend"}"#) >= 1.0);
}

#[tokio::test]
async fn calls_of_the_api_are_counted_by_method_and_by_what_was_refused() {
    let node = TestNode::start(Setup::default());
    node.result("publish", json!({ "channel": "chat:room", "data": 1 })).await;
    node.error("publish", json!({ "channel": "nowhere:x", "data": 1 })).await;
    let commands = json!([{ "publish": { "channel": "chat:room", "data": 1 } }, { "info": {} }]);
    node.call("batch", json!({ "commands": commands })).await;
    for (path, body) in [("/api/publish", "{}"), ("/api/fly", "{}")] {
        node.http.post(node.url(path)).body(body).send().await.unwrap();
    }
    let (_, text) = node.get("/metrics").await;
    let samples = samples(&text);
    let value = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("{name} is not in\n{text}"));
    for (method, calls) in [("publish", 3.0), ("batch", 1.0), ("info", 1.0), ("history", 0.0), ("disconnect", 0.0)] {
        let of = |end: &str| value(&format!("ringpost_api_call_duration_seconds_{end}{{method=\"{method}\"}}"));
        assert_eq!(of("count"), calls, "{method}");
        assert_eq!(of("sum") > 0.0, calls > 0.0, "{method}");
    }
    assert_eq!(value(r#"ringpost_api_errors_total{method="publish",code="102"}"#), 1.0);
    assert_eq!(value(r#"ringpost_api_rejections_total{status="401"}"#), 1.0);
    assert_eq!(value(r#"ringpost_api_rejections_total{status="404"}"#), 1.0);
}

#[tokio::test]
async fn who_does_not_ask_for_openmetrics_gets_the_text_that_everything_reads() {
    let node = TestNode::start(Setup::default());
    let response = node.http.get(node.url("/metrics")).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    assert!(text.contains("# TYPE ringpost_accepts_total counter\nringpost_accepts_total{shard=\"0\"} "), "{text}");
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
}

/// The families in a text of metrics.
fn families(open_metrics: &str) -> BTreeSet<String> {
    let lines = open_metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    lines.filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect()
}

/// The family of a name that a document writes.
fn family(name: &str) -> &str {
    ["_total", "_bucket", "_sum", "_count", "_info"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

#[tokio::test]
async fn the_documents_the_board_and_the_alerts_name_metrics_that_there_are_and_the_documents_all_of_them() {
    let node = TestNode::start(Setup { has_bridge: true, ..Setup::default() });
    let call = node.http.get(node.url("/metrics")).header("accept", "application/openmetrics-text");
    let families = families(&call.send().await.unwrap().text().await.unwrap());
    let name = regex::Regex::new(r"\b(?:ringpost|process)_[a-z_]*[a-z]\b").unwrap();
    let mut told = BTreeSet::new();
    for file in ["METRICS.md", "OPERATIONS.md", "MIGRATION.md", "metrics/board.json", "metrics/alerts.yml"] {
        let text = fs::read_to_string(format!("{}/docs/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for found in name.find_iter(&text).map(|found| family(found.as_str())) {
            assert!(families.contains(found), "{file} names {found}, which the node does not count");
            if file == "METRICS.md" {
                told.insert(found.to_owned());
            }
        }
    }
    let untold: Vec<_> = families.difference(&told).collect();
    assert!(untold.is_empty(), "docs/METRICS.md does not tell of {untold:?}");
}

#[tokio::test]
async fn metrics_can_be_switched_off() {
    let mut config = Config::dev();
    config.prometheus.enabled = false;
    let node = TestNode::start(Setup { config, ..Setup::default() });
    let (status, text) = node.get("/metrics").await;
    assert_eq!((status.as_u16(), text.contains("prometheus.enabled")), (404, true));
}
