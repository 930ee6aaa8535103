//! The adapters against the servers that they are for. They come as packages: `apt-get install nats-server mosquitto`.

mod server;

use ringpost::shard::cores;
use ringpost_loadgen::fault::Fault;
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::record::Record;
use ringpost_loadgen::run::{Order, run};
use ringpost_loadgen::scenario::{find, read, set};
use ringpost_loadgen::target::Target;

use self::server::Server;

/// A short run of a built-in scenario.
fn try_run(name: &str, url: &str, settings: &[&str], secret: Option<&str>) -> anyhow::Result<Record> {
    let scenario = read(&find(name)?)?;
    let settings = ["warm_up_s=0", "duration_s=0.5"].iter().chain(settings);
    let scenario = settings.into_iter().try_fold(scenario, |scenario, setting| set(&scenario, setting))?;
    let order = Order {
        name: name.into(),
        scenario,
        target: Target::parse(url)?,
        secret: secret.map(str::to_owned),
        core: *cores::allowed()?.last().expect("there is a core"),
        pid: None,
        metrics_url: None,
        command: String::new(),
    };
    run(&order, |_| {})
}

fn good_run(name: &str, url: &str, settings: &[&str]) -> Record {
    let record = try_run(name, url, settings, None).unwrap();
    assert!(record.is_good(), "{name} {settings:?}: {:?}", record.faults);
    record
}

fn count(record: &Record, measure: Measure) -> u64 {
    record.whole.get(&measure).map_or(0, |whole| whole.summary.count)
}

/// Fan-out that is heard by all, closed and open; publishes that are answered; clients that are idle, come and go.
fn does_the_work(url: &str) {
    for pace in ["outstanding=16", "rate_per_s=200"] {
        for payload_bytes in ["payload_bytes=42", "payload_bytes=5000"] {
            let record = good_run("fanout", url, &["subscribers=20", pace, payload_bytes]);
            let messages = count(&record, Measure::Delivery) / 20;
            assert!(messages > 20 && count(&record, Measure::Delivery) == 20 * messages, "{pace}: {messages}");
            assert_eq!(count(&record, Measure::Reply), messages, "{pace}");
        }
    }
    for pace in ["outstanding=1", "outstanding=32"] {
        let record = good_run("publish", url, &["publishers=10", pace]);
        assert!(count(&record, Measure::Reply) > 100 && count(&record, Measure::Delivery) == 0, "{record:?}");
    }
    assert_eq!(good_run("idle", url, &["clients=50"]).clients, 50);
    let record = good_run("connect", url, &["rate_per_s=100", "stay_s=0.1", "duration_s=1"]);
    assert_eq!(count(&record, Measure::Connect) + record.behind, 100);
}

#[test]
fn nats_does_the_work_and_tells_its_version() {
    let server = Server::start("nats-server", |port| format!("--addr 127.0.0.1 --port {port}"));
    does_the_work(&format!("nats://{}", server.address));
    let record = good_run("direct", &format!("nats://{}", server.address), &["users=20", "contacts=3"]);
    assert!(count(&record, Measure::Delivery) > 100, "{record:?}");
    assert!(record.server_version.starts_with("2."), "{}", record.server_version);
}

#[test]
fn mosquitto_does_the_work() {
    let server = Server::start("mosquitto", |port| format!("-p {port}"));
    does_the_work(&format!("mqtt://{}", server.address));
    let record = good_run("direct", &format!("mqtt://{}", server.address), &["users=20", "contacts=3"]);
    assert!(count(&record, Measure::Delivery) > 100, "{record:?}");
}

#[test]
fn a_server_that_wants_a_token_gets_one() {
    let server = Server::start("nats-server", |port| format!("--addr 127.0.0.1 --port {port} --auth secret"));
    let url = format!("nats://{}", server.address);
    let error = try_run("idle", &url, &["clients=1"], None).unwrap_err().to_string();
    assert!(error.contains("Authorization Violation"), "{error}");
    // Signed, which this server knows nothing of: it wants the word itself.
    let error = try_run("idle", &url, &["clients=1"], Some("secret")).unwrap_err().to_string();
    assert!(error.contains("Authorization Violation"), "{error}");
}

#[test]
fn a_server_that_is_stopped_fails_the_run() {
    let server = Server::start("nats-server", |port| format!("--addr 127.0.0.1 --port {port}"));
    let url = format!("nats://{}", server.address);
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(400));
        drop(server);
    });
    let record = try_run("fanout", &url, &["subscribers=3"], None).unwrap();
    stopper.join().unwrap();
    assert_eq!(record.faults.count(Fault::Disconnected), 4, "{:?}", record.faults);
}

#[test]
fn one_protocol_spoken_to_the_other_is_told() {
    let server = Server::start("mosquitto", |port| format!("-p {port}"));
    let error = try_run("idle", &format!("tcp://{}", server.address), &["clients=1"], None).unwrap_err().to_string();
    assert!(error.contains("client 0 could not connect"), "{error}");
}
