//! What others keep of what was published: as much as they have answered, by their own count. An answer that is lost and a
//! publish that is refused are found.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ringpost_loadgen::fault::Fault;
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::record::Record;
use ringpost_loadgen::run::run;
use tempfile::TempDir;

use crate::loss::{self, Frames};
use crate::prepare::{create_stream, create_topic};
use crate::server::{Server, free_address};
use crate::{count, order, start};

/// `--save` has an empty argument: no snapshots. Clients come from many addresses of loopback.
const REDIS: (&str, &str) = (
    "redis-server",
    "--port {port} --bind 127.0.0.1 --protected-mode no --save  --appendonly yes --appendfsync always --dir",
);
const JETSTREAM: (&str, &str) = ("nats-server", "--addr 127.0.0.1 --port {port} --jetstream --store_dir");
/// Where `tests/packages` puts the jars of Kafka.
const KAFKA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/kafka");

/// A hundred messages of ten publishers.
fn published(url: &str, prefix: &str) -> Record {
    let settings = ["publishers=10", "outstanding=0", "rate_per_s=200", prefix];
    run(&order("publish", url, &settings), |_| {}).unwrap()
}

/// Publishes, and looks whether the server has as many as it has answered.
fn keeps_what_it_answers(url: &str, prefix: &str, kept: impl Fn() -> u64) {
    let record = published(url, prefix);
    assert!(record.is_good(), "{url}: {:?}", record.faults);
    let answered = count(&record, Measure::Reply);
    assert!(answered > 50, "{url}: {answered}");
    assert_eq!(kept(), answered, "{url}");
}

/// Publishes through a wire that loses an answer.
fn is_found_to_lose_an_answer(scheme: &str, server: SocketAddr, prefix: &str, frames: Frames) {
    let record = published(&format!("{scheme}://{}", loss::start(server, frames)), prefix);
    assert_eq!(record.faults.counts().collect::<Vec<_>>(), [(Fault::Unanswered, 1)], "{:?}", record.faults);
}

/// A server of a package, with a folder of its own, which is the last of its arguments.
fn start_in(folder: &TempDir, (program, arguments): (&str, &str)) -> (Server, SocketAddr) {
    start(program, &format!("{arguments} {}", folder.path().display()))
}

/// Says something to a server; the lines that it answers.
fn ask(address: SocketAddr, words: &str) -> impl Iterator<Item = String> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(words.as_bytes()).unwrap();
    BufReader::new(socket).lines().map_while(Result::ok)
}

/// Entries of all streams.
fn kept_by_redis(address: SocketAddr) -> u64 {
    let length = |channel| {
        let answer = ask(address, &format!("XLEN loadgen-{channel}\r\n")).next().unwrap();
        answer.strip_prefix(':').and_then(|number| number.parse::<u64>().ok()).unwrap_or_else(|| panic!("{answer}"))
    };
    (0..10).map(length).sum()
}

/// An id in a string of known length.
fn redis_frames(input: &[u8]) -> Option<(usize, bool)> {
    let line = memchr::memchr(b'\n', input)? + 1;
    match input[0] {
        b'$' => {
            let length: usize = std::str::from_utf8(&input[1..line]).unwrap().trim().parse().unwrap();
            (input.len() >= line + length + 2).then_some((line + length + 2, true))
        }
        _ => Some((line, false)),
    }
}

#[test]
fn redis_has_what_it_has_answered_and_an_answer_that_is_lost_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, address) = start_in(&folder, REDIS);
    keeps_what_it_answers(&format!("redis://{address}"), "channel_prefix=", || kept_by_redis(address));
    is_found_to_lose_an_answer("redis", address, "channel_prefix=", redis_frames);
}

#[test]
fn a_redis_that_refuses_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, address) = start_in(&folder, REDIS);
    assert!(ask(address, "CONFIG SET min-replicas-to-write 1\r\n").next().unwrap().contains("OK"));
    let record = published(&format!("redis://{address}"), "channel_prefix=");
    assert!(record.faults.examples.iter().any(|why| why.contains("NOREPLICAS")), "{:?}", record.faults);
    assert_eq!(count(&record, Measure::Reply), 0);
}

/// Messages of the stream.
fn kept_by_jetstream(address: SocketAddr) -> u64 {
    let question =
        "CONNECT {\"verbose\":false}\r\nSUB _INBOX.test 1\r\nPUB $JS.API.STREAM.INFO.durable _INBOX.test 0\r\n\r\n";
    let answer = ask(address, question).find(|line| line.contains("\"state\"")).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    answer["state"]["messages"].as_u64().unwrap()
}

