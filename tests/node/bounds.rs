//! Past every bound the sender is told, and nobody else notices.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use ringpost::broker::ending::Ending;
use ringpost::config::Duration as Setting;
use ringpost::limits::FIRST_MESSAGE_BYTES_MAX;
use ringpost::model::refusal::DisconnectKind;
use ringpost::wire::websocket::{self, Opcode};
use serde_json::json;

use crate::client::{LineClient, WebSocketClient};
use crate::harness::TestNode;

#[test]
fn a_reader_that_stops_reading_is_closed_and_the_others_go_on() {
    const MESSAGES: usize = 400;
    let node = TestNode::with(|config| config.client.queue_max_size = 256 * 1024);
    let mut publisher = LineClient::connect(node.tcp);
    let mut reader = LineClient::connect(node.tcp);
    let mut sleeper = LineClient::connect(node.tcp);
    for client in [&mut reader, &mut sleeper] {
        assert!(client.ask(json!({"subscribe": {"channel": "room"}}))["subscribe"].is_object());
    }
    // Far more than the socket buffers of loopback and the backlog take together.
    let text = "x".repeat(32 * 1024);
    for number in 0..MESSAGES {
        let reply = publisher.ask(json!({"publish": {"channel": "room", "data": [number, text]}}));
        assert!(reply["publish"].is_object(), "{reply}");
        assert_eq!(reader.publication().2[0], number);
        assert!(node.sum(|shard| shard.outbox_bytes.get()) <= 512 * 1024, "a backlog is bounded");
    }
    node.await_sum("slow closes", |shard| shard.endings.get(Ending::Disconnect(DisconnectKind::Slow)), 1);
    drop((publisher, reader));
    // The sleeper reads at last: whole frames, then the goodbye.
    assert_eq!(sleeper.disconnect_code(), 3008);
    drop(sleeper);
    node.await_emptiness();
}

#[test]
fn more_connections_than_allowed_are_refused_until_one_goes() {
    let node = TestNode::with(|config| config.client.connection_limit = 2);
    let one = LineClient::connect(node.tcp);
    let _two = LineClient::connect(node.tcp);
    let mut three = LineClient::silent(node.tcp);
    three.tell(json!({"connect": {}}));
    assert_eq!(three.disconnect_code(), 3504);
    let (_, head) = WebSocketClient::request(node.http, "/connection/websocket", "");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    drop(one);
    node.await_sum("sessions", |shard| shard.sessions.get(), 1);
    LineClient::connect(node.tcp);
}

#[test]
fn a_connection_that_says_nothing_is_closed_in_time() {
    let node = TestNode::with(|config| config.client.stale_close_delay = Setting::from_secs(2));
    let mut silent = TcpStream::connect(node.tcp).unwrap();
    let mut half = TcpStream::connect(node.http).unwrap();
    half.write_all(b"GET /connection/websocket HTTP/1.1\r\nHost: x\r\n").unwrap();
    let mut upgraded = WebSocketClient::connect(node.http);
    assert_eq!(upgraded.close_code(), 3502);
    let mut nothing = [0; 16];
    assert_eq!(silent.read(&mut nothing).unwrap_or(0), 0);
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    node.await_emptiness();
}

#[test]
fn before_connect_one_message_of_a_tokens_size_is_taken_and_no_larger_one() {
    let node = TestNode::with(|config| config.client.message_size_limit = 1 << 20);
    let connect = |name: usize| json!({"id": 1, "connect": {"name": "x".repeat(name)}});
    let publish = json!({"id": 2, "publish": {"channel": "a", "data": "x".repeat(500_000)}});
    let too_long = FIRST_MESSAGE_BYTES_MAX;

    let mut stranger = WebSocketClient::connect(node.http);
    stranger.tell(&connect(too_long));
    assert_eq!(stranger.close_code(), 1009);
    let mut client = WebSocketClient::connect(node.http);
    client.tell(&connect(too_long - 100));
    assert_eq!(client.word()["id"], 1);
    client.tell(&publish);
    assert_eq!(client.word()["id"], 2);

    let mut stranger = LineClient::silent(node.tcp);
    stranger.tell(connect(too_long));
    assert_eq!(stranger.disconnect_code(), 3501);
    let mut client = LineClient::silent(node.tcp);
    client.tell(connect(too_long - 100));
    client.tell(publish);
    assert_eq!((client.word()["id"].clone(), client.word()["id"].clone()), (json!(1), json!(2)));
}

