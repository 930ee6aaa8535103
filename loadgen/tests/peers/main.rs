//! The adapters against the servers that they are for. They come as packages: `apt-get install nats-server mosquitto
//! redis-server`; Kafka as `tests/packages` installs it.

#[path = "../../../benches/node/floor.rs"]
mod floor;
mod keepers;
mod loss;
#[path = "../../../benches/durable/prepare.rs"]
mod prepare;
#[path = "../../../benches/node/server.rs"]
mod server;

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use ringpost::cores;
use ringpost_loadgen::fault::Fault;
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::record::Record;
use ringpost_loadgen::run::{Order, Progress, run};
use ringpost_loadgen::scenario::{find, read, set};
use ringpost_loadgen::target::Target;

use self::server::{Server, free_address};

/// Starts a server that is a package of the system. `{port}` stands for the port in its arguments.
fn start(program: &str, arguments: &str) -> (Server, SocketAddr) {
    let address = free_address().unwrap();
    // Debian keeps some servers where only root looks.
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    let arguments = arguments.replace("{port}", &address.port().to_string());
    command.args(arguments.split(' ')).env("PATH", path);
    let server = Server::start(command, address);
    (server.unwrap_or_else(|error| panic!("{error:#}; install it: apt-get install {program}")), address)
}

const NATS: (&str, &str) = ("nats-server", "--addr 127.0.0.1 --port {port}");
const MOSQUITTO: (&str, &str) = ("mosquitto", "-p {port}");

/// A short run of a built-in scenario.
fn order(name: &str, url: &str, settings: &[&str]) -> Order {
    let scenario = read(&find(name).unwrap()).unwrap();
    let settings = ["warm_up_s=0", "duration_s=0.5"].iter().chain(settings);
    Order {
        name: name.into(),
        scenario: settings.fold(scenario, |scenario, setting| set(&scenario, setting).unwrap()),
        targets: Target::parse(url).unwrap().into(),
        secret: None,
        processes: Some(1),
        cores: vec![*cores::allowed().unwrap().last().unwrap()],
        program: env!("CARGO_BIN_EXE_ringpost-loadgen").into(),
        pids: Vec::new(),
        metrics_url: None,
        command: String::new(),
    }
}

fn good_run(name: &str, url: &str, settings: &[&str]) -> Record {
    let record = run(&order(name, url, settings), |_| {}).unwrap();
    assert!(record.is_good(), "{name} {settings:?}: {:?}", record.faults);
    record
}

/// Why the clients of a run are not let in.
fn refusal(order: &Order) -> String {
    run(order, |_| {}).unwrap_err().to_string()
}

fn count(record: &Record, measure: Measure) -> u64 {
    record.whole.get(&measure).map_or(0, |whole| whole.summary.count)
}

/// Fan-out that is heard by all, closed and open; publishes that are answered; clients that are idle, come and go, stop
/// reading, and come all at once.
fn does_the_work(url: &str) {
    for pace in ["outstanding=16", "rate_per_s=200"] {
        for payload_bytes in ["payload_bytes=42", "payload_bytes=5000"] {
            let record = good_run("fanout", url, &["subscribers=20", pace, payload_bytes]);
            let messages = count(&record, Measure::Delivery) / 20;
            assert!(messages > 0 && count(&record, Measure::Delivery) == 20 * messages, "{pace}: {messages}");
            if !url.starts_with("floor") {
                assert_eq!(count(&record, Measure::Reply), messages, "{pace}");
            }
        }
    }
    for pace in ["outstanding=1", "outstanding=32"] {
        let record = good_run("publish", url, &["publishers=10", pace]);
        assert!(count(&record, Measure::Reply) > 0 && count(&record, Measure::Delivery) == 0, "{record:?}");
    }
    assert_eq!(good_run("idle", url, &["clients=50"]).clients, 50);
    let record = good_run("connect", url, &["rate_per_s=100", "stay_s=0.1", "duration_s=1"]);
    assert_eq!(count(&record, Measure::Connect) + record.behind, 100);
    let record = good_run("slow", url, &["subscribers=20", "pause_s=0.2"]);
    assert!(count(&record, Measure::Delivery) > 100 && count(&record, Measure::SlowDelivery) > 10, "{record:?}");
    for storm in ["connect-storm", "reconnect-storm"] {
        let record = good_run(storm, url, &["clients=50", "channels=1", "duration_s=5"]);
        assert_eq!(count(&record, Measure::Connect), 50, "{storm}");
    }
}

#[test]
fn the_floor_does_the_work() {
    let address = free_address().unwrap();
    thread::spawn(move || floor::serve(address, None));
    while TcpStream::connect(address).is_err() {
        thread::sleep(Duration::from_millis(10));
    }
    does_the_work(&format!("floor://{address}"));
}

#[test]
fn nats_does_the_work_and_tells_its_version() {
    let (_server, address) = start(NATS.0, NATS.1);
    let url = format!("nats://{address}");
    does_the_work(&url);
    let record = good_run("direct", &url, &["users=20", "contacts=3"]);
    assert!(count(&record, Measure::Delivery) > 0, "{record:?}");
    assert!(record.server_version.starts_with("2."), "{}", record.server_version);
}

#[test]
fn mosquitto_does_the_work() {
    let (_server, address) = start(MOSQUITTO.0, MOSQUITTO.1);
    let url = format!("mqtt://{address}");
    does_the_work(&url);
    let record = good_run("direct", &url, &["users=20", "contacts=3"]);
    assert!(count(&record, Measure::Delivery) > 0, "{record:?}");
}

#[test]
fn a_peer_is_watched_as_the_node_is() {
    let (server, address) = start(MOSQUITTO.0, MOSQUITTO.1);
    let order = Order { pids: vec![server.pid()], ..order("fanout", &format!("mqtt://{address}"), &["outstanding=1"]) };
    let record = run(&order, |_| {}).unwrap();
    let server = record.server.unwrap();
    assert!(server.cpu_ns_per[&Measure::Delivery] > 0.0 && server.bytes_per_client.unwrap() > 0.0, "{server:?}");
}

#[test]
fn a_server_that_wants_another_token_lets_nobody_in() {
    let (_server, address) = start(NATS.0, &format!("{} --auth secret", NATS.1));
    let mut order = order("idle", &format!("nats://{address}"), &["clients=1"]);
    for secret in [None, Some("a token is made of it".to_owned())] {
        order.secret = secret;
        assert!(refusal(&order).contains("Authorization Violation"), "{}", refusal(&order));
    }
}

#[test]
fn a_server_that_is_stopped_fails_the_run() {
    let (server, address) = start(NATS.0, NATS.1);
    let order = order("fanout", &format!("nats://{address}"), &["subscribers=3", "duration_s=4"]);
    let mut server = Some(server);
    // It has run for a second when it is told so.
    let record = run(&order, |progress| {
        if matches!(progress, Progress::Second { .. }) {
            server = None;
        }
    });
    assert_eq!(record.unwrap().faults.count(Fault::Disconnected), 4);
}

#[test]
fn one_protocol_spoken_to_another_is_told() {
    let (_server, address) = start(MOSQUITTO.0, MOSQUITTO.1);
    let refusal = refusal(&order("idle", &format!("tcp://{address}"), &["clients=1"]));
    assert!(refusal.contains("client 0 could not connect"), "{refusal}");
}