/// A line, and what follows a message's.
fn nats_frames(input: &[u8]) -> Option<(usize, bool)> {
    let line = memchr::memchr(b'\n', input)? + 1;
    let text = std::str::from_utf8(&input[..line]).unwrap().trim();
    let Some(head) = text.strip_prefix("MSG ") else { return Some((line, false)) };
    let length: usize = head.rsplit(' ').next().unwrap().parse().unwrap();
    (input.len() >= line + length + 2).then_some((line + length + 2, true))
}

#[test]
fn jetstream_has_what_it_has_answered_and_an_answer_that_is_lost_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, address) = start_in(&folder, JETSTREAM);
    create_stream(address, r#"{"name":"durable","subjects":["durable.>"],"storage":"file"}"#).unwrap();
    let prefix = "channel_prefix=durable.";
    keeps_what_it_answers(&format!("nats+jetstream://{address}"), prefix, || kept_by_jetstream(address));
    is_found_to_lose_an_answer("nats+jetstream", address, prefix, nats_frames);
}

#[test]
fn a_jetstream_that_is_full_refuses_and_has_what_it_has_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, address) = start_in(&folder, JETSTREAM);
    let stream = r#"{"name":"durable","subjects":["durable.>"],"storage":"file","max_msgs":20,"discard":"new"}"#;
    create_stream(address, stream).unwrap();
    let record = published(&format!("nats+jetstream://{address}"), "channel_prefix=durable.");
    assert!(record.faults.count(Fault::Refused) > 10, "{:?}", record.faults);
    assert_eq!((count(&record, Measure::Reply), kept_by_jetstream(address)), (20, 20));
}

/// Kafka in a folder, which takes connections.
fn start_kafka(folder: &Path) -> (Server, SocketAddr) {
    assert!(Path::new(KAFKA).is_dir(), "Kafka is not here: `tests/packages` installs it");
    let (address, second) = (free_address().unwrap(), free_address().unwrap());
    let properties = folder.join("server.properties");
    let (folder, second) = (folder.display().to_string(), second.port().to_string());
    let (port, voters) = (address.port().to_string(), format!("1@127.0.0.1:{second}"));
    let mut text = include_str!("../../../tests/kafka/server.properties").to_owned();
    for (name, value) in [
        ("FOLDER", &*folder),
        ("VOTERS", &voters),
        ("SECOND", &second),
        ("PORT", &port),
        ("NODE", "1"),
        ("COPIES", "1"),
    ] {
        text = text.replace(name, value);
    }
    fs::write(&properties, text).unwrap();
    let java = |class: &str| {
        let mut command = Command::new("java");
        command.args(["-Xmx256m", "-cp", &format!("{KAFKA}/*"), class]);
        command
    };
    let mut format = java("kafka.tools.StorageTool");
    format.args(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c"]).arg(&properties);
    assert!(format.output().unwrap().status.success(), "{format:?}");
    let mut server = java("kafka.Kafka");
    server.arg(&properties);
    (Server::start(server, address).unwrap(), address)
}

/// Messages of the topic: where its one partition ends (`ListOffsets`, version 1).
fn kept_by_kafka(address: SocketAddr) -> u64 {
    let head = [0, 2, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1];
    let tail = [&[0, 0, 0, 1, 0, 0, 0, 0][..], &(-1i64).to_be_bytes()].concat();
    let request = [&head[..], b"\0\x07durable", &tail].concat();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(&[&(request.len() as u32).to_be_bytes()[..], &request].concat()).unwrap();
    let mut length = [0; 4];
    socket.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut answer).unwrap();
    // One partition: its number, a code, a time, the offset.
    u64::from_be_bytes(*answer.last_chunk().unwrap())
}

/// A length, and what is so long. The first answer of a connection is that to its connect.
fn kafka_frames(input: &[u8]) -> Option<(usize, bool)> {
    let length = u32::from_be_bytes(*input.first_chunk()?) as usize + 4;
    let is_answer = input.get(4..8)? != 1u32.to_be_bytes();
    (input.len() >= length).then_some((length, is_answer))
}

#[test]
#[ignore = "takes Kafka: `make test-durable` installs it and runs this"]
fn kafka_has_what_it_has_answered_refuses_without_a_topic_and_an_answer_that_is_lost_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, address) = start_kafka(folder.path());
    let record = published(&format!("kafka://{address}"), "channel_prefix=");
    assert!(record.faults.count(Fault::Refused) > 50, "{:?}", record.faults);
    assert_eq!(count(&record, Measure::Reply), 0);
    create_topic(address).unwrap();
    keeps_what_it_answers(&format!("kafka://{address}"), "channel_prefix=", || kept_by_kafka(address));
    is_found_to_lose_an_answer("kafka", address, "channel_prefix=", kafka_frames);
}
