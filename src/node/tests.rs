//! How a node ends when a part of it panics.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use super::*;
use crate::broker::order::Order;

/// A node with two shards on one core, and clients that the kernel has spread over both.
fn node(reload: Reload) -> (Node, Vec<BufReader<TcpStream>>) {
    let mut config = Config::dev();
    (config.http_server.port, config.tcp_server.port) = (0, 0);
    (config.shards.cores, config.shards.per_core) = (cores::allowed().unwrap()[0].to_string(), 2);
    let node = Node::start(config, reload, Requests::new()).unwrap();
    let address = node.tcp_address.unwrap();
    let clients = (0..40).map(|_| {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(b"{\"id\":1,\"connect\":{}}\n").unwrap();
        let mut reader = BufReader::new(socket);
        assert!(reader.read_line(&mut String::new()).unwrap() > 0);
        reader
    });
    let clients = clients.collect();
    (node, clients)
}

/// How many of the clients were told to come again before they lost their connection; all lose it.
fn told_to_come_again(clients: Vec<BufReader<TcpStream>>) -> usize {
    let lines = |client: BufReader<TcpStream>| client.lines().map_while(Result::ok);
    clients.into_iter().filter_map(|client| lines(client).find(|line| line.contains("\"code\":3001"))).count()
}

#[test]
fn when_a_shard_panics_the_clients_of_the_others_are_told_and_the_node_ends_with_an_error() {
    let (mut node, clients) = node(Box::new(|| unreachable!("nobody asks")));
    let handle = node.handles.swap_remove(1);
    node.handles.clear();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(handle.order(Order::Panic)));
    drop(handle);
    let told = told_to_come_again(clients);
    assert!((1..40).contains(&told), "{told} of 40");
    let ended = node.wait().unwrap_err().to_string();
    assert!(ended.contains("panicked"), "{ended}");
}

#[test]
fn when_the_control_plane_panics_all_clients_are_told_and_the_node_ends_with_an_error() {
    let (mut node, clients) = node(Box::new(|| panic!("as a broken invariant does")));
    node.handles.clear();
    node.requests.ask(Request::Reload);
    assert_eq!(told_to_come_again(clients), 40);
    let ended = node.wait().unwrap_err().to_string();
    assert!(ended.contains("panicked"), "{ended}");
}

/// What the control plane does in the middle of its work, and how the node ends then.
fn ended_by(broken: fn()) -> String {
    let reload = move || {
        broken();
        Ok(Config::dev())
    };
    let (mut node, clients) = node(Box::new(reload));
    node.handles.clear();
    node.requests.ask(Request::Reload);
    assert_eq!(told_to_come_again(clients), 40);
    node.wait().unwrap_err().to_string()
}

#[test]
fn when_a_thread_panics_that_must_live_all_clients_are_told_and_the_node_ends_with_an_error() {
    let ended = ended_by(|| drop(vital::spawn("a worker", || panic!("as a broken invariant does"))));
    assert!(ended.contains("the thread `a worker`") && ended.contains("has panicked"), "{ended}");
}

#[test]
fn when_a_task_panics_on_a_thread_that_must_live_the_node_ends_though_the_runtime_catches_it() {
    let ended = ended_by(|| {
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async { drop(tokio::spawn(async { panic!("as a broken invariant does") }).await) });
        };
        drop(vital::spawn("a runtime", work));
    });
    assert!(ended.contains("the thread `a runtime`"), "{ended}");
}

#[test]
fn when_a_task_of_the_control_plane_panics_that_must_live_the_node_ends_with_an_error() {
    let ended = ended_by(|| drop(tokio::spawn(vital::task(async { panic!("as a broken invariant does") }))));
    assert!(ended.contains("the thread `control`"), "{ended}");
}
