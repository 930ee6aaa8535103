//! A node that is stopped and goes on, as by a debugger or a host that is short.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Node, file};

#[test]
fn clients_that_said_connect_while_the_node_was_stopped_are_welcomed() {
    let config = "[http_server]\naddress = \"127.0.0.1\"\n[tcp_server]\naddress = \"127.0.0.1\"\n\
                  [client]\ninsecure = true\nstale_close_delay = \"2s\"\n[shutdown]\ndrain_time = \"0s\"\n";
    let config = file("pause.toml", config);
    let mut node = Node::start(&["--config", config.to_str().expect("the path is text")]);
    let banner = node.banner();
    let (_, tcp) = banner.split_once("TCP").expect("it prints where to connect");
    let tcp = tcp.trim_start().split(',').next().expect("the address comes first");
    let mut clients: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut client = TcpStream::connect(tcp).expect("the node accepts");
            client.set_read_timeout(Some(Duration::from_secs(20))).expect("sockets take timeouts");
            // The session begins with the first bytes.
            client.write_all(b"{\"").expect("the node reads");
            client
        })
        .collect();
    // Let the node see the first bytes.
    std::thread::sleep(Duration::from_millis(300));
    let process = Pid::from_child(&node.0);
    kill_process(process, Signal::STOP).expect("the node is there");
    for client in &mut clients {
        client.write_all(b"id\":1,\"connect\":{}}\n").expect("the kernel takes it");
    }
    std::thread::sleep(Duration::from_secs(3));
    kill_process(process, Signal::CONT).expect("the node is there");
    for client in clients {
        let mut line = String::new();
        BufReader::new(client).read_line(&mut line).expect("the node answers");
        assert!(line.contains("\"connect\":{\"client\""), "{line}");
    }
    kill_process(process, Signal::TERM).expect("the node is there");
    assert!(node.0.wait().expect("the node ends").success());
}