#[test]
fn a_fragment_that_would_make_its_message_too_long_is_refused_before_it_comes() {
    let node = TestNode::start();
    let mut client = WebSocketClient::connect(node.http);
    let mut frame = Vec::new();
    websocket::write_masked(Opcode::Text, &[b' '; 40_000], [0; 4], &mut frame);
    frame[0] &= 0x7f;
    // The head of a continuation of 40,000 bytes.
    frame.extend_from_slice(&[0x80, 0xfe, 0x9c, 0x40, 0, 0, 0, 0]);
    client.stream.write_all(&frame).unwrap();
    assert_eq!(client.close_code(), 1009);
}

#[test]
fn a_pool_of_two_buffers_serves_two_hundred_senders() {
    let node = TestNode::with(|config| config.shards.receive_buffers = 2);
    let mut clients: Vec<LineClient> = (0..200).map(|_| LineClient::connect(node.tcp)).collect();
    for client in &mut clients {
        client.tell(json!({"publish": {"channel": "a", "data": "y".repeat(10_000)}}));
    }
    for client in &mut clients {
        assert!(client.word()["publish"].is_object());
    }
}

#[test]
fn a_client_that_asks_more_than_may_be_in_flight_waits_and_is_answered_in_order() {
    const COMMANDS: u32 = 20_000;
    let node = TestNode::with(|config| config.shards.mailbox_capacity = 16);
    let mut client = LineClient::connect(node.tcp);
    let mut writer = client.stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        for id in 0..COMMANDS {
            // Some of these channels are at home on the other shard.
            let channel = format!("channel{}", id % 7);
            let command = json!({"id": id + 10, "publish": {"channel": channel, "data": id}});
            writer.write_all(format!("{command}\n").as_bytes()).unwrap();
        }
    });
    let mut answered = vec![false; COMMANDS as usize];
    for _ in 0..COMMANDS {
        let reply = client.word();
        assert!(reply["publish"].is_object(), "{reply}");
        let id = reply["id"].as_u64().unwrap() as usize - 10;
        assert!(!std::mem::replace(&mut answered[id], true), "{id} is answered once");
    }
    writing.join().unwrap();
    for channel in 0..7 {
        let history = client.ask(json!({"history": {"channel": format!("channel{channel}"), "limit": 300}}));
        let data: Vec<u64> = history["history"]["publications"]
            .as_array()
            .unwrap()
            .iter()
            .map(|publication| publication["data"].as_u64().unwrap())
            .collect();
        assert!(data.len() == 300 && data.windows(2).all(|pair| pair[0] < pair[1]), "{data:?}");
    }
}

#[test]
fn who_asks_for_much_and_reads_slowly_gets_it_all_and_is_not_closed() {
    const PAGES: u32 = 100;
    let node = TestNode::with(|config| config.client.queue_max_size = 128 * 1024);
    let mut publisher = LineClient::connect(node.tcp);
    for number in 0..100 {
        publisher.ask(json!({"publish": {"channel": "room", "data": [number, "x".repeat(8_000)]}}));
    }
    let mut reader = LineClient::connect(node.tcp);
    // 50 MB of answers: far more than sockets hold.
    for _ in 0..PAGES {
        reader.tell(json!({"history": {"channel": "room", "limit": 100}}));
    }
    for page in 0..PAGES {
        let reply = reader.word();
        let publications = reply["history"]["publications"].as_array().expect("a page");
        assert!((50..100).contains(&publications.len()), "{} publications in page {page}", publications.len());
        let waiting = node.sum(|shard| shard.outbox_bytes.get());
        assert!(waiting <= 2 * 1024 * 1024, "{waiting} bytes wait");
    }
    assert!(reader.ask(json!({"ping": {}}))["ping"].is_object());
    assert_eq!(node.sum(|shard| shard.endings.get(Ending::Disconnect(DisconnectKind::Slow))), 0);
}

