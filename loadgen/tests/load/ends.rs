//! How runs end that do not go as planned: they are interrupted, their server is gone, wrong or silent, the host is short.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use ringpost::config::Config;
use ringpost_loadgen::fault::Fault;
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::record::Record;
use ringpost_loadgen::run::{Progress, run, run_until};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{SECRET, TestNode, count, order};

/// A run that lasts far longer than any test, of so many load processes.
fn endless(node: &TestNode, files: &[&Path], processes: u32) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost-loadgen"));
    command.args(["run", "fanout", "--url", &node.tcp_url(), "--secret", SECRET, "--set", "subscribers=3"]);
    command.args(["--set", "rate_per_s=100", "--set", "warm_up_s=0", "--set", "duration_s=600"]);
    command.args(["--processes", &processes.to_string()]);
    for (file, option) in files.iter().zip(["--json", "--html"]) {
        command.arg(option).arg(file);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits until a node was asked for more than its clients need to come in.
fn until_load(node: &TestNode) {
    while node.commands() < 60 {
        thread::yield_now();
    }
}

fn told(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn an_interrupted_run_leaves_its_table_and_its_files() {
    for (with, processes) in [(Signal::INT, 1), (Signal::TERM, 2)] {
        let node = TestNode::start();
        let folder = tempfile::tempdir().unwrap();
        let [json, html] = ["run.json", "run.html"].map(|name| folder.path().join(name));
        let child = endless(&node, &[&json, &html], processes);
        until_load(&node);
        signal(&child, with);
        let output = child.wait_with_output().unwrap();
        let (table, errors) = told(&output);
        assert_eq!(output.status.code(), Some(0), "{table}{errors}");
        assert!(table.contains("then interrupted") && table.contains("delivery"), "{table}");
        assert!(errors.contains("ending the run; Ctrl-C once more"), "{errors}");
        let record: Record = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
        assert!(record.is_interrupted && record.measured_s > 0.0 && record.measured_s < 600.0);
        assert_eq!(count(&record, Measure::Delivery), 3 * count(&record, Measure::Reply));
        assert!(fs::read_to_string(&html).unwrap().contains("<svg"));
    }
}

#[test]
fn a_second_interrupt_ends_a_run_at_once() {
    let node = TestNode::start();
    let mut child = endless(&node, &[], 1);
    until_load(&node);
    signal(&child, Signal::INT);
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("ending the run"), "{line}");
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(Signal::INT.as_raw()), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn a_run_that_is_interrupted_before_it_measures_says_so_and_leaves_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost-loadgen"));
    command.args(["run", "fanout", "--url", &format!("tcp://{}", listener.local_addr().unwrap())]);
    command.arg("--json").arg(folder.path().join("run.json"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut client = listener.accept().unwrap().0;
    client.read_exact(&mut [0]).unwrap();
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let (_, errors) = told(&child.wait_with_output().unwrap());
    assert!(errors.contains("interrupted when 0 of 1001 clients were there"), "{errors}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_interrupted_ramp_tells_the_rates_that_were_tried_whole() {
    let node = TestNode::start();
    let settings = ["subscribers=3", "rate_per_s=50", "p99_ms=5000", "steps_max=20"];
    let stop = AtomicBool::new(false);
    let mut steps = 0;
    let record = run_until(&order("ramp-fanout", &node.tcp_url(), &settings), &stop, |progress| match progress {
        Progress::Step { .. } => steps += 1,
        Progress::Second { measured: true, .. } if steps == 2 => stop.store(true, Ordering::Relaxed),
        _ => {}
    });
    let record = record.unwrap();
    assert!(record.is_interrupted && record.is_good(), "{:?}", record.faults);
    assert_eq!(record.ramp.unwrap().steps.len(), 2);
}

#[test]
fn a_run_whose_server_dies_ends_when_all_its_clients_are_gone() {
    let mut node = TestNode::start();
    let settings = ["subscribers=5", "rate_per_s=50", "warm_up_s=0", "duration_s=600"];
    let record = run(&order("fanout", &node.tcp_url(), &settings), |progress| {
        if matches!(progress, Progress::Second { .. }) {
            node.stop();
        }
    });
    let record = record.unwrap();
    assert_eq!(record.faults.count(Fault::Disconnected), 6, "{:?}", record.faults);
    assert!(record.measured_s < 600.0, "nobody is left who could do anything");
}

#[test]
fn a_server_that_never_answers_is_given_up_with_a_question() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/connection/websocket", listener.local_addr().unwrap());
    let error = run(&order("ping", &url, &[]), |_| {}).unwrap_err().to_string();
    assert!(error.contains("never answered any of 10 clients") && error.contains("--url"), "{error}");
}

#[test]
fn a_server_of_another_protocol_is_told_from_one_that_refuses() {
    let node = TestNode::start();
    let http = node.websocket_url();
    let wrong_path = http.replace("/connection/websocket", "/chat");
    let not_tcp = http.replace("ws://", "tcp://").replace("/connection/websocket", "");
    for (url, expected) in [(wrong_path, "is the path of the URL right?"), (not_tcp, "protocol of --url")] {
        let error = run(&order("ping", &url, &[]), |_| {}).unwrap_err().to_string();
        assert!(error.contains("could not connect") && error.contains(expected), "{url}: {error}");
    }
    let error = run(&order("ping", "tcp://127.0.0.1:1", &[]), |_| {}).unwrap_err().to_string();
    assert!(error.contains("make run"), "{error}");
}

#[test]
fn more_clients_than_the_host_has_descriptors_for_are_refused_with_advice() {
    let program = env!("CARGO_BIN_EXE_ringpost-loadgen");
    let script = format!("ulimit -n 70 && exec {program} run idle --url tcp://127.0.0.1:1 --set clients=1000");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let (_, errors) = told(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("ulimit -Hn") && errors.contains("1000 connections"), "{errors}");
}

#[test]
fn files_that_cannot_be_written_are_refused_before_the_run() {
    for option in ["--json", "--html"] {
        // Nobody listens there, which would be the next thing to be told.
        let arguments = ["run", "ping", "--url", "tcp://127.0.0.1:1", option, "none/run"];
        let output = Command::new(env!("CARGO_BIN_EXE_ringpost-loadgen")).args(arguments).output().unwrap();
        let (_, errors) = told(&output);
        assert_eq!(output.status.code(), Some(2));
        assert!(errors.contains(option) && errors.contains("mkdir -p none"), "{errors}");
    }
}

#[test]
fn a_disk_that_is_full_at_the_end_is_told_beside_the_table() {
    let node = TestNode::start();
    let settings = ["--set", "warm_up_s=0", "--set", "duration_s=0.2", "--json", "/dev/full"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost-loadgen"));
    command.args(["run", "ping", "--url", &node.tcp_url(), "--secret", SECRET]).args(settings);
    let output = command.output().unwrap();
    let (table, errors) = told(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(table.contains("Every message came") && errors.contains("No space left"), "{table}{errors}");
}

#[test]
fn the_printed_command_makes_the_same_run_in_a_shell() {
    let node = TestNode::start();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("it's a run.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost-loadgen"));
    command.args(["run", "ping", "--url", &node.websocket_url(), "--set", "warm_up_s=0", "--set", "duration_s=0.2"]);
    let output = command.args(["--secret", SECRET, "--json"]).arg(&json).output().unwrap();
    let (table, errors) = told(&output);
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix("command")).expect(&errors).trim();
    assert!(line.contains("--secret \"$RINGPOST_LOADGEN_SECRET\"") && !table.contains(SECRET), "{line}");
    fs::remove_file(&json).unwrap();
    let again = Command::new("sh").args(["-c", line]).env("RINGPOST_LOADGEN_SECRET", SECRET).output().unwrap();
    let (table, errors) = told(&again);
    assert_eq!(again.status.code(), Some(0), "{errors}");
    assert!(table.contains(line) && json.exists(), "{table}");
    let without = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(told(&without).1.contains("set RINGPOST_LOADGEN_SECRET"), "{without:?}");
}

#[test]
fn scenarios_work_on_the_node_of_make_run_as_they_are() {
    let node = TestNode::with(|config| {
        let ports = (config.http_server.clone(), config.tcp_server.clone());
        *config = Config::dev();
        (config.http_server, config.tcp_server) = ports;
    });
    let few = ["subscribers=10", "rate_per_s=50"];
    let chat = ["users=200", "rooms=40", "duration_s=2", "reconnects_per_s=5", "pause_s=0.5"];
    let recovery = ["clients=50", "channels=5", "channel_prefix=chat:"];
    let scenarios: [(&str, &[&str]); 6] = [
        ("fanout", &few),
        ("publish", &[]),
        ("direct", &["users=30", "rate_per_s=100"]),
        ("idle", &["clients=50"]),
        ("chat", &chat),
        // By the hint that its refusal brings.
        ("recovery-storm", &recovery),
    ];
    for (name, settings) in scenarios {
        let mut order = order(name, &node.websocket_url(), settings);
        order.secret = None;
        let record = run(&order, |_| {}).unwrap();
        assert!(record.is_good(), "{name}: {:?}", record.faults);
    }
    let mut order = order("recovery-storm", &node.websocket_url(), &recovery[..2]);
    order.secret = None;
    let error = run(&order, |_| {}).unwrap_err().to_string();
    assert!(error.contains("--set channel_prefix=chat:"), "{error}");
}
