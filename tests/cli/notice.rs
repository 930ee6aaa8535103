//! What systemd hears of a node: a socket of ours takes its place.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Node, file, ringpost};

#[test]
fn systemd_is_told_when_a_node_serves_reloads_and_drains() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&path).expect("a socket can be bound");
    systemd.set_read_timeout(Some(Duration::from_secs(20))).expect("sockets take timeouts");
    let hears = || {
        let mut bytes = [0; 256];
        let length = systemd.recv(&mut bytes).expect("the node tells");
        String::from_utf8(bytes[..length].to_vec()).expect("it is text")
    };
    let config = file("notice.toml", "[http_server]\naddress = \"127.0.0.1\"\n[shutdown]\ndrain_time = \"0s\"\n");
    let mut command = ringpost(&["serve", "--config", config.to_str().expect("the path is text")]);
    command.env("RINGPOST_HTTP_SERVER__PORT", "0").env("RINGPOST_TCP_SERVER__PORT", "0").env("NOTIFY_SOCKET", &path);
    let mut node = Node(command.stdout(Stdio::null()).spawn().expect("the node starts"));
    assert_eq!(hears(), "READY=1\n");
    let process = Pid::from_child(&node.0);
    kill_process(process, Signal::HUP).expect("the node is there");
    assert!(hears().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(hears(), "READY=1\n");
    kill_process(process, Signal::TERM).expect("the node is there");
    assert_eq!(hears(), "STOPPING=1\n");
    assert!(node.0.wait().expect("the node ends").success());
}