#[test]
fn who_comes_back_to_more_than_a_reply_holds_is_told_so_once_and_goes_on_from_there() {
    let node = TestNode::start();
    let mut publisher = LineClient::connect(node.tcp);
    let mut client = LineClient::connect(node.tcp);
    let first = client.ask(json!({"subscribe": {"channel": "room", "recoverable": true}}));
    let epoch = first["subscribe"]["epoch"].clone();
    drop(client);
    for number in 0..250 {
        publisher.ask(json!({"publish": {"channel": "room", "data": [number, "x".repeat(8_000)]}}));
    }
    // As SDKs do: the offset of the reply is that of the next attempt.
    let (mut offset, mut recovered, mut attempts) = (json!(0), false, 0);
    while !recovered {
        let subscribe =
            json!({"channel": "room", "recover": true, "recoverable": true, "offset": offset, "epoch": epoch});
        let reply = LineClient::connect(node.tcp).ask(json!({"subscribe": subscribe}))["subscribe"].clone();
        recovered = reply["recovered"] == true;
        offset = reply["offset"].clone();
        attempts += 1;
        assert!(attempts <= 2, "{reply}");
    }
    assert_eq!(offset, 250);
    assert_eq!(node.sum(|shard| shard.endings.get(Ending::Disconnect(DisconnectKind::Slow))), 0);
}

#[test]
fn who_asks_for_much_ends_its_side_and_reads_nothing_is_forgotten() {
    // Nothing but the end itself can bring the node to look at the connection.
    let node = TestNode::with(|config| {
        config.client.ping_interval = Setting::from_secs(0);
        config.client.stale_close_delay = Setting::from_secs(3600);
        config.client.queue_max_size = 256 << 20;
    });
    let mut client = LineClient::connect(node.tcp);
    for number in 0..100 {
        client.ask(json!({"publish": {"channel": "room", "data": [number, "x".repeat(10_000)]}}));
    }
    for _ in 0..50 {
        client.tell(json!({"history": {"channel": "room", "limit": 100}}));
    }
    node.await_sum("conns", |shard| shard.conns.get(), 1);
    client.stream.shutdown(Shutdown::Write).unwrap();
    node.await_emptiness();
}

#[test]
fn a_flood_of_connections_that_come_and_go_leaves_nothing_behind() {
    let node = TestNode::start();
    let until = Instant::now() + Duration::from_secs(2);
    let mut rounds = 0;
    while Instant::now() < until || rounds < 3 {
        let clients: Vec<LineClient> = (0..50)
            .map(|number| {
                let mut client = LineClient::silent(node.tcp);
                match number % 4 {
                    0 => {}
                    1 => {
                        client.tell(json!({"connect": {}}));
                    }
                    2 => {
                        client.tell(json!({"connect": {}}));
                        client.tell(json!({"subscribe": {"channel": format!("c{number}")}}));
                    }
                    _ => client.stream.write_all(b"{\"id\":1,\"conn").unwrap(),
                }
                client
            })
            .collect();
        drop(clients);
        rounds += 1;
    }
    node.await_emptiness();
    LineClient::connect(node.tcp);
}

#[test]
fn pages_of_other_origins_and_wrong_paths_are_refused_with_a_hint() {
    let node = TestNode::with(|config| config.client.allowed_origins = vec!["https://*.example.com".into()]);
    let head = |path: &str, headers: &str| WebSocketClient::request(node.http, path, headers).1;
    let path = "/connection/websocket";
    assert!(head(path, "Origin: https://evil.example\r\n").starts_with("HTTP/1.1 403 "));
    assert!(head(path, "Origin: https://app.example.com\r\n").starts_with("HTTP/1.1 101 "));
    assert!(head(path, &format!("Origin: http://{}\r\n", node.http)).starts_with("HTTP/1.1 101 "));
    assert!(head("/elsewhere", "").starts_with("HTTP/1.1 404 "));
    let node = TestNode::with(|config| config.client.allowed_origins = vec!["null".into(), "file://*".into()]);
    for origin in ["null", "file://"] {
        let head = WebSocketClient::request(node.http, path, &format!("Origin: {origin}\r\n")).1;
        assert!(head.starts_with("HTTP/1.1 101 "), "{origin}: {head}");
    }
}
