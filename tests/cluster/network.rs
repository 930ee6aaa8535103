//! A network of hosts: namespaces with a router between them that drops what it is told to. Packets vanish; nobody is told.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::server::{Place, Server, wait};

/// What the router drops: all between two addresses, and what belongs to one connection of an address.
const RULES: &str = "table ip faults {
    set cut { type ipv4_addr . ipv4_addr; }
    set dead { type ipv4_addr . inet_service; }
    chain forward {
        type filter hook forward priority 0; policy accept;
        ip saddr . ip daddr @cut drop
        ip saddr . tcp sport @dead drop
        ip daddr . tcp dport @dead drop
    }
}";

/// A namespace, which ends with its owner.
struct Namespace(Child);

impl Namespace {
    fn new() -> Self {
        let own = fs::read_link("/proc/thread-self/ns/net").expect("every thread is in one");
        let holder = Command::new("unshare").args(["--net", "sleep", "600"]).stdin(Stdio::null()).spawn();
        let this = Self(holder.expect("tests/packages installs it"));
        wait("the namespace is there", || fs::read_link(this.path()).is_ok_and(|path| path != own));
        this
    }

    fn path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.0.id()).into()
    }

    /// What puts a command into it.
    fn through(&self) -> Vec<String> {
        vec!["nsenter".into(), format!("--net={}", self.path().display())]
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The router, in whose namespace the test is: nothing between it and a host is dropped.
pub(crate) struct Network {
    _router: Namespace,
    hosts: Vec<Namespace>,
}

/// Runs a test in a network of its own. Without root there is none, and nothing is tested.
pub(crate) fn in_a_network(test: impl FnOnce(&mut Network) + Send) {
    if !geteuid().is_root() {
        eprintln!("skipped: namespaces take root");
        return;
    }
    let ended = thread::scope(|scope| scope.spawn(|| test(&mut Network::new())).join());
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

impl Network {
    /// Moves the thread into it.
    fn new() -> Self {
        let router = Namespace::new();
        let file = File::open(router.path()).expect("it is there");
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may");
        done(Command::new("ip").args(["link", "set", "lo", "up"]));
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("root may");
        done(Command::new("nft").arg(RULES));
        Self { _router: router, hosts: Vec::new() }
    }

    /// One more host.
    pub(crate) fn host(&mut self) -> Place {
        let (host, number) = (Namespace::new(), self.hosts.len() + 1);
        let (outside, net) = (format!("host{number}"), format!("10.77.{number}"));
        let pid = host.0.id().to_string();
        let link = ["link", "add", &outside, "type", "veth", "peer", "name", "eth0", "netns", &pid];
        done(Command::new("ip").args(link));
        done(Command::new("ip").args(["address", "add", &format!("{net}.1/24"), "dev", &outside]));
        done(Command::new("ip").args(["link", "set", &outside, "up"]));
        let (place, router) = (Place { address: format!("{net}.2"), through: host.through() }, format!("{net}.1"));
        done(place.command("ip").args(["address", "add", &format!("{net}.2/24"), "dev", "eth0"]));
        for device in ["lo", "eth0"] {
            done(place.command("ip").args(["link", "set", device, "up"]));
        }
        done(place.command("ip").args(["route", "add", "default", "via", &router]));
        self.hosts.push(host);
        place
    }

    /// From now on nothing comes through between two hosts.
    pub(crate) fn cut(&self, one: &Place, other: &Place) {
        let (one, other) = (&one.address, &other.address);
        self.add("cut", &format!("{one} . {other}, {other} . {one}"));
    }

    /// From now on nothing of a host's connections from these ports comes through. Others do.
    pub(crate) fn end_connections(&self, from: &Place, ports: &[String]) {
        let ends: Vec<_> = ports.iter().map(|port| format!("{} . {port}", from.address)).collect();
        self.add("dead", &ends.join(", "));
    }

    fn add(&self, set: &str, elements: &str) {
        done(Command::new("nft").arg(format!("add element ip faults {set} {{ {elements} }}")));
    }

    /// All hosts reach each other again.
    pub(crate) fn heal(&self) {
        done(Command::new("nft").arg("flush set ip faults cut"));
    }
}

fn done(command: &mut Command) {
    let output = command.output().expect("tests/packages installs it");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The ports from which a host has connections to a server: all, or those that listen to channels (`pubsub`).
pub(crate) fn ports(server: &Server, from: &Place, kind: &str) -> Vec<String> {
    let clients = server.cli(&["CLIENT", "LIST", "TYPE", kind]);
    let address = format!("addr={}:", from.address);
    let ports = clients.lines().filter_map(|line| line.split(' ').find_map(|word| word.strip_prefix(&address)));
    ports.map(str::to_owned).collect()
}
