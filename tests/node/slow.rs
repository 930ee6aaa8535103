//! Slow links: who makes progress is served to the end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use ringpost::broker::ending::Ending;
use ringpost::config::Duration as Setting;
use ringpost::model::refusal::DisconnectKind;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::json;

use crate::client::{LineClient, connect};
use crate::harness::TestNode;

/// What a link of 2 Mbit/s brings in a tenth of a second, bytes.
const BYTES_PER_STEP: usize = 25_000;

/// A link to a node that brings so little, for one connection. What a client sends passes at once.
fn slow_link(node: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        let mut far = connect(node);
        // What this end holds has not passed the link.
        set_socket_recv_buffer_size(&far, 16 * 1024).unwrap();
        let (mut up, mut up_to) = (client.try_clone().unwrap(), far.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut up, &mut up_to));
        while pass(&mut far, &mut client) {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    address
}

/// One step of the link; false when an end has gone.
fn pass(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    let mut left = [0; BYTES_PER_STEP];
    let mut at = 0;
    while at < left.len() {
        match from.read(&mut left[at..]) {
            Ok(read) if read > 0 && to.write_all(&left[at..at + read]).is_ok() => at += read,
            _ => return false,
        }
    }
    true
}

#[test]
fn two_megabytes_that_were_missed_arrive_at_two_megabits_a_second() {
    const MISSED: u64 = 250;
    let node = TestNode::with(|config| config.client.write_timeout = Setting::from_secs(1));
    let mut publisher = LineClient::connect(node.tcp);
    for number in 1..=MISSED {
        publisher.ask(json!({"publish": {"channel": "room", "data": [number, "x".repeat(8_000)]}}));
    }
    let epoch = publisher.ask(json!({"history": {"channel": "room"}}))["history"]["epoch"].clone();
    let mut client = LineClient::connect(slow_link(node.tcp));
    // As SDKs do: the offset and the epoch of before.
    let subscribe = json!({"channel": "room", "recover": true, "recoverable": true, "offset": 0, "epoch": epoch});
    let reply = client.ask(json!({ "subscribe": subscribe }))["subscribe"].clone();
    assert!(reply["recovered"].is_null() && reply["was_recovering"] == true, "more than one reply may bring: {reply}");
    // As applications do, once they are told so.
    let (mut read, mut pages) = (0, 0);
    while read < MISSED {
        let since = json!({"offset": read, "epoch": epoch});
        let page = client.ask(json!({"history": {"channel": "room", "limit": MISSED, "since": since}}));
        for publication in page["history"]["publications"].as_array().expect("a page") {
            read += 1;
            assert_eq!(publication["data"][0], read);
        }
        pages += 1;
    }
    assert!(pages > 3, "each page is no more than a reply may bring");
    assert_eq!(node.sum(|shard| shard.endings.get(Ending::Disconnect(DisconnectKind::Slow))), 0);
}
