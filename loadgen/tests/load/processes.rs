//! Runs of several load processes, which are those of the real program.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use procfs::process::Process;
use ringpost_loadgen::fault::Fault;
use ringpost_loadgen::measure::{Count, Measure};
use ringpost_loadgen::run::{Order, Progress, run};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use rustix::thread::gettid;

use crate::chat;
use crate::harness::{SECRET, TestNode, count, order, record, record_with_restart};
use crate::proxy::{self, Mischief};

fn shared(name: &str, url: &str, settings: &[&str]) -> Order {
    Order { processes: Some(3), ..order(name, url, settings) }
}

/// The processes that this thread has started and not ended.
fn children() -> Vec<Pid> {
    let task = Process::myself().unwrap().task_from_tid(gettid().as_raw_nonzero().get()).unwrap();
    task.children().unwrap().into_iter().filter_map(|child| Pid::from_raw(child as i32)).collect()
}

#[test]
fn subscribers_hear_the_publishers_of_other_processes() {
    let node = TestNode::start();
    for url in [node.websocket_url(), node.tcp_url()] {
        let settings = ["publishers=2", "subscribers=10", "rate_per_s=100", "warm_up_s=0", "duration_s=2"];
        let record = record(&shared("fanout", &url, &settings));
        assert!(record.is_good(), "{:?}", record.faults);
        let messages = count(&record, Measure::Reply);
        assert_eq!(messages + record.behind, 200);
        assert_eq!(count(&record, Measure::Delivery), 10 * messages);
        assert_eq!(record.clients, 12);
        assert_eq!(record.server_version, ringpost::VERSION);
        assert_eq!((record.seconds.len(), record.busy_by_process.len()), (2, 3));
        let within: u64 = record.seconds.iter().map(|second| second.measures[&Measure::Reply].count).sum();
        assert!(within > 150, "each second has what all processes measured: {:?}", record.seconds);
    }
}

#[test]
fn the_clients_of_a_storm_come_from_all_processes() {
    let node = TestNode::start();
    let url = node.websocket_url();
    for (name, measure) in [("connect-storm", Measure::Connect), ("reconnect-storm", Measure::Reconnect)] {
        let record = record(&shared(name, &url, &["clients=100", "channels=7", "duration_s=3"]));
        assert!(record.is_good(), "{name}: {:?}", record.faults);
        assert_eq!(count(&record, measure), 100, "{name}");
    }
}

#[test]
fn slow_readers_are_cut_off_in_the_process_that_they_are_in() {
    let node = TestNode::with(|config| config.client.queue_max_size = 65_536);
    let settings = ["subscribers=10", "share=0.4", "rate_per_s=400", "payload_bytes=10000", "warm_up_s=0"];
    let record = record(&shared("slow", &node.tcp_url(), &[&settings[..], &["duration_s=2"]].concat()));
    assert!(record.is_good(), "{:?}", record.faults);
    let slow = record.slow.as_ref().unwrap();
    assert_eq!((slow.stopped, slow.caught_up, slow.cut.values().sum()), (4, 0, 4), "{slow:?}");
    assert!(count(&record, Measure::Delivery) >= 6 * count(&record, Measure::Reply), "the others hear everything");
}

#[test]
fn every_step_of_a_ramp_is_what_all_processes_measured() {
    let node = TestNode::start();
    // Without a warm-up no message is in it for some of those who hear it and in the measured time for others.
    let settings = ["subscribers=5", "rate_per_s=50", "steps_max=2", "p99_ms=2000", "warm_up_s=0"];
    let record = record(&shared("ramp-fanout", &node.tcp_url(), &settings));
    assert!(record.is_good(), "{:?}", record.ramp);
    assert_eq!((record.ramp.as_ref().unwrap().steps.len(), record.busy_by_process.len()), (2, 3));
    assert_eq!(count(&record, Measure::Delivery), 5 * count(&record, Measure::Reply));
}

#[test]
fn each_process_has_a_chat_of_its_own() {
    let node = TestNode::with(chat::namespaces);
    let record = record(&shared("chat", &node.tcp_url(), &[&chat::BUSY[..], &["users=100", "rooms=20"]].concat()));
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!((record.clients, record.busy_by_process.len()), (100, 3));
    for count in [Count::InRooms, Count::Direct, Count::Typing, Count::Moves, Count::Drops, Count::Recovered] {
        assert!(record.counts.get(&count).is_some_and(|count| *count > 10), "{count:?} in {:?}", record.counts);
    }
    let asked = count(&record, Measure::Presence);
    assert!((40..=60).contains(&asked), "all together ask as often as one would: {asked}");
}

#[test]
fn chats_that_would_be_too_small_are_refused_with_the_reason() {
    let node = TestNode::start();
    let settings = ["users=4", "rooms=4", "rooms_per_user=1", "zipf=0", "reconnects_per_s=0"];
    let error = run(&shared("chat", &node.tcp_url(), &settings), |_| {}).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("3 load processes") && error.contains("it takes two"), "{error}");
}

