//! The access log of a whole node: who came, who went and why, who was refused; and nothing that is secret.

use std::path::Path;
use std::time::{Duration, Instant};

use ringpost::auth::mint::hs256;
use ringpost::wire::websocket::{Opcode, write_masked};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{LineClient, WebSocketClient, request};
use crate::harness::{PATIENCE, TestNode};

const SECRET: &str = "a secret of thirty-two characters";
const KEY: &str = "a-key-that-is-secret";

/// A node with an access log in a folder of its own.
fn node() -> (TestNode, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let node = TestNode::with(|config| {
        config.client.insecure = false;
        config.client.token.hmac_secret_key = SECRET.into();
        config.http_api.key = KEY.into();
        config.access_log.enabled = true;
        config.access_log.path = path.to_str().unwrap().into();
        config.proxies.trusted = vec!["127.0.0.1".parse().unwrap()];
    });
    (node, folder)
}

/// The lines of events of this kind, once there are so many.
fn lines(folder: &Path, event: &str, count: usize) -> Vec<Value> {
    let until = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(folder.join("access.log")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found: Vec<Value> = lines.filter(|line| line["event"] == event).collect();
        if found.len() >= count {
            assert_eq!(found.len(), count, "{text}");
            return found;
        }
        assert!(Instant::now() < until, "{} of {count} lines of {event}: {text}", found.len());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn connect_command(user: &str) -> Value {
    json!({"id": 1, "connect": {"token": hs256(SECRET, &json!({"sub": user})), "name": "js"}})
}

#[test]
fn who_comes_and_goes_is_told_with_user_client_address_device_transport_code_and_duration() {
    let (node, folder) = node();
    let forwarded = "X-Forwarded-For: 192.0.2.1\r\n";
    let (mut ann, _) = WebSocketClient::request(node.http, "/connection/websocket", forwarded);
    ann.tell(&connect_command("ann"));
    ann.word();
    let mut bob = LineClient::silent(node.tcp);
    bob.ask(connect_command("bob"));
    let came = lines(folder.path(), "connect", 2);
    let of = |user: &str| came.iter().find(|line| line["user"] == user).unwrap();
    assert_eq!(
        [&of("ann")["address"], &of("ann")["device"], &of("ann")["transport"], &of("ann")["protocol"]],
        ["192.0.2.1", "js", "websocket", "json"]
    );
    assert_eq!([&of("bob")["address"], &of("bob")["transport"]], ["127.0.0.1", "tcp"]);
    let calls = format!("X-API-Key: {KEY}\r\nContent-Type: application/json\r\n");
    request(node.http, "POST /api/disconnect", &calls, r#"{"user":"ann"}"#);
    ann.close_code();
    drop((ann, bob));
    let gone = lines(folder.path(), "close", 2);
    let gone_of = |user: &str| gone.iter().find(|line| line["user"] == user).unwrap();
    assert_eq!(gone_of("ann")["client"], of("ann")["client"]);
    assert_eq!((&gone_of("ann")["cause"], &gone_of("ann")["code"]), (&json!("disconnect"), &json!(3503)));
    assert_eq!(gone_of("ann")["reason"], "force disconnect");
    assert_eq!(gone_of("bob")["cause"], "peer_ended");
    assert!(gone.iter().all(|line| line["duration_ms"].is_u64()), "{gone:?}");
}

#[test]
fn a_client_that_goes_in_the_breath_in_which_it_comes_is_told_to_have_done_both() {
    let (node, folder) = node();
    let (mut client, _) = WebSocketClient::request(node.http, "/connection/websocket", "");
    let mut frames = Vec::new();
    let command = connect_command("ann").to_string();
    write_masked(Opcode::Text, command.as_bytes(), [1; 4], &mut frames);
    write_masked(Opcode::Close, &1000u16.to_be_bytes(), [1; 4], &mut frames);
    std::io::Write::write_all(&mut client.stream, &frames).unwrap();
    lines(folder.path(), "connect", 1);
    assert_eq!(lines(folder.path(), "close", 1)[0]["cause"], "peer_closed");
}

#[test]
fn who_is_refused_is_told_with_address_and_reason() {
    let (node, folder) = node();
    let mut stranger = LineClient::silent(node.tcp);
    stranger.tell(json!({"connect": {"token": "no.token.at-all"}}));
    stranger.disconnect_code();
    WebSocketClient::request(node.http, "/elsewhere?token=secret-in-a-query", "X-Forwarded-For: 192.0.2.1\r\n");
    let refused = lines(folder.path(), "refuse", 2);
    let token = refused.iter().find(|line| line["code"] == 3500).unwrap();
    assert_eq!([&token["address"], &token["transport"], &token["reason"]], ["127.0.0.1", "tcp", "invalid token"]);
    let path = refused.iter().find(|line| line["code"] == 404).unwrap();
    assert_eq!([&path["address"], &path["cause"]], ["192.0.2.1", "refusal"]);
}

#[test]
fn calls_that_are_refused_are_told_and_others_are_not() {
    let (node, folder) = node();
    let key = format!("X-API-Key: {KEY}\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Type: application/json\r\n");
    request(node.http, "POST /api/info", &key, "{}");
    request(node.http, "POST /api/publish", &key, r#"{"channel":"nowhere:a","data":{}}"#);
    request(node.http, "POST /api/info?api_key=wrong-but-secret", "X-API-Key: wrong-but-secret\r\n", "{}");
    request(node.http, "POST /api/%0a%1b[2J", &key, "{}");
    let refused = lines(folder.path(), "call_refused", 3);
    let told: Vec<_> = refused.iter().map(|line| (&line["method"], &line["status"], &line["code"])).collect();
    assert_eq!(told[0], (&json!("publish"), &json!(200), &json!(102)));
    assert_eq!(told[1], (&json!("info"), &json!(401), &json!(101)));
    assert_eq!((told[2].1, told[2].2), (&json!(404), &json!(104)));
    assert_eq!([&refused[0]["address"], &refused[1]["address"]], ["192.0.2.1", "127.0.0.1"]);
}

#[test]
fn no_secret_is_written() {
    let (node, folder) = node();
    let mut client = LineClient::silent(node.tcp);
    let command = connect_command("ann");
    client.ask(command.clone());
    let token = command["connect"]["token"].as_str().unwrap();
    let mut other = LineClient::silent(node.tcp);
    other.tell(json!({"connect": {"token": format!("{token}x")}}));
    other.disconnect_code();
    request(node.http, &format!("POST /api/nothing?api_key={KEY}"), &format!("X-API-Key: {KEY}\r\n"), "{}");
    request(node.http, "POST /api/info", &format!("Authorization: apikey {KEY}x\r\n"), "{}");
    WebSocketClient::request(node.http, &format!("/elsewhere?token={token}"), "");
    lines(folder.path(), "refuse", 2);
    lines(folder.path(), "call_refused", 2);
    drop(client);
    lines(folder.path(), "close", 1);
    let text = std::fs::read_to_string(folder.path().join("access.log")).unwrap();
    assert!(!text.contains(KEY) && !text.contains(token.rsplit('.').next().unwrap()), "{text}");
}

#[test]
fn at_sighup_the_file_is_opened_again() {
    let (node, folder) = node();
    let mut before = LineClient::silent(node.tcp);
    before.ask(connect_command("before"));
    assert_eq!(lines(folder.path(), "connect", 1)[0]["user"], "before");
    std::fs::rename(folder.path().join("access.log"), folder.path().join("access.log.1")).unwrap();
    node.reload();
    let until = Instant::now() + PATIENCE;
    while !folder.path().join("access.log").exists() {
        assert!(Instant::now() < until, "it is opened without being written to");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut after = LineClient::silent(node.tcp);
    after.ask(connect_command("after"));
    assert_eq!(lines(folder.path(), "connect", 1)[0]["user"], "after");
}

#[test]
fn of_a_sample_of_clients_all_is_told_and_of_the_others_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let node = TestNode::with(|config| {
        config.access_log.enabled = true;
        config.access_log.sample = 2;
        config.access_log.path = path.to_str().unwrap().into();
    });
    let clients: Vec<_> = (0..100).map(|_| LineClient::connect(node.tcp)).collect();
    drop(clients);
    node.await_sum("sessions", |shard| shard.endings.sum(), 100);
    node.stop();
    node.wait();
    let text = std::fs::read_to_string(&path).unwrap();
    let of = |event: &str| {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let lines = lines.filter(|line| line["event"] == event).map(|line| line["client"].as_str().unwrap().to_owned());
        lines.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(of("connect"), of("close"));
    assert!((10..90).contains(&of("connect").len()), "{}", of("connect").len());
}
