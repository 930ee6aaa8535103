//! The end of a node, and of those who are still there.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use ringpost::config::Duration as Setting;
use serde_json::json;

use crate::client::{LineClient, WebSocketClient};
use crate::harness::{PATIENCE, TestNode};

#[test]
fn a_drain_tells_everybody_to_come_back_flushes_and_ends() {
    let node = TestNode::with(|config| config.shutdown.drain_time = Setting::from_millis(500));
    let mut lines: Vec<LineClient> = (0..40).map(|_| LineClient::connect(node.tcp)).collect();
    let mut websocket = WebSocketClient::connect(node.http);
    websocket.tell(&json!({"id": 1, "connect": {}}));
    websocket.word();
    let silent = TcpStream::connect(node.tcp).unwrap();
    let tcp = node.tcp;
    let begun = Instant::now();
    node.stop();
    for client in &mut lines {
        assert_eq!(client.disconnect_code(), 3001);
    }
    assert_eq!(websocket.close_code(), 3001);
    drop((lines, websocket, silent));
    node.wait();
    assert!(begun.elapsed() < PATIENCE, "a drained node does not wait for its timeout");
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(tcp).is_ok() {
        assert!(Instant::now() < until, "nobody is let in any more");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_node_without_clients_ends_at_once() {
    let node = TestNode::with(|config| config.shutdown.drain_time = Setting::from_secs(3600));
    node.stop();
    node.wait();
}

#[test]
fn two_nodes_do_not_share_a_port_by_accident() {
    let node = TestNode::start();
    let port = node.http.port();
    let second = std::panic::catch_unwind(|| TestNode::with(|config| config.http_server.port = port));
    assert!(second.is_err(), "the second node must not start on the first one's port");
}