#[test]
fn clients_of_all_processes_come_back_to_a_server_that_restarts() {
    let mut node = TestNode::start();
    let settings = ["clients=60", "channels=5", "duration_s=5", "backoff_s=0.05"];
    let record = record_with_restart(&shared("restart", &node.tcp_url(), &settings), &mut node);
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!((count(&record, Measure::Reconnect), record.busy_by_process.len()), (60, 3));
}

#[test]
fn a_closed_loop_has_its_rooms_whole_and_goes_round() {
    let node = TestNode::start();
    let settings = ["channels=4", "publishers=2", "subscribers=5", "outstanding=2"];
    let record = record(&shared("fanout-rooms", &node.tcp_url(), &settings));
    assert!(record.is_good(), "{:?}", record.faults);
    assert!(count(&record, Measure::Delivery) > 100, "{:?}", record.whole);
}

#[test]
fn clients_come_from_all_processes_at_the_rate_that_was_asked_of_them_together() {
    let node = TestNode::start();
    let settings = ["rate_per_s=200", "stay_s=0.1", "warm_up_s=0"];
    let record = record(&shared("connect", &node.websocket_url(), &settings));
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!(count(&record, Measure::Connect) + record.behind, 200);
}

#[test]
fn what_is_lost_between_processes_is_found_even_at_the_end() {
    let node = TestNode::start();
    let tcp = node.tcp_url().trim_start_matches("tcp://").parse().unwrap();
    // Ten messages to three subscribers, and the 31st delivery goes missing; or the last one of all.
    for (rate_per_s, lost) in [("rate_per_s=50", 1), ("rate_per_s=10.33", 1)] {
        let settings = ["subscribers=3", "warm_up_s=0", rate_per_s];
        let record = record(&shared("fanout", &proxy::start(tcp, Mischief::Drop), &settings));
        assert_eq!(record.faults.counts().collect::<Vec<_>>(), [(Fault::Lost, lost)], "{:?}", record.faults);
    }
}

#[test]
fn refused_messages_are_not_lost_in_other_processes() {
    let node = TestNode::with(|config| config.channel.without_namespace.allow_publish_for_client = false);
    let record = record(&shared("fanout", &node.tcp_url(), &["subscribers=3", "rate_per_s=50"]));
    let kinds: Vec<_> = record.faults.counts().map(|(fault, _)| fault).collect();
    assert_eq!(kinds, [Fault::Refused], "{:?}", record.faults);
}

#[test]
fn clients_that_are_not_let_in_end_the_run_with_advice() {
    let node = TestNode::start();
    let mut order = shared("fanout", &node.tcp_url(), &["subscribers=30"]);
    order.secret = None;
    let error = run(&order, |_| {}).unwrap_err().to_string();
    assert!(error.contains("--secret"), "{error}");
}

#[test]
fn a_load_process_that_is_killed_ends_the_run_and_none_is_left() {
    let node = TestNode::start();
    let order = shared("fanout", &node.tcp_url(), &["subscribers=30", "duration_s=60"]);
    let (children_in, children_out) = mpsc::channel();
    let runner = thread::spawn(move || {
        run(&order, |progress| {
            if matches!(progress, Progress::Second { measured: true, .. }) {
                let started = children();
                assert_eq!(started.len(), 3);
                kill_process(started[0], Signal::KILL).unwrap();
                let _ = children_in.send(started);
            }
        })
    });
    let started = children_out.recv().unwrap();
    let error = runner.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("ended before its time"), "{error}");
    assert!(started.into_iter().all(|child| test_kill_process(child).is_err()));
}

#[test]
fn load_processes_end_with_the_one_that_started_them() {
    let node = TestNode::start();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost-loadgen"));
    command.args(["run", "idle", "--set", "clients=30", "--set", "duration_s=600", "--processes", "3"]);
    command.args(["--url", &node.tcp_url(), "--secret", SECRET]).stderr(Stdio::null());
    let mut starter = command.spawn().unwrap();
    let main = Process::new(starter.id() as i32).unwrap().task_main_thread().unwrap();
    let mut started = Vec::new();
    while started.len() < 3 {
        started = main.children().unwrap();
    }
    starter.kill().unwrap();
    starter.wait().unwrap();
    // Nobody may have waited for those that have ended.
    let runs = |pid: &u32| Process::new(*pid as i32).and_then(|process| process.stat()).is_ok_and(|at| at.state != 'Z');
    while started.iter().any(runs) {
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn more_processes_than_rooms_are_refused_with_advice() {
    let node = TestNode::start();
    let error = run(&shared("fanout", &node.tcp_url(), &["subscribers=3", "outstanding=1"]), |_| {}).unwrap_err();
    assert!(error.to_string().contains("outstanding=0"), "{error}");
}
