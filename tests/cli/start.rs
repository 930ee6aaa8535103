//! Signals that come while a node starts.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use super::{Node, TEMPORARY};

/// What a node needs to start on loopback, and to leave at once.
const CONFIG: &str = "[http_server]\naddress = \"127.0.0.1\"\n[tcp_server]\naddress = \"127.0.0.1\"\n\
                      [shutdown]\ndrain_time = \"0s\"\n";

/// A configuration that a node waits for, as long as nothing is written to it.
fn pipe(name: &str) -> PathBuf {
    let path = PathBuf::from(TEMPORARY).join(name);
    if !fs::metadata(&path).is_ok_and(|about| about.file_type().is_fifo()) {
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe can be made");
    }
    path
}

/// A node that has got as far as reading its configuration.
fn starting(pipe: &Path) -> Node {
    let node = Node::start(&["--config", pipe.to_str().expect("the path is text")]);
    while !catches(&node, Signal::HUP) {
        std::thread::yield_now();
    }
    node
}

/// Whether a node has a handler for a signal (`SigCgt`, proc_pid_status(5)).
fn catches(node: &Node, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", node.0.id())).expect("the node is there");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("the kernel tells");
    u64::from_str_radix(caught.trim(), 16).expect("it is a number") & (1 << (signal.as_raw() - 1)) != 0
}

fn send(node: &Node, signal: Signal) {
    kill_process(Pid::from_child(&node.0), signal).expect("the node is there");
}

#[test]
fn sigterm_while_a_node_starts_ends_it_in_order() {
    let pipe = pipe("sigterm.toml");
    let mut node = starting(&pipe);
    send(&node, Signal::TERM);
    fs::write(&pipe, CONFIG).expect("the node reads");
    let ended = node.0.wait().expect("the node ends");
    assert!(ended.success(), "{ended}");
}

#[test]
fn sighup_while_a_node_starts_has_it_read_its_configuration_again() {
    let pipe = pipe("sighup.toml");
    let mut node = starting(&pipe);
    send(&node, Signal::HUP);
    fs::write(&pipe, CONFIG).expect("the node reads");
    assert!(node.banner().contains("WebSocket"));
    // Nobody could write if the node did not read a second time.
    fs::write(&pipe, CONFIG).expect("the node reads again");
    send(&node, Signal::TERM);
    assert!(node.0.wait().expect("the node ends").success());
}

#[test]
fn a_start_that_fails_is_no_orderly_end_whatever_was_asked() {
    let pipe = pipe("wrong-sigterm.toml");
    let mut node = starting(&pipe);
    send(&node, Signal::TERM);
    fs::write(&pipe, "nonsense = 1\n").expect("the node reads");
    assert_eq!(node.0.wait().expect("the node ends").code(), Some(1));
}
